//! An operation of your own, checked in ten lines.
//!
//! What one learns: `Op` holds a value and its derivative side by side. The derivative is written
//! with variables, so every further derivative follows from it; `gradcheck` compares it with
//! differences to the second order, and says what is wrong when it is.
use gradus::prelude::*;

/// yᵢ = x₀ + … + xᵢ, or from the end when reversed. No composition of built-in operations does this in
/// one pass.
#[derive(Debug)]
struct CumSum {
    reverse: bool,
}

impl<T: Float> Op<T> for CumSum {
    fn name(&self) -> &'static str {
        "cumsum"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let mut y = x[0].to_vec();
        let mut sum = T::ZERO;
        let mut add = |x: &mut T| {
            sum += *x;
            *x = sum;
        };
        if self.reverse {
            y.iter_mut().rev().for_each(&mut add)
        } else {
            y.iter_mut().for_each(add)
        }
        [Tensor::from(y)].into()
    }
    /// xᵢ is part of every sum from yᵢ on: its cotangent is the sum from the other end.
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        cx.wrt([&|| cumsum(cx.cotangent(), !self.reverse)])
    }
}

#[track_caller]
fn cumsum<T: Float>(x: Var<'_, T>, reverse: bool) -> Var<'_, T> {
    assert!(x.rank() == 1, "cumsum: x has shape {:?}, not one axis", x.shape());
    x.tape().apply(CumSum { reverse }, &[x])
}

/// The same with a slip in the derivative: the end was forgotten.
#[derive(Debug)]
struct Slip;

impl<T: Float> Op<T> for Slip {
    fn name(&self) -> &'static str {
        "slip"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        CumSum { reverse: false }.forward(x)
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        cx.wrt([&|| cumsum(cx.cotangent(), false)])
    }
}

fn main() {
    let tape = Tape::<f64>::new();
    let x = tape.var(Tensor::from([1.0, 2.0, 3.0, 4.0]));
    let y = cumsum(x, false);
    println!("x          {}", x.value());
    println!("cumsum(x)  {}", y.value());
    println!("gradient   {}", y.sum().backward()[x]);

    // The check. The tanh bends the function, so that its second derivative is not just zero.
    let input = Tensor::from([0.3, -0.5, 0.8, 0.1]);
    let checked = gradcheck(|x| cumsum(x[0], false).tanh(), std::slice::from_ref(&input));
    println!("\ngradcheck of cumsum: {checked:?}");

    if let Err(report) = gradcheck(|x| x[0].tape().apply(Slip, x), &[input]) {
        println!("gradcheck of a slip: {report}");
    }
    println!("\ncumsum is {} to order 2", if checked.is_ok() { "right" } else { "wrong" });
}
