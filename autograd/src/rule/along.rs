//! A rule in place, and how its first result changes with its scalars.

use std::iter::zip;

use super::Rule;
use super::body::{Forward, InPlace, TILE, tiles, write};
use crate::element::Float;
use crate::kernel::map::Body;
use crate::real::{Dual, Num};

/// As [`InPlace`]; after the states stand the tangents, one for each direction, a change of every scalar.
pub(crate) struct Along<'a, R, T, const I: usize, const O: usize> {
    pub step: InPlace<'a, R, T, I, O>,
    pub directions: &'a [&'a [T]],
}

/// The scalars that change with a learning rate are the first two. With no change in the others, the derivative
/// shares nearly all of its arithmetic with the values; otherwise it is three times as much.
const FEW: usize = 2;

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Along<'_, R, T, I, O> {
    /// Reading 2, forward: the values, and the change of the first. The states, the one input, which is the
    /// gradient, and all scalars from number `CHANGING` on stay: the compiler, which can tell from this form,
    /// drops what would be worked out for them.
    #[inline(always)]
    fn tile<const FMA: bool, const CHANGING: usize>(
        &self,
        x: [&[T; TILE]; I],
        direction: &[T],
    ) -> ([[T; TILE]; O], [T; TILE]) {
        let mut change = [T::ZERO; I];
        for (change, &by) in zip(&mut change[I - direction.len()..], direction) {
            *change = by;
        }
        let (mut values, mut tangent) = ([[T::ZERO; TILE]; O], [T::ZERO; TILE]);
        for k in 0..TILE {
            let mut duals = [Dual::<Num<T, FMA>, 1>::constant(Num(T::ZERO)); I];
            for i in 0..I {
                duals[i] = Dual::constant(Num(x[i][k]));
                if i > O && i - O <= CHANGING {
                    duals[i].tangents = [Num(change[i])];
                }
            }
            let y = self.step.rule.eval(duals);
            tangent[k] = y[0].tangents[0].0;
            for o in 0..O {
                values[o][k] = y[o].value.0;
            }
        }
        (values, tangent)
    }

    #[inline(always)]
    fn sweep<const FMA: bool, const CHANGING: usize>(&self, ins: &[&[T]], outs: &mut [&mut [T]]) {
        let (len, mut rest) = (outs[0].len(), self.step.filled());
        for start in (0..len).step_by(TILE) {
            let n = TILE.min(len - start);
            let (states, tangents) = outs.split_at_mut(O);
            let x = tiles(self.step.operands(ins, states, start), n, &mut rest);
            let mut values = [[T::ZERO; TILE]; O];
            for (tangent, direction) in zip(tangents, self.directions) {
                let change;
                (values, change) = self.tile::<FMA, CHANGING>(x, direction);
                write(&mut [tangent], start, n, &[change]);
            }
            if self.directions.is_empty() {
                values = Forward::<R, I, O>(self.step.rule).tile::<T, FMA>(x);
            }
            write(states, start, n, &values);
        }
    }
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Body<T> for Along<'_, R, T, I, O> {
    #[inline(always)]
    fn run<const FMA: bool>(&self, ins: &[&[T]], outs: &mut [&mut [T]]) {
        let few = |d: &&[T]| d.iter().skip(FEW).all(|&by| by == T::ZERO);
        match self.directions.iter().all(few) {
            true => self.sweep::<FMA, FEW>(ins, outs),
            false => self.sweep::<FMA, { usize::MAX }>(ins, outs),
        }
    }
}
