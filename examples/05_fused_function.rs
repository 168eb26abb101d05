//! A fused function: one kernel forward, one back, and every further derivative.
//!
//! What one learns: `fused!` turns a formula into one operation. It is faster than the same formula
//! composed of several, because memory is read and written once; branches are `R::select`.
//!
//! `--short` uses fewer numbers.
use std::time::Instant;

use gradus::prelude::*;

/// The same formula as in `main`, operation by operation.
fn composed<'t>(x: Var<'t>, w: Var<'t>, b: Var<'t>) -> Var<'t> {
    (x * w + b).tanh() * (-(x * x)).exp()
}

/// Nanoseconds an element, forward and backward, the best of several runs; and the gradient of w.
fn measure(n: usize, f: impl for<'t> Fn(Var<'t>, Var<'t>, Var<'t>) -> Var<'t>) -> (f64, f32) {
    let x = Tensor::linspace(-2.0, 2.0, n);
    let (mut best, mut slope) = (f64::INFINITY, 0.0);
    for _ in 0..20 {
        let start = Instant::now();
        let tape = Tape::new();
        let (x, w, b) =
            (tape.var(x.clone()), tape.var(Tensor::scalar(1.5)), tape.var(Tensor::scalar(0.1)));
        let grads = f(x, w, b).mean().backward();
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / n as f64);
        slope = grads[w].item();
    }
    (best, slope)
}

fn main() {
    let n = if std::env::args().any(|arg| arg == "--short") { 1 << 14 } else { 1 << 20 };
    println!("y = tanh(x·w + b) · exp(−x²), {n} numbers, forward and backward");
    let (slow, a) = measure(n, composed);
    let (fast, b) = measure(n, fused!(|x, w, b| (x * w + b).tanh() * (-(x * x)).exp()));
    println!("  composed  {slow:5.2} ns an element   ∂/∂w = {a:.6}");
    println!("  fused     {fast:5.2} ns an element   ∂/∂w = {b:.6}\n");

    // Huber's loss: a parabola near 0, straight lines outside.
    let huber = fused!(|x, delta| {
        let line = delta * (x.abs() - delta * 0.5);
        R::select(x.abs().less(delta), x * x * 0.5, line)
    });
    let tape = Tape::<f64>::new();
    let x = tape.var(Tensor::linspace(-2.0, 2.0, 9));
    let y = huber(x, tape.number(1.0));
    let first = y.sum().grad(&[x])[0];
    let second = first.sum().grad(&[x])[0];
    let table = tape.concat(&[x, y, first, second].map(|row| row.unsqueeze(0)), 0);
    println!("rows: x, huber, huber′, huber″\n{:.2}", table.value());

    println!("\nfused: {:.1} times as fast as composed", slow / fast);
}
