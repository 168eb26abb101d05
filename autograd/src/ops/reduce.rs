//! Sums, means, maxima and variances over any axes.

use crate::element::Float;
use crate::kernel::reduce;
use crate::op::{Backward, Cotangents, Op, Outputs, Vjp};
use crate::tape::Var;
use crate::tensor::layout::axes_mask;
use crate::tensor::{Dims, Tensor};

/// Reduces the axes in `mask` to size 1, as `[outer, n, inner]` reduced over the middle.
fn reduce_with<T: Float>(
    x: &Tensor<T>,
    mask: u32,
    kernel: impl FnOnce(&[T], usize, usize, &mut [T]),
) -> Tensor<T> {
    let is_in = |axis: &usize| mask >> axis & 1 == 1;
    let kept: Dims =
        (0..x.rank()).map(|axis| if is_in(&axis) { 1 } else { x.shape[axis] }).collect();
    // The axes of size 1 do not matter; the others must be neighbours, or be moved to the end.
    let axes: Dims = (0..x.rank()).filter(|axis| is_in(axis) && x.shape[*axis] != 1).collect();
    let (Some(&first), Some(&last)) = (axes.first(), axes.last()) else {
        return x.contiguous().reshape(&kept);
    };
    let n = axes.iter().map(|&axis| x.shape[axis]).product();
    let neighbours = (first..=last).all(|axis| is_in(&axis) || x.shape[axis] == 1);
    let (source, inner) = if neighbours {
        (x.contiguous(), x.shape[last + 1..].iter().product())
    } else {
        let others = (0..x.rank()).filter(|axis| !axes.contains(axis));
        let order: Dims = others.chain(axes.iter().copied()).collect();
        (x.permute(&order).contiguous(), 1)
    };
    Tensor::build(kept, |out| kernel(source.dense(), n, inner, out))
}

/// The sum over what was broadcast, so that the result has the given shape.
pub(crate) fn sum_to<T: Float>(x: &Tensor<T>, shape: &Dims) -> Tensor<T> {
    let new = x.rank() - shape.len();
    let wide = |axis: usize| axis < new || (shape[axis - new] == 1 && x.shape[axis] != 1);
    let mask = (0..x.rank()).filter(|&axis| wide(axis)).fold(0, |mask, axis| mask | 1 << axis);
    reduce_with(x, mask, reduce::sum).reshape(shape)
}

pub(super) fn without(shape: &Dims, mask: u32) -> Dims {
    (0..shape.len()).filter(|axis| mask >> axis & 1 == 0).map(|axis| shape[axis]).collect()
}

/// The sum over the axes in `mask`, which go away.
pub(super) fn sum_over<T: Float>(x: &Tensor<T>, mask: u32) -> Tensor<T> {
    reduce_with(x, mask, reduce::sum).reshape(&without(&x.shape, mask))
}

/// The axes of a reduction as size 1.
pub(super) fn with_ones(shape: &Dims, mask: u32) -> Dims {
    (0..shape.len()).map(|axis| if mask >> axis & 1 == 1 { 1 } else { shape[axis] }).collect()
}

/// y = scale · Σ x over the axes in `mask`, which go away.
#[derive(Debug)]
struct Sum {
    mask: u32,
    scale: f64,
}

impl<T: Float> Op<T> for Sum {
    fn name(&self) -> &'static str {
        if self.scale == 1.0 { "sum" } else { "mean" }
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        if self.mask + 1 == 1 << x[0].rank() && x[0].len() != 1 {
            let mut sum = [T::ZERO];
            x[0].with_dense(|x| reduce::sum(x, x.len(), 1, &mut sum));
            let sum = if self.scale == 1.0 { sum[0] } else { sum[0] * T::of(self.scale) };
            return [Tensor::scalar(sum)].into();
        }
        let mut sum = reduce_with(x[0], self.mask, reduce::sum);
        if self.scale != 1.0 {
            sum.make_mut().iter_mut().for_each(|y| *y = *y * T::of(self.scale));
        }
        [sum.reshape(&without(&x[0].shape, self.mask))].into()
    }
    fn backward(&self, cx: &mut Backward<'_, T>) -> bool {
        let shape = cx.input(0).shape;
        let mut g = cx.cotangent(0);
        if self.scale != 1.0 {
            g = g.map(|g| g * T::of(self.scale));
        }
        if g.rank() == 0 {
            cx.give(0, Tensor::full(&shape, g.first()));
            return true;
        }
        cx.give(0, g.reshape(&with_ones(&shape, self.mask)).broadcast_to(&shape));
        true
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let shape = cx.input(0).shape();
        let g = || if self.scale == 1.0 { cx.cotangent() } else { cx.cotangent() * self.scale };
        cx.wrt([&|| g().reshape(&with_ones(&shape, self.mask)).broadcast_to(&shape)])
    }
}

/// The largest over the axes in `mask`, which go away. Ties share the gradient evenly.
#[derive(Debug)]
struct Max {
    mask: u32,
}

impl<T: Float> Op<T> for Max {
    fn name(&self) -> &'static str {
        "max"
    }
    #[track_caller]
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let shape = x[0].shape;
        let empty = (0..shape.len()).any(|axis| self.mask >> axis & 1 == 1 && shape[axis] == 0);
        assert!(!empty, "max: shape {shape:?} has no elements to choose from");
        [reduce_with(x[0], self.mask, reduce::max).reshape(&without(&shape, self.mask))].into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let x = cx.input(0);
        let kept = with_ones(&x.shape(), self.mask);
        let spread = |y: Var<'t, T>| y.reshape(&kept).broadcast_to(&x.shape());
        cx.wrt([&|| {
            let hits = x.indicator_of(spread(cx.output(0)));
            let ties = hits.over(self.mask, 1.0);
            spread(cx.cotangent() / ties) * hits
        }])
    }
}

