//! A rule as kernels: its values and the cotangents of its inputs, at a point and over tiles.
//!
//! Over tiles, each result is computed into an array and then copied out. Writing it to a slice number by number, the
//! compiler would have to prove that no two slices overlap, and gives up; with arrays of fixed length there is no
//! bounds check and no remainder in the loop, and it always vectorises. Loops count, as in `real/dual.rs`.
#![expect(clippy::needless_range_loop, reason = "as in `real/dual.rs`")]

use super::Rule;
use super::tiles::{Aligned, AtPoint, OnTiles, TILE, Tile, pointwise, tiled};
use crate::element::Float;
use crate::kernel::simd::{Kernel, has_vectors, on_vectors};
use crate::real::{Dual, Num, Real};

/// Reading 1 of a rule.
struct Values<'r, R, const I: usize, const O: usize>(&'r R);

/// The values of a rule.
pub(crate) fn forward<T: Float, R: Rule<I, O>, const I: usize, const O: usize>(
    rule: &R,
    len: usize,
    ins: &[&[T]],
    outs: &mut [&mut [T]],
) {
    match has_vectors() {
        true => tiled(&Values::<R, I, O>(rule), len, ins, outs),
        false => pointwise(&Values::<R, I, O>(rule), len, ins, outs),
    }
}

/// The same, one number after the other.
pub(crate) fn forward_by_number<T: Float, R: Rule<I, O>, const I: usize, const O: usize>(
    rule: &R,
    len: usize,
    ins: &[&[T]],
    outs: &mut [&mut [T]],
) {
    pointwise(&Values::<R, I, O>(rule), len, ins, outs);
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> AtPoint<T> for Values<'_, R, I, O> {
    fn run(&self, x: &[T], y: &mut [T]) {
        value::<T, R, I, O>(self.0, x, y);
    }
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> OnTiles<T> for Values<'_, R, I, O> {
    fn run(&self, count: usize, ins: &[&[Tile<T>]], outs: &mut [&mut [Tile<T>]]) {
        on_vectors::<T, _>(Forward::<R, T, I, O> { rule: *self.0, count, ins, outs });
    }
}

struct Forward<'k, 'i, 'o, R, T, const I: usize, const O: usize> {
    rule: R,
    count: usize,
    ins: &'k [&'i [Tile<T>]],
    outs: &'k mut [&'o mut [Tile<T>]],
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Kernel
    for Forward<'_, '_, '_, R, T, I, O>
{
    type Out = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let (ins, mut y) = (operands::<T, I>(self.ins), Aligned([[T::ZERO; TILE]; O]));
        for t in 0..self.count {
            values::<T, R, I, O, FMA>(&self.rule, at(&ins, t), &mut y.0);
            write(self.outs, t, &y.0);
        }
    }
}

/// The values of a rule for one tile.
#[inline(always)]
pub(super) fn values<T: Float, R: Rule<I, O>, const I: usize, const O: usize, const FMA: bool>(
    rule: &R,
    x: [&Tile<T>; I],
    out: &mut [Tile<T>; O],
) {
    for k in 0..TILE {
        let mut numbers = [Num::<T, FMA>(T::ZERO); I];
        for i in 0..I {
            numbers[i].0 = x[i][k];
        }
        let y = rule.eval(numbers);
        for o in 0..O {
            out[o][k] = y[o].0;
        }
    }
}

/// The operands of a kernel.
#[inline(always)]
fn operands<'a, T, const J: usize>(all: &[&'a [Tile<T>]]) -> [&'a [Tile<T>]; J] {
    let mut operands = [&all[0][..1]; J];
    operands.copy_from_slice(&all[..J]);
    operands
}

/// Tile number `t` of each operand, or the one that serves for all. An array that is made at once: written one by one,
/// its pointers may be stored as vectors and read back as numbers, for which the processor waits until all tiles before
/// are done.
#[inline(always)]
fn at<'a, T, const J: usize>(operands: &[&'a [Tile<T>]; J], t: usize) -> [&'a Tile<T>; J] {
    std::array::from_fn(|j| match operands[j] {
        [all] => all,
        tiles => &tiles[t],
    })
}

/// Writes tile number `t` to each output, or adds it to the only one there is.
#[inline(always)]
fn write<T: Float>(outs: &mut [&mut [Tile<T>]], t: usize, results: &[Tile<T>]) {
    for o in 0..results.len() {
        let (out, result) = (&mut *outs[o], &results[o]);
        if t < out.len() {
            out[t] = *result;
        } else if let Some(sum) = out.first_mut() {
            for k in 0..TILE {
                sum[k] += result[k];
            }
        }
    }
}

/// Inputs from which a rule is worth a second kernel, for the cotangents of the first half of them: an update of Adam
/// has twelve, and those of its β and ε are seldom asked for.
const MANY: usize = 8;

