//! Hyperparameters with bounds: parameters that live on the whole line and stand for a number within.

use gradus_autograd::{Float, Param, Tape, Tensor, Var};
use gradus_derive::Module;

/// A number above 0: its logarithm is the parameter. For learning rates, decays, ε, λ.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_optim::Positive;
/// let lr = Positive::<f64>::new(1e-2);
/// let tape = Tape::new();
/// let y = lr.var(&tape).powf(2.0);
/// // d(lr²)/d(ln lr) = 2·lr²
/// assert!((y.backward().param(&lr.log).unwrap().item() - 2e-4).abs() < 1e-18);
/// ```
#[derive(Clone, Debug, Module)]
pub struct Positive<T: Float = f32> {
    /// Its natural logarithm.
    pub log: Param<T>,
}

impl<T: Float> Positive<T> {
    /// A number above 0.
    ///
    /// # Panics
    /// When it is not above 0, or not finite.
    #[track_caller]
    pub fn new(value: f64) -> Self {
        assert!(value > 0.0 && value.is_finite(), "Positive: {value} is not above 0 and finite");
        Positive { log: Param::new(Tensor::scalar(T::of(value.ln()))) }
    }

    /// The number.
    pub fn value(&self) -> f64 {
        self.log.value().item().to_f64().exp()
    }

    /// The number on a tape: exp of the parameter.
    #[track_caller]
    pub fn var<'t>(&self, tape: &'t Tape<T>) -> Var<'t, T> {
        tape.param(&self.log).exp()
    }
}

/// A number between 0 and 1: its logit, ln(x/(1 − x)), is the parameter. For betas, momentum, dropout rates.
#[derive(Clone, Debug, Module)]
pub struct Fraction<T: Float = f32> {
    /// Its logit.
    pub logit: Param<T>,
}

impl<T: Float> Fraction<T> {
    /// A number between 0 and 1.
    ///
    /// # Panics
    /// When it is not between 0 and 1; the bounds themselves have no logit.
    #[track_caller]
    pub fn new(value: f64) -> Self {
        assert!(value > 0.0 && value < 1.0, "Fraction: {value} is not between 0 and 1");
        Fraction { logit: Param::new(Tensor::scalar(T::of((value / (1.0 - value)).ln()))) }
    }

    /// The number.
    pub fn value(&self) -> f64 {
        1.0 / (1.0 + (-self.logit.value().item().to_f64()).exp())
    }

    /// The number on a tape: sigmoid of the parameter.
    #[track_caller]
    pub fn var<'t>(&self, tape: &'t Tape<T>) -> Var<'t, T> {
        tape.param(&self.logit).sigmoid()
    }
}
