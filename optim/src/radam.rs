//! RAdam: Adam that waits for its second moment.

use gradus_autograd::{Float, Literal, Real, Rule};

use crate::formula::{betas, decays, hyperparameters, mean, root, setters, weight_decays};
use crate::{Formulas, Optimizer, UpdateRule};

/// m and v as Adam's, p·shrink − m′·(plain + adaptive/(√v′ + ε)); one of the two is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
struct RAdamRule;

impl Rule<11, 3> for RAdamRule {
    fn name(&self) -> &'static str {
        "radam"
    }
    #[inline(always)]
    fn eval<R: Real>(
        &self,
        [p, m, v, g, plain, adaptive, shrink, beta1, beta2, epsilon, decay]: [R; 11],
    ) -> [R; 3]
    where
        f64: Literal<R>,
    {
        let g = g + decay * p;
        let m = mean(beta1, m, g);
        let v = mean(beta2, v, g * g);
        [p * shrink - m * (plain + adaptive / (root(v) + epsilon)), m, v]
    }
}

/// The length of a moving average from which on its variance is finite, with PyTorch's margin.
const LENGTH: f64 = 5.0;

/// The numbers of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
struct RAdamStep {
    step: f64,
    decoupled: bool,
}

impl Rule<5, 7> for RAdamStep {
    fn name(&self) -> &'static str {
        "radam_step"
    }
    #[inline(always)]
    fn eval<R: Real>(&self, [lr, beta1, beta2, epsilon, weight_decay]: [R; 5]) -> [R; 7]
    where
        f64: Literal<R>,
    {
        let (t, zero, one) = (R::lit(self.step), R::lit(0.0), R::lit(1.0));
        let rate = lr / (1.0 - beta1.pow(t));
        let power = beta2.pow(t);
        let limit = 2.0 / (1.0 - beta2) - 1.0;
        let length = limit - 2.0 * t * power / (1.0 - power);
        let adapts = R::lit(LENGTH).less(length);
        // The root of what is negative where it is not taken would be NaN.
        let part =
            (length - 4.0) * (length - 2.0) * limit / ((limit - 4.0) * (limit - 2.0) * length);
        let rectified = R::select(adapts, part * (1.0 - power), one).sqrt();
        let [shrink, decay] = decays(self.decoupled, lr, weight_decay);
        [
            R::select(adapts, zero, rate),
            R::select(adapts, rate * rectified, zero),
            shrink,
            beta1,
            beta2,
            epsilon,
            decay,
        ]
    }
}

/// The hyperparameters of [`RAdam`].
#[derive(Clone, Debug, PartialEq)]
pub struct RAdamHyper {
    /// The learning rate.
    pub lr: f64,
    /// The weight of the old first moment.
    pub beta1: f64,
    /// The weight of the old second moment.
    pub beta2: f64,
    /// Added to the root of the second moment, before its correction.
    pub epsilon: f64,
    /// λ of a penalty or of a decoupled decay.
    pub weight_decay: f64,
    /// Whether the decay is decoupled from the gradient.
    pub decoupled: bool,
}

/// RAdam, "rectified" Adam (Liu et al. 2020): momentum alone in the first steps, where little is known of the second
/// moment, then Adam with a rate that grows to its own; as PyTorch's.
///
/// ```
/// use gradus_optim::RAdam;
/// let radam: RAdam = RAdam::new(1e-3).decoupled_weight_decay(0.01);
/// assert_eq!(radam.hyper().beta2, 0.999);
/// ```
pub type RAdam<T = f32> = Optimizer<RAdamHyper, T>;

impl<T: Float> RAdam<T> {
    /// β₁ = 0.9, β₂ = 0.999, ε = 1e-8, no decay.
    ///
    /// # Panics
    /// When the learning rate is negative or not finite.
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        Optimizer::with_rule(RAdamHyper {
            lr,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
        })
    }
}

setters!(RAdam {
    /// The weight of the old first moment.
    beta1,
    /// The weight of the old second moment.
    beta2,
    /// What is added to the root of the second moment.
    epsilon,
});
weight_decays!(RAdam);
betas!(RAdam);

hyperparameters!(RAdamHyper, |_h| 2, [lr, beta1, beta2, epsilon, weight_decay]);

impl UpdateRule for RAdamHyper {
    fn formulas<F: Formulas>(&self, step: u64, run: F) -> F::Out {
        run.run(RAdamStep { step: step as f64, decoupled: self.decoupled }, RAdamRule)
    }
}
