//! The fully connected layer, y = f(x·kernel + bias).

use gradus_autograd::{Float, Param, Var};
use gradus_derive::Module;

use crate::weights::{Layout, Weights, weight_settings};
use crate::{BuildError, Layer};

/// y = f(x·kernel + bias): x `[batch.., inputs]`, kernel `[inputs, units]`, bias `[units]`.
///
/// The kernel starts as [`GlorotUniform`](crate::init::GlorotUniform), the bias as zeros, as in Keras.
///
/// ```
/// use gradus_autograd::{Activation, Module, Tape, Tensor};
/// use gradus_nn::{Dense, Layer, init::HeNormal, regularizers::L2};
/// let layer = Dense::new(4).inputs(3).activation(Activation::Relu)
///     .kernel_initializer(HeNormal).kernel_regularizer(L2(0.01)).init(7);
/// let tape = Tape::<f32>::new();
/// assert_eq!(layer.forward(tape.constant(Tensor::zeros(&[2, 3]))).value(), Tensor::zeros(&[2, 4]));
/// ```
#[derive(Clone, Debug, Module)]
pub struct Dense<T: Float = f32> {
    kernel: Option<Param<T>>,
    bias: Option<Param<T>>,
    #[module(skip)]
    settings: Settings<T>,
}

#[derive(Clone, Debug)]
struct Settings<T: Float> {
    units: usize,
    weights: Weights<T>,
}

weight_settings!([T: Float] Dense<T>);

impl<T: Float> Dense<T> {
    /// A layer with `units` outputs; its inputs follow when the model is built, or from [`Dense::inputs`].
    pub fn new(units: usize) -> Self {
        let settings = Settings { units, weights: Weights::new(Layout::InputsOutputs) };
        Dense { kernel: None, bias: None, settings }
    }

    /// Sets the number of inputs, for use outside of a [`Sequential`](crate::Sequential); all other
    /// settings may come before or after.
    #[track_caller]
    pub fn inputs(mut self, inputs: usize) -> Self {
        self.make(inputs);
        self
    }

    #[track_caller]
    fn make(&mut self, inputs: usize) {
        let Settings { units, weights } = &self.settings;
        self.kernel = Some(weights.kernel(&[inputs, *units]));
        self.bias = weights.bias(*units);
    }
}

impl<T: Float> Layer<T> for Dense<T> {
    /// # Panics
    /// When the layer has not been built, or the last axis of x is not its number of inputs.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let Some(kernel) = &self.kernel else {
            panic!(
                "dense: the number of inputs is not known: set it with `.inputs(n)`, or build the model (one of your own \
                 builds its layers in `Layer::build`)"
            );
        };
        let (shape, made) = (x.shape(), kernel.value().shape());
        assert!(
            shape.last() == Some(&made[0]),
            "dense: input {shape:?} does not fit kernel {made:?} [inputs, units] ({} vs {})",
            shape.last().map_or("nothing".into(), ToString::to_string),
            made[0]
        );
        let tape = x.tape();
        let bias = self.bias.as_ref().map(|bias| tape.param(bias));
        x.linear(tape.param(kernel), bias, self.settings.weights.activation)
    }

    fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
        let fail = |why: String| {
            Err(BuildError::Input { layer: self.kind().into(), input: input.to_vec(), why })
        };
        if self.settings.units == 0 {
            let why = "it needs at least one unit".into();
            return Err(BuildError::Setting { layer: self.kind().into(), why });
        }
        match (input.last(), &self.kernel) {
            (None | Some(0), _) => fail("it needs at least one feature on the last axis".into()),
            (Some(&inputs), Some(kernel)) if kernel.value().shape()[0] != inputs => {
                fail(format!("it was made for {} features", kernel.value().shape()[0]))
            }
            (Some(_), Some(_)) => Ok(()),
            (Some(&inputs), None) => {
                self.make(inputs);
                Ok(())
            }
        }
    }

    fn kind(&self) -> &'static str {
        "dense"
    }
}
