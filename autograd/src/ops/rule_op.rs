//! A rule over [`Real`] as an operation on tensors of any shapes that broadcast together. All of it but a few lines is
//! the same for every rule, and compiled once. The loops of what is not count, as in `real/dual.rs`.
#![expect(clippy::needless_range_loop, reason = "as in `real/dual.rs`")]

use std::iter::zip;

use smallvec::SmallVec;

use crate::element::Float;
use crate::kernel::map::{self, Block, In, Out, Slices, SlicesMut};
use crate::op::{Backward, Cotangents, Op, Outputs, Vjp};
use crate::real::{Dual, Real, Sym};
use crate::rule::Rule;
use crate::tensor::layout::{self, Strides};
use crate::tensor::{Dims, Tensor};

/// A rule as an operation.
#[derive(Debug)]
pub(crate) struct Elementwise<R, const I: usize, const O: usize>(pub R);

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Op<T> for Elementwise<R, I, O> {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        // Graphs of single numbers spend their time on the way: these few lines are compiled for each rule.
        if x.iter().all(|x| x.rank() == 0) {
            let (mut point, mut y) = ([T::ZERO; I], [T::ZERO; O]);
            for i in 0..I {
                point[i] = x[i].first();
            }
            (R::kernels().value)(&self.0, &point, &mut y);
            return scalars(&y);
        }
        let shape = broadcast(self.0.name(), x);
        T::values(self, &shape, x)
    }
    fn backward(&self, cx: &mut Backward<'_, T>) -> bool {
        if cx.output(0).rank() > 0 {
            T::cotangents(self, cx);
            return true;
        }
        let (mut x, mut g) = ([T::ZERO; I], [T::ZERO; O]);
        for i in 0..I {
            x[i] = cx.input(i).first();
        }
        for o in 0..O {
            g[o] = cx.scalar_cotangent(o);
        }
        let mut found = [T::ZERO; I];
        (R::kernels().slopes)(&self.0, &x, &g, &mut found);
        for i in 0..I {
            cx.give_scalar(i, found[i]);
        }
        true
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let output = cx.output(0);
        output.tape().remembering::<Self, _>(output, || (R::kernels().pull)(&self.0, cx))
    }
}

