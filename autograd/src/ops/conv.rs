//! Convolutions over one to three axes, and transposed ones.

use std::fmt::Debug;

use smallvec::SmallVec;

use super::conv_settings::{Conv, Zeros};
use crate::element::Float;
use crate::kernel::conv::{Geometry, forward, transposed, weight};
use crate::op::{Cotangents, Op, Outputs, Vjp};
use crate::tape::Var;
use crate::tensor::{Dims, Tensor};

/// The last axes of a shape as three, those that are missing 1.
fn three(of: &[usize]) -> [usize; 3] {
    let mut all = [1; 3];
    all[3 - of.len()..].copy_from_slice(of);
    all
}

fn with_before<const D: usize>(before: [usize; D]) -> [usize; 3] {
    let mut all = [0; 3];
    all[3 - D..].copy_from_slice(&before);
    all
}

/// Output from input, weights and, if there is a third input, a bias.
#[derive(Debug)]
struct Forward {
    rank: usize,
    geometry: Box<Geometry>,
}

/// Input from output and weights.
#[derive(Debug)]
struct Transposed {
    rank: usize,
    geometry: Box<Geometry>,
}

/// Weights from input and output.
#[derive(Debug)]
struct Weight {
    rank: usize,
    geometry: Box<Geometry>,
}

impl Geometry {
    /// The shape of an array with the last `rank` of three axes.
    fn shape(&self, rank: usize, first: [usize; 2], of: [usize; 3]) -> Dims {
        first.into_iter().chain(of.into_iter().skip(3 - rank)).collect()
    }
    fn inputs(&self, rank: usize) -> Dims {
        self.shape(rank, [self.samples, self.groups * self.channels], self.input)
    }
    fn outputs(&self, rank: usize) -> Dims {
        self.shape(rank, [self.samples, self.groups * self.filters], self.output)
    }
    fn weights(&self, rank: usize) -> Dims {
        self.shape(rank, [self.groups * self.filters, self.channels], self.kernel)
    }
}

macro_rules! apply {
    ($op:ident, $self:ident, $a:expr, $b:expr) => {
        $a.tape().apply($op { rank: $self.rank, geometry: $self.geometry.clone() }, &[$a, $b])
    };
}

impl<T: Float> Op<T> for Forward {
    fn name(&self) -> &'static str {
        "conv"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let all: SmallVec<[Tensor<T>; 3]> = x.iter().map(|x| x.contiguous()).collect();
        let bias = all.get(2).map(|bias| bias.dense());
        let shape = self.geometry.outputs(self.rank).counted("conv");
        let run =
            |out: &mut [T]| forward(&self.geometry, all[0].dense(), all[1].dense(), bias, out);
        [Tensor::build(shape, run)].into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let (x, w, g) = (cx.input(0), cx.input(1), cx.cotangent());
        let others = |axis: usize| axis as isize + 2;
        let axes: SmallVec<[isize; 4]> =
            std::iter::once(0).chain((0..self.rank).map(others)).collect();
        let mut found: Cotangents<'t, T> = Cotangents::new();
        found.push(cx.needs(0).then(|| apply!(Transposed, self, g, w)));
        found.push(cx.needs(1).then(|| apply!(Weight, self, x, g)));
        if cx.inputs().len() > 2 {
            found.push(cx.needs(2).then(|| g.sum_axes(&axes)));
        }
        found
    }
}

impl<T: Float> Op<T> for Transposed {
    fn name(&self) -> &'static str {
        "conv_transpose"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let (y, w) = (x[0].contiguous(), x[1].contiguous());
        let shape = self.geometry.inputs(self.rank).counted("conv_transpose");
        [Tensor::build(shape, |out| transposed(&self.geometry, y.dense(), w.dense(), out))].into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let (y, w, g) = (cx.input(0), cx.input(1), cx.cotangent());
        cx.wrt([&|| apply!(Forward, self, g, w), &|| apply!(Weight, self, g, y)])
    }
}

impl<T: Float> Op<T> for Weight {
    fn name(&self) -> &'static str {
        "conv_weight"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let (x, y) = (x[0].contiguous(), x[1].contiguous());
        let shape = self.geometry.weights(self.rank).counted("conv_weight");
        [Tensor::build(shape, |out| weight(&self.geometry, x.dense(), y.dense(), out))].into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let (x, y, g) = (cx.input(0), cx.input(1), cx.cotangent());
        cx.wrt([&|| apply!(Transposed, self, y, g), &|| apply!(Forward, self, x, g)])
    }
}

macro_rules! axes {
    ($($d:literal $conv:ident $transpose:ident $sizes:literal;)*) => {
        impl<'t, T: Float> Var<'t, T> {$(
            #[doc = concat!("The convolution with filters `[filters, channels / groups, ", $sizes, "]` of `[n, channels, ",
                $sizes, "]`, as PyTorch's: no kernel is turned around. The bias is `[filters]`.")]
            ///
            /// # Panics
            /// When the shapes do not fit each other or the groups, or the kernel is larger than the input with its
            /// zeros.
            #[track_caller]
            pub fn $conv(
                self,
                weight: Var<'t, T>,
                bias: Option<Var<'t, T>>,
                settings: Conv<$d>,
            ) -> Var<'t, T> {
                self.conv(stringify!($conv), weight, bias, settings)
            }

            #[doc = concat!("The transposed convolution with `[channels, filters / groups, ", $sizes, "]` of `[n, channels, ",
                $sizes, "]`: the gradient of a convolution by its input. An axis of n becomes (n − 1)·stride − 2·padding \
                + dilation·(k − 1) + output_padding + 1.")]
            ///
            /// # Panics
            /// When the shapes do not fit each other or the groups, when more is cut off than there is, or the padding
            /// is not given by a number.
            #[track_caller]
            pub fn $transpose(
                self,
                weight: Var<'t, T>,
                bias: Option<Var<'t, T>>,
                settings: Conv<$d>,
            ) -> Var<'t, T> {
                self.conv_transpose(stringify!($transpose), weight, bias, settings)
            }
        )*}
    };
}

