//! Lengths, spreads and soft maxima over axes: with the derivatives that compositions get wrong in their corners.

use super::reduce::{all, count, with_ones};
use crate::element::Float;
use crate::op::{Cotangents, Op, Outputs, Vjp};
use crate::tape::Var;
use crate::tensor::Tensor;
use crate::tensor::layout::axes_mask;

/// √Σx² over the axes in `mask`, which go away. The derivative at 0 is 0: composed, it would be 0/0.
#[derive(Clone, Copy, Debug)]
struct Norm {
    mask: u32,
}

impl<T: Float> Op<T> for Norm {
    fn name(&self) -> &'static str {
        "norm"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let squares = x[0].map(|x| x * x);
        let sums = super::reduce::sum_over(&squares, self.mask);
        [sums.map(|y| y.sqrt::<false>())].into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let (x, y) = (cx.input(0), cx.output(0));
        let kept = with_ones(&x.shape(), self.mask);
        cx.wrt([&|| {
            let zero = y.value().map(|y| y == T::ZERO);
            let safe = y.masked_fill(&zero, 1.0);
            let scale = (cx.cotangent() / safe).masked_fill(&zero, 0.0);
            x * scale.reshape(&kept).broadcast_to(&x.shape())
        }])
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// The Euclidean length of all elements, a single number; the derivative at 0 is 0.
    #[track_caller]
    pub fn norm(self) -> Var<'t, T> {
        self.tape().apply(Norm { mask: all(self) }, &[self])
    }

    /// (Σ|x|^p)^(1/p) over the given axes, which go away; `p` may be infinite, for the largest |x|. Where all are 0
    /// the derivative is 0.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var(Tensor::from([[0.0, -4.0], [0.0, 0.0]]));
    /// let y = x.norm_axes(2.0, &[1]);
    /// assert_eq!(y.value().to_vec(), [4.0, 0.0]);
    /// assert_eq!(y.sum().backward()[x].to_vec(), [0.0, -1.0, 0.0, 0.0]);
    /// ```
    ///
    /// # Panics
    /// When `p` is not positive.
    #[track_caller]
    pub fn norm_axes(self, p: f64, axes: &[isize]) -> Var<'t, T> {
        assert!(p > 0.0, "norm: p is {p} and not positive");
        let mask = axes_mask("norm", axes, self.rank());
        if p == 2.0 {
            return self.tape().apply(Norm { mask }, &[self]);
        }
        let sizes = self.abs();
        if p == 1.0 {
            return sizes.sum_axes(axes);
        }
        if p == f64::INFINITY {
            return sizes.max_axes(axes);
        }
        // Σ(|x|/m)^p cannot overflow; m has no derivative of its own, as it cancels.
        let kept = with_ones(&self.shape(), mask);
        let largest = sizes.detach().max_axes(axes);
        let zero = largest.value().map(|m| m == T::ZERO);
        let largest = largest.masked_fill(&zero, 1.0);
        let powers = (sizes / largest.reshape(&kept)).powf(p).sum_axes(axes);
        let length = largest * powers.masked_fill(&zero, 1.0).powf(1.0 / p);
        length.masked_fill(&zero, 0.0)
    }

    /// The standard deviation of all elements, √[`var`](Var::var) with the same `correction`. The derivative is 0
    /// where all are equal.
    #[track_caller]
    pub fn std(self, correction: usize) -> Var<'t, T> {
        self.std_over(all(self), correction)
    }

    /// The standard deviation over the given axes, which go away; see [`std`](Var::std).
    #[track_caller]
    pub fn std_axes(self, axes: &[isize], correction: usize) -> Var<'t, T> {
        self.std_over(axes_mask("std", axes, self.rank()), correction)
    }

    #[track_caller]
    fn std_over(self, mask: u32, correction: usize) -> Var<'t, T> {
        let (shape, n) = (self.shape(), count(&self.shape(), mask));
        let mean = self.mean_over(mask).reshape(&with_ones(&shape, mask));
        let length = self.tape().apply(Norm { mask }, &[self - mean]);
        length / (n.saturating_sub(correction) as f64).sqrt()
    }

    /// ln Σ eˣ of all elements, a single number, without overflow on the way.
    #[track_caller]
    pub fn logsumexp(self) -> Var<'t, T> {
        self.tape().apply(LogSumExp { mask: all(self) }, &[self])
    }

    /// ln Σ eˣ over the given axes, which go away, without overflow on the way. Of elements that are all −∞ it is
    /// −∞, with a derivative of 0.
    #[track_caller]
    pub fn logsumexp_axes(self, axes: &[isize]) -> Var<'t, T> {
        self.tape().apply(LogSumExp { mask: axes_mask("logsumexp", axes, self.rank()) }, &[self])
    }
}

/// ln Σ eˣ over the axes in `mask`, which go away.
#[derive(Clone, Copy, Debug)]
struct LogSumExp {
    mask: u32,
}

impl<T: Float> Op<T> for LogSumExp {
    fn name(&self) -> &'static str {
        "logsumexp"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let kept = with_ones(&x[0].shape, self.mask);
        let tape = crate::Tape::inference();
        let x = tape.constant(x[0].clone());
        if x.shape().product() == 0 {
            return [super::reduce::sum_over(&x.value(), self.mask).map(|_| T::NEG_INFINITY)]
                .into();
        }
        let largest = x.max_over(self.mask);
        // Of infinite ones nothing is taken off: ∞ − ∞ is no number.
        let shift = tape.constant(largest.value().map(|m| if m.is_finite() { m } else { T::ZERO }));
        let sum = (x - shift.reshape(&kept)).exp().over(self.mask, 1.0);
        [(sum.ln() + shift).value()].into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let (x, y) = (cx.input(0), cx.output(0));
        let kept = with_ones(&x.shape(), self.mask);
        let spread = |y: Var<'t, T>| y.reshape(&kept).broadcast_to(&x.shape());
        cx.wrt([&|| {
            let none = y.value().map(|y| y == T::NEG_INFINITY);
            let parts = (x - spread(y.masked_fill(&none, 0.0))).exp();
            parts * spread(cx.cotangent())
        }])
    }
}
