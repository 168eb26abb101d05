//! A rule as a kernel: forward, backward and in place, over slices of equal length.
//!
//! All of them work in tiles of a fixed length, each computed into an array and then copied out.
//! Writing the results to slices one by one, the compiler would have to prove that no two slices
//! overlap, and gives up; with arrays of fixed length there is no bounds check and no remainder in the
//! loop, and it always vectorises. What is left at the end is filled up to a tile and goes through the
//! same code: every rule is compiled for two precisions and three instruction sets, and a second copy
//! of the loop for the rest would double that. A single number is a tile of its own length.

use std::iter::zip;

use super::Rule;
use crate::element::Float;
use crate::kernel::map::{Body, run};
use crate::real::{Dual, Num, Real};

/// Elements of a tile.
const TILE: usize = 32;

/// The next `n` elements of each operand as a tile; filled up, in `rest`, if they are fewer.
#[inline(always)]
fn tiles<'a, T: Float, const J: usize, const N: usize>(
    operands: [&'a [T]; J],
    n: usize,
    rest: &'a mut [[T; N]; J],
) -> [&'a [T; N]; J] {
    if n < N {
        for (rest, operand) in zip(&mut *rest, operands) {
            rest[..n].copy_from_slice(&operand[..n]);
        }
    }
    let mut tiles = rest.each_ref();
    if n == N {
        for (tile, operand) in zip(&mut tiles, operands) {
            match operand.first_chunk() {
                Some(chunk) => *tile = chunk,
                None => unreachable!("a whole tile is left"),
            }
        }
    }
    tiles
}

/// Each operand from element `start` on.
#[inline(always)]
fn skip<'a, T, const J: usize>(operands: &[&'a [T]], start: usize) -> [&'a [T]; J] {
    let mut rests = [&[][..]; J];
    for (rest, operand) in zip(&mut rests, operands) {
        *rest = &operand[start..];
    }
    rests
}

/// Writes `n` elements to each output that is wanted.
#[inline(always)]
fn write<T: Float, const N: usize>(
    outs: &mut [&mut [T]],
    start: usize,
    n: usize,
    results: &[[T; N]],
) {
    for (out, result) in zip(outs, results) {
        if out.is_empty() {
            continue;
        }
        match out[start..].first_chunk_mut() {
            Some(out) if n == N => *out = *result,
            _ => out[start..][..n].copy_from_slice(&result[..n]),
        }
    }
}

/// The values of a rule.
pub(crate) fn forward<T: Float, R: Rule<I, O>, const I: usize, const O: usize>(
    rule: &R,
    ins: &[&[T]],
    outs: &mut [&mut [T]],
) {
    match ins[0].len() {
        1 => run(&Forward::<R, I, O, 1>(*rule), ins, outs),
        _ => run(&Forward::<R, I, O, TILE>(*rule), ins, outs),
    }
}

/// A rule as a kernel, in tiles of `N`: reading 1.
struct Forward<R, const I: usize, const O: usize, const N: usize>(R);

