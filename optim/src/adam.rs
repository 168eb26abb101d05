//! Adam and AdamW.

use gradus_autograd::{Float, Literal, Real, Rule};

use crate::formula::{decays, hyperparameters, mean, root};
use crate::{Formulas, Optimizer, UpdateRule};

/// m′ = β₁·m + (1 − β₁)·g, v′ = β₂·v + (1 − β₂)·g², p·shrink − rate·(m′/(√(v′ + floor)·correction + ε)),
/// g being the gradient plus decay·p.
#[derive(Clone, Copy, Debug, PartialEq)]
struct AdamRule;

impl Rule<12, 3> for AdamRule {
    fn name(&self) -> &'static str {
        "adam"
    }
    #[inline(always)]
    fn eval<R: Real>(
        &self,
        [p, m, v, g, rate, shrink, beta1, beta2, correction, epsilon, floor, decay]: [R; 12],
    ) -> [R; 3]
    where
        f64: Literal<R>,
    {
        let g = g + decay * p;
        let m = mean(beta1, m, g);
        let v = mean(beta2, v, g * g);
        [p * shrink - rate * (m / (root(v + floor) * correction + epsilon)), m, v]
    }
}

/// As [`AdamRule`], with the largest v so far, w, in the place of v.
#[derive(Clone, Copy, Debug, PartialEq)]
struct AmsGradRule;

impl Rule<13, 4> for AmsGradRule {
    fn name(&self) -> &'static str {
        "amsgrad"
    }
    #[inline(always)]
    fn eval<R: Real>(
        &self,
        [p, m, v, w, g, rate, shrink, beta1, beta2, correction, epsilon, floor, decay]: [R; 13],
    ) -> [R; 4]
    where
        f64: Literal<R>,
    {
        let g = g + decay * p;
        let m = mean(beta1, m, g);
        let v = mean(beta2, v, g * g);
        let w = w.maximum(v);
        [p * shrink - rate * (m / (root(w + floor) * correction + epsilon)), m, v, w]
    }
}

/// The numbers of a step. The bias corrections are in `rate` and `correction`: they are the same for all elements,
/// and a power for each would cost more than all the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
struct AdamStep {
    step: f64,
    eps_root: f64,
    decoupled: bool,
    epsilon_hat: bool,
}

impl Rule<5, 8> for AdamStep {
    fn name(&self) -> &'static str {
        "adam_step"
    }
    #[inline(always)]
    fn eval<R: Real>(&self, [lr, beta1, beta2, epsilon, weight_decay]: [R; 5]) -> [R; 8]
    where
        f64: Literal<R>,
    {
        let (t, zero, one) = (R::lit(self.step), R::lit(0.0), R::lit(1.0));
        let first = 1.0 - beta1.pow(t);
        let second = (1.0 - beta2.pow(t)).sqrt();
        let (rate, correction) = match self.epsilon_hat {
            true => (lr * second / first, one),
            false => (lr / first, one / second),
        };
        let floor = match self.eps_root == 0.0 {
            true => zero,
            false => self.eps_root / (correction * correction),
        };
        let [shrink, decay] = decays(self.decoupled, lr, weight_decay);
        // Those that change with the learning rate come first.
        [rate, shrink, beta1, beta2, correction, epsilon, floor, decay]
    }
}

/// The hyperparameters of [`Adam`] and [`AdamW`].
#[derive(Clone, Debug, PartialEq)]
pub struct AdamHyper {
    /// The learning rate.
    pub lr: f64,
    /// The weight of the old first moment.
    pub beta1: f64,
    /// The weight of the old second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// λ: of an L2 penalty λ/2·Σw² in [`Adam`], of the decoupled decay lr·λ·w in [`AdamW`].
    pub weight_decay: f64,
    /// Whether the decay is decoupled from the gradient.
    pub decoupled: bool,
    /// Added to v̂ under the root, 0 by default. Where no gradient has come yet, v is 0, and the derivative
    /// of the update with respect to the gradient is exactly lr/ε, which is large: 1e8·lr. Someone who
    /// differentiates a training run and does not want that gives a small number here (as in optax).
    pub eps_root: f64,
    /// Whether ε is Keras' "epsilon hat", added before the bias correction of the second moment.
    pub epsilon_hat: bool,
    /// Whether the largest second moment so far takes the place of the last one.
    pub amsgrad: bool,
}

impl AdamHyper {
    /// With the defaults of [`Adam::new`].
    pub(crate) fn new(lr: f64) -> Self {
        AdamHyper {
            lr,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            eps_root: 0.0,
            decoupled: false,
            epsilon_hat: false,
            amsgrad: false,
        }
    }
}

/// Adam (Kingma and Ba 2015). ε is added to √v̂ and is 1e-8, as in the paper and in PyTorch;
/// [`keras_epsilon`](Optimizer::keras_epsilon) gives Keras' form. Weight decay is an L2 penalty in
/// the gradient; for decoupled decay see [`AdamW`].
pub type Adam<T = f32> = Optimizer<AdamHyper, T>;

impl<T: Float> Adam<T> {
    /// β₁ = 0.9, β₂ = 0.999, ε = 1e-8, no weight decay.
    ///
    /// # Panics
    /// When the learning rate is negative or not finite.
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        Optimizer::with_rule(AdamHyper::new(lr))
    }
    /// The weights of the old moments.
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
        (self.rule.beta1, self.rule.beta2) = (beta1, beta2);
        self
    }
    /// What is added to the root of the second moment.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.rule.epsilon = epsilon;
        self
    }
    /// Keras' ε: 1e-7, added to √v before its bias correction.
    pub fn keras_epsilon(mut self) -> Self {
        (self.rule.epsilon, self.rule.epsilon_hat) = (1e-7, true);
        self
    }
    /// AMSGrad (Reddi, Kale and Kumar 2018): divides by the largest second moment so far.
    pub fn amsgrad(mut self, amsgrad: bool) -> Self {
        self.rule.amsgrad = amsgrad;
        self
    }
    /// What is added to v̂ under the root; see [`AdamHyper::eps_root`].
    pub fn eps_root(mut self, eps_root: f64) -> Self {
        self.rule.eps_root = eps_root;
        self
    }
    /// λ; see [`AdamHyper::weight_decay`].
    pub fn weight_decay(mut self, decay: f64) -> Self {
        self.rule.weight_decay = decay;
        self
    }
}

/// Makes [`Adam`] with decoupled weight decay (Loshchilov and Hutter 2019).
#[derive(Debug)]
pub struct AdamW;

impl AdamW {
    /// As [`Adam::new`], with a decoupled weight decay of 0.01.
    ///
    /// # Panics
    /// When the learning rate is negative or not finite.
    #[track_caller]
    #[allow(clippy::new_ret_no_self, reason = "AdamW is Adam with another decay")]
    pub fn new<T: Float>(lr: f64) -> Adam<T> {
        let mut adam = Adam::new(lr).weight_decay(0.01);
        adam.rule.decoupled = true;
        adam
    }
}

hyperparameters!(
    AdamHyper,
    |h| 2 + usize::from(h.amsgrad),
    [lr, beta1, beta2, epsilon, weight_decay]
);

impl UpdateRule for AdamHyper {
    fn formulas<F: Formulas>(&self, step: u64, run: F) -> F::Out {
        let AdamHyper { eps_root, decoupled, epsilon_hat, .. } = *self;
        let numbers = AdamStep { step: step as f64, eps_root, decoupled, epsilon_hat };
        match self.amsgrad {
            true => run.run(numbers, AmsGradRule),
            false => run.run(numbers, AdamRule),
        }
    }
}
