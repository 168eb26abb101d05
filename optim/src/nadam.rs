//! NAdam: Adam with Nesterov's momentum.

use gradus_autograd::{Float, Literal, Real, Rule};

use crate::formula::{betas, decays, hyperparameters, mean, root, setters, weight_decays};
use crate::{Formulas, Optimizer, UpdateRule};

/// m and v as Adam's, p·shrink − (now·g + next·m′)/(√v′·correction + ε).
#[derive(Clone, Copy, Debug, PartialEq)]
struct NAdamRule;

impl Rule<12, 3> for NAdamRule {
    fn name(&self) -> &'static str {
        "nadam"
    }
    #[inline(always)]
    fn eval<R: Real>(
        &self,
        [p, m, v, g, now, next, shrink, beta1, beta2, correction, epsilon, decay]: [R; 12],
    ) -> [R; 3]
    where
        f64: Literal<R>,
    {
        let g = g + decay * p;
        let m = mean(beta1, m, g);
        let v = mean(beta2, v, g * g);
        [p * shrink - (now * g + next * m) / (root(v) * correction + epsilon), m, v]
    }
}

/// How fast the momentum comes near to β₁.
const WARM: f64 = 0.96;
/// What is smaller beside 1 is not seen in 64 bits.
const NOTHING: f64 = 1e-18;

/// The numbers of a step. The momentum of step t is µₜ = β₁·(1 − ½·0.96^(t·ψ)).
#[derive(Clone, Copy, Debug, PartialEq)]
struct NAdamStep {
    step: u64,
    momentum_decay: f64,
    decoupled: bool,
}

impl NAdamStep {
    /// µₜ/β₁
    fn part(&self, step: u64) -> f64 {
        1.0 - 0.5 * WARM.powf(step as f64 * self.momentum_decay)
    }
    /// The product of all of them. Factors near 1/2 soon make it nothing, others are soon 1: so there are few.
    fn product(&self) -> f64 {
        let mut product = 1.0;
        for part in (1..=self.step).map(|step| self.part(step)) {
            product *= part;
            if product < NOTHING || 1.0 - part < NOTHING {
                break;
            }
        }
        product
    }
}

impl Rule<5, 8> for NAdamStep {
    fn name(&self) -> &'static str {
        "nadam_step"
    }
    #[inline(always)]
    fn eval<R: Real>(&self, [lr, beta1, beta2, epsilon, weight_decay]: [R; 5]) -> [R; 8]
    where
        f64: Literal<R>,
    {
        let t = R::lit(self.step as f64);
        let (now, next) = (beta1 * self.part(self.step), beta1 * self.part(self.step + 1));
        let product = beta1.pow(t) * self.product();
        let [shrink, decay] = decays(self.decoupled, lr, weight_decay);
        [
            lr * (1.0 - now) / (1.0 - product),
            lr * next / (1.0 - product * next),
            shrink,
            beta1,
            beta2,
            1.0 / (1.0 - beta2.pow(t)).sqrt(),
            epsilon,
            decay,
        ]
    }
}

/// The hyperparameters of [`NAdam`].
#[derive(Clone, Debug, PartialEq)]
pub struct NAdamHyper {
    /// The learning rate.
    pub lr: f64,
    /// The weight of the old first moment.
    pub beta1: f64,
    /// The weight of the old second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// λ of a penalty or of a decoupled decay.
    pub weight_decay: f64,
    /// Whether the decay is decoupled from the gradient.
    pub decoupled: bool,
    /// ψ: how fast the momentum comes near to β₁, from half of it.
    pub momentum_decay: f64,
}

/// NAdam (Dozat 2016): Adam with Nesterov's momentum, with ψ = 4e-3 as in PyTorch; [`keras`](Optimizer::keras) is
/// Keras' `Nadam`.
///
/// ```
/// use gradus_optim::NAdam;
/// let nadam: NAdam = NAdam::new(2e-3).decoupled_weight_decay(0.01);
/// assert_eq!(nadam.hyper().momentum_decay, 4e-3);
/// ```
pub type NAdam<T = f32> = Optimizer<NAdamHyper, T>;

impl<T: Float> NAdam<T> {
    /// β₁ = 0.9, β₂ = 0.999, ε = 1e-8, ψ = 4e-3, no decay.
    ///
    /// # Panics
    /// When the learning rate is negative or not finite.
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        Optimizer::with_rule(NAdamHyper {
            lr,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
            momentum_decay: 4e-3,
        })
    }
    /// Keras' conventions: ψ = 1, ε = 1e-7.
    pub fn keras(self) -> Self {
        self.momentum_decay(1.0).epsilon(1e-7)
    }
}

setters!(NAdam {
    /// The weight of the old first moment.
    beta1,
    /// The weight of the old second moment.
    beta2,
    /// What is added to the root of the second moment.
    epsilon,
    /// ψ; see [`NAdamHyper::momentum_decay`].
    momentum_decay,
});
weight_decays!(NAdam);
betas!(NAdam);

hyperparameters!(NAdamHyper, |_h| 2, [lr, beta1, beta2, epsilon, weight_decay]);

impl UpdateRule for NAdamHyper {
    fn formulas<F: Formulas>(&self, step: u64, run: F) -> F::Out {
        let NAdamHyper { momentum_decay, decoupled, .. } = *self;
        run.run(NAdamStep { step, momentum_decay, decoupled }, NAdamRule)
    }
}
