//! Normalisation of each sample by statistics of its own: layer, group, instance and root-mean-square norm.

use std::iter::zip;

use smallvec::smallvec;

use crate::element::Float;
use crate::fused;
use crate::kernel::map::{both, pays};
use crate::kernel::reduce::sum_slice;
use crate::kernel::simd::{Kernel, dispatch};
use crate::op::{Backward, Cotangents, Op, Outputs, Vjp};
use crate::tape::Var;
use crate::tensor::{Dims, Tensor};

/// Rows of `width` elements, (x − mean)/√(var + ε), or x/√(mean(x²) + ε) if not `centred`; and 1/√(..) of each row.
#[derive(Clone, Copy, Debug)]
struct Standardise {
    width: usize,
    epsilon: f64,
    centred: bool,
}

/// The values of rows.
struct Rows<'a, T> {
    of: Standardise,
    x: &'a [T],
    y: &'a mut [T],
    scales: &'a mut [T],
}

impl<T: Float> Kernel for Rows<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Standardise { width, epsilon, centred } = self.of;
        let n = T::of(width as f64);
        let rows = zip(self.y.chunks_exact_mut(width), self.x.chunks_exact(width));
        for ((y, x), scale) in zip(rows, self.scales) {
            let mean = if centred { sum_slice(x) / n } else { T::ZERO };
            zip(&mut *y, x).for_each(|(y, &x)| *y = (x - mean) * (x - mean));
            *scale = T::ONE / (sum_slice(y) / n + T::of(epsilon)).sqrt::<FMA>();
            zip(&mut *y, x).for_each(|(y, &x)| *y = (x - mean) * *scale);
        }
    }
}

/// Their cotangents: r·(g − mean(g) − y·mean(g·y)), without mean(g) if not centred (Ba, Kiros, Hinton 2016).
struct Pull<'a, T> {
    of: Standardise,
    y: &'a [T],
    g: &'a [T],
    scales: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Kernel for Pull<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Standardise { width, centred, .. } = self.of;
        let n = T::of(width as f64);
        let rows = zip(self.y.chunks_exact(width), self.g.chunks_exact(width));
        for ((out, (y, g)), &scale) in zip(zip(self.out.chunks_exact_mut(width), rows), self.scales)
        {
            let mean = if centred { sum_slice(g) / n } else { T::ZERO };
            zip(&mut *out, zip(y, g)).for_each(|(o, (&y, &g))| *o = g * y);
            let along = sum_slice(out) / n;
            zip(out, zip(y, g)).for_each(|(o, (&y, &g))| *o = (g - mean - y * along) * scale);
        }
    }
}

/// Runs `f` on halves of the rows, where that pays.
fn halves<T: Float>(
    width: usize,
    [a, b]: [&mut [T]; 2],
    first: usize,
    f: &(impl Fn(usize, &mut [T], &mut [T]) + Sync),
) {
    let rows = b.len();
    if rows < 2 || !pays(a.len()) {
        return f(first, a, b);
    }
    let middle = rows / 2;
    let (a, a_rest) = a.split_at_mut(middle * width);
    let (b, b_rest) = b.split_at_mut(middle);
    both(
        true,
        || halves(width, [a, b], first, f),
        || halves(width, [a_rest, b_rest], first + middle, f),
    );
}

impl<T: Float> Op<T> for Standardise {
    fn name(&self) -> &'static str {
        "standardise"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let (x, width) = (x[0].contiguous(), self.width);
        let mut scales = Tensor::stale(Dims::new(&[x.len() / width]));
        let y = Tensor::build(x.shape, |y| {
            halves(width, [y, scales.fresh()], 0, &|first, y: &mut [T], scales: &mut [T]| {
                let x = &x.dense()[first * width..][..y.len()];
                dispatch(Rows { of: *self, x, y, scales });
            });
        });
        smallvec![y, scales]
    }
    fn backward(&self, cx: &mut Backward<'_, T>) -> bool {
        if cx.has_cotangent(1) {
            return false;
        }
        let g = cx.cotangent(0).into_contiguous();
        let (y, scales, width) = (cx.output(0), cx.output(1), self.width);
        let found = Tensor::build(y.shape, |out| {
            // The second of the halves is the scales again: there is nothing else to write.
            let mut rows = scales.to_vec();
            halves(width, [out, &mut rows], 0, &|first, out: &mut [T], scales: &mut [T]| {
                let range = first * width..first * width + out.len();
                let (y, g) = (&y.dense()[range.clone()], &g.dense()[range]);
                dispatch(Pull { of: *self, y, g, scales, out });
            });
        });
        cx.give(0, found);
        true
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        cx.through(|x| {
            let shape = x[0].shape();
            let rows = x[0].reshape(&[shape.product() / self.width, self.width]);
            let centred = match self.centred {
                true => rows - rows.mean_axes(&[1]).unsqueeze(1),
                false => rows,
            };
            let scales = (centred.powf(2.0).mean_axes(&[1]) + self.epsilon).powf(-0.5);
            smallvec![(centred * scales.unsqueeze(1)).reshape(&shape), scales]
        })
    }
}

