//! A differential equation whose right side is a network, fitted to a spiral (Chen et al. 2018).
//!
//! What one learns: a program with its own control flow is a graph like any other. The solver chooses its steps by an
//! estimate of their error, and the gradient goes through the steps that it took.
//!
//! | arguments | what happens |
//! | --- | --- |
//! | | trains 2,000 steps; draws `target/neural_ode.svg` |
//! | `--short` | trains 20 |
use std::error::Error;

use gradus::prelude::*;

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/neural_ode.svg");
/// The error that a step of the solver may make, for the length of state that there is here.
const TOLERANCE: f32 = 1e-3;
/// Observations, and the time from each to the next.
const POINTS: usize = 30;
const INTERVAL: f64 = 0.2;

/// dy/dt = f(y³): the right side that has to be found.
#[derive(Debug, Module)]
struct Field {
    hidden: Dense,
    out: Dense,
}

impl Layer for Field {
    fn forward<'t>(&self, y: Var<'t>) -> Var<'t> {
        self.out.forward(self.hidden.forward(y.powf(3.0)))
    }
}

/// From `y` to where it is after `time`, by the method of Bogacki and Shampine: order 3, with an estimate of order 2.
/// Returns also how many steps it took.
fn solve<'t>(f: &dyn Fn(Var<'t>) -> Var<'t>, y: Var<'t>, time: f64) -> (Var<'t>, usize) {
    let (mut y, mut left, mut step, mut count) = (y, time, time, 0);
    let mut k1 = f(y);
    while left > 1e-9 {
        let h = step.min(left);
        let k2 = f(y + k1 * (h / 2.0));
        let k3 = f(y + k2 * (h * 0.75));
        let next = y + (k1 * (2.0 / 9.0) + k2 * (1.0 / 3.0) + k3 * (4.0 / 9.0)) * h;
        let k4 = f(next);
        let error = (k1 * (-5.0 / 72.0) + k2 / 12.0 + k3 / 9.0 - k4 / 8.0) * h;
        // How large the error is decides, in plain Rust, what the graph becomes.
        let worst =
            error.value().to_vec().into_iter().fold(0.0, |worst: f32, e| worst.max(e.abs()));
        if worst <= TOLERANCE || h < 1e-3 {
            (y, k1, left) = (next, k4, left - h);
        }
        step = h * f64::from((TOLERANCE / worst.max(1e-9)).powf(1.0 / 3.0) * 0.9).clamp(0.2, 3.0);
        count += 1;
    }
    (y, count)
}

/// The places at all times of the observations, and the steps that the solver took.
fn trajectory<'t>(f: &dyn Fn(Var<'t>) -> Var<'t>, start: Var<'t>) -> (Vec<Var<'t>>, usize) {
    let (mut places, mut steps) = (vec![start], 0);
    for _ in 1..POINTS {
        let (next, count) = solve(f, places[places.len() - 1], INTERVAL);
        places.push(next);
        steps += count;
    }
    (places, steps)
}

fn main() -> Result<(), Box<dyn Error>> {
    let rounds = if std::env::args().any(|arg| arg == "--short") { 20 } else { 2000 };
    // What is observed: dy/dt = A·y³ from (2, 0).
    let start: Tensor = Tensor::from([[2.0, 0.0]]);
    let tape = Tape::inference();
    let a = tape.constant(Tensor::from([[-0.1, 2.0], [-2.0, -0.1]]));
    let (observed, _) = trajectory(&|y| y.powf(3.0).matmul(a), tape.constant(start.clone()));
    let observed = tape.concat(&observed, 0).value();

    let inner = Dense::new(32).inputs(2).activation(Tanh);
    let mut field = Field { hidden: inner, out: Dense::new(2).inputs(32) }.init(3);
    let mut adam = Adam::new(1e-2);
    let mut steps = 0;
    for round in 0..rounds {
        let tape = Tape::training(round);
        // From each observation to the next: a long way is hard to learn before the short ones are known.
        let from = tape.constant(observed.slice(0, 0..POINTS - 1));
        let (next, count) = solve(&|y| field.forward(y), from, INTERVAL);
        let loss = next.mse(tape.constant(observed.slice(0, 1..POINTS)));
        adam.step(&mut field, &loss.backward());
        steps = count;
    }
    let tape = Tape::inference();
    let (places, _) = trajectory(&|y| field.forward(y), tape.constant(start));
    let fitted = tape.concat(&places, 0).value();

    let path = |y: &Tensor| {
        (0..POINTS)
            .map(|i| (f64::from(y.at(&[i, 0])), f64::from(y.at(&[i, 1]))))
            .collect::<Vec<_>>()
    };
    Chart::new("A spiral, and the equation that was found for it")
        .x("y₁")
        .y("y₂")
        .points("observed", path(&observed))
        .line("found", path(&fitted))
        .save(CHART)?;
    println!("chart written to {CHART}");
    let distance =
        std::iter::zip(path(&observed), path(&fitted)).map(|(a, b)| (a.0 - b.0).hypot(a.1 - b.1));
    let mean = distance.sum::<f64>() / POINTS as f64;
    println!(
        "after {rounds} rounds the whole way, solved from its start, is {mean:.3} off on average; the solver takes {steps} steps for an interval"
    );
    Ok(())
}
