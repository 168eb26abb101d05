//! Stochastic gradient descent, with momentum or Nesterov's.

use gradus_autograd::{Float, Literal, Real, Rule};

use crate::formula::{hyperparameters, setters};
use crate::{Formulas, Optimizer, UpdateRule};

/// p − lr·(g + λ·p)
#[derive(Clone, Copy, Debug, PartialEq)]
struct Plain;

impl Rule<4, 1> for Plain {
    fn name(&self) -> &'static str {
        "sgd"
    }
    #[inline(always)]
    fn eval<R: Real>(&self, [p, g, lr, decay]: [R; 4]) -> [R; 1]
    where
        f64: Literal<R>,
    {
        [p - lr * (g + decay * p)]
    }
}

/// b′ = µ·b + take·g, p − lr·b′; or p − lr·(g + µ·b′) with Nesterov's. (Sutskever et al. 2013, in PyTorch's form.)
#[derive(Clone, Copy, Debug, PartialEq)]
struct Momentum {
    nesterov: bool,
}

impl Rule<7, 2> for Momentum {
    fn name(&self) -> &'static str {
        "sgd_momentum"
    }
    #[inline(always)]
    fn eval<R: Real>(&self, [p, b, g, lr, momentum, decay, take]: [R; 7]) -> [R; 2]
    where
        f64: Literal<R>,
    {
        let g = g + decay * p;
        let b = momentum * b + take * g;
        let direction = if self.nesterov { g + momentum * b } else { b };
        [p - lr * direction, b]
    }
}

/// The numbers of a step without momentum.
#[derive(Clone, Copy, Debug, PartialEq)]
struct PlainStep;

impl Rule<3, 2> for PlainStep {
    fn name(&self) -> &'static str {
        "sgd_step"
    }
    #[inline(always)]
    fn eval<R: Real>(&self, [lr, _, decay]: [R; 3]) -> [R; 2]
    where
        f64: Literal<R>,
    {
        [lr, decay]
    }
}

/// The numbers of a step with momentum, and how much it takes of a gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
struct MomentumStep {
    take: f64,
}

impl Rule<3, 4> for MomentumStep {
    fn name(&self) -> &'static str {
        "sgd_step"
    }
    #[inline(always)]
    fn eval<R: Real>(&self, [lr, momentum, decay]: [R; 3]) -> [R; 4]
    where
        f64: Literal<R>,
    {
        [lr, momentum, decay, R::lit(self.take)]
    }
}

/// The hyperparameters of [`Sgd`].
#[derive(Clone, Debug, PartialEq)]
pub struct SgdHyper {
    /// The learning rate.
    pub lr: f64,
    /// The weight of the old direction.
    pub momentum: f64,
    /// Whether the momentum is Nesterov's.
    pub nesterov: bool,
    /// τ: only 1 − τ of a gradient goes to the momentum, but for the first one, as in PyTorch.
    pub dampening: f64,
    /// λ of an L2 penalty λ/2·Σw², added to the gradient as λ·w.
    pub weight_decay: f64,
}

/// Stochastic gradient descent.
pub type Sgd<T = f32> = Optimizer<SgdHyper, T>;

impl<T: Float> Sgd<T> {
    /// Plain gradient descent.
    ///
    /// # Panics
    /// When the learning rate is negative or not finite.
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        Optimizer::with_rule(SgdHyper {
            lr,
            momentum: 0.0,
            nesterov: false,
            dampening: 0.0,
            weight_decay: 0.0,
        })
    }
    /// With momentum.
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.rule.momentum = momentum;
        self
    }
    /// With Nesterov's momentum.
    pub fn nesterov(mut self, momentum: f64) -> Self {
        (self.rule.momentum, self.rule.nesterov) = (momentum, true);
        self
    }
}

setters!(Sgd {
    /// τ: how much of a gradient does not go to the momentum; see [`SgdHyper::dampening`].
    dampening,
    /// With λ·w added to the gradient (an L2 penalty of λ/2·Σw²).
    weight_decay,
});

hyperparameters!(SgdHyper, |h| usize::from(h.momentum != 0.0), [lr, momentum, weight_decay]);

impl UpdateRule for SgdHyper {
    fn formulas<F: Formulas>(&self, step: u64, run: F) -> F::Out {
        let take = if step == 1 { 1.0 } else { 1.0 - self.dampening };
        match self.momentum == 0.0 {
            true => run.run(PlainStep, Plain),
            false => run.run(MomentumStep { take }, Momentum { nesterov: self.nesterov }),
        }
    }
}
