//! A rule over [`Real`] as an operation, and in place for optimisers.

use std::iter::zip;

use smallvec::SmallVec;

use crate::element::Float;
use crate::kernel::map::{self, Block, In, Out, Slices, SlicesMut};
use crate::kernel::simd::{Kernel, dispatch};
use crate::op::{Backward, Cotangents, Op, Outputs, Vjp};
use crate::pool::Storage;
use crate::real::{Dual, Real, Sym};
use crate::rule::{Along, InPlace, Rule};
use crate::tape::Var;
use crate::tensor::layout::{self, Strides};
use crate::tensor::{Dims, Tensor};

/// A rule as an operation.
#[derive(Debug)]
pub(crate) struct Elementwise<R, const I: usize, const O: usize>(pub R);

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
            map::in_place(&|len, ins, outs| map::run(&body, len, ins, outs), ins, outs);
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

/// A tensor as an input of the kernel, broadcast to `shape`.
fn read<'a, T: Float>(x: &'a Tensor<T>, shape: &Dims) -> In<'a, T> {
    let strides = if x.shape == *shape { x.strides } else { x.broadcast_to(shape).strides };
    In { data: x.raw(), strides }
}

/// The strides of a row-major tensor of shape `from`, read as `to`; summed over where it repeats.
fn spread(from: &Dims, to: &Dims) -> Strides {
    let (strides, new) = (from.row_major(), to.len() - from.len());
    let step = |axis: usize| match axis.checked_sub(new) {
        Some(at) if axis < to.len() && from[at] == to[axis] => strides[at],
        _ => 0,
    };
    std::array::from_fn(step)
}

/// A tensor as an operand of a pass over slices: its elements, or the one number that it repeats. `None` if it
/// stands otherwise.
#[inline]
fn slice<'a, T: Float>(x: &'a Tensor<T>, shape: &Dims) -> Option<&'a [T]> {
    if x.shape == *shape && x.is_contiguous() {
        return Some(x.dense());
    }
    let repeats = |axis: usize| x.strides[axis] == 0 || x.shape[axis] == 1;
    (0..x.rank()).all(repeats).then(|| x.raw().get(..1)).flatten()
}

