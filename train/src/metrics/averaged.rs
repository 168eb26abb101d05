//! Numbers that come of a confusion matrix.

use gradus_autograd::{Float, Tensor};

use super::{Classified, ConfusionMatrix, Direction, Metric};

/// How a number of each class becomes one, as in scikit-learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// The mean over classes, each with the same weight.
    Macro,
    /// Of the counts of all classes together. With one class a sample, precision, recall and F1 are all the accuracy.
    Micro,
    /// The mean over classes, each with the weight of its samples.
    Weighted,
}

impl ConfusionMatrix {
    /// The average over classes of [`precision`](Self::precision), [`recall`](Self::recall) or [`f1`](Self::f1):
    /// `matrix.average(Average::Macro, ConfusionMatrix::f1)`. A class that is neither there nor predicted counts only
    /// with the weight 0.
    pub fn average(&self, average: Average, of: fn(&Self, usize) -> f64) -> f64 {
        let present = (0..self.classes()).filter(|&c| self.support(c) > 0 || self.predicted(c) > 0);
        let weighted = |weight: &dyn Fn(usize) -> f64| {
            let (mut sum, mut weights) = (0.0, 0.0);
            for class in present.clone() {
                sum += of(self, class) * weight(class);
                weights += weight(class);
            }
            sum / weights
        };
        match average {
            Average::Micro => self.accuracy(),
            Average::Macro => weighted(&|_| 1.0),
            Average::Weighted => weighted(&|class| self.support(class) as f64),
        }
    }

    /// The correlation of Matthews, of Gorodkin for several classes: 1 is perfect, 0 no better than chance. 0 where
    /// all samples are of one class, or taken for one.
    pub fn matthews_correlation(&self) -> f64 {
        let (total, right) = (self.total() as f64, self.right() as f64);
        let margins = |of: fn(&Self, usize) -> u64, with: fn(&Self, usize) -> u64| -> f64 {
            (0..self.classes()).map(|c| of(self, c) as f64 * with(self, c) as f64).sum()
        };
        let both = margins(Self::support, Self::predicted);
        let labels = total * total - margins(Self::support, Self::support);
        let predicted = total * total - margins(Self::predicted, Self::predicted);
        match labels * predicted {
            0.0 => 0.0,
            product => (right * total - both) / product.sqrt(),
        }
    }

    /// Cohen's kappa: by how much the agreement is better than that of chance, (p − e)/(1 − e). NaN where chance alone
    /// agrees always.
    pub fn cohen_kappa(&self) -> f64 {
        let total = self.total() as f64;
        let chance = |c| (self.support(c) as f64 / total) * (self.predicted(c) as f64 / total);
        let expected: f64 = (0..self.classes()).map(chance).sum();
        (self.accuracy() - expected) / (1.0 - expected)
    }
}

/// The methods of a metric that comes of a matrix.
macro_rules! of_matrix {
    ($($name:ident $text:literal: $doc:literal, |$self:ident| $result:expr;)*) => {$(
        #[doc = $doc]
        #[derive(Clone, Debug, Default)]
        pub struct $name {
            threshold: Option<f64>,
            #[allow(dead_code, reason = "some are no averages")]
            average: Option<Average>,
            matrix: ConfusionMatrix,
        }

        impl $name {
            /// A single output a sample is class 1 above 0.5.
            pub fn new() -> Self {
                Self::default()
            }
            /// Another threshold for a single output a sample: 0 for logits.
            pub fn threshold(self, threshold: f64) -> Self {
                Self { threshold: Some(threshold), ..self }
            }
        }

        impl<T: Float> Metric<T> for $name {
            fn name(&self) -> &'static str {
                $text
            }
            fn direction(&self) -> Direction {
                Direction::Max
            }
            #[track_caller]
            fn update(&mut self, predictions: &Tensor<T>, targets: &Tensor<T>) {
                let batch = Classified::of($text, predictions, targets);
                self.matrix.add(&batch, self.threshold.unwrap_or(0.5));
            }
            fn result(&self) -> f64 {
                let $self = self;
                if self.matrix.total() == 0 { f64::NAN } else { $result }
            }
            fn fresh(&self) -> Box<dyn Metric<T>> {
                Box::new(Self { matrix: ConfusionMatrix::default(), ..*self })
            }
            fn state(&self) -> Option<Vec<f64>> {
                Some(self.matrix.state())
            }
            fn set_state(&mut self, state: &[f64]) -> bool {
                self.matrix.set_state(state)
            }
        }
    )*};
}

/// The method of those that are averages.
macro_rules! averaged {
    ($($name:ident)*) => {$(
        impl $name {
            /// How classes are averaged. By default, two classes give the number of class 1, several the macro average.
            pub fn average(self, average: Average) -> Self {
                Self { average: Some(average), ..self }
            }
        }
    )*};
}

of_matrix! {
    Precision "precision": "Of the samples taken for a class, the part that is of it; 0 if there is none.",
        |m| averaged(&m.matrix, m.average, ConfusionMatrix::precision);
    Recall "recall": "Of the samples of a class, the part that was found; 0 if there is none.",
        |m| averaged(&m.matrix, m.average, ConfusionMatrix::recall);
    F1 "f1": "The harmonic mean of precision and recall, 0 if both are; averaged over classes after that.",
        |m| averaged(&m.matrix, m.average, ConfusionMatrix::f1);
    MatthewsCorrelation "matthews_correlation":
        "[`ConfusionMatrix::matthews_correlation`], gathered over batches.",
        |m| m.matrix.matthews_correlation();
    CohenKappa "cohen_kappa": "[`ConfusionMatrix::cohen_kappa`], gathered over batches.",
        |m| m.matrix.cohen_kappa();
}
averaged!(Precision Recall F1);

fn averaged(
    matrix: &ConfusionMatrix,
    average: Option<Average>,
    of: fn(&ConfusionMatrix, usize) -> f64,
) -> f64 {
    match average {
        None if matrix.classes() == 2 => of(matrix, 1),
        average => matrix.average(average.unwrap_or(Average::Macro), of),
    }
}
