//! How far numbers are from their targets.

use gradus_autograd::{Float, Tensor};

use super::{Direction, Metric, numbers};

/// Predictions and targets, which must have as many elements; and how many outputs a sample has.
#[track_caller]
fn both<T: Float>(
    metric: &str,
    predictions: &Tensor<T>,
    targets: &Tensor<T>,
) -> (Vec<f64>, Vec<f64>, usize) {
    assert!(
        predictions.len() == targets.len(),
        "{metric}: predictions {:?} and targets {:?} do not fit each other",
        predictions.shape(),
        targets.shape()
    );
    let outputs = predictions.shape().iter().skip(1).product();
    (numbers(predictions), numbers(targets), outputs)
}

/// A metric that is a mean over all elements.
macro_rules! means {
    ($($(#[$doc:meta])* $name:ident $text:literal |$p:ident, $t:ident| $of:expr, |$mean:ident| $result:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name {
            sum: f64,
            elements: usize,
        }

        impl $name {
            /// Nothing to set.
            pub const fn new() -> Self {
                Self { sum: 0.0, elements: 0 }
            }
        }

        impl<T: Float> Metric<T> for $name {
            fn name(&self) -> &'static str {
                $text
            }
            fn direction(&self) -> Direction {
                Direction::Min
            }
            #[track_caller]
            fn update(&mut self, predictions: &Tensor<T>, targets: &Tensor<T>) {
                let (p, t, _) = both($text, predictions, targets);
                self.sum += p.iter().zip(&t).map(|($p, $t)| $of).sum::<f64>();
                self.elements += p.len();
            }
            fn result(&self) -> f64 {
                let $mean = self.sum / self.elements as f64;
                $result
            }
            fn fresh(&self) -> Box<dyn Metric<T>> {
                Box::new(Self::new())
            }
            fn state(&self) -> Option<Vec<f64>> {
                Some(vec![self.sum, self.elements as f64])
            }
            fn set_state(&mut self, state: &[f64]) -> bool {
                let &[sum, elements] = state else { return false };
                *self = Self { sum, elements: elements as usize };
                true
            }
        }
    )*};
}

/// The least that a target is divided by: Keras' `epsilon()`.
const SMALL: f64 = 1e-7;

means! {
    /// mean((p − t)²)
    MeanSquaredError "mean_squared_error" |p, t| (p - t) * (p - t), |mean| mean;
    /// √mean((p − t)²), over all batches together.
    RootMeanSquaredError "root_mean_squared_error" |p, t| (p - t) * (p - t), |mean| mean.sqrt();
    /// mean(|p − t|)
    MeanAbsoluteError "mean_absolute_error" |p, t| (p - t).abs(), |mean| mean;
    /// 100·mean(|p − t| / max(|t|, 1e-7)), in percent as in Keras (scikit-learn gives a fraction).
    MeanAbsolutePercentageError "mean_absolute_percentage_error"
        |p, t| (p - t).abs() / t.abs().max(SMALL), |mean| 100.0 * mean;
}

/// The coefficient of determination 1 − Σ(p − t)²/Σ(t − t̄)², the mean over outputs: 1 is perfect, 0 no better than
/// the mean of the targets. Where those are all equal, 1 if they are met exactly, otherwise 0, as in scikit-learn.
#[derive(Clone, Debug, Default)]
pub struct R2 {
    samples: usize,
    /// For each output: the mean of the targets, the sum of squares around it, that of the errors.
    outputs: Vec<[f64; 3]>,
}

impl R2 {
    /// Nothing to set.
    pub fn new() -> Self {
        R2::default()
    }
}

impl<T: Float> Metric<T> for R2 {
    fn name(&self) -> &'static str {
        "r2"
    }
    fn direction(&self) -> Direction {
        Direction::Max
    }
    #[track_caller]
    fn update(&mut self, predictions: &Tensor<T>, targets: &Tensor<T>) {
        let (p, t, width) = both("r2", predictions, targets);
        if self.samples == 0 {
            self.outputs = vec![[0.0; 3]; width];
        }
        let before = self.outputs.len();
        assert!(width == before, "r2: a batch of {width} outputs a sample after one of {before}");
        for (p, t) in p.chunks_exact(width.max(1)).zip(t.chunks_exact(width.max(1))) {
            self.samples += 1;
            for ((p, t), [mean, around, errors]) in p.iter().zip(t).zip(&mut self.outputs) {
                // Welford's update: a sum of squares minus a square of a sum would lose the digits.
                let off = t - *mean;
                *mean += off / self.samples as f64;
                *around += off * (t - *mean);
                *errors += (p - t) * (p - t);
            }
        }
    }
    fn result(&self) -> f64 {
        let of = |&[_, around, errors]: &[f64; 3]| match (errors, around) {
            (0.0, _) => 1.0,
            (_, 0.0) => 0.0,
            (errors, around) => 1.0 - errors / around,
        };
        self.outputs.iter().map(of).sum::<f64>() / self.outputs.len() as f64
    }
    fn fresh(&self) -> Box<dyn Metric<T>> {
        Box::new(R2::new())
    }
    fn state(&self) -> Option<Vec<f64>> {
        let outputs = self.outputs.iter().flatten().copied();
        Some(std::iter::once(self.samples as f64).chain(outputs).collect())
    }
    fn set_state(&mut self, state: &[f64]) -> bool {
        let [samples, rest @ ..] = state else { return false };
        let (outputs, left) = rest.as_chunks();
        *self = R2 { samples: *samples as usize, outputs: outputs.to_vec() };
        left.is_empty()
    }
}
