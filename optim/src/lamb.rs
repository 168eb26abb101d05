//! LAMB.

use gradus_autograd::{Float, Var};

use crate::formula::{betas, hyperparameters};
use crate::tensorwise::{States, elementwise, length, tensorwise};
use crate::{AdamHyper, TensorRule, Tensorwise};

/// The hyperparameters of [`Lamb`].
#[derive(Clone, Debug, PartialEq)]
pub struct LambHyper {
    /// The learning rate.
    pub lr: f64,
    /// The weight of the old first moment.
    pub beta1: f64,
    /// The weight of the old second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// λ of a decay that is a part of the direction.
    pub weight_decay: f64,
}

/// LAMB (You et al. 2020), for large batches: the direction u of Adam, with λ·w added to it, scaled to the length of
/// the weights: w − lr·‖w‖/‖u‖·u, for each tensor; the factor is 1 where one of the norms is 0. As Keras' `Lamb` and
/// optax' `lamb`. Biases and gains are usually left without decay: `.group(…, |h| h.weight_decay = 0.0)`.
///
/// ```
/// use gradus_optim::Lamb;
/// let lamb: Lamb = Lamb::new(1e-3).weight_decay(0.01);
/// assert_eq!(lamb.hyper().epsilon, 1e-6);
/// ```
pub type Lamb<T = f32> = Tensorwise<LambHyper, T>;

impl<T: Float> Lamb<T> {
    /// β₁ = 0.9, β₂ = 0.999, ε = 1e-6, no decay.
    ///
    /// # Panics
    /// When the learning rate is negative or not finite.
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        let rule = LambHyper { lr, beta1: 0.9, beta2: 0.999, epsilon: 1e-6, weight_decay: 0.0 };
        Tensorwise::with_rule(rule)
    }
}

tensorwise!(Lamb {
    /// The weight of the old first moment.
    beta1: f64,
    /// The weight of the old second moment.
    beta2: f64,
    /// What is added to the root of the second moment.
    epsilon: f64,
    /// λ; see [`LambHyper::weight_decay`].
    weight_decay: f64,
});

betas!(Lamb);
hyperparameters!(LambHyper, |_h| 2, [lr, beta1, beta2, epsilon, weight_decay]);

impl TensorRule for LambHyper {
    fn update<'t, T: Float>(
        &self,
        step: u64,
        p: Var<'t, T>,
        moments: &[Var<'t, T>],
        g: Var<'t, T>,
    ) -> States<'t, T> {
        // From 0, with the rate −1, Adam arrives at its direction.
        let LambHyper { beta1, beta2, epsilon, .. } = *self;
        let adam = AdamHyper { lr: -1.0, beta1, beta2, epsilon, ..AdamHyper::new(0.0) };
        let mut states = elementwise(&adam, step, p.zeros_like(), moments, g);
        let mut direction = states[0];
        if self.weight_decay != 0.0 {
            direction = direction + p * self.weight_decay;
        }
        let (weights, update) = (length(p), length(direction));
        let trust = if weights > 0.0 && update > 0.0 { weights / update } else { 1.0 };
        states[0] = p - direction * (self.lr * trust);
        states
    }
}
