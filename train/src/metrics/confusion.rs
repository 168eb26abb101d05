//! How often which class was taken for which.

use std::fmt;

use gradus_autograd::{Float, Tensor};

use super::Classified;

/// A table of counts: a row for each true class, a column for each predicted one, as in scikit-learn.
///
/// ```
/// use gradus_autograd::Tensor;
/// use gradus_train::ConfusionMatrix;
/// let predictions: Tensor = Tensor::from([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]]);
/// let found = ConfusionMatrix::of(&predictions, &Tensor::from([0.0, 0.0, 1.0]));
/// assert_eq!((found.count(0, 0), found.count(0, 1), found.count(1, 1)), (1, 1, 1));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfusionMatrix {
    classes: usize,
    counts: Vec<u64>,
    names: Vec<String>,
}

impl ConfusionMatrix {
    /// Of predictions `[n]`, `[n, 1]` (probabilities of class 1, against 0.5) or `[n, classes]`, and targets that are
    /// class numbers or one-hot rows.
    ///
    /// # Panics
    /// When they do not fit each other, or a target is no class.
    #[track_caller]
    pub fn of<T: Float>(predictions: &Tensor<T>, targets: &Tensor<T>) -> Self {
        let mut matrix = ConfusionMatrix::default();
        matrix.update(predictions, targets, 0.5);
        matrix
    }

    /// Adds a batch; a single output a sample is class 1 above `threshold`.
    ///
    /// # Panics
    /// Those of [`of`](Self::of), and when the batch has another number of classes than those before.
    #[track_caller]
    pub fn update<T: Float>(
        &mut self,
        predictions: &Tensor<T>,
        targets: &Tensor<T>,
        threshold: f64,
    ) {
        self.add(&Classified::of("confusion matrix", predictions, targets), threshold);
    }

    #[track_caller]
    pub(super) fn add(&mut self, batch: &Classified, threshold: f64) {
        if self.classes == 0 {
            self.set(batch.classes(), vec![0; batch.classes() * batch.classes()]);
        }
        assert!(
            self.classes == batch.classes(),
            "confusion matrix: a batch of {} classes after one of {}",
            batch.classes(),
            self.classes
        );
        for (predicted, label) in batch.pairs(threshold) {
            self.counts[label * self.classes + predicted] += 1;
        }
    }

    fn set(&mut self, classes: usize, counts: Vec<u64>) {
        (self.classes, self.counts) = (classes, counts);
    }

    /// With names for the classes, by number: [`Dataset::class_names`](gradus_data::Dataset::class_names).
    pub fn named(mut self, names: &[String]) -> Self {
        self.names = names.to_vec();
        self
    }

    /// How many classes there are; 0 before the first batch.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The name of a class; its number if it has none.
    pub fn name(&self, class: usize) -> String {
        self.names.get(class).cloned().unwrap_or_else(|| class.to_string())
    }

    /// How many samples of `label` were taken for `predicted`.
    ///
    /// # Panics
    /// When there is no such class.
    #[track_caller]
    pub fn count(&self, label: usize, predicted: usize) -> u64 {
        let classes = self.classes;
        assert!(
            label < classes && predicted < classes,
            "confusion matrix: no entry {label}, {predicted}: there are {classes} classes"
        );
        self.counts[label * classes + predicted]
    }

    /// How many samples there are.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
    /// How many samples were predicted right.
    pub fn right(&self) -> u64 {
        (0..self.classes).map(|class| self.count(class, class)).sum()
    }
    /// How many samples are of a class.
    pub fn support(&self, class: usize) -> u64 {
        (0..self.classes).map(|other| self.count(class, other)).sum()
    }
    /// How many samples were taken for a class.
    pub fn predicted(&self, class: usize) -> u64 {
        (0..self.classes).map(|other| self.count(other, class)).sum()
    }
    /// Of those taken for the class, the part that is of it; 0 if there is none.
    pub fn precision(&self, class: usize) -> f64 {
        ratio(self.count(class, class), self.predicted(class))
    }
    /// Of those of the class, the part that was found; 0 if there is none.
    pub fn recall(&self, class: usize) -> f64 {
        ratio(self.count(class, class), self.support(class))
    }
    /// The harmonic mean of precision and recall; 0 if both are.
    pub fn f1(&self, class: usize) -> f64 {
        ratio(2 * self.count(class, class), self.predicted(class) + self.support(class))
    }
    /// The part that was predicted right.
    pub fn accuracy(&self) -> f64 {
        self.right() as f64 / self.total() as f64
    }

    pub(super) fn state(&self) -> Vec<f64> {
        self.counts.iter().map(|&count| count as f64).collect()
    }
    pub(super) fn set_state(&mut self, state: &[f64]) -> bool {
        let classes = state.len().isqrt();
        self.set(classes, state.iter().map(|&count| count as u64).collect());
        classes * classes == state.len()
    }
}

/// 0/0 is 0, as in Keras and scikit-learn.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The table, rows the true classes.
impl fmt::Display for ConfusionMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.classes == 0 {
            return f.write_str("no samples");
        }
        let names: Vec<String> = (0..self.classes).map(|class| self.name(class)).collect();
        let longest = |texts: &[String]| texts.iter().map(|t| t.chars().count()).max().unwrap_or(0);
        let counts: Vec<String> = self.counts.iter().map(u64::to_string).collect();
        let (head, cell) = ("true \\ predicted", longest(&names).max(longest(&counts)));
        let first = longest(&names).max(head.len());
        write!(f, "{head:<first$}")?;
        names.iter().try_for_each(|name| write!(f, "  {name:>cell$}"))?;
        for (name, row) in names.iter().zip(counts.chunks(self.classes)) {
            write!(f, "\n{name:<first$}")?;
            row.iter().try_for_each(|count| write!(f, "  {count:>cell$}"))?;
        }
        Ok(())
    }
}
