//! Picking elements by whole-number indices, and its counterpart, adding to them.

use crate::element::Float;
use crate::op::{Cotangents, Op, Outputs, Vjp};
use crate::tape::Var;
use crate::tensor::layout::axis_at;
use crate::tensor::{Dims, Tensor};

/// y[o, k, i] = x[o, index[o, k, i], i] along one axis, as PyTorch's `gather`.
#[derive(Debug)]
struct Gather {
    axis: usize,
    index: Box<Tensor<i64>>,
}

/// The counterpart of [`Gather`]: zeros, with x added at the indices; repeated ones accumulate.
#[derive(Debug)]
struct ScatterAdd {
    axis: usize,
    index: Box<Tensor<i64>>,
    size: usize,
}

/// Calls `f` with each place in the index's row-major order and the place that it points to in a
/// row-major tensor whose axis has `size` entries.
pub(super) fn each_place(
    index: &Tensor<i64>,
    axis: usize,
    other: &Dims,
    mut f: impl FnMut(usize, usize),
) {
    let (strides, size) = (other.row_major(), other[axis]);
    let mut steps = strides;
    steps[axis] = 0;
    let data = index.contiguous();
    crate::kernel::copy::each(&index.shape, &steps, |at, base| {
        let to = data.dense()[at];
        debug_assert!((0..size as i64).contains(&to));
        f(at, base + to as usize * strides[axis]);
    });
}

impl<T: Float> Op<T> for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let source = x[0].contiguous();
        [Tensor::build(self.index.shape, |out| {
            each_place(&self.index, self.axis, &source.shape, |to, from| {
                out[to] = source.dense()[from]
            });
        })]
        .into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let shape = cx.input(0).shape();
        cx.wrt([&|| {
            let size = shape[self.axis];
            let scatter = ScatterAdd { axis: self.axis, index: self.index.clone(), size };
            let part = cx.cotangent().tape().apply(scatter, &[cx.cotangent()]);
            widen(part, &shape)
        }])
    }
}

/// Zeros after the end of each axis, up to the given shape: an index may be smaller than what it
/// picks from along the other axes.
fn widen<'t, T: Float>(x: Var<'t, T>, shape: &Dims) -> Var<'t, T> {
    (0..shape.len()).fold(x, |x, axis| match shape[axis] - x.shape()[axis] {
        0 => x,
        more => {
            let mut rest = x.shape();
            rest[axis] = more;
            x.tape().concat(&[x, x.tape().constant(Tensor::zeros(&rest))], axis as isize)
        }
    })
}

impl<T: Float> Op<T> for ScatterAdd {
    fn name(&self) -> &'static str {
        "scatter_add"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let mut shape = self.index.shape;
        shape[self.axis] = self.size;
        let source = x[0].contiguous();
        [Tensor::build(shape, |out| {
            out.fill(T::ZERO);
            each_place(&self.index, self.axis, &shape, |from, to| out[to] += source.dense()[from]);
        })]
        .into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let gather = || Gather { axis: self.axis, index: self.index.clone() };
        cx.wrt([&|| cx.cotangent().tape().apply(gather(), &[cx.cotangent()])])
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// The elements at whole-number indices along one axis; the result has the shape of the index.
    /// Repeated indices accumulate in the gradient.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f32>::new();
    /// let x = tape.var(Tensor::from([[1., 2., 3.], [4., 5., 6.]]));
    /// let y = x.gather(1, &Tensor::from([[2_i64, 2], [0, 1]]));
    /// assert_eq!(y.value().to_vec(), [3., 3., 4., 5.]);
    /// assert_eq!(y.sum().backward()[x].to_vec(), [0., 0., 2., 1., 1., 0.]);
    /// ```
    ///
    /// # Panics
    /// When an index is outside of the axis, or the index has another rank or is larger along another axis.
    #[track_caller]
    pub fn gather(self, axis: isize, index: &Tensor<i64>) -> Var<'t, T> {
        let axis = axis_at("gather", axis, self.rank());
        expect_index("gather", index, axis, &self.shape(), None);
        self.tape().apply(Gather { axis, index: Box::new(index.clone()) }, &[self])
    }

    /// This, with the elements of `src` added at whole-number indices along one axis, as PyTorch's `scatter_add`.
    /// `src` may be larger than the index, which takes its first elements.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f32>::new();
    /// let (x, src) = (tape.var(Tensor::zeros(&[3])), tape.var(Tensor::from([1., 2., 4.])));
    /// let y = x.scatter_add(0, &Tensor::from([2_i64, 0, 2]), src);
    /// assert_eq!(y.value().to_vec(), [2., 0., 5.]);
    /// ```
    ///
    /// # Panics
    /// When an index is outside of the axis, or the index has another rank, is larger along another axis, or is
    /// larger than `src`.
    #[track_caller]
    pub fn scatter_add(self, axis: isize, index: &Tensor<i64>, src: Var<'t, T>) -> Var<'t, T> {
        let (shape, axis) = (self.shape(), axis_at("scatter_add", axis, self.rank()));
        expect_index("scatter_add", index, axis, &shape, Some(&src.shape()));
        let used = (0..shape.len()).fold(src, |src, at| match index.shape[at] {
            n if n == src.shape()[at] => src,
            n => src.slice(at as isize, 0..n),
        });
        let size = shape[axis];
        let scatter = ScatterAdd { axis, index: Box::new(index.clone()), size };
        self + widen(self.tape().apply(scatter, &[used]), &shape)
    }
}

/// Whether an index fits into `shape` beside its axis, and into that of the elements that it sends, if there are
/// any; and whether its numbers are inside of the axis.
#[track_caller]
pub(super) fn expect_index(
    what: &str,
    index: &Tensor<i64>,
    axis: usize,
    shape: &Dims,
    src: Option<&Dims>,
) {
    let fits = index.rank() == shape.len()
        && (0..shape.len()).all(|at| at == axis || index.shape[at] <= shape[at]);
    assert!(
        fits,
        "{what}: an index of shape {:?} does not fit into {shape:?} beside axis {axis}",
        index.shape
    );
    if let Some(src) = src {
        let covers =
            src.len() == shape.len() && std::iter::zip(&**src, &*index.shape).all(|(s, i)| s >= i);
        assert!(
            covers,
            "{what}: an index of shape {:?} is larger than the elements, {src:?}",
            index.shape
        );
    }
    let outside = index.to_vec().into_iter().find(|i| !(0..shape[axis] as i64).contains(i));
    if let Some(i) = outside {
        panic!("{what}: index {i} is outside of axis {axis} of {shape:?}");
    }
}
