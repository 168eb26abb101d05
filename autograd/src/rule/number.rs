//! Rules that call a library for each number: nothing to vectorise, so plain loops, compiled once.

use std::array::from_fn;

use super::Rule;
use super::body::pull;
use crate::element::Float;
use crate::real::Num;

/// Element `k` of an operand, or the number that it repeats.
fn at<T: Copy>(x: &[T], k: usize) -> T {
    if x.len() == 1 { x[0] } else { x[k] }
}

pub(crate) fn forward<T: Float, R: Rule<I, 1>, const I: usize>(
    rule: &R,
    len: usize,
    ins: &[&[T]],
    outs: &mut [&mut [T]],
) {
    for (k, y) in outs[0][..len].iter_mut().enumerate() {
        *y = rule.eval(from_fn(|i| Num::<T, false>(at(ins[i], k))))[0].0;
    }
}

/// As the kernels of `body.rs`: outputs of one number are sums, empty ones are not wanted.
pub(crate) fn backward<T: Float, R: Rule<I, 1>, const I: usize>(
    rule: &R,
    len: usize,
    ins: &[&[T]],
    outs: &mut [&mut [T]],
) {
    for k in 0..len {
        let x = from_fn(|i| at(ins[i], k));
        let found = pull::<T, R, I, 1, false, false>(rule, x, [at(ins[I], k)]);
        for (out, found) in outs.iter_mut().zip(found) {
            match out.len() {
                0 => {}
                n if n == len => out[k] = found,
                _ => out[0] += found,
            }
        }
    }
}

pub(crate) fn value<T: Float, R: Rule<I, 1>, const I: usize>(rule: &R, x: &[T], y: &mut [T]) {
    y[0] = rule.eval(from_fn(|i| Num::<T, false>(x[i])))[0].0;
}

pub(crate) fn slopes<T: Float, R: Rule<I, 1>, const I: usize>(
    rule: &R,
    x: &[T],
    g: &[T],
    out: &mut [T],
) {
    out.copy_from_slice(&pull::<T, R, I, 1, false, false>(rule, from_fn(|i| x[i]), [g[0]]));
}
