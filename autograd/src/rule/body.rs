//! A rule as a kernel: forward, backward and in place, over slices of equal length.
//!
//! All of them work in tiles of a fixed length, each computed into an array and then copied out.
//! Writing the results to slices one by one, the compiler would have to prove that no two slices
//! overlap, and gives up; with arrays of fixed length there is no bounds check and no remainder in the
//! loop, and it always vectorises. What is left at the end is filled up to a tile and goes through the
//! same code: every rule is compiled for two precisions and three instruction sets, and a second copy
//! of the loop for the rest would double that. A single number goes without all of this.

use std::iter::zip;

use super::Rule;
use crate::element::Float;
use crate::kernel::map::{Body, run};
use crate::kernel::simd::{Kernel, dispatch};
use crate::real::{Dual, Num, Real};

/// Elements of a tile.
pub(super) const TILE: usize = 32;

/// The next `n` elements of each operand as a tile; filled up, in `rest`, if they are fewer. An operand
/// without elements is a constant, whose tile stands there already.
#[inline(always)]
pub(super) fn tiles<'a, T: Float, const J: usize>(
    operands: [&'a [T]; J],
    n: usize,
    rest: &'a mut [[T; TILE]; J],
) -> [&'a [T; TILE]; J] {
    if n < TILE {
        for (rest, operand) in zip(&mut *rest, operands) {
            if let Some(operand) = operand.get(..n) {
                rest[..n].copy_from_slice(operand);
            }
        }
    }
    let mut tiles = rest.each_ref();
    if n == TILE {
        for (tile, operand) in zip(&mut tiles, operands) {
            if let Some(chunk) = operand.first_chunk() {
                *tile = chunk;
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
pub(super) fn write<T: Float>(
    outs: &mut [&mut [T]],
    start: usize,
    n: usize,
    results: &[[T; TILE]],
) {
    for (out, result) in zip(outs, results) {
        if out.is_empty() {
            continue;
        }
        match out[start..].first_chunk_mut() {
            Some(out) if n == TILE => *out = *result,
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
    run(&Forward::<R, I, O>(*rule), ins, outs);
}

/// A rule as a kernel: reading 1.
struct Forward<R, const I: usize, const O: usize>(R);

impl<R, const I: usize, const O: usize> Forward<R, I, O> {
    #[inline(always)]
    fn tile<T: Float, const FMA: bool>(&self, x: [&[T; TILE]; I], out: &mut [[T; TILE]; O])
    where
        R: Rule<I, O>,
    {
        for k in 0..TILE {
            let mut numbers = [Num::<T, FMA>(T::ZERO); I];
            for i in 0..I {
                numbers[i].0 = x[i][k];
            }
            let y = self.0.eval(numbers);
            for o in 0..O {
                out[o][k] = y[o].0;
            }
        }
    }
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Body<T> for Forward<R, I, O> {
    #[inline(always)]
    fn run<const FMA: bool>(&self, ins: &[&[T]], outs: &mut [&mut [T]]) {
        let (len, mut rest) = (ins[0].len(), [[T::ONE; TILE]; I]);
        let mut y = [[T::ZERO; TILE]; O];
        for start in (0..len).step_by(TILE) {
            let n = TILE.min(len - start);
            self.tile::<T, FMA>(tiles(skip(ins, start), n, &mut rest), &mut y);
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
    /// Tiles for what is left at the end; those of the scalars stand there already.
    #[inline(always)]
    pub(super) fn filled(&self) -> [[T; TILE]; I] {
        let mut rest = [[T::ONE; TILE]; I];
        for (tile, &x) in zip(&mut rest[I - self.scalars.len()..], self.scalars) {
            tile.fill(x);
        }
        rest
    }

    /// Each input from element `start` on; no elements for scalars.
    #[inline(always)]
    pub(super) fn operands<'t>(
        &self,
        ins: &[&'t [T]],
        states: &'t [&mut [T]],
        start: usize,
    ) -> [&'t [T]; I] {
        let mut operands = [&[][..]; I];
        let mut next = 0;
        for i in 0..I - self.scalars.len() {
            operands[i] = if i < O && !self.moved[i] {
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
        let (len, mut rest) = (states[0].len(), self.filled());
        let mut y = [[T::ZERO; TILE]; O];
        for start in (0..len).step_by(TILE) {
            let n = TILE.min(len - start);
            let x = self.operands(ins, states, start);
            Forward::<R, I, O>(self.rule).tile::<T, FMA>(tiles(x, n, &mut rest), &mut y);
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
    run(&Backward::<R, I, O>(*rule), ins, outs);
}

/// The derivative of a rule as a kernel: reading 2.
struct Backward<R, const I: usize, const O: usize>(R);

impl<R, const I: usize, const O: usize> Backward<R, I, O> {
    #[inline(always)]
    fn tile<T: Float, const FMA: bool>(
        &self,
        x: [&[T; TILE]; I],
        g: [&[T; TILE]; O],
        out: &mut [[T; TILE]; I],
    ) where
        R: Rule<I, O>,
    {
        for k in 0..TILE {
            let (mut point, mut cotangents) = ([T::ZERO; I], [T::ZERO; O]);
            for i in 0..I {
                point[i] = x[i][k];
            }
            for o in 0..O {
                cotangents[o] = g[o][k];
            }
            let pulled = pull::<T, R, I, O, FMA>(&self.0, point, cotangents);
            for i in 0..I {
                out[i][k] = pulled[i];
            }
        }
    }
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Body<T> for Backward<R, I, O> {
    #[inline(always)]
    fn run<const FMA: bool>(&self, ins: &[&[T]], outs: &mut [&mut [T]]) {
        let (x, g) = ins.split_at(I);
        let (len, mut rest, mut rest_g) = (x[0].len(), [[T::ONE; TILE]; I], [[T::ONE; TILE]; O]);
        let mut out = [[T::ZERO; TILE]; I];
        for start in (0..len).step_by(TILE) {
            let n = TILE.min(len - start);
            let x = tiles(skip(x, start), n, &mut rest);
            let g = tiles(skip(g, start), n, &mut rest_g);
            self.tile::<T, FMA>(x, g, &mut out);
            write(outs, start, n, &out);
        }
    }
}

/// The values of a rule at one point.
pub(crate) fn value<T: Float, R: Rule<I, O>, const I: usize, const O: usize>(
    rule: &R,
    x: &[T],
    y: &mut [T],
) {
    struct Value<'a, R, T, const I: usize, const O: usize>(&'a R, &'a [T], &'a mut [T]);
    impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Kernel for Value<'_, R, T, I, O> {
        type Out = ();
        #[inline(always)]
        fn run<const FMA: bool>(self) {
            let Some(x) = self.1.first_chunk::<I>() else { unreachable!("a number an input") };
            let y = self.0.eval(x.map(Num::<T, FMA>));
            zip(self.2, y).for_each(|(to, y)| *to = y.0);
        }
    }
    dispatch(Value(rule, x, y));
}

/// The cotangents of the inputs at one point, from those of the results.
pub(crate) fn slopes<T: Float, R: Rule<I, O>, const I: usize, const O: usize>(
    rule: &R,
    x: &[T],
    g: &[T],
    out: &mut [T],
) {
    struct Slopes<'a, R, T, const I: usize, const O: usize>(&'a R, [&'a [T]; 2], &'a mut [T]);
    impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Kernel for Slopes<'_, R, T, I, O> {
        type Out = ();
        #[inline(always)]
        fn run<const FMA: bool>(self) {
            let [x, g] = self.1;
            let (Some(x), Some(g)) = (x.first_chunk(), g.first_chunk()) else {
                unreachable!("a number an input and a result")
            };
            zip(self.2, pull::<T, R, I, O, FMA>(self.0, *x, *g)).for_each(|(to, g)| *to = g);
        }
    }
    dispatch(Slopes(rule, [x, g], out));
}

/// The cotangents of the inputs of one element: reading 2.
#[inline(always)]
fn pull<T: Float, R: Rule<I, O>, const I: usize, const O: usize, const FMA: bool>(
    rule: &R,
    x: [T; I],
    g: [T; O],
) -> [T; I] {
    let mut duals = [Dual::<Num<T, FMA>, I>::constant(Num(T::ZERO)); I];
    for i in 0..I {
        duals[i] = Dual::input(Num(x[i]), i);
    }
    let y = rule.eval(duals);
    let mut out = [T::ZERO; I];
    for (i, sum) in out.iter_mut().enumerate() {
        for o in 0..O {
            *sum += Num::<T, FMA>(g[o]).carry(y[o].tangents[i]).0;
        }
    }
    out
}
