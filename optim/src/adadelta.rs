//! Adadelta.

use gradus_autograd::{Float, Literal, Real, Rule};

use crate::formula::{decays, hyperparameters, mean, setters, weight_decays};
use crate::{Formulas, Optimizer, UpdateRule};

/// v′ = ρ·v + (1 − ρ)·g², δ = √(d + ε)/√(v′ + ε)·g, d′ = ρ·d + (1 − ρ)·δ², p·shrink − lr·δ.
#[derive(Clone, Copy, Debug, PartialEq)]
struct AdadeltaRule;

impl Rule<9, 3> for AdadeltaRule {
    fn name(&self) -> &'static str {
        "adadelta"
    }
    #[inline(always)]
    fn eval<R: Real>(&self, [p, v, d, g, lr, shrink, rho, epsilon, decay]: [R; 9]) -> [R; 3]
    where
        f64: Literal<R>,
    {
        let g = g + decay * p;
        let v = mean(rho, v, g * g);
        let delta = (d + epsilon).sqrt() / (v + epsilon).sqrt() * g;
        [p * shrink - lr * delta, v, mean(rho, d, delta * delta)]
    }
}

/// The numbers of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
struct AdadeltaStep {
    decoupled: bool,
}

impl Rule<4, 5> for AdadeltaStep {
    fn name(&self) -> &'static str {
        "adadelta_step"
    }
    #[inline(always)]
    fn eval<R: Real>(&self, [lr, rho, epsilon, weight_decay]: [R; 4]) -> [R; 5]
    where
        f64: Literal<R>,
    {
        let [shrink, decay] = decays(self.decoupled, lr, weight_decay);
        [lr, shrink, rho, epsilon, decay]
    }
}

/// The hyperparameters of [`Adadelta`].
#[derive(Clone, Debug, PartialEq)]
pub struct AdadeltaHyper {
    /// The learning rate.
    pub lr: f64,
    /// The weight of the old mean squares.
    pub rho: f64,
    /// Added to both mean squares, under the roots.
    pub epsilon: f64,
    /// λ of a penalty or of a decoupled decay.
    pub weight_decay: f64,
    /// Whether the decay is decoupled from the gradient.
    pub decoupled: bool,
}

/// Adadelta (Zeiler 2012): steps of the size of the last ones. The paper's learning rate is 1. The same in PyTorch
/// (ρ = 0.9, ε = 1e-6) and in Keras (`.rho(0.95).epsilon(1e-7)`).
///
/// ```
/// use gradus_optim::Adadelta;
/// let adadelta: Adadelta = Adadelta::new(1.0).rho(0.95);
/// assert_eq!(adadelta.hyper().epsilon, 1e-6);
/// ```
pub type Adadelta<T = f32> = Optimizer<AdadeltaHyper, T>;

impl<T: Float> Adadelta<T> {
    /// ρ = 0.9, ε = 1e-6, no decay.
    ///
    /// # Panics
    /// When the learning rate is negative or not finite.
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        Optimizer::with_rule(AdadeltaHyper {
            lr,
            rho: 0.9,
            epsilon: 1e-6,
            weight_decay: 0.0,
            decoupled: false,
        })
    }
}

setters!(Adadelta {
    /// The weight of the old mean squares.
    rho,
    /// What is added to both mean squares, under the roots.
    epsilon,
});
weight_decays!(Adadelta);

hyperparameters!(AdadeltaHyper, |_h| 2, [lr, rho, epsilon, weight_decay]);

impl UpdateRule for AdadeltaHyper {
    fn formulas<F: Formulas>(&self, _: u64, run: F) -> F::Out {
        run.run(AdadeltaStep { decoupled: self.decoupled }, AdadeltaRule)
    }
}
