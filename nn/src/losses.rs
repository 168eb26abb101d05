//! Losses as values, for `compile`. In a loop of your own, the methods of
//! [`Var`] serve directly.

use std::fmt::Debug;

use gradus_autograd::{Float, Tensor, Var, fused, reshape_hint};

/// What training makes small: the mean over a batch.
pub trait Loss<T: Float = f32>: Debug + Send + Sync {
    /// The loss of a batch, a single number.
    #[track_caller]
    fn of<'t>(&self, predictions: Var<'t, T>, targets: Var<'t, T>) -> Var<'t, T>;

    /// The loss of each sample, `[b]`, the mean of which is the loss: what weights of samples and classes need. `None`
    /// if a sample has none of its own.
    #[track_caller]
    fn each<'t>(&self, predictions: Var<'t, T>, targets: Var<'t, T>) -> Option<Var<'t, T>> {
        let _ = (predictions, targets);
        None
    }

    /// What is wrong with targets, if anything: a label out of range, another shape. Called once with
    /// the whole data set, before training.
    ///
    /// # Errors
    /// A sentence that names the first wrong row.
    fn check(&self, outputs: &[usize], targets: &Tensor<T>) -> Result<(), String> {
        same_shape(outputs, targets)
    }

    /// The word for it in a history.
    fn name(&self) -> &'static str;
}

/// The mean of each sample over its other axes.
#[track_caller]
fn per_sample<T: Float>(loss: Var<'_, T>) -> Var<'_, T> {
    let shape = loss.shape();
    match shape[..] {
        [_] => loss,
        [n, ..] => loss.reshape(&[n, shape[1..].iter().product()]).mean_axes(&[1]),
        [] => loss.reshape(&[1]),
    }
}

fn same_shape<T: Float>(outputs: &[usize], targets: &Tensor<T>) -> Result<(), String> {
    let ([_, output @ ..], [n, target @ ..]) = (outputs, targets.shape()) else {
        let what = if outputs.is_empty() { "model's output is" } else { "targets are" };
        return Err(format!(
            "the {what} a single number, not one for each sample: leave sums and means over samples to the loss"
        ));
    };
    if target == output {
        return Ok(());
    }
    let whole = [&[*n], output].concat();
    Err(format!(
        "the model's output has shape {output:?} a sample, the targets {target:?}{}",
        reshape_hint(&whole, targets.shape())
    ))
}

fn first<T: Float>(targets: &Tensor<T>, wrong: impl Fn(f64) -> bool) -> Option<(usize, T)> {
    let row = targets.len() / targets.shape().first().copied().unwrap_or(1).max(1);
    let all = targets.contiguous();
    let at = all.as_slice()?.iter().position(|t| wrong(t.to_f64()))?;
    Some((at / row.max(1), all.as_slice()?[at]))
}

/// −mean(t·ln p + (1 − t)·ln(1 − p)) of probabilities or, with [`from_logits`](Self::from_logits), of logits.
#[derive(Clone, Copy, Debug, Default)]
pub struct BinaryCrossentropy {
    logits: bool,
}

impl BinaryCrossentropy {
    /// Of probabilities, clipped to [1e-7, 1 − 1e-7] as in Keras.
    pub fn new() -> Self {
        BinaryCrossentropy { logits: false }
    }
    /// Of logits: exact and without clipping; the better choice.
    pub fn from_logits() -> Self {
        BinaryCrossentropy { logits: true }
    }
}

/// Keras' `epsilon()`.
const CLIP: f64 = 1e-7;

impl BinaryCrossentropy {
    /// The loss of each element, of probabilities.
    #[track_caller]
    fn elements<'t, T: Float>(&self, predictions: Var<'t, T>, targets: Var<'t, T>) -> Var<'t, T> {
        let (p, t) = (predictions.shape(), targets.shape());
        assert!(
            p == t,
            "binary_crossentropy: predictions {p:?} and targets {t:?} differ in shape{}",
            reshape_hint(&p, &t)
        );
        let loss = fused!(|p, t| {
            // Outside of the clipping range the gradient is 0, as it is in Keras.
            let (low, high) = (R::lit(CLIP), 1.0 - R::lit(CLIP));
            let p = R::select(p.less(low), low, R::select(high.less(p), high, p));
            -(t * p.ln() + (1.0 - t) * (1.0 - p).ln())
        });
        loss(predictions, targets)
    }
}

impl<T: Float> Loss<T> for BinaryCrossentropy {
    #[track_caller]
    fn of<'t>(&self, predictions: Var<'t, T>, targets: Var<'t, T>) -> Var<'t, T> {
        if self.logits {
            return predictions.bce_with_logits(targets);
        }
        self.elements(predictions, targets).mean()
    }
    #[track_caller]
    fn each<'t>(&self, predictions: Var<'t, T>, targets: Var<'t, T>) -> Option<Var<'t, T>> {
        Some(per_sample(match self.logits {
            true => predictions.softplus() - predictions * targets,
            false => self.elements(predictions, targets),
        }))
    }
    fn check(&self, outputs: &[usize], targets: &Tensor<T>) -> Result<(), String> {
        same_shape(outputs, targets)?;
        match first(targets, |t| !(0.0..=1.0).contains(&t)) {
            None => Ok(()),
            Some((row, t)) => {
                Err(format!("row {row} has the label {t}, which is not within 0 to 1"))
            }
        }
    }
    fn name(&self) -> &'static str {
        "binary_crossentropy"
    }
}

