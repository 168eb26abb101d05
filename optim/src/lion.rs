//! Lion.

use gradus_autograd::{Float, Literal, Real, Rule};

use crate::formula::{hyperparameters, mean, setters};
use crate::{Formulas, Optimizer, UpdateRule};

/// p·shrink − lr·sign(β₁·m + (1 − β₁)·g), m′ = β₂·m + (1 − β₂)·g.
#[derive(Clone, Copy, Debug, PartialEq)]
struct LionRule {
    beta1: f64,
    beta2: f64,
}

impl Rule<5, 2> for LionRule {
    fn name(&self) -> &'static str {
        "lion"
    }
    #[inline(always)]
    fn eval<R: Real>(&self, [p, m, g, lr, shrink]: [R; 5]) -> [R; 2]
    where
        f64: Literal<R>,
    {
        let direction = mean(R::lit(self.beta1), m, g).sign();
        [p * shrink - lr * direction, mean(R::lit(self.beta2), m, g)]
    }
}

/// The numbers of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
struct LionStep;

impl Rule<2, 2> for LionStep {
    fn name(&self) -> &'static str {
        "lion_step"
    }
    #[inline(always)]
    fn eval<R: Real>(&self, [lr, weight_decay]: [R; 2]) -> [R; 2]
    where
        f64: Literal<R>,
    {
        [lr, 1.0 - lr * weight_decay]
    }
}

/// The hyperparameters of [`Lion`].
#[derive(Clone, Debug, PartialEq)]
pub struct LionHyper {
    /// The learning rate.
    pub lr: f64,
    /// The weight of the moment in the direction. A sign does not change with it: no gradient can be taken for it.
    pub beta1: f64,
    /// The weight of the old moment in the new one; the same holds.
    pub beta2: f64,
    /// λ of the decoupled decay.
    pub weight_decay: f64,
}

/// Lion, "evolved sign momentum" (Chen et al. 2023): steps of ±lr. Its rate is best three to ten times smaller than
/// Adam's, its decay larger by as much.
///
/// ```
/// use gradus_optim::Lion;
/// let lion: Lion = Lion::new(1e-4).weight_decay(0.1);
/// assert_eq!(lion.hyper().beta2, 0.99);
/// ```
pub type Lion<T = f32> = Optimizer<LionHyper, T>;

impl<T: Float> Lion<T> {
    /// β₁ = 0.9, β₂ = 0.99, no decay.
    ///
    /// # Panics
    /// When the learning rate is negative or not finite.
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        Optimizer::with_rule(LionHyper { lr, beta1: 0.9, beta2: 0.99, weight_decay: 0.0 })
    }
    /// The weights of the moment in the direction, and in the new moment.
    pub fn betas(self, beta1: f64, beta2: f64) -> Self {
        self.beta1(beta1).beta2(beta2)
    }
}

setters!(Lion {
    /// The weight of the moment in the direction.
    beta1,
    /// The weight of the old moment in the new one.
    beta2,
    /// λ of a decay that takes lr·λ·w from a weight.
    weight_decay,
});

hyperparameters!(LionHyper, |_h| 1, [lr, weight_decay]);

impl UpdateRule for LionHyper {
    fn formulas<F: Formulas>(&self, _: u64, run: F) -> F::Out {
        run.run(LionStep, LionRule { beta1: self.beta1, beta2: self.beta2 })
    }
}
