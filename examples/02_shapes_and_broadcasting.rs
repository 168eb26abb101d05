//! Shapes and broadcasting: how tensors are made, viewed and combined.
//!
//! What one learns: constructors; views that share their numbers; axes of size 1 that stretch, and
//! what that means for a gradient (it is summed back); reductions over chosen axes.
use gradus::prelude::*;

fn main() {
    let tape = Tape::<f64>::new();

    // A column [3, 1] and a row [4] broadcast to [3, 4].
    let column = tape.var(Tensor::from([[1.0], [2.0], [3.0]]));
    let row = tape.var(Tensor::arange(4.0));
    let table = column * row;
    println!("column {:?} · row {:?} = {:?}\n", column.shape(), row.shape(), table.value());

    // A gradient has the shape of its variable: what was stretched is summed.
    let grads = table.sum().backward();
    println!("∂sum/∂column {:?}", grads[column]);
    println!("∂sum/∂row    {:?}\n", grads[row]);

    // Views copy nothing. Negative axes count from the end.
    let a = tape.var(Tensor::linspace(1.0, 24.0, 24).reshape(&[2, 3, 4]));
    println!("a               {:?}", a.shape());
    println!("a.transpose     {:?}", a.transpose(0, -1).shape());
    println!("a.slice         {:?}", a.slice(1, 0..2).shape());
    println!("a.reshape       {:?}", a.reshape(&[6, 4]).shape());
    println!("a · aᵀ, batched {:?}\n", a.matmul(a.transpose(1, 2)).shape());

    // Standardised columns. Reduced axes stay if they are asked back with `unsqueeze`.
    let x = tape.var(Tensor::randn(&[1000, 3], &mut Rng::new(7)));
    let scaled = x * tape.constant(Tensor::from([1.0, 10.0, 100.0])) + 5.0;
    let (mean, var) = (scaled.mean_axes(&[0]), scaled.var_axes(&[0], 0));
    let z = (scaled - mean) / var.sqrt();
    println!("standard deviations before {:.2}", var.sqrt().value());
    println!("standard deviations after  {:.2}\n", z.var_axes(&[0], 0).sqrt().value());

    // A large array prints its rim only.
    println!("{:.1}", scaled.value());

    // Shapes that do not fit panic at the line that combined them, for example
    // `matmul: inner sizes differ: [32, 700] · [784, 128] (700 vs 784)`.
    println!("\nsum of the table {}", table.sum().item());
}