impl<'t, T: Float> Var<'t, T> {
    #[track_caller]
    fn standardise(self, what: &str, width: usize, epsilon: f64, centred: bool) -> Var<'t, T> {
        assert!(
            width > 0,
            "{what}: a sample of {:?} has no elements to take a mean of",
            self.shape()
        );
        self.tape().apply_all(Standardise { width, epsilon, centred }, &[self])[0]
    }

    /// y·weight + bias, those that there are.
    #[track_caller]
    fn scaled(self, weight: Option<Var<'t, T>>, bias: Option<Var<'t, T>>) -> Var<'t, T> {
        match (weight, bias) {
            (Some(weight), Some(bias)) => fused!(|x, w, b| x * w + b)(self, weight, bias),
            (Some(weight), None) => self * weight,
            (None, Some(bias)) => self + bias,
            (None, None) => self,
        }
    }

    /// (x − mean)/√(var + ε)·weight + bias, with mean and biased variance over the last axes, as many as `shape`
    /// has; weight and bias have that shape (Ba, Kiros, Hinton 2016). PyTorch's `layer_norm`.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var(Tensor::from([[1.0, 3.0], [0.0, 4.0]]));
    /// assert_eq!(x.layer_norm(&[2], None, None, 0.0).value().to_vec(), [-1.0, 1.0, -1.0, 1.0]);
    /// ```
    ///
    /// # Panics
    /// When the last axes are others, or weight or bias do not fit.
    #[track_caller]
    pub fn layer_norm(
        self,
        shape: &[usize],
        weight: Option<Var<'t, T>>,
        bias: Option<Var<'t, T>>,
        epsilon: f64,
    ) -> Var<'t, T> {
        self.expect_last("layer_norm", shape, &[("weight", weight), ("bias", bias)]);
        let width = shape.iter().product();
        self.standardise("layer_norm", width, epsilon, true).scaled(weight, bias)
    }

    /// x/√(mean(x²) + ε)·weight over the last axes, as many as `shape` has (Zhang and Sennrich 2019).
    ///
    /// # Panics
    /// When the last axes are others, or the weight does not fit.
    #[track_caller]
    pub fn rms_norm(self, shape: &[usize], weight: Option<Var<'t, T>>, epsilon: f64) -> Var<'t, T> {
        self.expect_last("rms_norm", shape, &[("weight", weight)]);
        let width = shape.iter().product();
        self.standardise("rms_norm", width, epsilon, false).scaled(weight, None)
    }

    /// As [`layer_norm`](Var::layer_norm), over groups of channels of each sample and all that is behind them; x is
    /// `[n, channels, ..]`, weight and bias `[channels]` (Wu and He 2018). As many groups as channels make it instance
    /// norm.
    ///
    /// # Panics
    /// When the channels are no multiple of the groups, or weight or bias do not fit.
    #[track_caller]
    pub fn group_norm(
        self,
        groups: usize,
        weight: Option<Var<'t, T>>,
        bias: Option<Var<'t, T>>,
        epsilon: f64,
    ) -> Var<'t, T> {
        self.grouped("group_norm", groups, weight, bias, epsilon)
    }

    #[track_caller]
    fn grouped(
        self,
        what: &str,
        groups: usize,
        weight: Option<Var<'t, T>>,
        bias: Option<Var<'t, T>>,
        epsilon: f64,
    ) -> Var<'t, T> {
        let shape = self.shape();
        assert!(
            shape.len() >= 2 && groups > 0 && shape[1].is_multiple_of(groups),
            "{what}: {shape:?} is not [n, channels, ..] with a multiple of {groups} channels"
        );
        for (role, p) in [("weight", weight), ("bias", bias)] {
            let Some(p) = p.map(|p| p.shape()) else { continue };
            assert!(*p == shape[1..2], "{what}: {role} {p:?} does not fit axis 1 of {shape:?}");
        }
        let beside = |p: Var<'t, T>| (2..shape.len()).fold(p, |p, _| p.unsqueeze(-1));
        let width = shape[1..].iter().product::<usize>() / groups;
        let y = self.standardise(what, width, epsilon, true);
        y.scaled(weight.map(beside), bias.map(beside))
    }

    /// [`group_norm`](Var::group_norm) with a group for each channel (Ulyanov et al. 2016).
    ///
    /// # Panics
    /// When there are no channels, or weight or bias do not fit.
    #[track_caller]
    pub fn instance_norm(
        self,
        weight: Option<Var<'t, T>>,
        bias: Option<Var<'t, T>>,
        epsilon: f64,
    ) -> Var<'t, T> {
        let channels = self.shape().get(1).copied().unwrap_or(0);
        self.grouped("instance_norm", channels, weight, bias, epsilon)
    }

    #[track_caller]
    fn expect_last(self, what: &str, last: &[usize], roles: &[(&str, Option<Var<'t, T>>)]) {
        let shape = self.shape();
        assert!(shape.ends_with(last), "{what}: {shape:?} does not end with {last:?}");
        for (role, p) in roles {
            let Some(p) = p.map(|p| p.shape()) else { continue };
            assert!(*p == *last, "{what}: {role} {p:?} has not the shape {last:?}");
        }
    }
}
