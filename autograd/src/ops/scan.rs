//! Running sums and products along an axis, and the product over axes. No derivative divides by an element, so
//! zeros are as good as other numbers.

use smallvec::smallvec;

use super::reduce::{all, without};
use crate::element::Float;
use crate::op::{Cotangents, Op, Outputs, Vjp};
use crate::tape::Var;
use crate::tensor::layout::{axes_mask, axis_at};
use crate::tensor::{Dims, Tensor};

/// s[k] = b[k] + a[k]·s[k−1] along an axis, from the end if `back`: s[k] = b[k] + a[k]·s[k+1].
#[derive(Clone, Copy, Debug)]
struct Recurrence {
    axis: usize,
    back: bool,
}

/// y[k] = x[0] + … + x[k], or from the end.
#[derive(Clone, Copy, Debug)]
struct CumSum {
    axis: usize,
    back: bool,
}

/// y[k] = x[0]·…·x[k]
#[derive(Clone, Copy, Debug)]
struct CumProd {
    axis: usize,
}

/// Calls `f` with the place of each element along an axis and of the one before it, in the order of the scan.
fn along(shape: &Dims, axis: usize, back: bool, mut f: impl FnMut(usize, Option<usize>)) {
    let inner: usize = shape[axis + 1..].iter().product();
    let (n, outer) = (shape[axis], shape[..axis].iter().product::<usize>());
    for block in 0..outer {
        for k in 0..n {
            let row = |k: usize| (block * n + if back { n - 1 - k } else { k }) * inner;
            for i in 0..inner {
                f(row(k) + i, k.checked_sub(1).map(|before| row(before) + i));
            }
        }
    }
}

impl<T: Float> Op<T> for Recurrence {
    fn name(&self) -> &'static str {
        "recurrence"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let (a, b) = (x[0].contiguous(), x[1].contiguous());
        let (a, b, shape) = (a.dense(), b.dense(), x[0].shape);
        [Tensor::build(shape, |s| {
            along(&shape, self.axis, self.back, |k, before| {
                s[k] = before.map_or(b[k], |before| b[k] + a[k] * s[before]);
            });
        })]
        .into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        // λ[k] = g[k] + a[k+1]·λ[k+1] reaches b[k], and λ[k]·s[k−1] reaches a[k].
        let Recurrence { axis, back } = *self;
        let lambda = cx.cotangent().recurrence(cx.input(0).shifted(axis, !back), axis, !back);
        cx.wrt([&|| lambda * cx.output(0).shifted(axis, back), &|| lambda])
    }
}

impl<T: Float> Op<T> for CumSum {
    fn name(&self) -> &'static str {
        "cumsum"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let shape = x[0].shape;
        let add = |x: &[T]| {
            Tensor::build(shape, |y| {
                along(&shape, self.axis, self.back, |k, before| {
                    y[k] = before.map_or(x[k], |before| y[before] + x[k]);
                });
            })
        };
        [x[0].with_dense(add)].into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let other = CumSum { back: !self.back, ..*self };
        cx.wrt([&|| cx.cotangent().tape().apply(other, &[cx.cotangent()])])
    }
}

impl<T: Float> Op<T> for CumProd {
    fn name(&self) -> &'static str {
        "cumprod"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let shape = x[0].shape;
        let multiply = |x: &[T]| {
            Tensor::build(shape, |y| {
                along(&shape, self.axis, false, |k, before| {
                    y[k] = before.map_or(x[k], |before| y[before] * x[k]);
                });
            })
        };
        [x[0].with_dense(multiply)].into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        // ∂y[j]/∂x[i] is the product before i, times that from behind i up to j.
        let axis = self.axis;
        cx.wrt([&|| {
            let behind = cx.cotangent().recurrence(cx.input(0).shifted(axis, true), axis, true);
            cx.output(0).shifted_in(axis, false, 1.0) * behind
        }])
    }
}

/// The product over the axes in `mask`, which go away.
#[derive(Clone, Copy, Debug)]
struct Prod {
    mask: u32,
}

impl Prod {
    /// The axes that stay, then those that are multiplied, as one.
    fn order(&self, shape: &Dims) -> (Dims, Dims) {
        let of = |multiplied: bool| {
            (0..shape.len()).filter(move |axis| (self.mask >> axis & 1 == 1) == multiplied)
        };
        let n = of(true).map(|axis| shape[axis]).product();
        let rows = of(false).map(|axis| shape[axis]).product();
        (of(false).chain(of(true)).collect(), Dims::new(&[rows, n]))
    }
}