/// The sum over what was broadcast, as an operation of the engine.
#[derive(Debug)]
struct SumTo {
    rank: u32,
    mask: u32,
}

impl<T: Float> Op<T> for SumTo {
    fn name(&self) -> &'static str {
        "sum_to"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let new = x[0].rank() - self.rank as usize;
        let kept = Dims::new(&with_ones(&x[0].shape, self.mask)[new..]);
        [sum_to(x[0], &kept)].into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        cx.wrt([&|| cx.cotangent().broadcast_to(&cx.input(0).shape())])
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// The sum of all elements, a single number.
    #[track_caller]
    pub fn sum(self) -> Var<'t, T> {
        self.over(all(self), 1.0)
    }

    /// The sum over the given axes, which go away. Negative axes count from the end.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f32>::new();
    /// let x = tape.var(Tensor::from([[1., 2.], [3., 4.]]));
    /// assert_eq!(x.sum_axes(&[0]).value().to_vec(), [4., 6.]);
    /// assert_eq!(x.sum_axes(&[-1]).unsqueeze(-1).shape()[..], [2, 1]);
    /// ```
    #[track_caller]
    pub fn sum_axes(self, axes: &[isize]) -> Var<'t, T> {
        self.over(axes_mask("sum", axes, self.rank()), 1.0)
    }

    /// The mean of all elements, a single number. NaN if there are none.
    #[track_caller]
    pub fn mean(self) -> Var<'t, T> {
        self.mean_over(all(self))
    }

    /// The mean over the given axes, which go away.
    #[track_caller]
    pub fn mean_axes(self, axes: &[isize]) -> Var<'t, T> {
        self.mean_over(axes_mask("mean", axes, self.rank()))
    }

    /// The largest element. Ties share the gradient evenly, as in PyTorch's `amax` and JAX.
    ///
    /// # Panics
    /// When there are no elements.
    #[track_caller]
    pub fn max(self) -> Var<'t, T> {
        self.max_over(all(self))
    }

    /// The largest over the given axes, which go away. Ties share the gradient evenly.
    ///
    /// # Panics
    /// When one of the axes is empty.
    #[track_caller]
    pub fn max_axes(self, axes: &[isize]) -> Var<'t, T> {
        self.max_over(axes_mask("max", axes, self.rank()))
    }

    /// The smallest element. Ties share the gradient evenly.
    ///
    /// # Panics
    /// When there are no elements.
    #[track_caller]
    pub fn min(self) -> Var<'t, T> {
        -(-self).max()
    }

    /// The smallest over the given axes, which go away. Ties share the gradient evenly.
    ///
    /// # Panics
    /// When one of the axes is empty.
    #[track_caller]
    pub fn min_axes(self, axes: &[isize]) -> Var<'t, T> {
        -(-self).max_axes(axes)
    }

    /// The variance of all elements, Σ(x − mean)² / (n − `correction`): 0 for the biased one, 1 for
    /// the unbiased one. The divisor has no default, because frameworks differ. Infinite or NaN where n
    /// is not larger than the correction, as in NumPy.
    #[track_caller]
    pub fn var(self, correction: usize) -> Var<'t, T> {
        self.var_over(all(self), correction)
    }

    /// The variance over the given axes, which go away; see [`Var::var`].
    #[track_caller]
    pub fn var_axes(self, axes: &[isize], correction: usize) -> Var<'t, T> {
        self.var_over(axes_mask("var", axes, self.rank()), correction)
    }

    #[track_caller]
    pub(super) fn max_over(self, mask: u32) -> Var<'t, T> {
        self.tape().apply(Max { mask }, &[self])
    }

    #[track_caller]
    pub(super) fn over(self, mask: u32, scale: f64) -> Var<'t, T> {
        self.tape().apply(Sum { mask, scale }, &[self])
    }

    #[track_caller]
    pub(super) fn mean_over(self, mask: u32) -> Var<'t, T> {
        self.over(mask, 1.0 / count(&self.shape(), mask) as f64)
    }

    #[track_caller]
    fn var_over(self, mask: u32, correction: usize) -> Var<'t, T> {
        let (shape, n) = (self.shape(), count(&self.shape(), mask));
        let centred = self - self.mean_over(mask).reshape(&with_ones(&shape, mask));
        let divisor = n.saturating_sub(correction) as f64;
        centred.powf(2.0).over(mask, 1.0 / divisor)
    }

    /// Summed over what was broadcast from the shape of `like`.
    #[track_caller]
    pub(crate) fn sum_to_shape_of(self, like: Var<'t, T>) -> Var<'t, T> {
        let (from, to) = (self.shape(), like.shape());
        if from == to {
            return self;
        }
        let new = from.len() - to.len();
        let wide = |axis: &usize| *axis < new || (to[axis - new] == 1 && from[*axis] != 1);
        let mask = (0..from.len()).filter(wide).fold(0, |mask, axis| mask | 1 << axis);
        self.tape().apply(SumTo { rank: to.len() as u32, mask }, &[self])
    }
}

pub(super) fn all<T: Float>(x: Var<'_, T>) -> u32 {
    (1 << x.rank()) - 1
}

pub(super) fn count(shape: &Dims, mask: u32) -> usize {
    (0..shape.len()).filter(|axis| mask >> axis & 1 == 1).map(|axis| shape[axis]).product()
}
