//! The part of samples that are predicted right.

use gradus_autograd::{Float, Tensor};

use super::{Classified, Direction, Metric, numbers};

/// How many samples were right, of how many.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    right: usize,
    seen: usize,
}

impl Share {
    fn add(&mut self, right: impl Iterator<Item = bool>) {
        for right in right {
            self.right += usize::from(right);
            self.seen += 1;
        }
    }
    fn result(&self) -> f64 {
        self.right as f64 / self.seen as f64
    }
    fn state(&self) -> Vec<f64> {
        vec![self.right as f64, self.seen as f64]
    }
    fn set_state(&mut self, state: &[f64]) -> bool {
        let &[right, seen] = state else { return false };
        *self = Share { right: right as usize, seen: seen as usize };
        true
    }
}

/// The methods of a metric that is a [`Share`].
macro_rules! share {
    () => {
        fn direction(&self) -> Direction {
            Direction::Max
        }
        fn result(&self) -> f64 {
            self.share.result()
        }
        fn fresh(&self) -> Box<dyn Metric<T>> {
            let mut fresh = *self;
            fresh.share = Share::default();
            Box::new(fresh)
        }
        fn state(&self) -> Option<Vec<f64>> {
            Some(self.share.state())
        }
        fn set_state(&mut self, state: &[f64]) -> bool {
            self.share.set_state(state)
        }
    };
}

/// The part of samples that are predicted right, as Keras' `"accuracy"`: with one output a sample, the
/// probability against a threshold of 0.5; with several, the largest one against the class, or against
/// the largest target where those are one-hot.
#[derive(Clone, Copy, Debug)]
pub struct Accuracy {
    threshold: f64,
    share: Share,
}

impl Accuracy {
    /// For outputs that are probabilities or several classes.
    pub const fn new() -> Self {
        Accuracy { threshold: 0.5, share: Share { right: 0, seen: 0 } }
    }
    /// For a single output that is a logit: the threshold is 0.
    pub const fn from_logits() -> Self {
        Accuracy { threshold: 0.0, ..Accuracy::new() }
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
    #[track_caller]
    fn update(&mut self, predictions: &Tensor<T>, targets: &Tensor<T>) {
        let batch = Classified::of("accuracy", predictions, targets);
        self.share.add(batch.pairs(self.threshold).map(|(p, t)| p == t));
    }
    share!();
}

/// The part of outputs, each a yes or no of its own, that are on the right side of a threshold, as Keras'
/// `BinaryAccuracy`: several outputs a sample are several labels, not classes.
#[derive(Clone, Copy, Debug)]
pub struct BinaryAccuracy {
    threshold: f64,
    share: Share,
}

impl BinaryAccuracy {
    /// A threshold of 0.5; what is above it is a yes.
    pub const fn new() -> Self {
        BinaryAccuracy { threshold: 0.5, share: Share { right: 0, seen: 0 } }
    }
    /// Another threshold: 0 for logits.
    pub const fn threshold(self, threshold: f64) -> Self {
        BinaryAccuracy { threshold, ..self }
    }
}

impl Default for BinaryAccuracy {
    fn default() -> Self {
        BinaryAccuracy::new()
    }
}

impl<T: Float> Metric<T> for BinaryAccuracy {
    fn name(&self) -> &'static str {
        "binary_accuracy"
    }
    #[track_caller]
    fn update(&mut self, predictions: &Tensor<T>, targets: &Tensor<T>) {
        let (p, t) = (numbers(predictions), numbers(targets));
        assert!(
            p.len() == t.len(),
            "binary_accuracy: predictions {:?} and targets {:?} do not fit each other",
            predictions.shape(),
            targets.shape()
        );
        let threshold = self.threshold;
        self.share.add(p.iter().zip(&t).map(|(&p, &t)| (p > threshold) == (t > 0.5)));
    }
    share!();
}

/// The part of samples whose largest output is that of their class; the targets are class numbers or one-hot rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct CategoricalAccuracy {
    share: Share,
}

impl CategoricalAccuracy {
    /// Nothing to set.
    pub const fn new() -> Self {
        CategoricalAccuracy { share: Share { right: 0, seen: 0 } }
    }
}

impl<T: Float> Metric<T> for CategoricalAccuracy {
    fn name(&self) -> &'static str {
        "categorical_accuracy"
    }
    #[track_caller]
    fn update(&mut self, predictions: &Tensor<T>, targets: &Tensor<T>) {
        let batch = Classified::of("categorical_accuracy", predictions, targets);
        assert!(
            batch.width > 1,
            "categorical_accuracy: predictions {:?} have one output a sample; use BinaryAccuracy",
            predictions.shape()
        );
        self.share.add(batch.pairs(0.5).map(|(p, t)| p == t));
    }
    share!();
}

/// The part of samples whose class is among the k largest outputs. Of outputs that are equal all count as larger or
/// none: the class is in if fewer than k outputs are above its own, as in Keras.
#[derive(Clone, Copy, Debug)]
pub struct TopKAccuracy {
    k: usize,
    share: Share,
}

impl TopKAccuracy {
    /// The class among the `k` largest outputs.
    pub const fn new(k: usize) -> Self {
        TopKAccuracy { k, share: Share { right: 0, seen: 0 } }
    }
}

impl<T: Float> Metric<T> for TopKAccuracy {
    fn name(&self) -> &'static str {
        "top_k_accuracy"
    }
    #[track_caller]
    fn update(&mut self, predictions: &Tensor<T>, targets: &Tensor<T>) {
        let batch = Classified::of("top_k_accuracy", predictions, targets);
        assert!(
            batch.width > 1,
            "top_k_accuracy: predictions {:?} have one output a sample",
            predictions.shape()
        );
        let rows = batch.outputs.chunks_exact(batch.width).zip(&batch.labels);
        let is_in = |(row, &label): (&[f64], &usize), k: usize| {
            let own = row[label];
            own.is_finite() && row.iter().filter(|&&other| other > own).count() < k
        };
        let k = self.k;
        self.share.add(rows.map(|row| is_in(row, k)));
    }
    share!();
}