impl<R, const I: usize, const O: usize, const N: usize> Forward<R, I, O, N> {
    #[inline(always)]
    fn tile<T: Float, const FMA: bool>(&self, x: [&[T; N]; I]) -> [[T; N]; O]
    where
        R: Rule<I, O>,
    {
        let mut out = [[T::ZERO; N]; O];
        for k in 0..N {
            let mut numbers = [Num::<T, FMA>(T::ZERO); I];
            for i in 0..I {
                numbers[i].0 = x[i][k];
            }
            let y = self.0.eval(numbers);
            for o in 0..O {
                out[o][k] = y[o].0;
            }
        }
        out
    }
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize, const N: usize> Body<T>
    for Forward<R, I, O, N>
{
    #[inline(always)]
    fn run<const FMA: bool>(&self, ins: &[&[T]], outs: &mut [&mut [T]]) {
        let (len, mut rest) = (ins[0].len(), [[T::ONE; N]; I]);
        for start in (0..len).step_by(N) {
            let n = N.min(len - start);
            let y = self.tile::<T, FMA>(tiles(skip(ins, start), n, &mut rest));
            write(outs, start, n, &y);
        }
    }
}

/// A rule in place: reading 1 again, for optimisers. The first `O` inputs are the old states, which are
/// the outputs' own contents; or, where `moved`, the first of the kernel's inputs, for a state that
/// somebody else still holds. Then come the kernel's other inputs, then `scalars`.
pub(crate) struct InPlace<'a, R, T, const I: usize, const O: usize> {
    pub rule: R,
    pub moved: [bool; O],
    pub scalars: &'a [T],
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> InPlace<'_, R, T, I, O> {
    /// Each input from element `start` on; scalars from the start of their constant.
    #[inline(always)]
    fn operands<'t>(
        &self,
        ins: &[&'t [T]],
        states: &'t [&mut [T]],
        constants: &'t [[T; TILE]; I],
        start: usize,
    ) -> [&'t [T]; I] {
        let mut operands = [&[][..]; I];
        let mut next = 0;
        for i in 0..I {
            operands[i] = if i >= I - self.scalars.len() {
                &constants[i]
            } else if i < O && !self.moved[i] {
                &states[i][start..]
            } else {
                next += 1;
                &ins[next - 1][start..]
            };
        }
        operands
    }
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Body<T> for InPlace<'_, R, T, I, O> {
    #[inline(always)]
    fn run<const FMA: bool>(&self, ins: &[&[T]], states: &mut [&mut [T]]) {
        let (len, mut rest) = (states[0].len(), [[T::ONE; TILE]; I]);
        let mut constants = rest;
        for (tile, &x) in zip(&mut constants[I - self.scalars.len()..], self.scalars) {
            tile.fill(x);
        }
        for start in (0..len).step_by(TILE) {
            let n = TILE.min(len - start);
            let x = self.operands(ins, states, &constants, start);
            let y = Forward::<R, I, O, TILE>(self.rule).tile::<T, FMA>(tiles(x, n, &mut rest));
            write(states, start, n, &y);
        }
    }
}

/// The cotangents of a rule's inputs, from its inputs and the cotangents of its results.
pub(crate) fn backward<T: Float, R: Rule<I, O>, const I: usize, const O: usize>(
    rule: &R,
    ins: &[&[T]],
    outs: &mut [&mut [T]],
) {
    match ins[0].len() {
        1 => run(&Backward::<R, I, O, 1>(*rule), ins, outs),
        _ => run(&Backward::<R, I, O, TILE>(*rule), ins, outs),
    }
}

/// The derivative of a rule as a kernel: reading 2.
struct Backward<R, const I: usize, const O: usize, const N: usize>(R);

impl<R, const I: usize, const O: usize, const N: usize> Backward<R, I, O, N> {
    #[inline(always)]
    fn tile<T: Float, const FMA: bool>(&self, x: [&[T; N]; I], g: [&[T; N]; O]) -> [[T; N]; I]
    where
        R: Rule<I, O>,
    {
        let mut out = [[T::ZERO; N]; I];
        for k in 0..N {
            let mut duals = [Dual::<Num<T, FMA>, I>::constant(Num(T::ZERO)); I];
            for i in 0..I {
                duals[i] = Dual::input(Num(x[i][k]), i);
            }
            let y = self.0.eval(duals);
            for (i, out) in out.iter_mut().enumerate() {
                let mut sum = T::ZERO;
                for o in 0..O {
                    sum += Num::<T, FMA>(g[o][k]).carry(y[o].tangents[i]).0;
                }
                out[k] = sum;
            }
        }
        out
    }
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize, const N: usize> Body<T>
    for Backward<R, I, O, N>
{
    #[inline(always)]
    fn run<const FMA: bool>(&self, ins: &[&[T]], outs: &mut [&mut [T]]) {
        let (x, g) = ins.split_at(I);
        let (len, mut rest, mut rest_g) = (x[0].len(), [[T::ONE; N]; I], [[T::ONE; N]; O]);
        for start in (0..len).step_by(N) {
            let n = N.min(len - start);
            let x = tiles(skip(x, start), n, &mut rest);
            let g = tiles(skip(g, start), n, &mut rest_g);
            write(outs, start, n, &self.tile::<T, FMA>(x, g));
        }
    }
}
