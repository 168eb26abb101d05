//! Adam and AdamW.

use gradus_autograd::{Float, Fuse, Literal, Real, Rule, Tensor};

use crate::{Optimizer, UpdateRule};

/// m′ = β₁·m + (1 − β₁)·g, v′ = β₂·v + (1 − β₂)·g², p·shrink − step·m′/(√v′·root + ε), g being the
/// gradient plus decay·p. The bias corrections are in `step` and `root`: they are the same for all
/// elements, and a power for each would cost more than all the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
struct AdamRule;

impl Rule<11, 3> for AdamRule {
    fn name(&self) -> &'static str {
        "adam"
    }
    #[inline(always)]
    fn eval<R: Real>(
        &self,
        [p, m, v, g, step, beta1, beta2, root, epsilon, decay, shrink]: [R; 11],
    ) -> [R; 3]
    where
        f64: Literal<R>,
    {
        let g = g + decay * p;
        let m = beta1 * m + (1.0 - beta1) * g;
        let v = beta2 * v + (1.0 - beta2) * (g * g);
        [p * shrink - step * m / (v.sqrt() * root + epsilon), m, v]
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
    fn update<T: Float>(
        &self,
        step: u64,
        p: &mut Tensor<T>,
        g: &Tensor<T>,
        moments: &mut [Tensor<T>],
    ) {
        let [m, v] = moments else { unreachable!("Adam keeps two moments") };
        let t = step as f64;
        let (first, second) = (1.0 - self.beta1.powf(t), (1.0 - self.beta2.powf(t)).sqrt());
        let (rate, root) = match self.epsilon_hat {
            true => (self.lr * second / first, 1.0),
            false => (self.lr / first, 1.0 / second),
        };
        let (decay, shrink) = match self.decoupled {
            true => (0.0, 1.0 - self.lr * self.weight_decay),
            false => (self.weight_decay, 1.0),
        };
        let scalars = [rate, self.beta1, self.beta2, root, self.epsilon, decay, shrink].map(T::of);
        AdamRule.update([p, m, v], &[g], &scalars);
    }
}