/// A rule, whatever its numbers of inputs and results.
pub trait AnyRule<T>: Sync {
    fn name(&self) -> &'static str;
    fn results(&self) -> usize;
    fn passes(&self, input: usize) -> bool;
    fn forward(&self, len: usize, ins: &[&[T]], outs: &mut [&mut [T]]);
    fn backward(&self, len: usize, ins: &[&[T]], outs: &mut [&mut [T]]);
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> AnyRule<T> for Elementwise<R, I, O> {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn results(&self) -> usize {
        O
    }
    fn passes(&self, input: usize) -> bool {
        self.0.passes(input)
    }
    fn forward(&self, len: usize, ins: &[&[T]], outs: &mut [&mut [T]]) {
        (R::kernels().forward)(&self.0, len, ins, outs);
    }
    fn backward(&self, len: usize, ins: &[&[T]], outs: &mut [&mut [T]]) {
        (R::kernels().backward)(&self.0, len, ins, outs);
    }
}

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

/// Results of rank 0.
fn scalars<T: Float>(y: &[T]) -> Outputs<T> {
    y.iter().map(|&y| Tensor::scalar(y)).collect()
}

/// The shape of the results of inputs that broadcast together.
#[track_caller]
fn broadcast<T: Float>(name: &str, x: &[&Tensor<T>]) -> Dims {
    let mut shape = x[0].shape;
    for other in &x[1..] {
        if other.shape != shape {
            shape = match layout::broadcast(&shape, &other.shape) {
                Some(both) => both.counted(name),
                None => {
                    let shapes: Vec<_> = x.iter().map(|x| x.shape).collect();
                    panic!("{name}: shapes do not broadcast: {shapes:?}");
                }
            };
        }
    }
    shape
}

/// The results of a rule, of the given shape.
pub(crate) fn values<T: Float>(
    rule: &dyn AnyRule<T>,
    &shape: &Dims,
    x: &[&Tensor<T>],
) -> Outputs<T> {
    let mut all = Outputs::new();
    (0..rule.results()).for_each(|_| all.push(Tensor::stale(shape)));
    let mut outs: SlicesMut<T> = all.iter_mut().map(Tensor::fresh).collect();
    let ins: Option<Slices<T>> = x.iter().map(|x| slice(x, &shape)).collect();
    let pass: &Block<T> = &|len, ins, outs| rule.forward(len, ins, outs);
    if let Some(ins) = ins {
        map::contiguous(pass, shape.product(), &ins, &mut outs);
    } else {
        let strides = shape.row_major();
        let outs = outs.drain(..).map(|data| Out { data, strides, add: false }).collect();
        map::map(pass, &shape, x.iter().map(|x| read(x, &shape)).collect(), outs);
    }
    drop(outs);
    all
}

/// Writes the cotangents of the inputs into `found`, where there are tensors for those that are asked for.
fn pull_all<T: Float>(
    pass: &Block<T>,
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
        return map::contiguous(pass, shape.product(), &ins, &mut outs);
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
    map::map(pass, shape, operands().map(|x| read(x, shape)).collect(), outs);
}

/// The cotangents of the inputs, given to the reverse pass.
pub(crate) fn cotangents<T: Float>(rule: &dyn AnyRule<T>, cx: &mut Backward<'_, T>) {
    let (shape, inputs, results) = (cx.output(0).shape, cx.inputs(), rule.results());
    let passes = |i: usize| results == 1 && rule.passes(i);
    let asked = |cx: &Backward<'_, T>, i: usize| cx.needs(i) && !passes(i);
    let mut cotangents: SmallVec<[Tensor<T>; 1]> = (0..results).map(|o| cx.cotangent(o)).collect();
    if (0..inputs).any(|i| asked(cx, i)) {
        let x: SmallVec<[&Tensor<T>; 4]> = (0..inputs).map(|i| cx.input(i)).collect();
        let place = |i: usize| asked(cx, i).then(|| Tensor::stale(x[i].shape));
        let mut found: SmallVec<[Option<Tensor<T>>; 4]> = (0..inputs).map(place).collect();
        let pass: &Block<T> = &|len, ins, outs| rule.backward(len, ins, outs);
        pull_all(pass, &shape, &x, &cotangents, &mut found);
        for (i, found) in found.into_iter().enumerate() {
            if let Some(found) = found {
                cx.give(i, found);
            }
        }
    }
    let last = (0..inputs).rev().find(|&i| passes(i) && cx.needs(i));
    for i in (0..inputs).filter(|&i| passes(i) && Some(i) != last) {
        cx.give(i, cotangents[0].clone());
    }
    if let (Some(i), Some(cotangent)) = (last, cotangents.drain(..).next()) {
        cx.give(i, cotangent);
    }
}

/// The cotangents of a rule's inputs as variables: reading 3.
pub(crate) fn pull<'t, T: Float, R: Rule<I, O>, const I: usize, const O: usize>(
    rule: &R,
    cx: &Vjp<'_, 't, T>,
) -> Cotangents<'t, T> {
    let mut x = [Dual::<Sym<T>, I>::constant(Sym::Number(0.0)); I];
    for i in 0..I {
        x[i].value = Sym::Var(cx.input(i));
        if cx.needs(i) {
            x[i].tangents[i] = Sym::Number(1.0);
        }
    }
    let y = rule.eval(x);
    weigh(cx, [I, O], &|i, o| y[o].tangents[i])
}

/// The cotangents of the inputs from those of the results, and the slopes for each input and result.
fn weigh<'t, T: Float>(
    cx: &Vjp<'_, 't, T>,
    [inputs, results]: [usize; 2],
    slope: &dyn Fn(usize, usize) -> Sym<'t, T>,
) -> Cotangents<'t, T> {
    let pull = |i: usize| {
        let mut sum = Sym::no_tangent();
        for o in (0..results).filter(|&o| !slope(i, o).is_no_tangent()) {
            sum = sum + Sym::Var(cx.cotangent_of(o)).carry(slope(i, o));
        }
        match sum {
            Sym::Var(sum) => Some(sum),
            // No slope anywhere: zeros, as the fast pass gives.
            Sym::Number(_) => Some(cx.input(i).zeros_like()),
        }
    };
    (0..inputs).map(|i| if cx.needs(i) { pull(i) } else { None }).collect()
}
