//! Softmax and its logarithm along one axis.

use std::iter::zip;

use crate::element::Float;
use crate::kernel::simd::{Kernel, dispatch};
use crate::op::{Backward, Cotangents, Op, Outputs, Vjp};
use crate::tape::Var;
use crate::tensor::Tensor;
use crate::tensor::layout::axis_at;

/// Rows of softmax or log-softmax, shifted by their maximum (which makes them finite for any finite
/// input). A row of −∞ only, a mask that hides all, is 0 under softmax and −∞ under its logarithm.
pub(crate) struct Rows<'a, T> {
    pub x: &'a [T],
    pub width: usize,
    pub log: bool,
    pub out: &'a mut [T],
}

impl<T: Float> Kernel for Rows<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let width = self.width.max(1);
        for (y, x) in zip(self.out.chunks_exact_mut(width), self.x.chunks_exact(width)) {
            let larger = |a: T, b: T| if a > b || a.is_nan() { a } else { b };
            let max = x.iter().copied().fold(T::NEG_INFINITY, larger);
            if max == T::NEG_INFINITY {
                y.fill(if self.log { T::NEG_INFINITY } else { T::ZERO });
                continue;
            }
            zip(&mut *y, x).for_each(|(y, &x)| *y = (x - max).exp::<FMA>());
            let sum = crate::kernel::reduce::sum_slice(y);
            if self.log {
                let shift = max + sum.ln::<FMA>();
                zip(y, x).for_each(|(y, &x)| *y = x - shift);
            } else {
                let scale = T::ONE / sum;
                y.iter_mut().for_each(|y| *y = *y * scale);
            }
        }
    }
}

/// Cotangents of rows: y·(g − Σ g·y), and g − e^y·Σ g for the logarithm.
struct Pull<'a, T> {
    y: &'a [T],
    g: &'a [T],
    width: usize,
    log: bool,
    out: &'a mut [T],
}

impl<T: Float> Kernel for Pull<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let width = self.width.max(1);
        let rows = zip(self.y.chunks_exact(width), self.g.chunks_exact(width));
        for (out, (y, g)) in zip(self.out.chunks_exact_mut(width), rows) {
            if self.log {
                let sum = crate::kernel::reduce::sum_slice(g);
                zip(out, zip(y, g)).for_each(|(o, (&y, &g))| *o = g - y.exp::<FMA>() * sum);
            } else {
                zip(&mut *out, zip(y, g)).for_each(|(o, (&y, &g))| *o = g * y);
                let sum = crate::kernel::reduce::sum_slice(out);
                zip(out, zip(y, g)).for_each(|(o, (&y, &g))| *o = y * (g - sum));
            }
        }
    }
}

#[derive(Debug)]
struct Softmax {
    axis: usize,
    log: bool,
}

impl Softmax {
    /// Runs `kernel` with the axis moved to the end, and moves it back.
    fn along<T: Float>(&self, like: &Tensor<T>, kernel: impl FnOnce(usize, &mut [T])) -> Tensor<T> {
        let moved = self.moved(like);
        let width = like.shape[self.axis];
        self.moved(&Tensor::build(moved.shape, |out| kernel(width, out)))
    }
    fn moved<T: Float>(&self, x: &Tensor<T>) -> Tensor<T> {
        x.transpose(self.axis as isize, -1)
    }
}

impl<T: Float> Op<T> for Softmax {
    fn name(&self) -> &'static str {
        if self.log { "log_softmax" } else { "softmax" }
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let source = self.moved(x[0]).contiguous();
        [self.along(x[0], |width, out| {
            dispatch(Rows { x: source.dense(), width, log: self.log, out });
        })]
        .into()
    }
    fn backward(&self, cx: &mut Backward<'_, T>) -> bool {
        let y = self.moved(cx.output(0)).contiguous();
        let g = self.moved(&cx.cotangent(0)).contiguous();
        let x = self.along(cx.output(0), |width, out| {
            dispatch(Pull { y: y.dense(), g: g.dense(), width, log: self.log, out });
        });
        cx.give(0, x);
        true
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let (y, g, axis) = (cx.output(0), cx.cotangent(), self.axis as isize);
        let total = |x: Var<'t, T>| x.sum_axes(&[axis]).unsqueeze(axis);
        cx.wrt([&|| match self.log {
            true => g - y.exp() * total(g),
            false => y * (g - total(g * y)),
        }])
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// e^x / Σ e^x along one axis; finite for every finite x. Where the whole axis is −∞, 0.
    #[track_caller]
    pub fn softmax(self, axis: isize) -> Var<'t, T> {
        let axis = axis_at("softmax", axis, self.rank());
        self.tape().apply(Softmax { axis, log: false }, &[self])
    }

    /// x − ln Σ e^x along one axis; finite for every finite x. Where the whole axis is −∞, −∞.
    #[track_caller]
    pub fn log_softmax(self, axis: isize) -> Var<'t, T> {
        let axis = axis_at("log_softmax", axis, self.rank());
        self.tape().apply(Softmax { axis, log: true }, &[self])
    }
}
