//! Implicit differentiation against the linear system of two weights, solved by hand.

use gradus::optim::{Hypergradient, Positive, Solver, implicit_hypergradient};
use gradus::prelude::*;

use super::{close, slope};

/// Of the solvers: conjugate gradients of two unknowns take two steps.
const TOLERANCE: f64 = 1e-12;
const RATES: [f64; 2] = [0.4, 0.7];
/// ∂V/∂w
const TARGET: [f64; 2] = [1.0, -2.0];
const X: [[f64; 2]; 3] = [[1.0, 0.5], [0.3, -1.2], [2.0, 0.1]];
const Y: [f64; 3] = [1.0, -0.5, 1.5];

/// x of (XᵀX + d)·x = r, d being diagonal.
fn solve(diagonal: [f64; 2], right: [f64; 2]) -> [f64; 2] {
    let dot = |i: usize, j: usize| X.iter().map(|row| row[i] * row[j]).sum::<f64>();
    let (a, b, d) = (dot(0, 0) + diagonal[0], dot(0, 1), dot(1, 1) + diagonal[1]);
    let det = a * d - b * b;
    [(d * right[0] - b * right[1]) / det, (a * right[1] - b * right[0]) / det]
}

/// Ridge regression with a rate λᵢ for each of two weights, at its minimum: (XᵀX + λ)·w = Xᵀy. The validation loss
/// is TARGET·w + direct·(3·λ₀ + λ₁²).
fn ridge(damping: f64, direct: f64) -> ([Positive<f64>; 2], [f64; 2], Hypergradient<f64>) {
    let hyper = RATES.map(Positive::new);
    let right = [0, 1].map(|i| std::iter::zip(X, Y).map(|(row, y)| row[i] * y).sum());
    let minimum = solve(RATES, right);
    let w = Param::new(Tensor::from(minimum));
    let found = implicit_hypergradient(
        &hyper,
        &w,
        Solver::ConjugateGradient { iterations: 5, tolerance: TOLERANCE, damping },
        |tape| {
            let w = tape.param(&w);
            let error = tape.constant(Tensor::from(X)).matmul(w) - tape.constant(Tensor::from(Y));
            let [a, b] = hyper.each_ref().map(|rate| rate.var(tape));
            let [wa, wb] = [0, 1].map(|i| w.slice(0, i..i + 1).sum());
            // Halves, so that the second derivative is XᵀX + λ.
            (error.powf(2.0).sum() + a * wa * wa + b * wb * wb) * 0.5
        },
        |tape| {
            let value = (tape.param(&w) * tape.constant(Tensor::from(TARGET))).sum();
            let [a, b] = hyper.each_ref().map(|rate| rate.var(tape));
            if direct == 0.0 { value } else { value + (a * 3.0 + b * b) * direct }
        },
    );
    (hyper, minimum, found.expect("a hypergradient"))
}

/// −λᵢ·wᵢ·xᵢ with (H + damping)·x = ∂V/∂w, and the direct terms 3·λ₀ and 2·λ₁²: all by ln λ.
fn expected(minimum: [f64; 2], damping: f64, direct: f64) -> [f64; 2] {
    let x = solve(RATES.map(|rate| rate + damping), TARGET);
    let through = [0, 1].map(|i| -RATES[i] * minimum[i] * x[i]);
    [through[0] + direct * 3.0 * RATES[0], through[1] + direct * 2.0 * RATES[1] * RATES[1]]
}

fn check(damping: f64, direct: f64) {
    let (hyper, minimum, found) = ridge(damping, direct);
    for (rate, expected) in std::iter::zip(&hyper, expected(minimum, damping, direct)) {
        let what = format!("damping {damping}, direct {direct}");
        close(slope(&found, &rate.log), expected, TOLERANCE, &what);
    }
}

#[test]
fn damping_adds_to_the_second_derivative() {
    let [none, some] = [0.0, 0.5].map(|damping| expected([1.0, 1.0], damping, 0.0));
    assert!((none[0] / some[0] - 1.0).abs() > 0.1, "it makes a difference: {none:?} {some:?}");
    for damping in [0.0, 0.1, 0.5, 10.0] {
        check(damping, 0.0);
    }
}

/// What damping is for: along a flat direction the training loss does not change, and H has no inverse.
#[test]
fn damping_helps_where_the_training_loss_is_flat() {
    let (rate, w) = (Positive::new(0.5), Param::new(Tensor::from([2.0_f64, 7.0])));
    let run = |damping| {
        implicit_hypergradient(
            &rate,
            &w,
            Solver::ConjugateGradient { iterations: 5, tolerance: TOLERANCE, damping },
            |tape| {
                let first = tape.param(&w).slice(0, 0..1).sum();
                (first - 3.0).powf(2.0) + rate.var(tape) * first * first
            },
            |tape| tape.param(&w).sum(),
        )
    };
    let message = run(0.0).err().expect("an error").to_string();
    assert!(message.contains("damping"), "rounding decides how it fails: {message}");
    // d/d ln λ of the gradient of the first weight is 2·λ·w₀ = 2; its second derivative is 2 + 2·λ = 3.
    let found = run(0.1).expect("a hypergradient");
    close(slope(&found, &rate.log), -2.0 / 3.1, TOLERANCE, "slope");
}

/// A hyperparameter may be in the validation loss itself: that term adds to what comes through the weights.
#[test]
fn the_validation_loss_may_depend_on_hyperparameters_directly() {
    for direct in [1.0, -0.3] {
        check(0.0, direct);
        check(0.5, direct);
    }
    // In the validation loss alone.
    let (rate, w) = (Positive::new(0.5), Param::new(Tensor::scalar(3.0_f64)));
    let found = implicit_hypergradient(
        &rate,
        &w,
        Solver::ConjugateGradient { iterations: 5, tolerance: TOLERANCE, damping: 0.0 },
        |tape| (tape.param(&w) - 3.0).powf(2.0),
        |tape| tape.param(&w) * rate.var(tape),
    );
    close(slope(&found.expect("a hypergradient"), &rate.log), 3.0 * 0.5, TOLERANCE, "alone");
}
