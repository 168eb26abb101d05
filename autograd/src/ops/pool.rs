//! Pooling over the last one to three axes: the largest or the mean of windows.

use std::hint::select_unpredictable;
use std::iter::zip;

use super::conv_settings::PerAxis;
use super::windows::Windows;
use crate::element::Float;
use crate::op::{Cotangents, Op, Outputs, Vjp};
use crate::tape::Var;
use crate::tensor::{Dims, Tensor};

/// Windows over `D` axes. By default each begins where the one before ends.
///
/// ```
/// use gradus_autograd::{Pool, Tape, Tensor};
/// let tape = Tape::<f32>::new();
/// let x = tape.var(Tensor::new(&[1, 1, 4], vec![1., 3., 2., 4.]));
/// assert_eq!(x.max_pool1d(Pool::new(2)).value().to_vec(), [3., 4.]);
/// assert_eq!(x.avg_pool1d(Pool::new(2).stride(1)).value().to_vec(), [2., 2.5, 3.]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool<const D: usize> {
    size: [usize; D],
    stride: [usize; D],
    padding: [usize; D],
    same: bool,
    ceil: bool,
    count_padding: bool,
}

impl<const D: usize, S: PerAxis<D>> From<S> for Pool<D> {
    fn from(size: S) -> Self {
        Pool::new(size)
    }
}

impl<const D: usize> Pool<D> {
    /// Windows of a size, side by side.
    pub fn new(size: impl PerAxis<D>) -> Self {
        let size = size.per_axis();
        let (padding, stride) = ([0; D], size);
        Pool { size, stride, padding, same: false, ceil: false, count_padding: true }
    }
    /// The step from one window to the next.
    pub fn stride(self, stride: impl PerAxis<D>) -> Self {
        Pool { stride: stride.per_axis(), ..self }
    }
    /// Places before and after each axis: −∞ for the largest, 0 for a mean, in which they count unless
    /// [told otherwise](Pool::without_padding).
    pub fn padding(self, padding: impl PerAxis<D>) -> Self {
        Pool { padding: padding.per_axis(), ..self }
    }
    /// ⌈n / stride⌉ windows along an axis of n, the places that lack shared out before and after, and not counted in
    /// a mean, as Keras' `same`.
    pub fn same(self) -> Self {
        Pool { same: true, count_padding: false, ..self }
    }
    /// A last window that goes over the end counts (`ceil_mode`), if it begins inside.
    pub fn ceil(self) -> Self {
        Pool { ceil: true, ..self }
    }
    /// A mean is over what is there (`count_include_pad=False`).
    pub fn without_padding(self) -> Self {
        Pool { count_padding: false, ..self }
    }

    /// The windows along each axis.
    #[track_caller]
    fn windows(&self, what: &str, shape: &[usize]) -> Windows {
        assert!(
            self.size.iter().chain(&self.stride).all(|&n| n > 0),
            "{what}: sizes {:?} and strides {:?} are 1 or more",
            self.size,
            self.stride
        );
        let axes = (0..D).map(|axis| {
            let (n, size, stride) = (shape[axis], self.size[axis], self.stride[axis]);
            let (before, after, count) = if self.same {
                let count = n.div_ceil(stride);
                let lack = ((count.max(1) - 1) * stride + size).saturating_sub(n);
                (lack / 2, lack - lack / 2, count)
            } else {
                let padding = self.padding[axis];
                assert!(
                    2 * padding <= size,
                    "{what}: a padding of {padding} is more than half of a window of {size}: it would see nothing else"
                );
                let room = (n + 2 * padding).checked_sub(size);
                let Some(room) = room else {
                    panic!("{what}: a window of {size} does not fit into {n} along axis {axis}")
                };
                let mut count = room / stride + 1;
                if self.ceil && room % stride > 0 && count * stride < n + padding {
                    count += 1;
                }
                (padding, padding, count)
            };
            let window = |i: usize| {
                let (start, end) = (i * stride, i * stride + size);
                let inside = start.max(before) - before..(end.max(before) - before).min(n);
                let weight = match self.count_padding {
                    true => end.min(before + n + after) - start,
                    false => inside.len(),
                };
                (inside, weight)
            };
            (0..count).map(window).collect()
        });
        Windows { axes: axes.collect() }
    }
}

