//! Slices as tiles, and as single numbers: what the kernels of all rules share, compiled once for each precision.
//!
//! A rule's own kernel sees whole tiles only. What is left at the end is filled up to a tile and goes through the same
//! code: every rule is compiled for two precisions and several instruction sets, and a second copy of its loop for the
//! rest would double that.

use std::iter::zip;
use std::slice::{from_mut, from_ref};

use smallvec::SmallVec;

use crate::element::Float;
use crate::kernel::reduce::sum_slice;

/// Elements of a tile.
pub(super) const TILE: usize = 32;

pub(super) type Tile<T> = [T; TILE];

/// Where a kernel puts its results before they are copied out. Beginning anywhere on the stack, every vector of them may
/// straddle two cache lines, and reading what was just written then takes three times as long.
#[repr(align(64))]
pub(super) struct Aligned<X>(pub X);

/// Operands, in place; a step of Adam with its cotangents has fifteen.
type List<X> = SmallVec<[X; 16]>;

/// A rule over so many whole tiles of each operand. An input of a single tile serves for all; an output of a single
/// tile receives their sum, lane by lane; an output that is not wanted has none.
pub(super) trait OnTiles<T> {
    fn run(&self, count: usize, ins: &[&[Tile<T>]], outs: &mut [&mut [Tile<T>]]);
}

/// A rule at one point, from its inputs in a row.
pub(super) trait AtPoint<T> {
    fn run(&self, x: &[T], y: &mut [T]);
}

/// Runs a kernel over slices of the given length, or of one number: an input that repeats it, an output to which the
/// sum is added. Outputs that are not wanted are empty.
pub(super) fn tiled<T: Float>(
    kernel: &dyn OnTiles<T>,
    len: usize,
    ins: &[&[T]],
    outs: &mut [&mut [T]],
) {
    let (count, rest) = (len / TILE, len % TILE);
    // What is left at the end of each input, filled up; for a number that repeats, all there is.
    let mut ends = List::<Tile<T>>::new();
    if rest > 0 || ins.iter().any(|x| x.len() == 1) {
        ends.resize(ins.len(), [T::ONE; TILE]);
        for (end, x) in zip(&mut ends, ins) {
            match x {
                [x] => end.fill(*x),
                _ => end[..rest].copy_from_slice(&x[len - rest..]),
            }
        }
    }
    let is_sum = |out: &[T]| out.len() == 1 && len > 1;
    let mut sums = List::<Tile<T>>::new();
    if outs.iter().any(|out| is_sum(out)) {
        sums.resize(outs.len(), [T::ZERO; TILE]);
    }
    if count > 0 {
        let mut whole = List::<&[Tile<T>]>::new();
        for (i, x) in ins.iter().enumerate() {
            whole.push(if x.len() == 1 { from_ref(&ends[i]) } else { x.as_chunks().0 });
        }
        let (mut results, mut sums) = (List::<&mut [Tile<T>]>::new(), sums.iter_mut());
        for out in &mut *outs {
            results.push(match (sums.next(), is_sum(out)) {
                (Some(sum), true) => from_mut(sum),
                _ => out.as_chunks_mut().0,
            });
        }
        kernel.run(count, &whole, &mut results);
    }
    if rest > 0 {
        let mut last = List::<Tile<T>>::from_elem([T::ZERO; TILE], outs.len());
        let mut results = List::<&mut [Tile<T>]>::new();
        for (out, last) in zip(&*outs, &mut last) {
            results.push(if out.is_empty() { &mut [] } else { from_mut(last) });
        }
        kernel.run(1, &ends.iter().map(from_ref).collect::<List<_>>(), &mut results);
        drop(results);
        for (o, (out, last)) in zip(&mut *outs, &last).enumerate() {
            match out.len() {
                0 => {}
                n if n == len => out[len - rest..].copy_from_slice(&last[..rest]),
                _ => zip(&mut sums[o], &last[..rest]).for_each(|(sum, &x)| *sum += x),
            }
        }
    }
    for (out, sum) in zip(outs, &sums).filter(|(out, _)| is_sum(out)) {
        out[0] += sum_slice(sum);
    }
}

/// As [`tiled`], number by number.
pub(super) fn pointwise<T: Float>(
    point: &dyn AtPoint<T>,
    len: usize,
    ins: &[&[T]],
    outs: &mut [&mut [T]],
) {
    let mut x = List::from_elem(T::ZERO, ins.len());
    let mut y = List::from_elem(T::ZERO, outs.len());
    for k in 0..len {
        for (x, operand) in zip(&mut x, ins) {
            *x = if let [number] = operand { *number } else { operand[k] };
        }
        point.run(&x, &mut y);
        for (out, &y) in zip(&mut *outs, &y) {
            match out.len() {
                0 => {}
                n if n == len => out[k] = y,
                _ => out[0] += y,
            }
        }
    }
}
