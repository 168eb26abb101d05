//! Optimisers that are more than a formula of an element: against plain loops, tables and known minima.

mod accumulate;
mod bowl;
mod lbfgs;
mod schedule_free;
mod tensorwise;

use gradus_autograd::{Gradients, Param, Rng, Tensor};
use gradus_optim::Step;

/// Of numbers of 64 bits after a few steps.
pub const F64: f64 = 1e-12;

pub type Model = Vec<Param<f64>>;

pub fn drawn(shapes: &[&[usize]], seed: u64) -> Vec<Tensor<f64>> {
    let mut rng = Rng::new(seed);
    shapes.iter().map(|shape| Tensor::randn(shape, &mut rng)).collect()
}

/// Steps with gradients that are drawn from their number.
pub fn steps(optimizer: &mut dyn Step<f64>, model: &mut Model, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let gradients = gradients(model, number);
        let gradients = Gradients::of_params(model.iter().zip(gradients));
        optimizer.step(model, &gradients);
    }
}

/// The gradients of a step.
pub fn gradients(model: &Model, number: u64) -> Vec<Tensor<f64>> {
    let shapes: Vec<_> = model.iter().map(|p| p.value().shape()).collect();
    drawn(&shapes, 1000 + number)
}

#[track_caller]
pub fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{found:?}, not {expected:?}");
    }
}