/// The mean of each window.
#[derive(Debug)]
struct Mean(Box<Windows>);

/// The counterpart: each number shared out over its window.
#[derive(Debug)]
struct Spread {
    windows: Box<Windows>,
    shape: Box<Dims>,
}

impl<T: Float> Op<T> for Mean {
    fn name(&self) -> &'static str {
        "avg_pool"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let shape = x[0].shape;
        let x = x[0].contiguous();
        let x = x.dense();
        [Tensor::build(self.0.shape(&shape).counted("avg_pool"), |out| {
            self.0.each_block(&shape, out, |block, out| {
                self.0.lines(&shape, block, |number, line| {
                    for (out, (rows, weight)) in zip(&mut out[number..], line.each()) {
                        let sum: T = rows.flat_map(|row| &x[row]).copied().sum();
                        *out = sum / weight;
                    }
                });
            });
        })]
        .into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let spread = || Spread { windows: self.0.clone(), shape: Box::new(cx.input(0).shape()) };
        cx.wrt([&|| cx.cotangent().tape().apply(spread(), &[cx.cotangent()])])
    }
}

impl<T: Float> Op<T> for Spread {
    fn name(&self) -> &'static str {
        "avg_pool_spread"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let x = x[0].contiguous();
        let x = x.dense();
        [Tensor::build(*self.shape, |out| {
            let (shape, count) = (&self.shape, self.windows.count());
            self.windows.each_block(shape, out, |block, out| {
                out.fill(T::ZERO);
                let (x, first) = (&x[block * count..][..count], block * out.len());
                self.windows.lines(shape, block, |number, line| {
                    for (&x, (rows, weight)) in zip(&x[number..], line.each()) {
                        let share = x / weight;
                        for row in rows {
                            let out = &mut out[row.start - first..row.end - first];
                            out.iter_mut().for_each(|y| *y += share);
                        }
                    }
                });
            });
        })]
        .into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let mean = || Mean(self.windows.clone());
        cx.wrt([&|| cx.cotangent().tape().apply(mean(), &[cx.cotangent()])])
    }
}

macro_rules! axes {
    ($($d:literal $max:ident $avg:ident $adaptive_max:ident $adaptive_avg:ident;)*) => {
        impl<'t, T: Float> Var<'t, T> {$(
            #[doc = concat!("The largest element of each window over the last ", $d, " axes. The first of equals gets the \
                gradient, as in PyTorch; NaN is the largest.")]
            ///
            /// # Panics
            /// When there are fewer axes, a window does not fit, or the padding is more than half of one.
            #[track_caller]
            pub fn $max(self, windows: Pool<$d>) -> Var<'t, T> {
                self.max_pool(stringify!($max), windows)
            }

            #[doc = concat!("The mean of each window over the last ", $d, " axes.")]
            ///
            /// # Panics
            /// When there are fewer axes, a window does not fit, or the padding is more than half of one.
            #[track_caller]
            pub fn $avg(self, windows: Pool<$d>) -> Var<'t, T> {
                self.avg_pool(stringify!($avg), windows)
            }

            #[doc = concat!("The largest element of as many windows as asked for over each of the last ", $d, " axes: \
                window i of m over n elements is from ⌊i·n/m⌋ to ⌈(i+1)·n/m⌉, as in PyTorch.")]
            ///
            /// # Panics
            /// When there are fewer axes, or one is empty.
            #[track_caller]
            pub fn $adaptive_max(self, size: [usize; $d]) -> Var<'t, T> {
                self.adaptive_max_pool(stringify!($adaptive_max), size)
            }

            #[doc = concat!("The mean of as many windows as asked for over each of the last ", $d, " axes; see [`",
                stringify!($adaptive_max), "`](Var::", stringify!($adaptive_max), ").")]
            ///
            /// # Panics
            /// When there are fewer axes, or one is empty.
            #[track_caller]
            pub fn $adaptive_avg(self, size: [usize; $d]) -> Var<'t, T> {
                self.adaptive_avg_pool(stringify!($adaptive_avg), size)
            }
        )*}
    };
}