impl<T: Float> Op<T> for Prod {
    fn name(&self) -> &'static str {
        "prod"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let shape = x[0].shape;
        let (order, rows) = self.order(&shape);
        let n = rows[1];
        let x = x[0].permute(&order).contiguous();
        let row = |row: usize| x.dense()[row * n..][..n].iter().fold(T::ONE, |y, &x| y * x);
        [Tensor::build(without(&shape, self.mask), |out| {
            out.iter_mut().enumerate().for_each(|(at, y)| *y = row(at));
        })]
        .into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let (order, rows) = self.order(&cx.input(0).shape());
        let shape = cx.output(0).shape();
        if rows[1] == 0 {
            return smallvec![Some(cx.input(0).zeros_like())];
        }
        cx.through(|x| {
            let running = x[0].permute(&order).reshape(&rows).cumprod(1);
            smallvec![running.slice(1, rows[1] - 1..rows[1]).reshape(&shape)]
        })
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// s[k] = self[k] + a[k]·s[k−1].
    fn recurrence(self, a: Var<'t, T>, axis: usize, back: bool) -> Var<'t, T> {
        self.tape().apply(Recurrence { axis, back }, &[a, self])
    }

    /// Each element one place further along an axis, 0 coming in; one place earlier if `back`.
    fn shifted(self, axis: usize, back: bool) -> Var<'t, T> {
        self.shifted_in(axis, back, 0.0)
    }

    fn shifted_in(self, axis: usize, back: bool, x: f64) -> Var<'t, T> {
        match (self.shape()[axis], back) {
            (0, _) => self,
            (n, false) => self.slice(axis as isize, 0..n - 1).surround(axis, 1, 0, x),
            (n, true) => self.slice(axis as isize, 1..n).surround(axis, 0, 1, x),
        }
    }

    /// The sums of the elements up to each one along an axis.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f32>::new();
    /// let x = tape.var(Tensor::from([1., 2., 3.]));
    /// assert_eq!(x.cumsum(0).value().to_vec(), [1., 3., 6.]);
    /// assert_eq!(x.cumprod(0).value().to_vec(), [1., 2., 6.]);
    /// ```
    #[track_caller]
    pub fn cumsum(self, axis: isize) -> Var<'t, T> {
        let axis = axis_at("cumsum", axis, self.rank());
        self.tape().apply(CumSum { axis, back: false }, &[self])
    }

    /// The products of the elements up to each one along an axis. Zeros have their right gradients.
    #[track_caller]
    pub fn cumprod(self, axis: isize) -> Var<'t, T> {
        let axis = axis_at("cumprod", axis, self.rank());
        self.tape().apply(CumProd { axis }, &[self])
    }

    /// The largest of the elements up to each one along an axis, and where it stands: of equals the last, which
    /// gets the gradient, as in PyTorch. A NaN stays the largest.
    #[track_caller]
    pub fn cummax(self, axis: isize) -> (Var<'t, T>, Tensor<i64>) {
        let (shape, at) = (self.shape(), axis_at("cummax", axis, self.rank()));
        let inner: usize = shape[at + 1..].iter().product();
        let place = |k: usize| (k / inner % shape[at]) as i64;
        let x = self.value().contiguous();
        let x = x.dense();
        let index = Tensor::build(shape, |index| {
            let mut best = vec![0; index.len()];
            along(&shape, at, false, |k, before| {
                let stays = |&b: &usize| x[b] > x[k] || (x[b].is_nan() && !x[k].is_nan());
                best[k] = before.map(|before| best[before]).filter(stays).unwrap_or(k);
                index[k] = place(best[k]);
            });
        });
        (self.gather(axis, &index), index)
    }

    /// The product of all elements, a single number. Zeros have their right gradients.
    #[track_caller]
    pub fn prod(self) -> Var<'t, T> {
        self.tape().apply(Prod { mask: all(self) }, &[self])
    }

    /// The product over the given axes, which go away.
    #[track_caller]
    pub fn prod_axes(self, axes: &[isize]) -> Var<'t, T> {
        self.tape().apply(Prod { mask: axes_mask("prod", axes, self.rank()) }, &[self])
    }
}
