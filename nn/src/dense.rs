//! The fully connected layer, y = f(x·kernel + bias).

use std::sync::Arc;

use gradus_autograd::{Activation, Float, Initializer, Param, Regularizer, Var};
use gradus_derive::Module;

use crate::init::{GlorotUniform, Zeros};
use crate::{BuildError, Layer};

/// y = f(x·kernel + bias): x `[batch.., inputs]`, kernel `[inputs, units]`, bias `[units]`.
///
/// The kernel starts as [`GlorotUniform`], the bias as zeros, as in Keras.
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
    use_bias: bool,
    activation: Activation,
    kernel_initializer: Arc<dyn Initializer<T>>,
    bias_initializer: Arc<dyn Initializer<T>>,
    kernel_regularizer: Option<Arc<dyn Regularizer<T>>>,
    bias_regularizer: Option<Arc<dyn Regularizer<T>>>,
}

impl<T: Float> Dense<T> {
    /// A layer with `units` outputs; its inputs follow when the model is built, or from [`Dense::inputs`].
    pub fn new(units: usize) -> Self {
        let settings = Settings {
            units,
            use_bias: true,
            activation: Activation::Identity,
            kernel_initializer: Arc::new(GlorotUniform),
            bias_initializer: Arc::new(Zeros),
            kernel_regularizer: None,
            bias_regularizer: None,
        };
        Dense { kernel: None, bias: None, settings }
    }

    /// Sets the number of inputs, for use outside of a [`Sequential`](crate::Sequential); all other
    /// settings may come before or after.
    #[track_caller]
    pub fn inputs(mut self, inputs: usize) -> Self {
        self.make(inputs);
        self
    }

    /// Sets the activation; the default is none.
    pub fn activation(self, activation: Activation) -> Self {
        self.with(|s| s.activation = activation)
    }

    /// Leaves the bias out.
    pub fn no_bias(self) -> Self {
        self.with(|s| s.use_bias = false)
    }

    /// How the kernel starts.
    pub fn kernel_initializer(self, initializer: impl Initializer<T> + 'static) -> Self {
        self.with(|s| s.kernel_initializer = Arc::new(initializer))
    }

    /// How the bias starts.
    pub fn bias_initializer(self, initializer: impl Initializer<T> + 'static) -> Self {
        self.with(|s| s.bias_initializer = Arc::new(initializer))
    }

    /// A penalty on the kernel.
    pub fn kernel_regularizer(self, regularizer: impl Regularizer<T> + 'static) -> Self {
        self.with(|s| s.kernel_regularizer = Some(Arc::new(regularizer)))
    }

    /// A penalty on the bias.
    pub fn bias_regularizer(self, regularizer: impl Regularizer<T> + 'static) -> Self {
        self.with(|s| s.bias_regularizer = Some(Arc::new(regularizer)))
    }

    /// Changes the settings; parameters that are there already keep their values.
    fn with(mut self, change: impl FnOnce(&mut Settings<T>)) -> Self {
        change(&mut self.settings);
        let s = &self.settings;
        self.kernel = self.kernel.map(|kernel| {
            kernel
                .initialized_by(s.kernel_initializer.clone())
                .regularized(s.kernel_regularizer.clone())
        });
        self.bias = self.bias.filter(|_| s.use_bias).map(|bias| {
            bias.initialized_by(s.bias_initializer.clone()).regularized(s.bias_regularizer.clone())
        });
        self
    }

    #[track_caller]
    fn make(&mut self, inputs: usize) {
        let s = &self.settings;
        let kernel = Param::drawn(&[inputs, s.units], s.kernel_initializer.clone());
        self.kernel = Some(kernel.regularized(s.kernel_regularizer.clone()));
        self.bias = s.use_bias.then(|| {
            let bias = Param::drawn(&[s.units], s.bias_initializer.clone());
            bias.regularized(s.bias_regularizer.clone())
        });
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
        let tape = x.tape();
        let bias = self.bias.as_ref().map(|bias| tape.param(bias));
        x.linear(tape.param(kernel), bias, self.settings.activation)
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
