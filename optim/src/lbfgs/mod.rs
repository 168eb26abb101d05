//! L-BFGS: a quasi-Newton method for a loss that is the same at every evaluation.

mod state;
mod wolfe;

use std::collections::VecDeque;

use gradus_autograd::{Float, Module, Path, Tape, Tensor, Var};

use crate::StepError;
use crate::constrained::refuse;
use wolfe::{Point, strong_wolfe};

/// How far to go in a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineSearch {
    /// By the learning rate: PyTorch's default.
    Fixed,
    /// Until the loss and its slope have fallen enough (Nocedal and Wright 2006, algorithms 3.5 and 3.6).
    StrongWolfe,
}

/// Curvatures below this are not kept.
const LEAST_CURVATURE: f64 = 1e-10;

/// L-BFGS (Liu and Nocedal 1989), step by step as PyTorch's, for smooth problems of full batches: a loss without
/// dropout or shuffled batches, in f64 if it is to come near to a minimum.
///
/// It evaluates the loss itself, several times in a step: so it is no [`Step`](crate::Step), and `fit` has no place for
/// it. All its numbers are kept in 64 bits: twice `history` vectors of the size of the model.
///
/// ```
/// use gradus_autograd::{Param, Tensor};
/// use gradus_optim::Lbfgs;
///
/// // Rosenbrock's valley, whose floor is at (1, 1).
/// let mut w = Param::new(Tensor::from([-1.5_f64, 2.0]));
/// let mut lbfgs = Lbfgs::new(1.0);
/// for _ in 0..5 {
///     lbfgs.step(&mut w, |tape, w| {
///         let [x, y] = [0, 1].map(|at| tape.param(w).slice(0, at..at + 1));
///         ((y - x.powf(2.0)).powf(2.0) * 100.0 + (x - 1.0).powf(2.0)).sum()
///     })?;
/// }
/// assert!(w.value().to_vec().iter().all(|w| (w - 1.0).abs() < 1e-4));
/// # Ok::<(), gradus_optim::StepError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lbfgs {
    lr: f64,
    max_iter: usize,
    max_eval: Option<usize>,
    tolerance_grad: f64,
    tolerance_change: f64,
    history: usize,
    line_search: LineSearch,
    memory: Memory,
}

/// What is kept between steps.
#[derive(Clone, Debug, Default, PartialEq)]
struct Memory {
    iterations: u64,
    direction: Vec<f64>,
    gradient: Vec<f64>,
    /// How far the last iteration went.
    t: f64,
    /// The scale of the first guess of the inverse Hessian.
    scale: f64,
    /// Changes of the gradient and of the weights, the newest last.
    pairs: VecDeque<(Vec<f64>, Vec<f64>)>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    std::iter::zip(a, b).map(|(a, b)| a * b).sum()
}

fn largest(a: impl IntoIterator<Item = f64>) -> f64 {
    a.into_iter().fold(0.0, |largest, x| x.abs().max(largest))
}

/// a += factor·b
fn add(a: &mut [f64], factor: f64, b: &[f64]) {
    std::iter::zip(a, b).for_each(|(a, b)| *a += factor * b);
}

impl Memory {
    /// The direction from a point with this gradient.
    fn aim(&mut self, gradient: &[f64], history: usize) {
        self.iterations += 1;
        let down: Vec<f64> = gradient.iter().map(|g| -g).collect();
        if self.iterations == 1 {
            (self.pairs, self.scale, self.direction) = (VecDeque::new(), 1.0, down);
            return;
        }
        let y: Vec<f64> = std::iter::zip(gradient, &self.gradient).map(|(a, b)| a - b).collect();
        let s: Vec<f64> = self.direction.iter().map(|d| d * self.t).collect();
        let curvature = dot(&y, &s);
        if curvature > LEAST_CURVATURE {
            if self.pairs.len() >= history {
                self.pairs.pop_front();
            }
            self.scale = curvature / dot(&y, &y);
            if history > 0 {
                self.pairs.push_back((y, s));
            }
        }
        // The recursion of two loops.
        let mut direction = down;
        let mut parts = Vec::with_capacity(self.pairs.len());
        for (y, s) in self.pairs.iter().rev() {
            let part = dot(s, &direction) / dot(y, s);
            add(&mut direction, -part, y);
            parts.push(part);
        }
        direction.iter_mut().for_each(|d| *d *= self.scale);
        for ((y, s), part) in std::iter::zip(&self.pairs, parts.into_iter().rev()) {
            let other = dot(y, &direction) / dot(y, s);
            add(&mut direction, part - other, s);
        }
        self.direction = direction;
    }
}