/// mean((x − t)²).
#[derive(Clone, Copy, Debug, Default)]
pub struct MeanSquaredError;

impl<T: Float> Loss<T> for MeanSquaredError {
    #[track_caller]
    fn of<'t>(&self, predictions: Var<'t, T>, targets: Var<'t, T>) -> Var<'t, T> {
        predictions.mse(targets)
    }
    #[track_caller]
    fn each<'t>(&self, predictions: Var<'t, T>, targets: Var<'t, T>) -> Option<Var<'t, T>> {
        Some(per_sample((predictions - targets).powf(2.0)))
    }
    fn name(&self) -> &'static str {
        "mean_squared_error"
    }
}

/// −mean(ln softmax(logits)\[class\]), with the class of each row as a whole number, `[n]` or `[n, 1]`.
/// Takes logits `[n, classes]`, which is exact; give the last layer no softmax.
#[derive(Clone, Copy, Debug, Default)]
pub struct SparseCategoricalCrossentropy;

impl<T: Float> Loss<T> for SparseCategoricalCrossentropy {
    #[track_caller]
    fn of<'t>(&self, predictions: Var<'t, T>, targets: Var<'t, T>) -> Var<'t, T> {
        let classes = targets.value().map(|t| t.to_f64() as i64);
        let n = classes.len();
        predictions.cross_entropy(&classes.reshape(&[n]))
    }
    #[track_caller]
    fn each<'t>(&self, predictions: Var<'t, T>, targets: Var<'t, T>) -> Option<Var<'t, T>> {
        let classes = targets.value().map(|t| t.to_f64() as i64);
        let n = classes.len();
        let of_class = predictions.log_softmax(-1).gather(1, &classes.reshape(&[n, 1]));
        Some(-of_class.reshape(&[n]))
    }
    fn check(&self, outputs: &[usize], targets: &Tensor<T>) -> Result<(), String> {
        let classes = match (outputs, targets.shape()) {
            ([_, classes], [_] | [_, 1]) => *classes as f64,
            (outputs, targets) => {
                return Err(format!(
                    "the model's output must be [n, classes] and the targets [n] or [n, 1], but they are {outputs:?} and {targets:?}"
                ));
            }
        };
        match first(targets, |t| !(t.fract() == 0.0 && (0.0..classes).contains(&t))) {
            None => Ok(()),
            Some((row, t)) => Err(format!(
                "row {row} has the label {t}, which is not a whole number from 0 to {}",
                classes - 1.0
            )),
        }
    }
    fn name(&self) -> &'static str {
        "sparse_categorical_crossentropy"
    }
}

/// −mean(Σ t·ln softmax(logits)), with a row of probabilities t for each row of logits, `[n, classes]` both: one-hot, or
/// soft, as mixed samples have. Give the last layer no softmax.
///
/// ```
/// use gradus_autograd::{Tape, Tensor};
/// use gradus_nn::losses::{CategoricalCrossentropy, Loss, SparseCategoricalCrossentropy};
///
/// let tape = Tape::<f64>::new();
/// let logits = tape.var(Tensor::from([[0.5, -1.0, 2.0], [0.0, 1.0, 0.3]]));
/// let rows = tape.constant(Tensor::from([[0., 0., 1.], [1., 0., 0.]]));
/// let classes = tape.constant(Tensor::from([2., 0.]));
/// let (a, b) = (CategoricalCrossentropy.of(logits, rows), SparseCategoricalCrossentropy.of(logits, classes));
/// assert!((a.item() - b.item()).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CategoricalCrossentropy;

impl<T: Float> Loss<T> for CategoricalCrossentropy {
    #[track_caller]
    fn of<'t>(&self, predictions: Var<'t, T>, targets: Var<'t, T>) -> Var<'t, T> {
        let (p, t) = (predictions.shape(), targets.shape());
        assert!(
            p == t,
            "categorical_crossentropy: predictions {p:?} and targets {t:?} differ in shape{}",
            reshape_hint(&p, &t)
        );
        let classes = p.last().copied().unwrap_or(1);
        // The mean over all numbers is the sum over classes and the mean over rows, but for their count.
        -(predictions.log_softmax(-1) * targets).mean() * classes as f64
    }
    fn check(&self, outputs: &[usize], targets: &Tensor<T>) -> Result<(), String> {
        if outputs.len() != 2 || targets.rank() != 2 || targets.shape()[1] != outputs[1] {
            return Err(format!(
                "the model's output and the targets must both be [n, classes], but they are {outputs:?} and {:?}; \
                 labels train with SparseCategoricalCrossentropy",
                targets.shape()
            ));
        }
        match first(targets, |t| !(0.0..=1.0).contains(&t)) {
            None => Ok(()),
            Some((row, t)) => {
                Err(format!("row {row} has the target {t}, which is not a probability"))
            }
        }
    }
    fn name(&self) -> &'static str {
        "categorical_crossentropy"
    }
}
