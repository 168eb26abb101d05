//! What a layer is.

use std::fmt::Debug;

use gradus_autograd::{Activation, Float, Module, Var};

/// A module that maps a variable to a variable: a layer, or a whole model of your own.
///
/// ```
/// use gradus_autograd::{Activation, Module, Tape, Tensor, Var};
/// use gradus_nn::{Dense, Layer};
/// # mod gradus { pub use gradus_autograd as autograd; }
/// # use gradus_derive::Module;
///
/// #[derive(Debug, Module)]
/// struct Residual {
///     inner: Dense,
/// }
///
/// impl Layer for Residual {
///     fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
///         x + self.inner.forward(x)
///     }
/// }
///
/// let model = Residual { inner: Dense::new(3).inputs(3).activation(Activation::Tanh) }.init(1);
/// assert_eq!(model.params()[0].0, "inner.kernel");
/// let tape = Tape::new();
/// let y = model.forward(tape.constant(Tensor::ones(&[2, 3])));
/// assert_eq!(y.shape()[..], [2, 3]);
/// ```
pub trait Layer<T: Float = f32>: Module<T> + Debug + Send + Sync {
    /// The layer's function. It never changes the layer: what a run finds out (running statistics) is
    /// noted on the tape of `x`.
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T>;

    /// `forward`, for whoever holds a `dyn Layer`: a wrong shape in a layer of this crate is reported at the caller.
    #[doc(hidden)]
    #[track_caller]
    fn forward_tracked<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        self.forward(x)
    }

    /// Makes parameters whose sizes follow from the shape of one input, without the batch axis. A layer that
    /// knows its sizes already has nothing to do. A model of your own builds here those of its layers that do
    /// not know theirs: what flows from one to the next, nobody else can tell.
    ///
    /// # Errors
    /// When the layer cannot take such an input.
    #[track_caller]
    fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
        let _ = input;
        Ok(())
    }

    /// The fewest samples of a batch in training: what its parameters [say](gradus_autograd::Param::smallest_batch).
    /// That is 2 with batch norm anywhere in it, else 1. A norm of samples that have several positions makes do
    /// with 1, but knows of them only if it is [built](Layer::build): a model of your own may then say 1 here.
    fn smallest_batch(&self) -> usize {
        self.params().iter().map(|(_, param)| param.smallest_batch()).max().unwrap_or(1)
    }

    /// The kind of layer in summaries, and the stem of its name in a [`Sequential`](crate::Sequential).
    fn kind(&self) -> &'static str {
        "layer"
    }
}

/// Why a model could not be built.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A layer cannot take the shape that comes out of the one before.
    #[error(
        "layer `{layer}` cannot take an input of shape {input:?} (one sample, without the batch axis): {why}"
    )]
    Input {
        /// The layer.
        layer: String,
        /// The shape of one sample.
        input: Vec<usize>,
        /// What is wrong with it.
        why: String,
    },
    /// A setting of a layer makes no sense.
    #[error("layer `{layer}`: {why}")]
    Setting {
        /// The layer.
        layer: String,
        /// What is wrong.
        why: String,
    },
}

/// The sentence, as [`Display`](std::fmt::Display) has it: a `main` that returns an error prints it so.
impl std::fmt::Debug for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl<T: Float> Layer<T> for Activation {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        self.of(x)
    }
    fn kind(&self) -> &'static str {
        match self {
            Activation::Identity => "identity",
            Activation::Relu => "relu",
            Activation::Sigmoid => "sigmoid",
            Activation::Tanh => "tanh",
            Activation::Gelu => "gelu",
            Activation::Softplus => "softplus",
            Activation::Softmax => "softmax",
            Activation::LogSoftmax => "log_softmax",
            Activation::GeluTanh => "gelu_tanh",
            Activation::Silu => "silu",
            Activation::Mish => "mish",
            Activation::Elu => "elu",
            Activation::Selu => "selu",
            Activation::LeakyRelu => "leaky_relu",
            Activation::Hardtanh => "hardtanh",
            Activation::Relu6 => "relu6",
            Activation::Hardsigmoid => "hardsigmoid",
            Activation::Hardswish => "hardswish",
            Activation::Softsign => "softsign",
            Activation::LogSigmoid => "log_sigmoid",
        }
    }
}

impl<T: Float> Layer<T> for Box<dyn Layer<T>> {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        (**self).forward_tracked(x)
    }
    fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
        (**self).build(input)
    }
    fn smallest_batch(&self) -> usize {
        (**self).smallest_batch()
    }
    fn kind(&self) -> &'static str {
        (**self).kind()
    }
}
