//! Norms of single samples as layers.

use gradus_autograd::{Float, Param, Tensor, Var};
use gradus_derive::Module;

use crate::{BuildError, Layer};

/// (x − mean)/√(var + ε)·weight + bias over the last axes of each sample (Ba, Kiros, Hinton 2016); ε = 1e-5 as PyTorch
/// (Keras: 1e-3).
///
/// ```
/// use gradus_autograd::{Tape, Tensor};
/// use gradus_nn::{Layer, LayerNorm};
/// let tape = Tape::<f32>::new();
/// let y = LayerNorm::new().shape(&[2]).forward(tape.constant(Tensor::from([[1., 3.]])));
/// assert!((y.value().at(&[0, 1]) - 1.0).abs() < 1e-4);
/// ```
#[derive(Clone, Debug, Module)]
pub struct LayerNorm<T: Float = f32> {
    weight: Option<Param<T>>,
    bias: Option<Param<T>>,
    #[module(skip)]
    settings: Settings,
}

/// x/√(mean(x²) + ε)·weight over the last axis of each sample (Zhang and Sennrich 2019); ε = 1e-6.
#[derive(Clone, Debug, Module)]
pub struct RmsNorm<T: Float = f32> {
    weight: Option<Param<T>>,
    #[module(skip)]
    settings: Settings,
}

/// The norm over groups of channels of each sample and all that is behind them, `[batch, channels, ..]` (Wu and He
/// 2018); ε = 1e-5 as PyTorch (Keras: 1e-3).
#[derive(Clone, Debug, Module)]
pub struct GroupNorm<T: Float = f32> {
    weight: Option<Param<T>>,
    bias: Option<Param<T>>,
    #[module(skip)]
    groups: Option<usize>,
    #[module(skip)]
    settings: Settings,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    axes: usize,
    epsilon: f64,
    affine: bool,
}

impl Settings {
    fn new(epsilon: f64) -> Self {
        Settings { axes: 1, epsilon, affine: true }
    }
    fn ones<T: Float>(self, shape: &[usize]) -> Option<Param<T>> {
        self.affine.then(|| Param::new(Tensor::ones(shape)))
    }
    fn zeros<T: Float>(self, shape: &[usize]) -> Option<Param<T>> {
        self.affine.then(|| Param::new(Tensor::zeros(shape)))
    }
}

macro_rules! settings {
    ($($layer:ident $epsilon:literal)*) => {$(
        impl<T: Float> $layer<T> {
            /// What is added to the variance.
            pub fn epsilon(mut self, epsilon: f64) -> Self {
                self.settings.epsilon = epsilon;
                self
            }
            /// Without weight and bias.
            pub fn no_affine(mut self) -> Self {
                self.settings.affine = false;
                self.weight = None;
                self.without_bias()
            }
        }
    )*};
}
settings!(LayerNorm 1e-5 RmsNorm 1e-6 GroupNorm 1e-5);

#[track_caller]
fn unknown<T: Float>(kind: &str, weight: &Option<Param<T>>, settings: Settings, how: &str) {
    assert!(
        weight.is_some() || !settings.affine,
        "{kind}: the size is not known: set it with {how}, or build the model (one of your own builds its layers in \
         `Layer::build`)"
    );
}

impl<T: Float> Default for LayerNorm<T> {
    fn default() -> Self {
        LayerNorm::new()
    }
}

impl<T: Float> LayerNorm<T> {
    /// Over the last axis.
    pub fn new() -> Self {
        LayerNorm { weight: None, bias: None, settings: Settings::new(1e-5) }
    }
    /// Over so many of the last axes.
    pub fn axes(mut self, axes: usize) -> Self {
        self.settings.axes = axes;
        self
    }
    /// Sets the size of the last axes, for use outside of a [`Sequential`](crate::Sequential).
    pub fn shape(mut self, shape: &[usize]) -> Self {
        self.settings.axes = shape.len();
        (self.weight, self.bias) = (self.settings.ones(shape), self.settings.zeros(shape));
        self
    }
    fn without_bias(mut self) -> Self {
        self.bias = None;
        self
    }
}

/// The last axes of a sample, and whether parameters that are there have their shape.
fn last<'a>(
    kind: &str,
    axes: usize,
    input: &'a [usize],
    made: Option<&[usize]>,
) -> Result<&'a [usize], BuildError> {
    let fail = |why| Err(BuildError::Input { layer: kind.into(), input: input.into(), why });
    let Some(first) = input.len().checked_sub(axes).filter(|_| axes > 0) else {
        return fail(format!("it has not the {axes} axes that are to be normalised"));
    };
    match made {
        Some(made) if *made != input[first..] => fail(format!("it was made for {made:?}")),
        _ => Ok(&input[first..]),
    }
}

