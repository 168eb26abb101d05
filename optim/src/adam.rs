//! Adam and AdamW.

use gradus_autograd::{Float, Literal, Real, Rule};
use smallvec::{SmallVec, smallvec};

use crate::{Formulas, Optimizer, UpdateRule};

/// m′ = β₁·m + (1 − β₁)·g, v′ = β₂·v + (1 − β₂)·g², p·shrink − rate·(m′/(√(v′ + floor)·root + ε)), g being
/// the gradient plus decay·p.
#[derive(Clone, Copy, Debug, PartialEq)]
struct AdamRule;

impl Rule<12, 3> for AdamRule {
    fn name(&self) -> &'static str {
        "adam"
    }
    #[inline(always)]
    fn eval<R: Real>(
        &self,
        [p, m, v, g, rate, shrink, beta1, beta2, root, epsilon, floor, decay]: [R; 12],
    ) -> [R; 3]
    where
        f64: Literal<R>,
    {
        let g = g + decay * p;
        let m = beta1 * m + (1.0 - beta1) * g;
        let v = beta2 * v + (1.0 - beta2) * (g * g);
        // √ has an infinite slope at 0. There, as long as no gradient has come, m and √v vanish together, and
        // the update has the exact derivative −rate·(1 − β₁)/ε through m alone: the slope of the root is masked.
        let (square, zero) = (v + floor, R::lit(0.0));
        let none = square.equals(zero);
        let length = R::select(none, zero, R::select(none, R::lit(1.0), square).sqrt());
        [p * shrink - rate * (m / (length * root + epsilon)), m, v]
    }
}

/// The numbers of a step. The bias corrections are in `rate` and `root`: they are the same for all elements,
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
        let (rate, root) = match self.epsilon_hat {
            true => (lr * second / first, one),
            false => (lr / first, one / second),
        };
        let floor = match self.eps_root == 0.0 {
            true => zero,
            false => self.eps_root / (root * root),
        };
        let (decay, shrink) = match self.decoupled {
            true => (zero, 1.0 - lr * weight_decay),
            false => (weight_decay, one),
        };
        // Those that change with the learning rate come first.
        [rate, shrink, beta1, beta2, root, epsilon, floor, decay]
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
        Optimizer::with_rule(AdamHyper {
            lr,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            eps_root: 0.0,
            decoupled: false,
            epsilon_hat: false,
        })
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

impl UpdateRule for AdamHyper {
    fn moments(&self) -> usize {
        2
    }
    fn lr(&self) -> f64 {
        self.lr
    }
    fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }
    fn hyper(&mut self) -> SmallVec<[&mut f64; 8]> {
        smallvec![
            &mut self.lr,
            &mut self.beta1,
            &mut self.beta2,
            &mut self.epsilon,
            &mut self.weight_decay
        ]
    }
    fn formulas<F: Formulas>(&self, step: u64, run: F) -> F::Out {
        let AdamHyper { eps_root, decoupled, epsilon_hat, .. } = *self;
        run.run(AdamStep { step: step as f64, eps_root, decoupled, epsilon_hat }, AdamRule)
    }
}
