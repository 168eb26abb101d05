//! The mean negative logarithm of the probability that was given to the truth.

use gradus_autograd::{Float, Tensor};

use super::{Classified, Direction, Metric};

/// −mean(ln p) of the probability of the true class, as scikit-learn's `log_loss`; a probability is clipped to
/// [ε, 1 − ε], where ε is the precision of its type.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogLoss {
    logits: bool,
    sum: f64,
    samples: usize,
}

impl LogLoss {
    /// Of probabilities: one output a sample is that of class 1, several are one a class.
    pub const fn new() -> Self {
        LogLoss { logits: false, sum: 0.0, samples: 0 }
    }
    /// Of logits, without clipping.
    pub const fn from_logits() -> Self {
        LogLoss { logits: true, ..LogLoss::new() }
    }
}

/// The logarithm of eᵃ + eᵇ + …
fn log_sum_exp(logits: &[f64]) -> f64 {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top.is_infinite() || logits.iter().any(|x| x.is_nan()) {
        return logits.iter().sum();
    }
    top + logits.iter().map(|x| (x - top).exp()).sum::<f64>().ln()
}

impl<T: Float> Metric<T> for LogLoss {
    fn name(&self) -> &'static str {
        "log_loss"
    }
    fn direction(&self) -> Direction {
        Direction::Min
    }
    #[track_caller]
    fn update(&mut self, predictions: &Tensor<T>, targets: &Tensor<T>) {
        let batch = Classified::of("log_loss", predictions, targets);
        let epsilon = if size_of::<T>() == 4 { f64::from(f32::EPSILON) } else { f64::EPSILON };
        for (row, &label) in batch.outputs.chunks_exact(batch.width).zip(&batch.labels) {
            let p = match row {
                [output] if self.logits => {
                    // Of two classes with the logits 0 and the output.
                    let both = [0.0, *output];
                    self.sum += log_sum_exp(&both) - both[label];
                    continue;
                }
                row if self.logits => {
                    self.sum += log_sum_exp(row) - row[label];
                    continue;
                }
                [p] if label == 1 => *p,
                [p] => 1.0 - p,
                row => row[label],
            };
            self.sum -= p.clamp(epsilon, 1.0 - epsilon).ln();
        }
        self.samples += batch.labels.len();
    }
    fn result(&self) -> f64 {
        self.sum / self.samples as f64
    }
    fn fresh(&self) -> Box<dyn Metric<T>> {
        Box::new(LogLoss { sum: 0.0, samples: 0, ..*self })
    }
    fn state(&self) -> Option<Vec<f64>> {
        Some(vec![self.sum, self.samples as f64])
    }
    fn set_state(&mut self, state: &[f64]) -> bool {
        let &[sum, samples] = state else { return false };
        (self.sum, self.samples) = (sum, samples as usize);
        true
    }
}