axes! {
    1 conv1d conv_transpose1d "k";
    2 conv2d conv_transpose2d "h, w";
    3 conv3d conv_transpose3d "d, h, w";
}

impl<'t, T: Float> Var<'t, T> {
    /// [`conv1d`](Var::conv1d), [`conv2d`](Var::conv2d) or [`conv3d`](Var::conv3d), by a parameter; `what` is the name
    /// in errors.
    #[doc(hidden)]
    #[track_caller]
    pub fn conv<const D: usize>(
        self,
        what: &str,
        weight: Var<'t, T>,
        bias: Option<Var<'t, T>>,
        settings: Conv<D>,
    ) -> Var<'t, T> {
        settings.expect_sound(what);
        let (x, w, groups) = (self.shape(), weight.shape(), settings.groups);
        assert!(
            x.len() == D + 2 && w.len() == D + 2,
            "{what}: input {x:?} and filters {w:?} have {} axes each",
            D + 2
        );
        assert!(
            x[1] == w[1] * groups && w[0].is_multiple_of(groups),
            "{what}: input {x:?} and filters {w:?} do not fit: {} channels, {} groups, {} channels a filter, {} filters",
            x[1],
            groups,
            w[1],
            w[0]
        );
        expect_bias(what, bias, w[0]);
        let [output, before] = settings.output(what, &x[2..], &w[2..]);
        let geometry = Geometry {
            samples: x[0],
            groups,
            channels: w[1],
            filters: w[0] / groups,
            input: three(&x[2..]),
            kernel: three(&w[2..]),
            output: three(&output),
            stride: three(&settings.stride),
            before: with_before(before),
            dilation: three(&settings.dilation),
        };
        let op = Forward { rank: D, geometry: Box::new(geometry) };
        match bias {
            Some(bias) => self.tape().apply(op, &[self, weight, bias]),
            None => self.tape().apply(op, &[self, weight]),
        }
    }

    /// The transposed counterpart.
    #[doc(hidden)]
    #[track_caller]
    pub fn conv_transpose<const D: usize>(
        self,
        what: &str,
        weight: Var<'t, T>,
        bias: Option<Var<'t, T>>,
        settings: Conv<D>,
    ) -> Var<'t, T> {
        settings.expect_sound(what);
        let (y, w, groups) = (self.shape(), weight.shape(), settings.groups);
        assert!(
            y.len() == D + 2 && w.len() == D + 2,
            "{what}: input {y:?} and filters {w:?} have {} axes each",
            D + 2
        );
        assert!(
            y[1] == w[0] && w[0].is_multiple_of(groups),
            "{what}: input {y:?} and filters {w:?} do not fit: {} channels, filters for {}, {groups} groups",
            y[1],
            w[0]
        );
        let Zeros::Both(padding) = settings.zeros else {
            panic!("{what}: a transposed convolution takes the number of zeros, by `padding`")
        };
        expect_bias(what, bias, w[1] * groups);
        let input: [usize; D] = std::array::from_fn(|axis| {
            let (stride, more) = (settings.stride[axis], settings.output_padding[axis]);
            let dilation = settings.dilation[axis];
            assert!(
                more < stride.max(dilation),
                "{what}: an output padding of {more} is not below stride {stride} or dilation {dilation}"
            );
            let span = dilation * (w[axis + 2].max(1) - 1) + 1;
            let whole = (y[axis + 2].max(1) - 1) * stride + span + more;
            assert!(
                whole > 2 * padding[axis],
                "{what}: a padding of {} leaves nothing of the {whole} along axis {axis}",
                padding[axis]
            );
            whole - 2 * padding[axis]
        });
        let geometry = Geometry {
            samples: y[0],
            groups,
            channels: w[1],
            filters: w[0] / groups,
            input: three(&input),
            kernel: three(&w[2..]),
            output: three(&y[2..]),
            stride: three(&settings.stride),
            before: with_before(padding),
            dilation: three(&settings.dilation),
        };
        let op = Transposed { rank: D, geometry: Box::new(geometry) };
        let x = self.tape().apply(op, &[self, weight]);
        let beside = |bias: Var<'t, T>| (0..D).fold(bias, |bias, _| bias.unsqueeze(-1));
        bias.map_or(x, |bias| x + beside(bias))
    }
}

#[track_caller]
fn expect_bias<T: Float>(what: &str, bias: Option<Var<'_, T>>, filters: usize) {
    if let Some(bias) = bias {
        let shape = bias.shape();
        assert!(*shape == [filters], "{what}: a bias {shape:?} for {filters} filters");
    }
}
