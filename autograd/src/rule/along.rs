//! A rule in place, and how its first result changes with its scalars.

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

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Along<'_, R, T, I, O> {
    /// Reading 2, forward. The states and the one input, which is the gradient, do not change: written so that the
    /// compiler knows it, and drops what would be worked out for them.
    #[inline(always)]
    fn tile<const FMA: bool>(&self, x: [&[T; TILE]; I], direction: &[T]) -> [T; TILE] {
        let mut change = [T::ZERO; I];
        for (change, &by) in change[I - direction.len()..].iter_mut().zip(direction) {
            *change = by;
        }
        let mut out = [T::ZERO; TILE];
        for k in 0..TILE {
            let mut duals = [Dual::<Num<T, FMA>, 1>::constant(Num(T::ZERO)); I];
            for i in 0..I {
                duals[i] = Dual::constant(Num(x[i][k]));
                if i > O {
                    duals[i].tangents = [Num(change[i])];
                }
            }
            out[k] = self.step.rule.eval(duals)[0].tangents[0].0;
        }
        out
    }
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Body<T> for Along<'_, R, T, I, O> {
    #[inline(always)]
    fn run<const FMA: bool>(&self, ins: &[&[T]], outs: &mut [&mut [T]]) {
        let (len, mut rest) = (outs[0].len(), self.step.filled());
        for start in (0..len).step_by(TILE) {
            let n = TILE.min(len - start);
            let (states, tangents) = outs.split_at_mut(O);
            let x = tiles(self.step.operands(ins, states, start), n, &mut rest);
            for (tangent, direction) in tangents.iter_mut().zip(self.directions) {
                write(&mut [tangent], start, n, &[self.tile::<FMA>(x, direction)]);
            }
            let y = Forward::<R, I, O>(self.step.rule).tile::<T, FMA>(x);
            write(states, start, n, &y);
        }
    }
}
