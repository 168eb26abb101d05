//! A rule as a kernel: forward, backward and in place, over slices of equal length. A slice of one number stands
//! for one that repeats it; as an output, it receives the sum.
//!
//! All of them work in tiles of a fixed length, each computed into an array and then copied out.
//! Writing the results to slices one by one, the compiler would have to prove that no two slices
//! overlap, and gives up; with arrays of fixed length there is no bounds check and no remainder in the
//! loop, and it always vectorises. What is left at the end is filled up to a tile and goes through the
//! same code: every rule is compiled for two precisions and three instruction sets, and a second copy
//! of the loop for the rest would double that. A single number goes without all of this.
//!
//! Finding the tiles of the operands takes as long as the arithmetic of a simple rule; what can be is therefore
//! done before the loop.

use std::hint::black_box;
use std::iter::zip;

use super::Rule;
use crate::element::Float;
use crate::kernel::map::{Body, run};
use crate::kernel::reduce::sum_slice;
use crate::kernel::simd::{Kernel, dispatch};
use crate::real::{Dual, Num, Real};

/// Elements of a tile.
pub(super) const TILE: usize = 32;

pub(super) type Tile<T> = [T; TILE];

/// Operands in tiles.
pub(super) struct Tiles<'a, T, const J: usize> {
    whole: [&'a [Tile<T>]; J],
    /// What is left at the end, filled up; for a number that repeats, all there is.
    pub rest: [Tile<T>; J],
}

impl<'a, T: Float, const J: usize> Tiles<'a, T, J> {
    #[inline(always)]
    pub fn new(operands: &[&'a [T]]) -> Self {
        let (mut whole, mut rest) = ([&[][..]; J], [[T::ONE; TILE]; J]);
        for ((whole, rest), operand) in zip(zip(&mut whole, &mut rest), operands) {
            let (tiles, end) = operand.as_chunks();
            *whole = tiles;
            match operand {
                [x] => rest.fill(*x),
                _ => rest[..end.len()].copy_from_slice(end),
            }
        }
        Tiles { whole, rest }
    }

    /// The same, and the compiler knows nothing about them: seeing how the rest was made, it reads its numbers one
    /// by one before the loop, and no longer as vectors.
    #[inline(always)]
    pub fn opaque(&self) -> &Self {
        black_box(self)
    }

    /// Tile number `t` of each. An array that is made at once: written one by one, its pointers may be stored as
    /// vectors and read back as numbers, for which the processor waits until all tiles before are done.
    #[inline(always)]
    pub fn at(&self, t: usize) -> [&Tile<T>; J] {
        std::array::from_fn(|i| self.whole[i].get(t).unwrap_or(&self.rest[i]))
    }
}

/// Writes tile number `t` to each output of the given length; others are sums, or not wanted.
#[inline(always)]
pub(super) fn write<T: Float>(outs: &mut [&mut [T]], len: usize, t: usize, results: &[Tile<T>]) {
    for (out, result) in zip(outs, results) {
        if out.len() == len {
            let (whole, end) = out.as_chunks_mut();
            match whole.get_mut(t) {
                Some(tile) => *tile = *result,
                None => write_rest(end, result),
            }
        }
    }
}

/// A function of its own: both ways of copying in one place become a single one of any length, which is a call into
/// the C library.
#[cold]
#[inline(never)]
fn write_rest<T: Float>(end: &mut [T], result: &Tile<T>) {
    end.copy_from_slice(&result[..end.len()]);
}

/// The values of a rule.
pub(crate) fn forward<T: Float, R: Rule<I, O>, const I: usize, const O: usize>(
    rule: &R,
    len: usize,
    ins: &[&[T]],
    outs: &mut [&mut [T]],
) {
    run(&Forward::<R, I, O>(*rule), len, ins, outs);
}

/// A rule as a kernel: reading 1.
struct Forward<R, const I: usize, const O: usize>(R);

impl<R, const I: usize, const O: usize> Forward<R, I, O> {
    #[inline(always)]
    fn tile<T: Float, const FMA: bool>(&self, x: [&Tile<T>; I], out: &mut [Tile<T>; O])
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
    fn run<const FMA: bool>(&self, len: usize, ins: &[&[T]], outs: &mut [&mut [T]]) {
        let (tiles, mut y) = (Tiles::new(ins), [[T::ZERO; TILE]; O]);
        let x = tiles.opaque();
        for t in 0..len.div_ceil(TILE) {
            self.tile::<T, FMA>(x.at(t), &mut y);
            write(outs, len, t, &y);
        }
    }
}

/// A rule in place: reading 1 again, for optimisers. The first `O` inputs are the old states, which are
/// the outputs' own contents; or, where `moved`, the first of the kernel's inputs, for a state that
/// somebody else still holds. Then come the kernel's other input, a gradient, and `scalars`.
pub(crate) struct InPlace<'a, R, T, const I: usize, const O: usize> {
    pub rule: R,
    pub moved: [bool; O],
    pub scalars: &'a [T],
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> InPlace<'_, R, T, I, O> {
    /// What there is of the operands before the loop: all but the whole tiles of the states that are written.
    #[inline(always)]
    pub(super) fn operands<'t>(&self, ins: &[&'t [T]], states: &[&mut [T]]) -> Tiles<'t, T, I> {
        let (mut operands, mut ins) = ([&[][..]; I], ins.iter());
        for (i, operand) in operands.iter_mut().enumerate().take(O + 1) {
            if i == O || self.moved[i] {
                *operand = ins.next().map_or(&[], |x| *x);
            }
        }
        let mut tiles = Tiles::new(&operands);
        for (i, state) in states.iter().enumerate().filter(|(i, _)| !self.moved[*i]) {
            let (_, end) = state.as_chunks::<TILE>();
            tiles.rest[i][..end.len()].copy_from_slice(end);
        }
        for (rest, &x) in zip(&mut tiles.rest[O + 1..], self.scalars) {
            rest.fill(x);
        }
        tiles
    }

    /// Tile number `t` of each operand.
    #[inline(always)]
    pub(super) fn at<'t>(
        &self,
        operands: &'t Tiles<'t, T, I>,
        states: &'t [&mut [T]],
        t: usize,
    ) -> [&'t Tile<T>; I] {
        let rest = &operands.rest;
        std::array::from_fn(|i| {
            let whole = match i < O && !self.moved[i] {
                true => states[i].as_chunks().0,
                false => operands.whole[i],
            };
            if i > O { &rest[i] } else { whole.get(t).unwrap_or(&rest[i]) }
        })
    }
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Body<T> for InPlace<'_, R, T, I, O> {
    #[inline(always)]
    fn run<const FMA: bool>(&self, len: usize, ins: &[&[T]], states: &mut [&mut [T]]) {
        let (tiles, mut y) = (self.operands(ins, states), [[T::ZERO; TILE]; O]);
        let operands = tiles.opaque();
        for t in 0..len.div_ceil(TILE) {
            let x = self.at(operands, states, t);
            Forward::<R, I, O>(self.rule).tile::<T, FMA>(x, &mut y);
            write(states, len, t, &y);
        }
    }
}

