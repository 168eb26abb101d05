//! Applying a rule: to variables, to tensors, and in place for optimisers.

use std::iter::zip;

use smallvec::SmallVec;

use super::rule_op::Elementwise;
use crate::element::Float;
use crate::kernel::map::{self, Slices, SlicesMut};
use crate::kernel::simd::{Kernel, dispatch};
use crate::op::Op;
use crate::pool::Storage;
use crate::rule::{Along, InPlace, Rule};
use crate::tape::Var;
use crate::tensor::Tensor;

/// Applying a [`Rule`] to variables.
pub trait Fuse<const I: usize, const O: usize>: Rule<I, O> {
    /// The results of the rule, one fused operation. The inputs broadcast together.
    ///
    /// # Panics
    /// When the shapes do not broadcast.
    #[track_caller]
    fn fuse<'t, T: Float>(self, x: [Var<'t, T>; I]) -> [Var<'t, T>; O] {
        const { assert!(I > 0 && O > 0, "a rule has inputs and results") };
        let results = x[0].tape().apply_all(Elementwise::<Self, I, O>(self), &x);
        std::array::from_fn(|i| results[i])
    }

    /// The results of a rule of single numbers, worked out in 64 bits and then rounded to `T`: the bias
    /// corrections of an optimiser, for which 32 bits are too few.
    ///
    /// # Panics
    /// When an input is not a single number (rank 0).
    #[track_caller]
    fn fuse_scalars<'t, T: Float>(self, x: [Var<'t, T>; I]) -> [Var<'t, T>; O] {
        super::scalars::scalars(self, x)
    }

    /// The rule in place, without a tape: an optimiser's step. Its first `O` inputs are `states`, which
    /// the results replace; then comes `gradient`, of the same shape; then `scalars`, the same for every
    /// element. The numbers have the same bits as those of [`fuse`](Fuse::fuse).
    ///
    /// # Panics
    /// When the shapes differ or the counts do not add up to `I`.
    #[track_caller]
    fn update<T: Float>(self, states: [&mut Tensor<T>; O], gradient: &Tensor<T>, scalars: &[T]) {
        self.expect_update(&states, gradient, scalars);
        replace(states, gradient, &mut [], |moved, ins, outs| {
            let body = InPlace { rule: self, moved, scalars };
            T::in_place(&|len, ins, outs| body.run(len, ins, outs), ins, outs);
        });
    }

    /// As [`update`](Fuse::update), and how the new first state changes with the scalars:
    /// for each of `directions`, a change of every scalar, the derivative goes to a tensor of `tangents`.
    /// Returns Σ gradient · tangent, before that, of each.
    ///
    /// # Panics
    /// When the shapes differ or the counts do not add up.
    #[track_caller]
    fn update_along<T: Float>(
        self,
        states: [&mut Tensor<T>; O],
        gradient: &Tensor<T>,
        scalars: &[T],
        directions: &[&[T]],
        tangents: &mut [Tensor<T>],
    ) -> SmallVec<[f64; 4]> {
        if directions.is_empty() {
            self.update(states, gradient, scalars);
            return SmallVec::new();
        }
        self.expect_update(&states, gradient, scalars);
        assert!(
            tangents.len() == directions.len()
                && directions.iter().all(|direction| direction.len() == scalars.len())
                && tangents.iter().all(|tangent| tangent.shape == states[0].shape),
            "{}: a tangent and a number for each scalar belong to a direction",
            self.name()
        );
        let mut sums = SmallVec::from_elem(0.0, directions.len());
        replace(states, gradient, tangents, |moved, ins, outs| {
            let body = Along { step: InPlace { rule: self, moved, scalars }, directions };
            map::in_place_sums(&|ins, outs, sums| body.run(ins, outs, sums), ins, outs, &mut sums);
        });
        sums
    }

    #[doc(hidden)]
    #[track_caller]
    fn expect_update<T: Float>(
        &self,
        states: &[&mut Tensor<T>; O],
        gradient: &Tensor<T>,
        scalars: &[T],
    ) {
        assert!(
            O + 1 + scalars.len() == I,
            "{}: {O} states, a gradient and {} scalars are not {I} inputs",
            self.name(),
            scalars.len()
        );
        let same = states.iter().all(|state| state.shape == gradient.shape);
        assert!(same, "{}: states and gradient differ in shape", self.name());
    }
}

/// Calls `kernel` with slices: that of the gradient to read, those of the states and of `more` to write. A state
/// that somebody else still holds, a tape most often, is read where it is and gets a new buffer (copying it first
/// would cost as much as the step): it is `moved`, and comes before the gradient.
fn replace<T: Float, const O: usize>(
    mut states: [&mut Tensor<T>; O],
    gradient: &Tensor<T>,
    more: &mut [Tensor<T>],
    kernel: impl FnOnce([bool; O], &[&[T]], &mut [&mut [T]]),
) {
    let gradient = gradient.contiguous();
    let mut moved = [false; O];
    let mut olds = [const { None }; O];
    for (o, state) in states.iter_mut().enumerate() {
        if !state.is_contiguous() || state.storage.unique().is_none() {
            moved[o] = true;
            let old = std::mem::replace(*state, Tensor::stale(state.shape));
            olds[o] = Some(old.into_contiguous());
        }
    }
    let mut ins = Slices::new();
    olds.iter().flatten().for_each(|old| ins.push(old.dense()));
    ins.push(gradient.dense());
    let outs = states.into_iter().chain(more);
    let mut outs: SlicesMut<T> = outs.map(|state| state.make_mut()).collect();
    kernel(moved, &ins, &mut outs);
}

impl<R: Rule<I, O>, const I: usize, const O: usize> Fuse<I, O> for R {}

/// Adds to a cotangent that has already arrived; in place if nobody else holds it.
pub(crate) fn accumulate<T: Float>(sum: &mut Tensor<T>, more: &Tensor<T>) {
    struct AddTo<'a, T>(&'a mut [T], &'a [T]);
    impl<T: Float> Kernel for AddTo<'_, T> {
        type Out = ();
        #[inline(always)]
        fn run<const FMA: bool>(self) {
            zip(self.0, self.1).for_each(|(y, &x)| *y += x);
        }
    }
    if let (Storage::One([a]), Storage::One([b])) = (&mut sum.storage, &more.storage)
        && sum.shape.is_empty()
    {
        *a += *b;
        return;
    }
    more.with_dense(|more| dispatch(AddTo(sum.make_mut(), more)));
}

/// A rule of tensors, for the forward and fast backward passes of other operations.
pub(crate) fn evaluate<T: Float, R: Rule<I, 1>, const I: usize>(
    rule: R,
    x: [&Tensor<T>; I],
) -> Tensor<T> {
    let mut results = Elementwise::<R, I, 1>(rule).forward(&x);
    match results.pop() {
        Some(result) => result,
        None => unreachable!("a rule with one result has one"),
    }
}
