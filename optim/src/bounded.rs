//! Hyperparameters with bounds: parameters that live on the whole line and stand for a number within.
//!
//! On the line of floating-point numbers, exp and sigmoid do reach their bounds. So the numbers end a little
//! before, where the derivative is 0.

use gradus_autograd::{Float, Fuse, Literal, Param, Real, Rule, Tape, Tensor, Var};
use gradus_derive::Module;

/// [`Positive`] is within 2⁻¹⁰⁰ and 2¹⁰⁰.
const LOG: f64 = 100.0 * std::f64::consts::LN_2;
/// [`Fraction`] is within 2⁻²⁰ and 1 − 2⁻²⁰, in either precision; this is the logit of the latter.
const LOGIT: f64 = 13.862_942_657_524_135;

/// e^x for x within ±[`LOG`].
#[derive(Clone, Copy, Debug, PartialEq)]
struct BoundedExp;

impl Rule<1, 1> for BoundedExp {
    fn name(&self) -> &'static str {
        "positive"
    }
    #[inline(always)]
    fn eval<R: Real>(&self, [x]: [R; 1]) -> [R; 1]
    where
        f64: Literal<R>,
    {
        [x.maximum(R::lit(-LOG)).minimum(R::lit(LOG)).exp()]
    }
}

/// The sigmoid of x for x within ±[`LOGIT`].
#[derive(Clone, Copy, Debug, PartialEq)]
struct BoundedSigmoid;

impl Rule<1, 1> for BoundedSigmoid {
    fn name(&self) -> &'static str {
        "fraction"
    }
    #[inline(always)]
    fn eval<R: Real>(&self, [x]: [R; 1]) -> [R; 1]
    where
        f64: Literal<R>,
    {
        [x.maximum(R::lit(-LOGIT)).minimum(R::lit(LOGIT)).sigmoid()]
    }
}

/// The number that a rule makes of a parameter, in 64 bits.
fn number<T: Float>(rule: impl Rule<1, 1>, param: &Param<T>) -> f64 {
    let [y] = rule.eval([param.value().item().to_f64()]);
    y
}

/// A number above 0: its logarithm is the parameter. For learning rates, decays, ε, λ. Within 2⁻¹⁰⁰ and 2¹⁰⁰ (about
/// 1e-30 and 1e30), wherever the parameter goes.
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
    /// When it is not within 2⁻¹⁰⁰ and 2¹⁰⁰.
    #[track_caller]
    pub fn new(value: f64) -> Self {
        assert!(
            value.ln().abs() <= LOG,
            "Positive: {value:?} is not within 1e-30 and 1e30: it stands for its logarithm"
        );
        Positive { log: Param::new(Tensor::scalar(T::of(value.ln()))) }
    }

    /// The number.
    pub fn value(&self) -> f64 {
        number(BoundedExp, &self.log)
    }

    /// The number on a tape: exp of the parameter, within bounds.
    #[track_caller]
    pub fn var<'t>(&self, tape: &'t Tape<T>) -> Var<'t, T> {
        BoundedExp.fuse([tape.param(&self.log)])[0]
    }
}

/// A number between 0 and 1: its logit, ln(x/(1 − x)), is the parameter. For betas, momentum, dropout rates. Within
/// 2⁻²⁰ and 1 − 2⁻²⁰, wherever the parameter goes.
#[derive(Clone, Debug, Module)]
pub struct Fraction<T: Float = f32> {
    /// Its logit.
    pub logit: Param<T>,
}

impl<T: Float> Fraction<T> {
    /// A number between 0 and 1.
    ///
    /// # Panics
    /// When it is not within 2⁻²⁰ and 1 − 2⁻²⁰: 0 and 1 themselves have no logit.
    #[track_caller]
    pub fn new(value: f64) -> Self {
        assert!(
            (value / (1.0 - value)).ln().abs() <= LOGIT,
            "Fraction: {value:?} is not within 1e-6 and 1 - 1e-6: it stands for its logit"
        );
        Fraction { logit: Param::new(Tensor::scalar(T::of((value / (1.0 - value)).ln()))) }
    }

    /// The number.
    pub fn value(&self) -> f64 {
        number(BoundedSigmoid, &self.logit)
    }

    /// The number on a tape: sigmoid of the parameter, within bounds.
    #[track_caller]
    pub fn var<'t>(&self, tape: &'t Tape<T>) -> Var<'t, T> {
        BoundedSigmoid.fuse([tape.param(&self.logit)])[0]
    }
}
