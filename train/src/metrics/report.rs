//! Precision, recall and F1 of each class, as a table.

use std::fmt;

use gradus_autograd::{Float, Tensor};

use super::{Average, ConfusionMatrix};

/// What scikit-learn's `classification_report` prints.
///
/// ```
/// use gradus_autograd::Tensor;
/// use gradus_train::ClassificationReport;
/// let predictions: Tensor = Tensor::from([[0.9], [0.6], [0.8], [0.7]]);
/// let report = ClassificationReport::of(&predictions, &Tensor::from([[0.0], [0.0], [1.0], [1.0]]));
/// assert!(report.to_string().contains("accuracy"));
/// assert_eq!(report.matrix.recall(1), 1.0);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ClassificationReport {
    /// What the numbers come of.
    pub matrix: ConfusionMatrix,
}

impl ClassificationReport {
    /// Of predictions and targets, as [`ConfusionMatrix::of`].
    ///
    /// # Panics
    /// When they do not fit each other, or a target is no class.
    #[track_caller]
    pub fn of<T: Float>(predictions: &Tensor<T>, targets: &Tensor<T>) -> Self {
        ClassificationReport { matrix: ConfusionMatrix::of(predictions, targets) }
    }

    /// With names for the classes, by number.
    pub fn named(self, names: &[String]) -> Self {
        ClassificationReport { matrix: self.matrix.named(names) }
    }
}

impl fmt::Display for ClassificationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let m = &self.matrix;
        let names = (0..m.classes()).map(|class| m.name(class).chars().count());
        let width = names.chain(["weighted avg".len()]).max().unwrap_or(0);
        let numbers: [fn(&ConfusionMatrix, usize) -> f64; 3] =
            [ConfusionMatrix::precision, ConfusionMatrix::recall, ConfusionMatrix::f1];
        let row = |f: &mut fmt::Formatter<'_>, name: &str, of: [f64; 3], support: u64| {
            let [p, r, f1] = of;
            writeln!(f, "{name:>width$}  {p:>9.2} {r:>9.2} {f1:>9.2} {support:>9}")
        };
        writeln!(f, "{:>width$}  precision    recall  f1-score   support\n", "")?;
        for class in 0..m.classes() {
            row(f, &m.name(class), numbers.map(|of| of(m, class)), m.support(class))?;
        }
        let (accuracy, total) = (m.accuracy(), m.total());
        writeln!(f, "\n{:>width$}  {:>9} {:>9} {accuracy:>9.2} {total:>9}", "accuracy", "", "")?;
        for (name, average) in [("macro avg", Average::Macro), ("weighted avg", Average::Weighted)]
        {
            row(f, name, numbers.map(|of| m.average(average, of)), total)?;
        }
        Ok(())
    }
}