axes! {
    1 max_pool1d avg_pool1d adaptive_max_pool1d adaptive_avg_pool1d;
    2 max_pool2d avg_pool2d adaptive_max_pool2d adaptive_avg_pool2d;
    3 max_pool3d avg_pool3d adaptive_max_pool3d adaptive_avg_pool3d;
}

impl<'t, T: Float> Var<'t, T> {
    /// [`max_pool2d`](Var::max_pool2d) and its like, by a parameter; `what` is the name in errors.
    #[doc(hidden)]
    #[track_caller]
    pub fn max_pool<const D: usize>(self, what: &'static str, windows: Pool<D>) -> Var<'t, T> {
        let sizes = self.last_axes(what, D);
        self.largest(what, &windows.windows(what, &sizes))
    }

    /// The same for the mean.
    #[doc(hidden)]
    #[track_caller]
    pub fn avg_pool<const D: usize>(self, what: &str, windows: Pool<D>) -> Var<'t, T> {
        let windows = windows.windows(what, &self.last_axes(what, D));
        self.tape().apply(Mean(Box::new(windows)), &[self])
    }

    /// The same for a given number of windows.
    #[doc(hidden)]
    #[track_caller]
    pub fn adaptive_max_pool<const D: usize>(
        self,
        what: &'static str,
        size: [usize; D],
    ) -> Var<'t, T> {
        let windows = Windows::adaptive(what, &self.last_axes(what, D), &size);
        self.largest(what, &windows)
    }

    /// The same for their mean.
    #[doc(hidden)]
    #[track_caller]
    pub fn adaptive_avg_pool<const D: usize>(self, what: &str, size: [usize; D]) -> Var<'t, T> {
        let windows = Windows::adaptive(what, &self.last_axes(what, D), &size);
        self.tape().apply(Mean(Box::new(windows)), &[self])
    }

    /// The sizes of the last axes.
    #[track_caller]
    fn last_axes(self, what: &str, count: usize) -> Dims {
        let shape = self.shape();
        assert!(shape.len() >= count, "{what}: {shape:?} has fewer than {count} axes");
        shape[shape.len() - count..].iter().copied().collect()
    }

    #[track_caller]
    fn largest(self, what: &'static str, windows: &Windows) -> Var<'t, T> {
        let shape = self.shape();
        let x = self.value().contiguous();
        let x = x.dense();
        let places = Tensor::build(windows.shape(&shape).counted(what), |places| {
            windows.each_block(&shape, places, |block, places| {
                windows.lines(&shape, block, |number, line| {
                    for (place, (rows, _)) in zip(&mut places[number..], line.each::<T>()) {
                        let mut rows = rows.peekable();
                        let Some(mut first) = rows.peek().map(|row| row.start) else {
                            *place = 0; // an empty window
                            continue;
                        };
                        let mut best = x[first];
                        for row in rows {
                            for (at, &value) in zip(row.clone(), &x[row]) {
                                // No jumps: which is the largest, no processor can guess.
                                let larger = (value > best) | (value.is_nan() & !best.is_nan());
                                first = select_unpredictable(larger, at, first);
                                best = select_unpredictable(larger, value, best);
                            }
                        }
                        *place = first as i64;
                    }
                });
            });
        });
        self.take(what, places)
    }
}
