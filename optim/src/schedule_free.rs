//! AdamW without a schedule.

use gradus_autograd::{Float, Literal, Module, Path, Real, Rule};

use crate::formula::{hyperparameters, mean, root, setters};
use crate::{Formulas, Optimizer, UpdateRule};

/// v′ = β₂·v + (1 − β₂)·g², d = g/(√v′·correction + ε) + λ·y, y′ = (1 − c)·y + c·z − pull·d, z′ = z − rate·d, where z
/// starts as y does.
#[derive(Clone, Copy, Debug, PartialEq)]
struct ScheduleFreeRule;

impl Rule<12, 3> for ScheduleFreeRule {
    fn name(&self) -> &'static str {
        "schedule_free_adamw"
    }
    #[inline(always)]
    fn eval<R: Real>(
        &self,
        [y, z, v, g, rate, pull, part, beta2, correction, epsilon, decay, first]: [R; 12],
    ) -> [R; 3]
    where
        f64: Literal<R>,
    {
        let z = z + first * y;
        let v = mean(beta2, v, g * g);
        let direction = g / (root(v) * correction + epsilon) + decay * y;
        [y + part * (z - y) - pull * direction, z - rate * direction, v]
    }
}

/// The numbers of a step: `part` is the weight of the newest z in the average.
#[derive(Clone, Copy, Debug, PartialEq)]
struct ScheduleFreeStep {
    step: u64,
    warmup: u64,
}

impl ScheduleFreeStep {
    /// The part of the learning rate.
    fn warmth(&self) -> f64 {
        if self.step < self.warmup { self.step as f64 / self.warmup as f64 } else { 1.0 }
    }
    /// The square of that, by the sum of all such squares so far.
    fn part(&self) -> f64 {
        let (step, warmup) = (self.step as f64, self.warmup as f64);
        let squares = |n: f64| n * (n + 1.0) * (2.0 * n + 1.0) / 6.0;
        let sum = match self.step < self.warmup {
            true => squares(step) / (warmup * warmup),
            false if self.warmup == 0 => step,
            false => squares(warmup) / (warmup * warmup) + step - warmup,
        };
        self.warmth() * self.warmth() / sum
    }
}

impl Rule<5, 8> for ScheduleFreeStep {
    fn name(&self) -> &'static str {
        "schedule_free_adamw_step"
    }
    #[inline(always)]
    fn eval<R: Real>(&self, [lr, beta1, beta2, epsilon, weight_decay]: [R; 5]) -> [R; 8]
    where
        f64: Literal<R>,
    {
        let (rate, part) = (lr * self.warmth(), self.part());
        let kept = 1.0 - R::lit(part);
        let correction = 1.0 / (1.0 - beta2.pow(R::lit(self.step as f64))).sqrt();
        let first = if self.step == 1 { R::lit(1.0) } else { R::lit(0.0) };
        let pull = rate * (1.0 - beta1 * kept);
        [rate, pull, R::lit(part), beta2, correction, epsilon, weight_decay, first]
    }
}

/// The hyperparameters of [`ScheduleFreeAdamW`].
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleFreeHyper {
    /// The learning rate.
    pub lr: f64,
    /// How near to the average, between it and the newest point, gradients are taken.
    pub beta1: f64,
    /// The weight of the old second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// λ of the decoupled decay.
    pub weight_decay: f64,
    /// The steps over which the rate rises in a line to its full height.
    pub warmup: u64,
}

/// Schedule-free AdamW (Defazio et al. 2024): in the place of a rate that falls, an average x of all points z, as good
/// at every step as if training ended there. The weights of the model are y = (1 − β₁)·z + β₁·x, where gradients are
/// taken. What is to be evaluated and kept is x: [`average`](Optimizer::average) writes it into a copy of the model.
///
/// The rate stays as it is, but for its own warm-up: the weights in the average are the squares of this.
///
/// A parameter with a constraint is an [error](crate::StepError::Constrained): x is known by y and z, and a projection
/// of y would change it.
///
/// ```
/// use gradus_autograd::{Param, Tape, Tensor};
/// use gradus_optim::{ScheduleFreeAdamW, Step};
///
/// let mut adam = ScheduleFreeAdamW::new(0.1);
/// let mut w = Param::new(Tensor::from([3.0_f32]));
/// for _ in 0..300 {
///     let tape = Tape::new();
///     let loss = tape.param(&w).powf(2.0).sum();
///     adam.step(&mut w, &loss.backward());
/// }
/// let mut best = w.clone();
/// adam.average(&mut best);
/// assert!(best.value().item().abs() < 0.1);
/// ```
pub type ScheduleFreeAdamW<T = f32> = Optimizer<ScheduleFreeHyper, T>;

impl<T: Float> ScheduleFreeAdamW<T> {
    /// β₁ = 0.9, β₂ = 0.999, ε = 1e-8, no decay, no warm-up.
    ///
    /// # Panics
    /// When the learning rate is negative or not finite.
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        Optimizer::with_rule(ScheduleFreeHyper {
            lr,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            warmup: 0,
        })
    }
    /// See [`ScheduleFreeHyper::beta1`], and the weight of the old second moment.
    pub fn betas(self, beta1: f64, beta2: f64) -> Self {
        self.beta1(beta1).beta2(beta2)
    }
    /// The steps over which the rate rises in a line to its full height.
    pub fn warmup(mut self, steps: u64) -> Self {
        self.rule.warmup = steps;
        self
    }

    /// Writes the average x into the parameters of a model that has the weights y: into a copy, since training goes
    /// on from y. A parameter that was not trained stays.
    ///
    /// # Panics
    /// When β₁ is 0: then y is z, and says nothing about x.
    #[track_caller]
    pub fn average(&self, model: &mut dyn Module<T>) {
        model.visit_mut(Path::root(), &mut |path, param| {
            let path = path.to_string();
            let Some(slot) = self.slots.iter().find(|slot| slot.path == path) else { return };
            let beta1 = slot.rule(&self.rule).beta1;
            assert!(beta1 != 0.0, "average: with a beta1 of 0 there is no average to be had");
            let (keep, take) = (T::of(1.0 / beta1), T::of(1.0 / beta1 - 1.0));
            let newest = slot.moments[0].to_vec();
            let values = param.value_mut().make_mut();
            for (y, z) in std::iter::zip(values, newest) {
                *y = keep * *y - take * z;
            }
        });
    }
}

setters!(ScheduleFreeAdamW {
    /// See [`ScheduleFreeHyper::beta1`].
    beta1,
    /// The weight of the old second moment.
    beta2,
    /// What is added to the root of the second moment.
    epsilon,
    /// λ of a decay that takes lr·λ·w from a weight.
    weight_decay,
});

hyperparameters!(ScheduleFreeHyper, |_h| 2, [lr, beta1, beta2, epsilon, weight_decay], {
    // x is known by y and z alone: with another y it would be another x.
    fn takes_constraints(&self) -> bool {
        false
    }
});

impl UpdateRule for ScheduleFreeHyper {
    fn formulas<F: Formulas>(&self, step: u64, run: F) -> F::Out {
        run.run(ScheduleFreeStep { step, warmup: self.warmup }, ScheduleFreeRule)
    }
}
