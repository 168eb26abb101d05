//! Rules of single numbers, worked out in 64 bits whatever the precision of the tape.
//!
//! The bias correction of Adam is 1 − βᵗ: in 32 bits, four of seven digits would be lost.

use super::rule_op::pull;
use crate::element::Float;
use crate::op::{Backward, Cotangents, Op, Outputs, Vjp};
use crate::real::{Dual, Real};
use crate::rule::Rule;
use crate::tape::Var;
use crate::tensor::Tensor;

#[derive(Debug)]
struct Scalars<R, const I: usize, const O: usize>(R);

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Op<T> for Scalars<R, I, O> {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let numbers: [f64; I] = std::array::from_fn(|i| x[i].item().to_f64());
        self.0.eval(numbers).iter().map(|&y| Tensor::scalar(T::of(y))).collect()
    }
    fn backward(&self, cx: &mut Backward<'_, T>) -> bool {
        let input = |i: usize| Dual::input(cx.input(i).item().to_f64(), i);
        let y: [Dual<f64, I>; O] = self.0.eval(std::array::from_fn(input));
        let g: [f64; O] = std::array::from_fn(|o| cx.scalar_cotangent(o).to_f64());
        for i in 0..I {
            let sum = std::iter::zip(&y, g).map(|(y, g)| g.carry(y.tangents[i])).sum();
            cx.give_scalar(i, T::of(sum));
        }
        true
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        pull(&self.0, cx)
    }
}

/// The results of a rule of single numbers, worked out in 64 bits and then rounded to `T`.
///
/// # Panics
/// When an input is not a single number.
#[track_caller]
pub(crate) fn scalars<'t, T: Float, R: Rule<I, O>, const I: usize, const O: usize>(
    rule: R,
    x: [Var<'t, T>; I],
) -> [Var<'t, T>; O] {
    for x in x {
        assert!(x.rank() == 0, "{}: {:?} is not a single number", rule.name(), x.shape());
    }
    let results = x[0].tape().apply_all(Scalars(rule), &x);
    std::array::from_fn(|o| results[o])
}
