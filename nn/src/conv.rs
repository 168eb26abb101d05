//! Convolutions as layers.

use gradus_autograd::{Conv, Float, Param, PerAxis, Var};
use gradus_derive::Module;

use crate::weights::{Layout, Weights, weight_settings};
use crate::{BuildError, Layer};

/// y = f(convolution of x with the kernel + bias): x `[batch, channels, ..]` with `D` axes behind the channels, kernel
/// `[filters, channels / groups, ..]`, bias `[filters]`, as PyTorch has them.
///
/// The kernel starts as [`GlorotUniform`](crate::init::GlorotUniform), the bias as zeros, as in Keras. By the names
/// [`Conv1d`], [`Conv2d`] and [`Conv3d`].
///
/// ```
/// use gradus_autograd::{Activation::Relu, Module, Tape, Tensor};
/// use gradus_nn::{Conv2d, Layer};
/// let layer = Conv2d::new(8, 3).channels(1).padding(1).activation(Relu).init(7);
/// let tape = Tape::<f32>::new();
/// let y = layer.forward(tape.constant(Tensor::zeros(&[2, 1, 28, 28])));
/// assert_eq!(y.shape()[..], [2, 8, 28, 28]);
/// ```
#[derive(Clone, Debug, Module)]
pub struct ConvNd<const D: usize, T: Float = f32> {
    kernel: Option<Param<T>>,
    bias: Option<Param<T>>,
    #[module(skip)]
    settings: Settings<D, T>,
}

/// A convolution over one axis: x `[batch, channels, length]`.
pub type Conv1d<T = f32> = ConvNd<1, T>;
/// A convolution over images: x `[batch, channels, height, width]`.
pub type Conv2d<T = f32> = ConvNd<2, T>;
/// A convolution over volumes: x `[batch, channels, depth, height, width]`.
pub type Conv3d<T = f32> = ConvNd<3, T>;

/// The transposed convolution, with which a decoder undoes the strides of an encoder: kernel
/// `[channels, filters / groups, ..]`. By the names [`ConvTranspose1d`], [`ConvTranspose2d`] and [`ConvTranspose3d`].
///
/// ```
/// use gradus_autograd::{Module, Tape, Tensor};
/// use gradus_nn::{ConvTranspose2d, Layer};
/// let layer = ConvTranspose2d::new(1, 2).channels(4).stride(2).init(7);
/// let tape = Tape::<f32>::new();
/// let y = layer.forward(tape.constant(Tensor::zeros(&[2, 4, 7, 7])));
/// assert_eq!(y.shape()[..], [2, 1, 14, 14]);
/// ```
#[derive(Clone, Debug, Module)]
pub struct ConvTransposeNd<const D: usize, T: Float = f32> {
    kernel: Option<Param<T>>,
    bias: Option<Param<T>>,
    #[module(skip)]
    settings: Settings<D, T>,
}

/// A transposed convolution over one axis.
pub type ConvTranspose1d<T = f32> = ConvTransposeNd<1, T>;
/// A transposed convolution over images.
pub type ConvTranspose2d<T = f32> = ConvTransposeNd<2, T>;
/// A transposed convolution over volumes.
pub type ConvTranspose3d<T = f32> = ConvTransposeNd<3, T>;

#[derive(Clone, Debug)]
struct Settings<const D: usize, T: Float> {
    filters: usize,
    size: [usize; D],
    groups: usize,
    conv: Conv<D>,
    weights: Weights<T>,
}

weight_settings!([const D: usize, T: Float] ConvNd<D, T>);
weight_settings!([const D: usize, T: Float] ConvTransposeNd<D, T>);

