//! A rule in place, for optimisers. Finding the tiles of the operands takes as long as the arithmetic of a simple rule;
//! what can be is therefore done before the loop.

use std::hint::black_box;
use std::iter::zip;

use super::Rule;
use super::body::{value, values};
use super::tiles::{Aligned, TILE, Tile};
use crate::element::Float;
use crate::kernel::simd::{Kernel, has_vectors, on_vectors};

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

    /// Tile number `t` of each operand. An array that is made at once: written one by one, its pointers may be stored as
    /// vectors and read back as numbers, for which the processor waits until all tiles before are done.
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

    /// Runs it over slices of the given length.
    pub fn run(&self, len: usize, ins: &[&[T]], states: &mut [&mut [T]]) {
        match has_vectors() {
            true => on_vectors::<T, _>(Update { update: self, len, ins, states }),
            false => self.run_by_number(len, ins, states),
        }
    }

    fn run_by_number(&self, len: usize, ins: &[&[T]], states: &mut [&mut [T]]) {
        let (mut x, mut y) = ([T::ZERO; I], [T::ZERO; O]);
        zip(&mut x[O + 1..], self.scalars).for_each(|(to, &x)| *to = x);
        for k in 0..len {
            let mut ins = ins.iter();
            for i in 0..=O {
                let moved = i == O || self.moved[i];
                x[i] = if moved { ins.next().map_or(T::ZERO, |x| x[k]) } else { states[i][k] };
            }
            value::<T, R, I, O>(&self.rule, &x, &mut y);
            zip(&mut *states, y).for_each(|(state, y)| state[k] = y);
        }
    }
}

struct Update<'k, 'i, 'o, U, T> {
    update: &'k U,
    len: usize,
    ins: &'k [&'i [T]],
    states: &'k mut [&'o mut [T]],
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Kernel
    for Update<'_, '_, '_, InPlace<'_, R, T, I, O>, T>
{
    type Out = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Update { update, len, ins, states } = self;
        let (tiles, mut y) = (update.operands(ins, states), Aligned([[T::ZERO; TILE]; O]));
        let operands = tiles.opaque();
        for t in 0..len.div_ceil(TILE) {
            values::<T, R, I, O, FMA>(&update.rule, update.at(operands, states, t), &mut y.0);
            write(states, len, t, &y.0);
        }
    }
}
