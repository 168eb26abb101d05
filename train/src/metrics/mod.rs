//! Metrics: what a person reads, beside the loss. In a trait, what all are; one idea a file.
//!
//! Labels and classes are read as [`Accuracy`] reads them: one output a sample is the probability of class 1, several
//! are one a class, and the targets are then class numbers or one-hot rows.

use gradus_autograd::{Float, Tensor};

mod accuracy;
mod averaged;
mod confusion;
mod curves;
mod log_loss;
mod regression;
mod report;

pub use accuracy::{Accuracy, BinaryAccuracy, CategoricalAccuracy, TopKAccuracy};
pub use averaged::{Average, CohenKappa, F1, MatthewsCorrelation, Precision, Recall};
pub use confusion::ConfusionMatrix;
pub use curves::{PrAuc, PrPoint, RocAuc, RocPoint, precision_recall_curve, roc_curve};
pub use log_loss::LogLoss;
pub use regression::{
    MeanAbsoluteError, MeanAbsolutePercentageError, MeanSquaredError, R2, RootMeanSquaredError,
};
pub use report::ClassificationReport;

/// Which way a number gets better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smaller is better: losses.
    Min,
    /// Larger is better: accuracies.
    Max,
}

impl Direction {
    /// Whether `new` is better than `old` by more than `min_delta`. NaN never is.
    pub fn is_better(self, new: f64, old: f64, min_delta: f64) -> bool {
        match self {
            Direction::Min => new < old - min_delta,
            Direction::Max => new > old + min_delta,
        }
    }
}

/// A number about predictions and targets, gathered over batches.
pub trait Metric<T: Float = f32>: Send {
    /// The word for it in a history.
    fn name(&self) -> &'static str;
    /// Which way it gets better.
    fn direction(&self) -> Direction;
    /// Takes in a batch.
    fn update(&mut self, predictions: &Tensor<T>, targets: &Tensor<T>);
    /// The number over all batches; NaN if there were none.
    fn result(&self) -> f64;
    /// The same metric, before any batch.
    fn fresh(&self) -> Box<dyn Metric<T>>;
    /// What has been gathered so far, as numbers, for a backup within an epoch; `None` if it cannot be told.
    fn state(&self) -> Option<Vec<f64>> {
        None
    }
    /// Takes up what [`state`](Metric::state) told; `false` if these numbers are none of this metric's.
    fn set_state(&mut self, state: &[f64]) -> bool {
        let _ = state;
        false
    }
}

/// A prediction, or a target, as numbers.
fn numbers<T: Float>(x: &Tensor<T>) -> Vec<f64> {
    x.to_vec().into_iter().map(T::to_f64).collect()
}

/// The number of the largest; the first of several, 0 where all are NaN.
fn largest(row: &[f64]) -> usize {
    let better = |best: usize, i: usize| if row[i] > row[best] { i } else { best };
    (0..row.len()).reduce(better).unwrap_or(0)
}

/// The outputs of a batch beside its true classes.
pub(crate) struct Classified {
    /// Outputs a sample; 1 stands for two classes.
    pub(crate) width: usize,
    pub(crate) outputs: Vec<f64>,
    pub(crate) labels: Vec<usize>,
}

impl Classified {
    /// Reads predictions `[n, width]` or `[n]`, and targets that are classes, `[n]` or `[n, 1]`, or one-hot,
    /// `[n, width]`.
    ///
    /// # Panics
    /// When they do not fit each other, or a target is no class.
    #[track_caller]
    pub(crate) fn of<T: Float>(metric: &str, predictions: &Tensor<T>, targets: &Tensor<T>) -> Self {
        let (outputs, t) = (numbers(predictions), numbers(targets));
        let width = match predictions.shape() {
            [_] | [] => 1,
            [.., width] => (*width).max(1),
        };
        let rows = outputs.len() / width;
        let one_hot = width > 1 && t.len() == outputs.len();
        assert!(
            one_hot || t.len() == rows,
            "{metric}: predictions {:?} and targets {:?} do not fit each other",
            predictions.shape(),
            targets.shape()
        );
        let label = |t: &f64| {
            let is_class = t.fract() == 0.0 && (0.0..width as f64).contains(t);
            assert!(
                is_class,
                "{metric}: the target {t} is none of {width} classes, 0 to {}",
                width - 1
            );
            *t as usize
        };
        let labels = match (width, one_hot) {
            (1, _) => t.iter().map(|&t| usize::from(t > 0.5)).collect(),
            (_, true) => t.chunks_exact(width).map(largest).collect(),
            (_, false) => t.iter().map(label).collect(),
        };
        Classified { width, outputs, labels }
    }

    /// The predicted class and the true one, a sample. A single output is class 1 above the threshold.
    pub(crate) fn pairs(&self, threshold: f64) -> impl Iterator<Item = (usize, usize)> + '_ {
        let predicted = self.outputs.chunks_exact(self.width).map(move |row| match row {
            [output] => usize::from(*output > threshold),
            row => largest(row),
        });
        predicted.zip(self.labels.iter().copied())
    }

    /// How many classes there are.
    fn classes(&self) -> usize {
        self.width.max(2)
    }
}
