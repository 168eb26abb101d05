//! Adamax.

use gradus_autograd::{Float, Literal, Real, Rule};

use crate::formula::{betas, decays, hyperparameters, mean, setters, weight_decays};
use crate::{Formulas, Optimizer, UpdateRule};

/// m′ = β₁·m + (1 − β₁)·g, u′ = max(β₂·u, |g| + ε), p·shrink − rate·m′/u′; with Keras' ε: u′ = max(β₂·u, |g|), divided
/// by u′ + ε.
#[derive(Clone, Copy, Debug, PartialEq)]
struct AdamaxRule {
    keras: bool,
}

impl Rule<10, 3> for AdamaxRule {
    fn name(&self) -> &'static str {
        "adamax"
    }
    #[inline(always)]
    fn eval<R: Real>(
        &self,
        [p, m, u, g, rate, shrink, beta1, beta2, epsilon, decay]: [R; 10],
    ) -> [R; 3]
    where
        f64: Literal<R>,
    {
        let g = g + decay * p;
        let m = mean(beta1, m, g);
        let size = if self.keras { g.abs() } else { g.abs() + epsilon };
        let u = (beta2 * u).maximum(size);
        let divisor = if self.keras { u + epsilon } else { u };
        [p * shrink - rate * (m / divisor), m, u]
    }
}

/// The numbers of a step, with the bias correction of the first moment.
#[derive(Clone, Copy, Debug, PartialEq)]
struct AdamaxStep {
    step: f64,
    decoupled: bool,
}

impl Rule<5, 6> for AdamaxStep {
    fn name(&self) -> &'static str {
        "adamax_step"
    }
    #[inline(always)]
    fn eval<R: Real>(&self, [lr, beta1, beta2, epsilon, weight_decay]: [R; 5]) -> [R; 6]
    where
        f64: Literal<R>,
    {
        let rate = lr / (1.0 - beta1.pow(R::lit(self.step)));
        let [shrink, decay] = decays(self.decoupled, lr, weight_decay);
        [rate, shrink, beta1, beta2, epsilon, decay]
    }
}

/// The hyperparameters of [`Adamax`].
#[derive(Clone, Debug, PartialEq)]
pub struct AdamaxHyper {
    /// The learning rate.
    pub lr: f64,
    /// The weight of the old first moment.
    pub beta1: f64,
    /// The weight of the old largest gradient.
    pub beta2: f64,
    /// Added to the size of a gradient.
    pub epsilon: f64,
    /// λ of a penalty or of a decoupled decay.
    pub weight_decay: f64,
    /// Whether the decay is decoupled from the gradient.
    pub decoupled: bool,
    /// Whether ε is added to the largest gradient, as in Keras, and not to each one.
    pub keras: bool,
}

/// Adamax (Kingma and Ba 2015): Adam with the largest gradient, slowly forgotten, in place of the root of the mean
/// square. ε is PyTorch's; [`keras`](Optimizer::keras) has that of Keras.
///
/// ```
/// use gradus_optim::Adamax;
/// let adamax: Adamax = Adamax::new(2e-3).beta1(0.8);
/// assert_eq!(adamax.hyper().beta2, 0.999);
/// ```
pub type Adamax<T = f32> = Optimizer<AdamaxHyper, T>;

impl<T: Float> Adamax<T> {
    /// β₁ = 0.9, β₂ = 0.999, ε = 1e-8, no decay.
    ///
    /// # Panics
    /// When the learning rate is negative or not finite.
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        Optimizer::with_rule(AdamaxHyper {
            lr,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
            keras: false,
        })
    }
    /// Keras' ε: 1e-7, added to the largest gradient.
    pub fn keras(mut self) -> Self {
        (self.rule.epsilon, self.rule.keras) = (1e-7, true);
        self
    }
}

setters!(Adamax {
    /// The weight of the old first moment.
    beta1,
    /// The weight of the old largest gradient.
    beta2,
    /// What is added to the size of a gradient.
    epsilon,
});
weight_decays!(Adamax);
betas!(Adamax);

hyperparameters!(AdamaxHyper, |_h| 2, [lr, beta1, beta2, epsilon, weight_decay]);

impl UpdateRule for AdamaxHyper {
    fn formulas<F: Formulas>(&self, step: u64, run: F) -> F::Out {
        let numbers = AdamaxStep { step: step as f64, decoupled: self.decoupled };
        run.run(numbers, AdamaxRule { keras: self.keras })
    }
}
