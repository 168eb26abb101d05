//! Batch normalisation as a layer.

use gradus_autograd::{Float, Param, Tensor, Var};
use gradus_derive::Module;

use crate::{BuildError, Layer};

/// γ·(x − mean)/√(var + ε) + β for each channel (Ioffe and Szegedy 2015).
///
/// In training with the mean and the *biased* variance of the batch, in evaluation with running
/// ones, which the training step updates.
///
/// | | [`BatchNorm::new`] (Keras) | [`BatchNorm::pytorch`] |
/// | --- | --- | --- |
/// | channels | last axis | axis 1 |
/// | weight of the **old** value in the running statistics | 0.99 | 0.9 (PyTorch says `momentum = 0.1`, the weight of the new one) |
/// | ε | 1e-3 | 1e-5 |
/// | running variance | biased | unbiased |
#[derive(Clone, Debug, Module)]
pub struct BatchNorm<T: Float = f32> {
    gamma: Option<Param<T>>,
    beta: Option<Param<T>>,
    running_mean: Option<Param<T>>,
    running_var: Option<Param<T>>,
    #[module(skip)]
    settings: Settings,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    axis: isize,
    momentum: f64,
    epsilon: f64,
    unbiased: bool,
}

impl<T: Float> Default for BatchNorm<T> {
    fn default() -> Self {
        BatchNorm::new()
    }
}

impl<T: Float> BatchNorm<T> {
    /// A layer with the conventions of Keras.
    pub fn new() -> Self {
        BatchNorm::with(Settings { axis: -1, momentum: 0.99, epsilon: 1e-3, unbiased: false })
    }

    /// A layer with the conventions of PyTorch.
    pub fn pytorch() -> Self {
        BatchNorm::with(Settings { axis: 1, momentum: 0.9, epsilon: 1e-5, unbiased: true })
    }

    fn with(settings: Settings) -> Self {
        BatchNorm { gamma: None, beta: None, running_mean: None, running_var: None, settings }
    }

    /// The weight of the **old** value in the running statistics (Keras' sense; 1 − PyTorch's).
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.settings.momentum = momentum;
        self
    }

    /// What is added to the variance.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.settings.epsilon = epsilon;
        self
    }

    /// The axis of the channels, the batch axis counted; −1 is the last.
    pub fn axis(mut self, axis: isize) -> Self {
        self.settings.axis = axis;
        self
    }

    /// Whether the running variance is the unbiased one.
    pub fn unbiased(mut self, unbiased: bool) -> Self {
        self.settings.unbiased = unbiased;
        self
    }

    /// Sets the number of channels, for use outside of a [`Sequential`](crate::Sequential).
    #[track_caller]
    pub fn channels(mut self, channels: usize) -> Self {
        self.gamma = Some(Param::new(Tensor::ones(&[channels])));
        self.beta = Some(Param::new(Tensor::zeros(&[channels])));
        self.running_mean = Some(Param::statistic(Tensor::zeros(&[channels])));
        let var = Param::statistic(Tensor::ones(&[channels]));
        self.running_var = Some(var.with_smallest_batch(2));
        self
    }
}

impl<T: Float> Layer<T> for BatchNorm<T> {
    /// # Panics
    /// When the layer has not been built, x has other channels, or, in training, a channel has a
    /// single value.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let (Some(gamma), Some(beta), Some(running_mean), Some(running_var)) =
            (&self.gamma, &self.beta, &self.running_mean, &self.running_var)
        else {
            panic!(
                "batch_norm: the channels are not known: set them with `.channels(n)`, or build the model (one of your own \
                 builds its layers in `Layer::build`)"
            );
        };
        let (tape, Settings { axis, epsilon, momentum, unbiased, .. }) = (x.tape(), self.settings);
        let (shape, channels) = (x.shape(), gamma.value().len());
        let at = if axis < 0 { axis + shape.len() as isize } else { axis };
        assert!(
            usize::try_from(at).is_ok_and(|at| shape.get(at) == Some(&channels)),
            "batch_norm: input {shape:?} does not have the {channels} channels on axis {axis} that the layer was made for"
        );
        let (gamma, beta) = (tape.param(gamma), tape.param(beta));
        if !tape.is_training() {
            let statistics = [tape.param(running_mean), tape.param(running_var), gamma, beta];
            return x.normalise(statistics, axis, epsilon);
        }
        let [y, mean, var] = x.batch_norm(gamma, beta, axis, epsilon);
        let n = (shape.iter().product::<usize>() / mean.shape()[0].max(1)) as f64;
        let var = if unbiased { var * (n / (n - 1.0)) } else { var };
        tape.update(running_mean, |running| running.lerp(mean, 1.0 - momentum));
        tape.update(running_var, |running| running.lerp(var, 1.0 - momentum));
        y
    }

    fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
        // The axis counts the batch axis, which `input` does not have.
        let axis = match self.settings.axis {
            axis if axis < 0 => axis + input.len() as isize,
            axis => axis - 1,
        };
        let fail = |why: String| {
            Err(BuildError::Input { layer: "batch_norm".into(), input: input.to_vec(), why })
        };
        let channels = usize::try_from(axis).ok().and_then(|axis| input.get(axis)).copied();
        match (channels, &self.gamma) {
            (None, _) => fail(format!("it has no axis {}", self.settings.axis)),
            (Some(channels), Some(gamma)) if gamma.value().len() != channels => {
                fail(format!("it was made for {} channels", gamma.value().len()))
            }
            (Some(channels), gamma) => {
                if gamma.is_none() {
                    *self = BatchNorm::with(self.settings).channels(channels);
                }
                // With several positions a channel, one sample has a variance.
                let samples = if input.iter().product::<usize>() > channels { 1 } else { 2 };
                let var = self.running_var.take();
                self.running_var = var.map(|var| var.with_smallest_batch(samples));
                Ok(())
            }
        }
    }

    fn kind(&self) -> &'static str {
        "batch_norm"
    }
}
