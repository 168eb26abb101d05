//! Other shapes of the same numbers: reshape, permute, slice, concatenate, broadcast.

use std::ops::Range;

use smallvec::SmallVec;

use crate::element::Float;
use crate::op::{Cotangents, Op, Outputs, Vjp};
use crate::tape::{Tape, Var};
use crate::tensor::layout::axis_at;
use crate::tensor::{Dims, Tensor};

/// The largest axes that stand in place of an operation: shapes of up to six axes would not, and
/// their order does not need whole words.
type Order = [u8; crate::tensor::MAX_RANK];

#[derive(Debug)]
struct Reshape(Box<Dims>);

impl<T: Float> Op<T> for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }
    #[track_caller]
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        [x[0].reshape(&self.0)].into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        cx.wrt([&|| cx.cotangent().reshape(&cx.input(0).shape())])
    }
}

#[derive(Debug)]
struct BroadcastTo(Box<Dims>);

impl<T: Float> Op<T> for BroadcastTo {
    fn name(&self) -> &'static str {
        "broadcast_to"
    }
    #[track_caller]
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        [x[0].broadcast_to(&self.0)].into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        cx.wrt([&|| cx.cotangent()]) // the engine sums it
    }
}

#[derive(Debug)]
struct Permute(Order);

impl<T: Float> Op<T> for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let order: Dims = self.0[..x[0].rank()].iter().map(|&axis| axis.into()).collect();
        [x[0].permute(&order)].into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let mut back: Dims = cx.input(0).shape();
        for (to, &from) in self.0[..back.len()].iter().enumerate() {
            back[from as usize] = to;
        }
        cx.wrt([&|| cx.cotangent().permute(&back)])
    }
}

#[derive(Debug)]
struct Slice {
    axis: usize,
    range: Range<usize>,
}

impl<T: Float> Op<T> for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }
    #[track_caller]
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        [x[0].slice(self.axis as isize, self.range.clone())].into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let Slice { axis, ref range } = *self;
        let whole = cx.input(0).shape()[axis];
        cx.wrt([&|| {
            let pad = Pad { axis, before: range.start, after: whole - range.end };
            cx.cotangent().tape().apply(pad, &[cx.cotangent()])
        }])
    }
}

/// Zeros before and after along one axis: what a slice leaves out.
#[derive(Debug)]
struct Pad {
    axis: usize,
    before: usize,
    after: usize,
}

impl<T: Float> Op<T> for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let mut shape = x[0].shape;
        let n = shape[self.axis];
        shape[self.axis] = self.before + n + self.after;
        [Tensor::build(shape, |out| {
            out.fill(T::ZERO);
            write_into(out, &shape, self.axis, self.before, x[0]);
        })]
        .into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let n = cx.input(0).shape()[self.axis];
        cx.wrt([&|| cx.cotangent().slice(self.axis as isize, self.before..self.before + n)])
    }
}

/// Writes `part` at position `start` along `axis` of a row-major tensor.
fn write_into<T: Float>(out: &mut [T], shape: &Dims, axis: usize, start: usize, part: &Tensor<T>) {
    let inner: usize = shape[axis + 1..].iter().product();
    let (run, period) = (part.shape[axis] * inner, shape[axis] * inner);
    let part = part.contiguous();
    if run > 0 {
        for (out, part) in out.chunks_exact_mut(period).zip(part.dense().chunks_exact(run)) {
            out[start * inner..][..run].copy_from_slice(part);
        }
    }
}

#[derive(Debug)]
struct Concat {
    axis: usize,
}

impl<T: Float> Op<T> for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }
    #[track_caller]
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let axis = self.axis;
        let mut shape = x[0].shape;
        shape[axis] = 0;
        for (i, part) in x.iter().enumerate() {
            let mut fits = part.shape;
            if fits.len() == shape.len() {
                fits[axis] = shape[axis];
            }
            assert!(
                fits == shape,
                "concat: parts 0 and {i} differ beside axis {axis}: {:?} and {:?}",
                x[0].shape,
                part.shape
            );
            // What is no sum of sizes is too large in any case.
            shape[axis] = shape[axis].saturating_add(part.shape[axis]);
        }
        let shape = shape.counted("concat");
        let mut start = 0;
        [Tensor::build(shape, |out| {
            for part in x {
                write_into(out, &shape, axis, start, part);
                start += part.shape[axis];
            }
        })]
        .into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let mut start = 0;
        let part = |(i, x): (usize, &Var<'t, T>)| {
            let range = start..start + x.shape()[self.axis];
            start = range.end; // also where nobody needs the part: slices must not shift
            cx.needs(i).then(|| cx.cotangent().slice(self.axis as isize, range))
        };
        cx.inputs().iter().enumerate().map(part).collect()
    }
}