/// Writes the cotangents of the inputs into `found`, where there are tensors for those that are asked for.
fn pull_all<T: Float>(
    body: &Block<T>,
    shape: &Dims,
    inputs: &[&Tensor<T>],
    cotangents: &[Tensor<T>],
    found: &mut [Option<Tensor<T>>],
) {
    let operands = || inputs.iter().copied().chain(cotangents);
    let is_plain = |x: &&Tensor<T>| x.shape == *shape || x.len() == 1;
    if inputs.iter().all(is_plain)
        && let Some(ins) = operands().map(|x| slice(x, shape)).collect::<Option<Slices<T>>>()
    {
        let outs = found.iter_mut().map(|x| x.as_mut().map_or(&mut [][..], Tensor::fresh));
        let mut outs: SlicesMut<T> = outs.collect();
        outs.iter_mut().filter(|y| y.len() == 1).for_each(|y| y[0] = T::ZERO);
        return map::contiguous(body, shape.product(), &ins, &mut outs);
    }
    let outs = zip(found, inputs).map(|(found, x)| match found {
        // What nobody asks for is not written: its slice is empty.
        None => Out { data: &mut [][..], strides: Strides::default(), add: false },
        Some(found) => {
            let (data, add) = (found.fresh(), x.shape != *shape);
            if add {
                data.fill(T::ZERO);
            }
            Out { data, strides: spread(&x.shape, shape), add }
        }
    });
    let outs = outs.collect();
    map::map(body, shape, operands().map(|x| read(x, shape)).collect(), outs);
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Op<T> for Elementwise<R, I, O> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        if x.iter().all(|x| x.rank() == 0) {
            let x: [T; I] = std::array::from_fn(|i| x[i].first());
            let mut y = [T::ZERO; O];
            (R::kernels().value)(&self.0, &x, &mut y);
            return y.into_iter().map(Tensor::scalar).collect();
        }
        let mut shape = x[0].shape;
        for other in &x[1..] {
            if other.shape != shape {
                shape = match layout::broadcast(&shape, &other.shape) {
                    Some(both) => both.counted(self.0.name()),
                    None => {
                        let shapes: Vec<_> = x.iter().map(|x| x.shape).collect();
                        panic!("{}: shapes do not broadcast: {shapes:?}", self.0.name());
                    }
                };
            }
        }
        let pass = R::kernels().forward;
        let body = |len, ins: &[&[T]], outs: &mut [&mut [T]]| pass(&self.0, len, ins, outs);
        let mut results: [Tensor<T>; O] = std::array::from_fn(|_| Tensor::stale(shape));
        let mut outs = results.each_mut().map(Tensor::fresh);
        let ins: Option<Slices<T>> = x.iter().map(|x| slice(x, &shape)).collect();
        if let Some(ins) = ins {
            map::contiguous(&body, shape.product(), &ins, &mut outs);
        } else {
            let strides = shape.row_major();
            let outs = outs.into_iter().map(|data| Out { data, strides, add: false }).collect();
            map::map(&body, &shape, x.iter().map(|x| read(x, &shape)).collect(), outs);
        }
        results.into_iter().collect()
    }

    fn backward(&self, cx: &mut Backward<'_, T>) -> bool {
        let passes = |i: usize| O == 1 && self.0.passes(i);
        let asked: [bool; I] = std::array::from_fn(|i| cx.needs(i) && !passes(i));
        if cx.output(0).rank() == 0 {
            let g: [T; O] = std::array::from_fn(|o| cx.scalar_cotangent(o));
            let mut found = [g[0]; I];
            if asked.contains(&true) {
                let x: [T; I] = std::array::from_fn(|i| cx.input(i).first());
                (R::kernels().slopes)(&self.0, &x, &g, &mut found);
            }
            for (i, found) in found.into_iter().enumerate() {
                cx.give_scalar(i, if passes(i) { g[0] } else { found });
            }
            return true;
        }
        let shape = cx.output(0).shape;
        let inputs: [&Tensor<T>; I] = std::array::from_fn(|i| cx.input(i));
        let pass = R::kernels().backward;
        let body = |len, ins: &[&[T]], outs: &mut [&mut [T]]| pass(&self.0, len, ins, outs);
        let cotangents: [Tensor<T>; O] = std::array::from_fn(|o| cx.cotangent(o));
        if asked.contains(&true) {
            let mut found: [Option<Tensor<T>>; I] =
                std::array::from_fn(|i| asked[i].then(|| Tensor::stale(inputs[i].shape)));
            pull_all(&body, &shape, &inputs, &cotangents, &mut found);
            for (i, found) in found.into_iter().enumerate() {
                if let Some(found) = found {
                    cx.give(i, found);
                }
            }
        }
        let last = (0..I).rev().find(|&i| passes(i) && cx.needs(i));
        for i in (0..I).filter(|&i| passes(i) && Some(i) != last) {
            cx.give(i, cotangents[0].clone());
        }
        if let (Some(i), Some(cotangent)) = (last, cotangents.into_iter().next()) {
            cx.give(i, cotangent);
        }
        true
    }

    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let output = cx.output(0);
        output.tape().remembering::<Self, _>(output, || pull(&self.0, cx))
    }
}

/// The cotangents of a rule's inputs as variables: reading 3.
pub(crate) fn pull<'t, T: Float, R: Rule<I, O>, const I: usize, const O: usize>(
    rule: &R,
    cx: &Vjp<'_, 't, T>,
) -> Cotangents<'t, T> {
    let read = |i: usize| {
        let x = Sym::Var(cx.input(i));
        if cx.needs(i) { Dual::input(x, i) } else { Dual::constant(x) }
    };
    let x: [Dual<Sym<T>, I>; I] = std::array::from_fn(read);
    let y = rule.eval(x);
    let pull = |i: usize| {
        let mut sum = Sym::no_tangent();
        for (o, y) in y.iter().enumerate() {
            if !y.tangents[i].is_no_tangent() {
                sum = sum + Sym::Var(cx.cotangent_of(o)).carry(y.tangents[i]);
            }
        }
        match sum {
            Sym::Var(sum) => Some(sum),
            // No slope anywhere: zeros, as the fast pass gives.
            Sym::Number(_) => Some(cx.input(i).zeros_like()),
        }
    };
    (0..I).map(|i| if cx.needs(i) { pull(i) } else { None }).collect()
}

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