/// Reading 2 of a rule. With `HALF`, for the first half of its inputs only.
struct Slopes<'r, R, const I: usize, const O: usize, const HALF: bool>(&'r R);

/// The cotangents of a rule's inputs, from its inputs and the cotangents of its results.
pub(crate) fn backward<T: Float, R: Rule<I, O>, const I: usize, const O: usize>(
    rule: &R,
    len: usize,
    ins: &[&[T]],
    outs: &mut [&mut [T]],
) {
    if !has_vectors() {
        return backward_by_number::<T, R, I, O>(rule, len, ins, outs);
    }
    if const { I >= MANY } && outs[I / 2..].iter().all(|out| out.is_empty()) {
        return tiled(&Slopes::<R, I, O, true>(rule), len, ins, outs);
    }
    tiled(&Slopes::<R, I, O, false>(rule), len, ins, outs);
}

/// The same, one number after the other.
pub(crate) fn backward_by_number<T: Float, R: Rule<I, O>, const I: usize, const O: usize>(
    rule: &R,
    len: usize,
    ins: &[&[T]],
    outs: &mut [&mut [T]],
) {
    pointwise(&Slopes::<R, I, O, false>(rule), len, ins, outs);
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize, const HALF: bool> AtPoint<T>
    for Slopes<'_, R, I, O, HALF>
{
    fn run(&self, x: &[T], out: &mut [T]) {
        slopes::<T, R, I, O>(self.0, &x[..I], &x[I..], out);
    }
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize, const HALF: bool> OnTiles<T>
    for Slopes<'_, R, I, O, HALF>
{
    fn run(&self, count: usize, ins: &[&[Tile<T>]], outs: &mut [&mut [Tile<T>]]) {
        on_vectors::<T, _>(Backward::<R, T, I, O, HALF> { rule: *self.0, count, ins, outs });
    }
}

struct Backward<'k, 'i, 'o, R, T, const I: usize, const O: usize, const HALF: bool> {
    rule: R,
    count: usize,
    ins: &'k [&'i [Tile<T>]],
    outs: &'k mut [&'o mut [Tile<T>]],
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize, const HALF: bool> Kernel
    for Backward<'_, '_, '_, R, T, I, O, HALF>
{
    type Out = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let (x, g) = (operands::<T, I>(self.ins), operands::<T, O>(&self.ins[I..]));
        let Aligned(out) = &mut Aligned([[T::ZERO; TILE]; I]);
        for t in 0..self.count {
            let (x, g) = (at(&x, t), at(&g, t));
            for k in 0..TILE {
                let (mut point, mut cotangents) = ([T::ZERO; I], [T::ZERO; O]);
                for i in 0..I {
                    point[i] = x[i][k];
                }
                for o in 0..O {
                    cotangents[o] = g[o][k];
                }
                let pulled = pull::<T, R, I, O, FMA, HALF>(&self.rule, point, cotangents);
                for i in 0..I {
                    out[i][k] = pulled[i];
                }
            }
            write(self.outs, t, out);
        }
    }
}

/// The values of a rule at one point, from its inputs in a row.
pub(crate) fn value<T: Float, R: Rule<I, O>, const I: usize, const O: usize>(
    rule: &R,
    x: &[T],
    y: &mut [T],
) {
    let mut numbers = [Num::<T, false>(T::ZERO); I];
    for i in 0..I {
        numbers[i].0 = x[i];
    }
    let results = rule.eval(numbers);
    for o in 0..O {
        y[o] = results[o].0;
    }
}

/// The cotangents of the inputs there, from those of the results.
pub(crate) fn slopes<T: Float, R: Rule<I, O>, const I: usize, const O: usize>(
    rule: &R,
    x: &[T],
    g: &[T],
    out: &mut [T],
) {
    let (Some(x), Some(g)) = (x.first_chunk(), g.first_chunk()) else {
        unreachable!("a number for each input and result")
    };
    out.copy_from_slice(&pull::<T, R, I, O, false, false>(rule, *x, *g));
}

/// The cotangents of the inputs of one element: reading 2.
#[inline(always)]
fn pull<
    T: Float,
    R: Rule<I, O>,
    const I: usize,
    const O: usize,
    const FMA: bool,
    const HALF: bool,
>(
    rule: &R,
    x: [T; I],
    g: [T; O],
) -> [T; I] {
    let mut duals = [Dual::<Num<T, FMA>, I>::constant(Num(T::ZERO)); I];
    for i in 0..I {
        duals[i].value = Num(x[i]);
        if !HALF || i < I / 2 {
            duals[i].tangents[i] = Num(T::ONE);
        }
    }
    let y = rule.eval(duals);
    let mut out = [T::ZERO; I];
    for i in 0..I {
        for o in 0..O {
            out[i] += Num::<T, FMA>(g[o]).carry(y[o].tangents[i]).0;
        }
    }
    out
}