/// Parts along one axis, all of which together are the whole: their cotangents are written once, next to each other,
/// where those of slices would each be surrounded by zeros and added up.
#[derive(Debug)]
pub(super) struct Split {
    pub axis: usize,
    pub sizes: Box<[usize]>,
}

impl<T: Float> Op<T> for Split {
    fn name(&self) -> &'static str {
        "split"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let mut start = 0;
        let part = |&size: &usize| {
            start += size;
            x[0].slice(self.axis as isize, start - size..start)
        };
        self.sizes.iter().map(part).collect()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let parts: SmallVec<[Var<T>; 4]> =
            (0..self.sizes.len()).map(|part| cx.cotangent_of(part)).collect();
        cx.wrt([&|| cx.input(0).tape().concat(&parts, self.axis as isize)])
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// `x` before and after along one axis.
    pub(super) fn surround(self, axis: usize, before: usize, after: usize, x: f64) -> Var<'t, T> {
        let padded = self.tape().apply(Pad { axis, before, after }, &[self]);
        if x == 0.0 {
            return padded;
        }
        let (n, mut shape) = (self.shape()[axis], Dims::empty());
        (0..self.rank()).for_each(|at| shape.push(if at == axis { before + n + after } else { 1 }));
        let inside = |at: &[usize]| (before..before + n).contains(&at[axis]);
        padded.masked_fill(&Tensor::from_fn(&shape, |at| !inside(at)), x)
    }

    /// The same elements under another shape.
    ///
    /// # Panics
    /// When the number of elements differs.
    #[track_caller]
    pub fn reshape(self, shape: &[usize]) -> Var<'t, T> {
        if *self.shape() == *shape {
            return self;
        }
        self.tape().apply(Reshape(Box::new(Dims::new(shape))), &[self])
    }

    /// A new axis of size 1 at the given place; −1 is the last place.
    #[track_caller]
    pub fn unsqueeze(self, axis: isize) -> Var<'t, T> {
        let mut shape: SmallVec<[usize; 8]> = SmallVec::from_slice(&self.shape());
        shape.insert(axis_at("unsqueeze", axis, shape.len() + 1), 1);
        self.reshape(&shape)
    }

    /// The axes in the given order: axis `i` of the result is axis `order[i]`.
    ///
    /// # Panics
    /// When `order` does not name each axis once.
    #[track_caller]
    pub fn permute(self, order: &[usize]) -> Var<'t, T> {
        let mut short = Order::default();
        if order.len() == self.rank() && order.iter().all(|&axis| axis < order.len()) {
            std::iter::zip(&mut short, order).for_each(|(s, &axis)| *s = axis as u8);
        } else {
            self.value().permute(order); // panics, with the reason
        }
        self.tape().apply(Permute(short), &[self])
    }

    /// Two axes swapped. Negative axes count from the end.
    #[track_caller]
    pub fn transpose(self, a: isize, b: isize) -> Var<'t, T> {
        let mut order: Dims = (0..self.rank()).collect();
        order.swap(axis_at("transpose", a, self.rank()), axis_at("transpose", b, self.rank()));
        self.permute(&order)
    }

    /// The axes in reverse order: the matrix transpose.
    #[track_caller]
    pub fn t(self) -> Var<'t, T> {
        let order: Dims = (0..self.rank()).rev().collect();
        self.permute(&order)
    }

    /// The elements `range` along one axis.
    ///
    /// # Panics
    /// When the axis or the range is outside of the shape.
    #[track_caller]
    pub fn slice(self, axis: isize, range: Range<usize>) -> Var<'t, T> {
        let axis = axis_at("slice", axis, self.rank());
        self.tape().apply(Slice { axis, range }, &[self])
    }

    /// Repeated along axes of size 1 and along new leading axes.
    ///
    /// # Panics
    /// When a size that is not 1 would have to change.
    #[track_caller]
    pub fn broadcast_to(self, shape: &[usize]) -> Var<'t, T> {
        if *self.shape() == *shape {
            return self;
        }
        self.tape().apply(BroadcastTo(Box::new(Dims::new(shape))), &[self])
    }
}

impl<T: Float> Tape<T> {
    /// The parts one after the other along an axis that they have.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f32>::new();
    /// let (a, b) = (tape.var(Tensor::from([1., 2.])), tape.constant(Tensor::from([3.])));
    /// assert_eq!(tape.concat(&[a, b, a], 0).value().to_vec(), [1., 2., 3., 1., 2.]);
    /// ```
    ///
    /// # Panics
    /// Without parts, and when they differ in another axis.
    #[track_caller]
    pub fn concat<'t>(&'t self, parts: &[Var<'t, T>], axis: isize) -> Var<'t, T> {
        assert!(!parts.is_empty(), "concat: there are no parts");
        let axis = axis_at("concat", axis, parts[0].rank());
        self.apply(Concat { axis }, parts)
    }
}
