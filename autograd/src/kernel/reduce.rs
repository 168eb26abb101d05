//! Sums and maxima along an axis.
//!
//! Every reduction is seen as `[outer, n, inner]`, reduced over the middle. Sums of a run use 16
//! partial sums and are cut in halves above a fixed length: fast, accurate, and the same bits for
//! any number of threads.

use std::iter::zip;

use super::map::{both, pays};
use super::simd::{Kernel, dispatch};
use crate::element::Float;

const LANES: usize = 16;
/// Elements that one thread takes at the least.
const GRAIN: usize = 1 << 15;

/// The sum of a short slice, in [`LANES`] partial sums.
#[inline(always)]
pub(crate) fn sum_slice<T: Float>(x: &[T]) -> T {
    let mut lanes = [T::ZERO; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &x) in zip(&mut lanes, chunk) {
            *lane += x;
        }
    }
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            let other = lanes[lane + half];
            lanes[lane] += other;
        }
        half /= 2;
    }
    lanes[0] + rest.iter().copied().fold(T::ZERO, |a, b| a + b)
}

/// out[o, i] = Σ_k x[o, k, i]
pub(crate) fn sum<T: Float>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    if n == 0 {
        return out.fill(T::ZERO);
    }
    if inner == 1 {
        each_row(x, n, out, pays(x.len()));
    } else {
        for (x, out) in zip(x.chunks_exact(n * inner), out.chunks_exact_mut(inner)) {
            columns(x, inner, out, pays(x.len()));
        }
    }
}

fn each_row<T: Float>(x: &[T], n: usize, out: &mut [T], parallel: bool) {
    // How a row is cut depends on its length alone, never on how many rows a thread is given.
    if n > GRAIN {
        zip(x.chunks_exact(n), out).for_each(|(row, y)| *y = run(row, parallel));
    } else if parallel && x.len() > GRAIN && out.len() > 1 {
        let mid = out.len() / 2;
        let ((x_a, x_b), (a, b)) = (x.split_at(mid * n), out.split_at_mut(mid));
        both(true, || each_row(x_a, n, a, true), || each_row(x_b, n, b, true));
    } else {
        dispatch(Rows { x, n, out });
    }
}

/// The sum of one long run; halves meet pairwise.
fn run<T: Float>(x: &[T], parallel: bool) -> T {
    if x.len() <= GRAIN {
        let mut sum = [T::ZERO];
        dispatch(Rows { x, n: x.len(), out: &mut sum });
        return sum[0];
    }
    let (a, b) = x.split_at(x.len() / 2);
    let (mut left, mut right) = (T::ZERO, T::ZERO);
    both(parallel, || left = run(a, parallel), || right = run(b, parallel));
    left + right
}

struct Rows<'a, T> {
    x: &'a [T],
    n: usize,
    out: &'a mut [T],
}

impl<T: Float> Kernel for Rows<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for (y, row) in zip(self.out, self.x.chunks_exact(self.n)) {
            // Blocks of 4096 keep the rounding error of a long row small.
            let mut total = T::ZERO;
            for block in row.chunks(4096) {
                total += sum_slice(block);
            }
            *y = total;
        }
    }
}

/// out[i] = Σ_k x[k, i], cut into halves of rows.
fn columns<T: Float>(x: &[T], inner: usize, out: &mut [T], parallel: bool) {
    let rows = x.len() / inner;
    if x.len() <= GRAIN || rows < 2 {
        return dispatch(Columns { x, inner, out });
    }
    let (a, b) = x.split_at(rows / 2 * inner);
    let mut other = crate::pool::Storage::stale(inner);
    let Some(second) = other.unique() else { return };
    let second = &mut second[..inner];
    both(parallel, || columns(a, inner, out, parallel), || columns(b, inner, second, parallel));
    zip(out, &*second).for_each(|(y, &x)| *y += x);
}

struct Columns<'a, T> {
    x: &'a [T],
    inner: usize,
    out: &'a mut [T],
}

impl<T: Float> Kernel for Columns<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let n = self.inner;
        self.out.fill(T::ZERO);
        // Four rows at a time, so that the sums are read and written once for four.
        let mut fours = self.x.chunks_exact(4 * n);
        for four in &mut fours {
            let (a, rest) = four.split_at(n);
            let (b, rest) = rest.split_at(n);
            let (c, d) = rest.split_at(n);
            for (y, (((&a, &b), &c), &d)) in zip(&mut *self.out, zip(zip(zip(a, b), c), d)) {
                *y += (a + b) + (c + d);
            }
        }
        for row in fours.remainder().chunks_exact(n) {
            zip(&mut *self.out, row).for_each(|(y, &x)| *y += x);
        }
    }
}

/// out[o, i] = max_k x[o, k, i]; NaN if any is.
pub(crate) fn max<T: Float>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    dispatch(Max { x, n, inner, out });
}

struct Max<'a, T> {
    x: &'a [T],
    n: usize,
    inner: usize,
    out: &'a mut [T],
}

impl<T: Float> Kernel for Max<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let larger = |a: T, b: T| if a > b || a.is_nan() { a } else { b };
        self.out.fill(T::NEG_INFINITY);
        let blocks = self.x.chunks_exact((self.n * self.inner).max(1));
        for (out, x) in zip(self.out.chunks_exact_mut(self.inner.max(1)), blocks) {
            if self.inner == 1 {
                out[0] = x.iter().copied().fold(T::NEG_INFINITY, larger);
                continue;
            }
            for row in x.chunks_exact(self.inner) {
                zip(&mut *out, row).for_each(|(y, &x)| *y = larger(*y, x));
            }
        }
    }
}
