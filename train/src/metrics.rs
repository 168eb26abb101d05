//! Metrics: what a person reads, beside the loss.

use gradus_autograd::{Float, Tensor};

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
}

/// The part of samples that are predicted right, as Keras' `"accuracy"`: with one output a sample, the
/// probability against a threshold of 0.5; with several, the largest one against the class, or against
/// the largest target where those are one-hot.
#[derive(Clone, Copy, Debug)]
pub struct Accuracy {
    threshold: f64,
    right: usize,
    seen: usize,
}

impl Accuracy {
    /// For outputs that are probabilities or several classes.
    pub const fn new() -> Self {
        Accuracy { threshold: 0.5, right: 0, seen: 0 }
    }
    /// For a single output that is a logit: the threshold is 0.
    pub const fn from_logits() -> Self {
        Accuracy { threshold: 0.0, right: 0, seen: 0 }
    }
}

impl Default for Accuracy {
    fn default() -> Self {
        Accuracy::new()
    }
}

impl<T: Float> Metric<T> for Accuracy {
    fn name(&self) -> &'static str {
        "accuracy"
    }
    fn direction(&self) -> Direction {
        Direction::Max
    }
    fn update(&mut self, predictions: &Tensor<T>, targets: &Tensor<T>) {
        let width = predictions.shape().last().copied().unwrap_or(1);
        let (p, t) = (predictions.contiguous(), targets.contiguous());
        let (p, t) = (p.as_slice().unwrap_or(&[]), t.as_slice().unwrap_or(&[]));
        let rows = p.len() / width.max(1);
        let largest = |row: &[T]| {
            let better = |best: usize, i: usize| if row[i] > row[best] { i } else { best };
            (0..row.len()).reduce(better).unwrap_or(0) as f64
        };
        let one_hot = width > 1 && t.len() == p.len();
        assert!(
            one_hot || t.len() == rows,
            "accuracy: predictions {:?} and targets {:?} do not fit each other",
            predictions.shape(),
            targets.shape()
        );
        self.seen += rows;
        self.right += if width == 1 {
            let is_right = |(p, t): (&T, &T)| (p.to_f64() > self.threshold) == (t.to_f64() > 0.5);
            std::iter::zip(p, t).filter(|pair| is_right(*pair)).count()
        } else if one_hot {
            std::iter::zip(p.chunks_exact(width), t.chunks_exact(width))
                .filter(|(row, target)| largest(row) == largest(target))
                .count()
        } else {
            std::iter::zip(p.chunks_exact(width), t)
                .filter(|(row, t)| largest(row) == t.to_f64())
                .count()
        };
    }
    fn result(&self) -> f64 {
        self.right as f64 / self.seen as f64
    }
    fn fresh(&self) -> Box<dyn Metric<T>> {
        Box::new(Accuracy { right: 0, seen: 0, ..*self })
    }
}
