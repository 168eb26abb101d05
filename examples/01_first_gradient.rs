//! A first gradient: variables on a tape, a formula, one pass back.
//!
//! What one learns: `Tape` records, `Var` is a handle to copy freely, `backward` returns gradients as
//! a value, and a loop around the three is gradient descent.
use gradus::prelude::*;

fn main() {
    let tape = Tape::<f64>::new();
    let x = tape.var(Tensor::scalar(1.0));
    let y = tape.var(Tensor::scalar(3.0));
    let z = (x * y).sin() + x * x;
    let grads = z.backward();
    println!("z = sin(x·y) + x² at x = 1, y = 3");
    println!("  z     = {:.6}", z.item());
    println!("  ∂z/∂x = {:.6}   by hand {:.6}", grads[x].item(), 3.0 * 3.0_f64.cos() + 2.0);
    println!("  ∂z/∂y = {:.6}   by hand {:.6}", grads[y].item(), 3.0_f64.cos());

    // Down Rosenbrock's valley, whose lowest point is (1, 1). A tape is cheap: one for each step.
    let mut at = [-1.0, 1.5];
    println!("\n step         x         y   (1 − x)² + 10·(y − x²)²");
    for step in 0..=3000 {
        let tape = Tape::<f64>::new();
        let [x, y] = at.map(|x| tape.var(Tensor::scalar(x)));
        let height = (1.0 - x).powf(2.0) + 10.0 * (y - x * x).powf(2.0);
        if step % 500 == 0 {
            println!("{step:5}  {:8.5}  {:8.5}   {:.2e}", at[0], at[1], height.item());
        }
        let slope = height.backward();
        at = [at[0] - 0.01 * slope[x].item(), at[1] - 0.01 * slope[y].item()];
    }
    println!("\nlowest point ({:.3}, {:.3})", at[0], at[1]);
}