/// Inputs from which a rule is worth a second kernel, for the cotangents of the first half of them: an update of Adam
/// has twelve, and those of its β and ε are seldom asked for.
const MANY: usize = 8;

/// The cotangents of a rule's inputs, from its inputs and the cotangents of its results.
pub(crate) fn backward<T: Float, R: Rule<I, O>, const I: usize, const O: usize>(
    rule: &R,
    len: usize,
    ins: &[&[T]],
    outs: &mut [&mut [T]],
) {
    if const { I >= MANY } && outs[I / 2..].iter().all(|out| out.is_empty()) {
        return run(&Backward::<R, I, O, true>(*rule), len, ins, outs);
    }
    run(&Backward::<R, I, O, false>(*rule), len, ins, outs);
}

/// The derivative of a rule as a kernel: reading 2. With `HALF`, of the first half of its inputs only.
struct Backward<R, const I: usize, const O: usize, const HALF: bool>(R);

impl<R, const I: usize, const O: usize, const HALF: bool> Backward<R, I, O, HALF> {
    #[inline(always)]
    fn tile<T: Float, const FMA: bool>(
        &self,
        x: [&Tile<T>; I],
        g: [&Tile<T>; O],
        out: &mut [Tile<T>; I],
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
            let pulled = pull::<T, R, I, O, FMA, HALF>(&self.0, point, cotangents);
            for i in 0..I {
                out[i][k] = pulled[i];
            }
        }
    }
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize, const HALF: bool> Body<T>
    for Backward<R, I, O, HALF>
{
    #[inline(always)]
    fn run<const FMA: bool>(&self, len: usize, ins: &[&[T]], outs: &mut [&mut [T]]) {
        let (x, g) = ins.split_at(I);
        let (x, g) = (Tiles::new(x), Tiles::new(g));
        let (x, g) = (x.opaque(), g.opaque());
        let (mut out, mut sums) = ([[T::ZERO; TILE]; I], [[T::ZERO; TILE]; I]);
        let is_sum = |out: &[T]| out.len() == 1 && len > 1;
        for t in 0..len.div_ceil(TILE) {
            self.tile::<T, FMA>(x.at(t), g.at(t), &mut out);
            write(outs, len, t, &out);
            let n = TILE.min(len - t * TILE);
            for i in 0..I {
                if is_sum(outs[i]) {
                    zip(&mut sums[i], &out[i][..n]).for_each(|(sum, &x)| *sum += x);
                }
            }
        }
        for (out, sum) in zip(outs, &sums) {
            if is_sum(out) {
                out[0] += sum_slice(sum);
            }
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
            zip(self.2, pull::<T, R, I, O, FMA, false>(self.0, *x, *g)).for_each(|(to, g)| *to = g);
        }
    }
    dispatch(Slopes(rule, [x, g], out));
}

/// The cotangents of the inputs of one element: reading 2.
#[inline(always)]
pub(super) fn pull<
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
    for (i, sum) in out.iter_mut().enumerate() {
        for o in 0..O {
            *sum += Num::<T, FMA>(g[o]).carry(y[o].tangents[i]).0;
        }
    }
    out
}