impl Lbfgs {
    /// With strong-Wolfe line search, 20 iterations in a step, a history of 100, and the tolerances of PyTorch.
    ///
    /// # Panics
    /// When the learning rate, the first length that is tried, is not above 0 and finite.
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        assert!(
            lr.is_finite() && lr > 0.0,
            "Lbfgs: a learning rate of {lr} is not above 0 and finite"
        );
        Lbfgs {
            lr,
            max_iter: 20,
            max_eval: None,
            tolerance_grad: 1e-7,
            tolerance_change: 1e-9,
            history: 100,
            line_search: LineSearch::StrongWolfe,
            memory: Memory::default(),
        }
    }
    /// The iterations of a step.
    pub fn max_iter(self, max_iter: usize) -> Self {
        Lbfgs { max_iter, ..self }
    }
    /// No iteration begins after so many evaluations of the loss; 5/4 of the iterations if nothing is said.
    pub fn max_eval(self, max_eval: usize) -> Self {
        Lbfgs { max_eval: Some(max_eval), ..self }
    }
    /// The end is where no element of the gradient is larger than this, 1e-7.
    pub fn tolerance_grad(self, tolerance_grad: f64) -> Self {
        Lbfgs { tolerance_grad, ..self }
    }
    /// The end is where neither the loss nor a weight changes by more than this, 1e-9.
    pub fn tolerance_change(self, tolerance_change: f64) -> Self {
        Lbfgs { tolerance_change, ..self }
    }
    /// From how many iterations the curvature is known.
    pub fn history(self, history: usize) -> Self {
        Lbfgs { history, ..self }
    }
    /// How far to go in a direction.
    pub fn line_search(self, line_search: LineSearch) -> Self {
        Lbfgs { line_search, ..self }
    }

    /// Some iterations on a loss, which is given as what it is on a tape. Returns its value before them. What the model
    /// notes on the tape, such as running statistics, takes no effect.
    ///
    /// # Errors
    /// When the loss or its gradient is not finite: at the weights as they are, or, without a line search, where an
    /// iteration led. The model has then the weights of the last point where they were. When a parameter has a
    /// constraint: a line search needs a line.
    ///
    /// # Panics
    /// When the loss is not a single number.
    #[track_caller]
    pub fn step<T: Float, M: Module<T>>(
        &mut self,
        model: &mut M,
        mut loss: impl for<'t> FnMut(&'t Tape<T>, &M) -> Var<'t, T>,
    ) -> Result<f64, StepError> {
        refuse(&*model)?;
        let mut x = gather(model);
        if self.memory.direction.len() != x.len() {
            self.memory = Memory::default();
        }
        let mut at = evaluate(model, &mut loss);
        let before = at.loss;
        if !at.is_finite() {
            return Err(StepError::Loss { loss: before });
        }
        let (mut evaluations, most) = (1, self.max_eval.unwrap_or(self.max_iter * 5 / 4));
        let flat = |at: &Point, tolerance| largest(at.gradient.iter().copied()) <= tolerance;
        if flat(&at, self.tolerance_grad) {
            return Ok(before);
        }
        for iteration in 1..=self.max_iter {
            self.memory.aim(&at.gradient, self.history);
            let size: f64 = at.gradient.iter().map(|g| g.abs()).sum();
            let first = self.memory.iterations == 1;
            let t = if first { self.lr * (1.0 / size).min(1.0) } else { self.lr };
            let direction = self.memory.direction.clone();
            let slope = dot(&at.gradient, &direction);
            (self.memory.gradient, self.memory.t) = (at.gradient.clone(), t);
            if slope > -self.tolerance_change {
                break;
            }
            let mut go = |t: f64| {
                let mut there = x.clone();
                add(&mut there, t, &direction);
                scatter(model, &there);
                evaluate(model, &mut loss)
            };
            let old = at.loss;
            let is_last = iteration == self.max_iter;
            match self.line_search {
                LineSearch::StrongWolfe => {
                    let limit = self.tolerance_change;
                    let (point, t, count) = strong_wolfe(&mut go, t, &direction, &at, slope, limit);
                    (at, self.memory.t) = (point, t);
                    evaluations += count;
                }
                LineSearch::Fixed => {
                    // The last point is looked at in the next step.
                    if !is_last {
                        let there = go(t);
                        if !there.is_finite() {
                            scatter(model, &x);
                            self.memory = Memory::default();
                            return Err(StepError::Loss { loss: there.loss });
                        }
                        at = there;
                        evaluations += 1;
                    }
                }
            }
            let t = self.memory.t;
            add(&mut x, t, &direction);
            scatter(model, &x);
            let moved = largest(direction.iter().map(|d| d * t));
            if is_last
                || evaluations >= most
                || flat(&at, self.tolerance_grad)
                || moved <= self.tolerance_change
                || (at.loss - old).abs() < self.tolerance_change
            {
                break;
            }
        }
        Ok(before)
    }
}

/// All trained weights in a row.
fn gather<T: Float>(model: &dyn Module<T>) -> Vec<f64> {
    let mut all = Vec::new();
    model.visit(Path::root(), &mut |_, param| {
        if param.is_trained() {
            all.extend(param.value().to_vec().into_iter().map(|x| x.to_f64()));
        }
    });
    all
}

/// The row back into the model.
fn scatter<T: Float>(model: &mut dyn Module<T>, all: &[f64]) {
    let mut all = all.iter().map(|&x| T::of(x));
    model.visit_mut(Path::root(), &mut |_, param| {
        if param.is_trained() {
            let shape = param.value().shape().to_vec();
            let values = all.by_ref().take(param.value().len()).collect();
            *param.value_mut() = Tensor::new(&shape, values);
        }
    });
}

/// The loss and its gradient at the weights of a model.
#[track_caller]
fn evaluate<T: Float, M: Module<T>>(
    model: &M,
    loss: &mut impl for<'t> FnMut(&'t Tape<T>, &M) -> Var<'t, T>,
) -> Point {
    let tape = Tape::training(0);
    let loss = loss(&tape, model);
    let (value, gradients) = (loss.item().to_f64(), loss.backward());
    let mut gradient = Vec::new();
    model.visit(Path::root(), &mut |_, param| {
        if param.is_trained() {
            match gradients.param(param) {
                Some(g) => gradient.extend(g.to_vec().into_iter().map(|g| g.to_f64())),
                None => gradient.resize(gradient.len() + param.value().len(), 0.0),
            }
        }
    });
    Point { loss: value, gradient }
}