impl<T: Float> Layer<T> for LayerNorm<T> {
    /// # Panics
    /// When the layer has not been built, or x ends with other axes.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let Settings { axes, epsilon, .. } = self.settings;
        unknown("layer_norm", &self.weight, self.settings, "`.shape(&[n])`");
        let tape = x.tape();
        let [weight, bias] = [&self.weight, &self.bias].map(|p| p.as_ref().map(|p| tape.param(p)));
        let shape = x.shape();
        let shape = match &self.weight {
            Some(weight) => weight.value().shape().to_vec(),
            None => shape[shape.len().saturating_sub(axes)..].to_vec(),
        };
        x.layer_norm(&shape, weight, bias, epsilon)
    }
    fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
        let made = self.weight.as_ref().map(|weight| weight.value().shape());
        let shape = last("layer_norm", self.settings.axes, input, made)?.to_vec();
        if made.is_none() {
            *self = self.clone().shape(&shape);
        }
        Ok(())
    }
    fn kind(&self) -> &'static str {
        "layer_norm"
    }
}

impl<T: Float> Default for RmsNorm<T> {
    fn default() -> Self {
        RmsNorm::new()
    }
}

impl<T: Float> RmsNorm<T> {
    /// Over the last axis.
    pub fn new() -> Self {
        RmsNorm { weight: None, settings: Settings::new(1e-6) }
    }
    /// Sets the size of the last axis, for use outside of a [`Sequential`](crate::Sequential).
    pub fn features(mut self, n: usize) -> Self {
        self.weight = self.settings.ones(&[n]);
        self
    }
    fn without_bias(self) -> Self {
        self
    }
}

impl<T: Float> Layer<T> for RmsNorm<T> {
    /// # Panics
    /// When the layer has not been built, or the last axis of x is another.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        unknown("rms_norm", &self.weight, self.settings, "`.features(n)`");
        let weight = self.weight.as_ref().map(|p| x.tape().param(p));
        let n = x.shape().last().copied().unwrap_or(0);
        x.rms_norm(&[n], weight, self.settings.epsilon)
    }
    fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
        let made = self.weight.as_ref().map(|weight| weight.value().shape());
        let n = last("rms_norm", 1, input, made)?[0];
        if made.is_none() {
            *self = self.clone().features(n);
        }
        Ok(())
    }
    fn kind(&self) -> &'static str {
        "rms_norm"
    }
}

impl<T: Float> GroupNorm<T> {
    /// With so many groups.
    pub fn new(groups: usize) -> Self {
        let (groups, settings) = (Some(groups), Settings::new(1e-5));
        GroupNorm { weight: None, bias: None, groups, settings }
    }
    /// A group for each channel: instance norm (Ulyanov et al. 2016). PyTorch's has no weight and bias by default:
    /// [`no_affine`](GroupNorm::no_affine).
    pub fn instance() -> Self {
        GroupNorm { groups: None, ..GroupNorm::new(1) }
    }
    /// Sets the number of channels, for use outside of a [`Sequential`](crate::Sequential).
    pub fn channels(mut self, n: usize) -> Self {
        (self.weight, self.bias) = (self.settings.ones(&[n]), self.settings.zeros(&[n]));
        self
    }
    fn without_bias(mut self) -> Self {
        self.bias = None;
        self
    }
}

impl<T: Float> Layer<T> for GroupNorm<T> {
    /// # Panics
    /// When the layer has not been built, or x has other channels.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        unknown(Layer::<T>::kind(self), &self.weight, self.settings, "`.channels(n)`");
        let tape = x.tape();
        let [weight, bias] = [&self.weight, &self.bias].map(|p| p.as_ref().map(|p| tape.param(p)));
        match self.groups {
            Some(groups) => x.group_norm(groups, weight, bias, self.settings.epsilon),
            None => x.instance_norm(weight, bias, self.settings.epsilon),
        }
    }
    fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
        let kind = Layer::<T>::kind(self);
        let fail = |why| Err(BuildError::Input { layer: kind.into(), input: input.into(), why });
        let (Some(&channels), groups) = (input.first(), self.groups.unwrap_or(1)) else {
            return fail("it has no axis of channels".into());
        };
        if groups == 0 || channels % groups != 0 || channels == 0 {
            return fail(format!("its {channels} channels are no multiple of {groups} groups"));
        }
        match self.weight.as_ref().map(|weight| weight.value().len()) {
            Some(made) if made != channels => fail(format!("it was made for {made} channels")),
            Some(_) => Ok(()),
            None => {
                *self = self.clone().channels(channels);
                Ok(())
            }
        }
    }
    fn kind(&self) -> &'static str {
        if self.groups.is_some() { "group_norm" } else { "instance_norm" }
    }
}
