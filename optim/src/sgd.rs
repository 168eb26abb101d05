//! Stochastic gradient descent, with momentum or Nesterov's.

use gradus_autograd::{Float, Literal, Real, Rule};
use smallvec::{SmallVec, smallvec};

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

/// b′ = µ·b + g, p − lr·b′; or p − lr·(g + µ·b′) with Nesterov's. (Sutskever et al. 2013, in PyTorch's form.)
#[derive(Clone, Copy, Debug, PartialEq)]
struct Momentum {
    nesterov: bool,
}

impl Rule<6, 2> for Momentum {
    fn name(&self) -> &'static str {
        "sgd_momentum"
    }
    #[inline(always)]
    fn eval<R: Real>(&self, [p, b, g, lr, momentum, decay]: [R; 6]) -> [R; 2]
    where
        f64: Literal<R>,
    {
        let g = g + decay * p;
        let b = momentum * b + g;
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

/// The numbers of a step with momentum.
#[derive(Clone, Copy, Debug, PartialEq)]
struct MomentumStep;

impl Rule<3, 3> for MomentumStep {
    fn name(&self) -> &'static str {
        "sgd_step"
    }
    #[inline(always)]
    fn eval<R: Real>(&self, hyper: [R; 3]) -> [R; 3]
    where
        f64: Literal<R>,
    {
        hyper
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
        let rule = SgdHyper { lr, momentum: 0.0, nesterov: false, weight_decay: 0.0 };
        Optimizer::with_rule(rule)
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
    /// With λ·w added to the gradient (an L2 penalty of λ/2·Σw²).
    pub fn weight_decay(mut self, decay: f64) -> Self {
        self.rule.weight_decay = decay;
        self
    }
}

impl UpdateRule for SgdHyper {
    fn moments(&self) -> usize {
        usize::from(self.momentum != 0.0)
    }
    fn lr(&self) -> f64 {
        self.lr
    }
    fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }
    fn hyper(&mut self) -> SmallVec<[&mut f64; 8]> {
        smallvec![&mut self.lr, &mut self.momentum, &mut self.weight_decay]
    }
    fn formulas<F: Formulas>(&self, _: u64, run: F) -> F::Out {
        match self.momentum == 0.0 {
            true => run.run(PlainStep, Plain),
            false => run.run(MomentumStep, Momentum { nesterov: self.nesterov }),
        }
    }
}
