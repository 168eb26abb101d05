//! A rule in place, and how its first result changes with its scalars.

use std::iter::zip;

use super::Rule;
use super::in_place::{InPlace, write};
use super::tiles::{Aligned, TILE, Tile};
use crate::element::Float;
use crate::kernel::reduce::sum_slice;
use crate::kernel::simd::{Kernel, dispatch};
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
    /// The new states and the tangent of the first, by reading 2, forward. The states, the gradient, and all scalars
    /// from number `CHANGING` on stay: the compiler, which can tell from this form, drops what would be worked out
    /// for them. Adds gradient · old tangent to `lanes`.
    #[inline(always)]
    fn tile<const FMA: bool, const CHANGING: usize>(
        &self,
        (x, old): ([&Tile<T>; I], &Tile<T>),
        change: &[Num<T, FMA>; I],
        values: &mut [Tile<T>; O],
        new: &mut Tile<T>,
        lanes: &mut Tile<T>,
    ) {
        for k in 0..TILE {
            let mut duals = [Dual::<Num<T, FMA>, 1>::constant(Num(T::ZERO)); I];
            for i in 0..I {
                duals[i].value = Num(x[i][k]);
                if i > O && i - O <= CHANGING {
                    duals[i].tangents = [change[i]];
                }
            }
            let y = self.step.rule.eval(duals);
            new[k] = y[0].tangents[0].0;
            for o in 0..O {
                values[o][k] = y[o].value.0;
            }
            lanes[k] += x[O][k] * old[k];
        }
    }

    /// One direction. Writes the states, too, if it is the `last`. Returns Σ gradient · old tangent.
    #[inline(always)]
    fn sweep<const FMA: bool, const CHANGING: usize>(
        &self,
        ins: &[&[T]],
        (states, tangent): (&mut [&mut [T]], &mut [T]),
        direction: &[T],
        last: bool,
    ) -> f64 {
        let mut change = [Num::<T, FMA>(T::ZERO); I];
        for (change, &by) in zip(&mut change[O + 1..], direction) {
            change.0 = by;
        }
        let tiles = self.step.operands(ins, states);
        let operands = tiles.opaque();
        let Aligned((values, new)) = &mut Aligned(([[T::ZERO; TILE]; O], [[T::ZERO; TILE]; 1]));
        let (mut lanes, mut rest, len) = ([T::ZERO; TILE], [T::ZERO; TILE], tangent.len());
        let (_, end) = tangent.as_chunks::<TILE>();
        rest[..end.len()].copy_from_slice(end);
        for t in 0..len.div_ceil(TILE) {
            let old = tangent.as_chunks().0.get(t).unwrap_or(&rest);
            let read = (self.step.at(operands, states, t), old);
            self.tile::<FMA, CHANGING>(read, &change, values, &mut new[0], &mut lanes);
            write(&mut [&mut *tangent], len, t, new);
            if last {
                write(states, len, t, values);
            }
        }
        sum_slice(&lanes).to_f64()
    }

    /// Runs it over slices of equal length. Adds Σ gradient · old tangent to `sums`, for each direction.
    pub fn run(&self, ins: &[&[T]], outs: &mut [&mut [T]], sums: &mut [f64]) {
        struct Direct<'k, 'i, 'o, A, T>(&'k A, &'k [&'i [T]], &'k mut [&'o mut [T]], &'k mut [f64]);
        impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Kernel
            for Direct<'_, '_, '_, Along<'_, R, T, I, O>, T>
        {
            type Out = ();
            #[inline(always)]
            fn run<const FMA: bool>(self) {
                let Direct(along, ins, outs, sums) = self;
                let (states, tangents) = outs.split_at_mut(O);
                let directions = zip(along.directions, tangents).enumerate();
                for ((k, (direction, tangent)), sum) in zip(directions, sums) {
                    let last = k + 1 == along.directions.len();
                    let outs = (&mut *states, &mut **tangent);
                    *sum += match direction.iter().skip(FEW).all(|&by| by == T::ZERO) {
                        true => along.sweep::<FMA, FEW>(ins, outs, direction, last),
                        false => along.sweep::<FMA, { usize::MAX }>(ins, outs, direction, last),
                    };
                }
            }
        }
        dispatch(Direct(self, ins, outs, sums));
    }
}
