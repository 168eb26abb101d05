//! What layers with a kernel and a bias have in common: how both start, and what is asked of them.

use std::sync::Arc;

use gradus_autograd::{
    Activation, Constraint, Float, Initializer, Param, Regularizer, Rng, Tensor,
};

use crate::init::{GlorotUniform, Zeros};

#[derive(Clone, Debug)]
pub(crate) struct Weights<T: Float> {
    pub use_bias: bool,
    pub activation: Activation,
    pub kernel_initializer: Arc<dyn Initializer<T>>,
    pub bias_initializer: Arc<dyn Initializer<T>>,
    pub kernel_regularizer: Option<Arc<dyn Regularizer<T>>>,
    pub bias_regularizer: Option<Arc<dyn Regularizer<T>>>,
    pub kernel_constraint: Option<Arc<dyn Constraint<T>>>,
    pub bias_constraint: Option<Arc<dyn Constraint<T>>>,
    layout: Layout,
}

/// Where the inputs and outputs of a kernel stand.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Layout {
    /// `[.., inputs, outputs]`, as initialisers expect them.
    InputsOutputs,
    /// `[outputs, inputs, ..]`, as a convolution reads them.
    OutputsInputs,
    /// `[inputs, outputs, ..]`, as a transposed one does.
    InputsOutputsFirst,
}

impl<T: Float> Weights<T> {
    /// Kernels as [`GlorotUniform`], biases as zeros, no activation.
    pub fn new(layout: Layout) -> Self {
        Weights {
            use_bias: true,
            activation: Activation::Identity,
            kernel_initializer: Arc::new(GlorotUniform),
            bias_initializer: Arc::new(Zeros),
            kernel_regularizer: None,
            bias_regularizer: None,
            kernel_constraint: None,
            bias_constraint: None,
            layout,
        }
    }

    fn initializer(&self) -> Arc<dyn Initializer<T>> {
        match self.layout {
            Layout::InputsOutputs => self.kernel_initializer.clone(),
            layout => Arc::new(Turned { layout, inner: self.kernel_initializer.clone() }),
        }
    }

    #[track_caller]
    pub fn kernel(&self, shape: &[usize]) -> Param<T> {
        self.of_kernel(Param::drawn(shape, self.initializer()))
    }

    #[track_caller]
    pub fn bias(&self, n: usize) -> Option<Param<T>> {
        self.use_bias.then(|| self.of_bias(Param::drawn(&[n], self.bias_initializer.clone())))
    }

    fn of_kernel(&self, kernel: Param<T>) -> Param<T> {
        kernel
            .regularized(self.kernel_regularizer.clone())
            .constrained(self.kernel_constraint.clone())
    }

    fn of_bias(&self, bias: Param<T>) -> Param<T> {
        bias.regularized(self.bias_regularizer.clone()).constrained(self.bias_constraint.clone())
    }

    /// Changes what parameters that are there already were made by; they keep their values.
    pub fn renew(&self, kernel: &mut Option<Param<T>>, bias: &mut Option<Param<T>>) {
        *kernel =
            kernel.take().map(|kernel| self.of_kernel(kernel.initialized_by(self.initializer())));
        *bias = bias
            .take()
            .filter(|_| self.use_bias)
            .map(|bias| self.of_bias(bias.initialized_by(self.bias_initializer.clone())));
    }
}

/// An initialiser of kernels in another layout: drawn as `[.., inputs, outputs]`, and then turned.
#[derive(Debug)]
struct Turned<T: Float> {
    layout: Layout,
    inner: Arc<dyn Initializer<T>>,
}

impl<T: Float> Initializer<T> for Turned<T> {
    fn sample(&self, shape: &[usize], rng: &mut Rng) -> Tensor<T> {
        let (Some(&first), Some(&second)) = (shape.first(), shape.get(1)) else {
            return self.inner.sample(shape, rng);
        };
        let field = shape.len() - 2;
        let (ends, turned) = match self.layout {
            Layout::InputsOutputsFirst => ([first, second], [field, field + 1]),
            _ => ([second, first], [field + 1, field]),
        };
        let drawn = self.inner.sample(&[&shape[2..], &ends].concat(), rng);
        let order: Vec<usize> = turned.into_iter().chain(0..field).collect();
        drawn.permute(&order).contiguous()
    }
}

/// The settings of a layer with the fields `kernel`, `bias` and `settings.weights`.
macro_rules! weight_settings {
    ([$($generics:tt)*] $layer:ty) => {
        impl<$($generics)*> $layer {
            /// Sets the activation; the default is none.
            pub fn activation(self, activation: gradus_autograd::Activation) -> Self {
                self.with(|weights| weights.activation = activation)
            }

            /// Leaves the bias out.
            pub fn no_bias(self) -> Self {
                self.with(|weights| weights.use_bias = false)
            }

            /// How the kernel starts.
            pub fn kernel_initializer(
                self,
                initializer: impl gradus_autograd::Initializer<T> + 'static,
            ) -> Self {
                self.with(|weights| weights.kernel_initializer = std::sync::Arc::new(initializer))
            }

            /// How the bias starts.
            pub fn bias_initializer(
                self,
                initializer: impl gradus_autograd::Initializer<T> + 'static,
            ) -> Self {
                self.with(|weights| weights.bias_initializer = std::sync::Arc::new(initializer))
            }

            /// A penalty on the kernel.
            pub fn kernel_regularizer(
                self,
                regularizer: impl gradus_autograd::Regularizer<T> + 'static,
            ) -> Self {
                self.with(|weights| weights.kernel_regularizer = Some(std::sync::Arc::new(regularizer)))
            }

            /// A penalty on the bias.
            pub fn bias_regularizer(
                self,
                regularizer: impl gradus_autograd::Regularizer<T> + 'static,
            ) -> Self {
                self.with(|weights| weights.bias_regularizer = Some(std::sync::Arc::new(regularizer)))
            }

            /// Where each step leaves the kernel: see [`constraints`](crate::constraints).
            pub fn kernel_constraint(
                self,
                constraint: impl gradus_autograd::Constraint<T> + 'static,
            ) -> Self {
                self.with(|weights| weights.kernel_constraint = Some(std::sync::Arc::new(constraint)))
            }

            /// Where each step leaves the bias.
            pub fn bias_constraint(
                self,
                constraint: impl gradus_autograd::Constraint<T> + 'static,
            ) -> Self {
                self.with(|weights| weights.bias_constraint = Some(std::sync::Arc::new(constraint)))
            }

            /// Changes the settings; parameters that are there already keep their values.
            fn with(mut self, change: impl FnOnce(&mut $crate::weights::Weights<T>)) -> Self {
                change(&mut self.settings.weights);
                self.settings.weights.renew(&mut self.kernel, &mut self.bias);
                self
            }
        }
    };
}
pub(crate) use weight_settings;
