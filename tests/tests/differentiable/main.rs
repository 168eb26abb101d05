//! Differentiable training: the step on a tape, the run, and its derivative.

mod checkpoint;
mod clip;
mod constraints;
mod errors;
mod golden;
mod groups;
mod implicit;
mod limits;
mod rules;
mod runs;
mod slopes;
mod steps;
mod tuned;
mod ways;

use gradus::optim::{Hypergradient, Unroll};
use gradus::prelude::*;

/// The three ways to differentiate a run.
pub const WAYS: [fn(usize) -> Unroll; 3] = [
    Unroll::steps,
    |steps| Unroll::steps(steps).checkpointed(),
    |steps| Unroll::steps(steps).forward(),
];

/// An MLP 3-4-1 with tanh.
#[derive(Clone, Module)]
pub struct Mlp {
    pub w1: Param<f64>,
    pub b1: Param<f64>,
    pub w2: Param<f64>,
    pub b2: Param<f64>,
}

impl Mlp {
    pub fn forward<'t>(&self, x: Var<'t, f64>) -> Var<'t, f64> {
        let on = |p| x.tape().param(p);
        (x.matmul(on(&self.w1)) + on(&self.b1)).tanh().matmul(on(&self.w2)) + on(&self.b2)
    }

    /// Binary cross-entropy.
    pub fn loss<'t>(&self, tape: &'t Tape<f64>, x: &Tensor<f64>, y: &Tensor<f64>) -> Var<'t, f64> {
        self.forward(tape.constant(x.clone())).bce_with_logits(tape.constant(y.clone()))
    }
}

/// The hypergradient of one parameter.
pub fn slope(found: &Hypergradient<f64>, param: &Param<f64>) -> f64 {
    found.gradients.param(param).expect("a gradient").item()
}

pub fn close(a: f64, b: f64, tolerance: f64, what: &str) {
    let bound = tolerance * a.abs().max(b.abs()).max(1e-3);
    assert!((a - b).abs() <= bound, "{what}: {a} and {b}");
}