/// The methods that both have.
macro_rules! layer {
    ($layer:ident, $kind:ident, $layout:ident, $call:ident, $shape:expr) => {
        impl<const D: usize, T: Float> $layer<D, T> {
            /// A layer with `filters` outputs and a kernel of the given size; its channels follow when the model is
            /// built, or from [`channels`](Self::channels).
            pub fn new(filters: usize, size: impl PerAxis<D>) -> Self {
                let (size, conv, weights) =
                    (size.per_axis(), Conv::new(), Weights::new(Layout::$layout));
                let settings = Settings { filters, size, groups: 1, conv, weights };
                $layer { kernel: None, bias: None, settings }
            }

            /// Sets the number of channels of the input, for use outside of a [`Sequential`](crate::Sequential). The
            /// groups are set before.
            #[track_caller]
            pub fn channels(mut self, channels: usize) -> Self {
                let Settings { filters, size, groups, weights, .. } = &self.settings;
                let shape: fn([usize; 3]) -> [usize; 2] = $shape;
                let shape = [&shape([*filters, channels, *groups])[..], &size[..]].concat();
                self.kernel = Some(weights.kernel(&shape));
                self.bias = weights.bias(*filters);
                self
            }

            /// The step from one place of the kernel to the next; 1 by default.
            pub fn stride(self, stride: impl PerAxis<D>) -> Self {
                self.conv(|conv| conv.stride(stride))
            }
            /// Zeros before and after each axis; none by default.
            pub fn padding(self, padding: impl PerAxis<D>) -> Self {
                self.conv(|conv| conv.padding(padding))
            }
            /// The distance of the elements of the kernel; 1 by default.
            pub fn dilation(self, dilation: impl PerAxis<D>) -> Self {
                self.conv(|conv| conv.dilation(dilation))
            }
            /// Parts of the channels that are convolved apart.
            pub fn groups(mut self, groups: usize) -> Self {
                self.settings.groups = groups;
                self.conv(|conv| conv.groups(groups))
            }
            fn conv(mut self, change: impl FnOnce(Conv<D>) -> Conv<D>) -> Self {
                self.settings.conv = change(self.settings.conv);
                self
            }
        }

        impl<const D: usize, T: Float> Layer<T> for $layer<D, T> {
            /// # Panics
            /// When the layer has not been built, or x has other channels.
            #[track_caller]
            fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
                let (Settings { conv, weights, .. }, kind) =
                    (&self.settings, Layer::<T>::kind(self));
                let Some(kernel) = &self.kernel else {
                    panic!(
                        "{kind}: the number of channels is not known: set it with `.channels(n)`, or build the model \
                         (one of your own builds its layers in `Layer::build`)"
                    );
                };
                let tape = x.tape();
                let bias = self.bias.as_ref().map(|bias| tape.param(bias));
                weights.activation.of(x.$call(kind, tape.param(kernel), bias, *conv))
            }

            fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
                let layer: String = Layer::<T>::kind(self).into();
                let Settings { filters, size, groups, .. } = self.settings;
                let setting = |why: String| Err(BuildError::Setting { layer: layer.clone(), why });
                if filters == 0 || size.contains(&0) || groups == 0 {
                    return setting(format!(
                        "{filters} filters of size {size:?} in {groups} groups: each is at least 1"
                    ));
                }
                let fail =
                    |why| Err(BuildError::Input { layer: layer.clone(), input: input.into(), why });
                let &[channels, ref space @ ..] = input else {
                    return fail("it has no axis of channels".into());
                };
                if space.len() != D {
                    return fail(format!("it takes [channels] and {D} axes behind them"));
                }
                if channels == 0 || channels % groups != 0 || filters % groups != 0 {
                    return fail(format!(
                        "{channels} channels and {filters} filters are not shared out evenly over {groups} groups"
                    ));
                }
                let old = self.kernel.as_ref().map(|kernel| kernel.value().shape().to_vec());
                *self = match &old {
                    Some(_) => return expect_made_for(old, channels, groups, layer, input),
                    None => self.clone().channels(channels),
                };
                Ok(())
            }

            fn kind(&self) -> &'static str {
                [stringify!($kind), concat!(stringify!($kind), "1d"), concat!(stringify!($kind), "2d"),
                    concat!(stringify!($kind), "3d")][D.min(3)]
            }
        }
    };
}

layer!(ConvNd, conv, OutputsInputs, conv, |[filters, channels, groups]| {
    [filters, channels / groups.max(1)]
});
layer!(ConvTransposeNd, conv_transpose, InputsOutputsFirst, conv_transpose, |[
    filters,
    channels,
    groups,
]| [
    channels,
    filters / groups.max(1)
]);

/// Whether a kernel that is there fits: its second axis times the groups, or its first, is the channels.
fn expect_made_for(
    kernel: Option<Vec<usize>>,
    channels: usize,
    groups: usize,
    layer: String,
    input: &[usize],
) -> Result<(), BuildError> {
    let kernel = kernel.unwrap_or_default();
    let made = if layer.starts_with("conv_t") { kernel[0] } else { kernel[1] * groups };
    if made == channels {
        return Ok(());
    }
    let why = format!("it was made for {made} channels");
    Err(BuildError::Input { layer, input: input.into(), why })
}

impl<const D: usize, T: Float> ConvNd<D, T> {
    /// As many zeros around as make the output ⌈input / stride⌉ long, as Keras' `same`.
    pub fn same(self) -> Self {
        self.conv(|conv| conv.same())
    }
    /// As [`same`](ConvNd::same), all zeros before: no output depends on a later input.
    pub fn causal(self) -> Self {
        self.conv(|conv| conv.causal())
    }
}

impl<const D: usize, T: Float> ConvTransposeNd<D, T> {
    /// Elements at the end that the stride leaves open.
    pub fn output_padding(self, more: impl PerAxis<D>) -> Self {
        self.conv(|conv| conv.output_padding(more))
    }
}
