//! Layers without parameters of their own: other shapes, shortcuts, functions.

use std::fmt;

use gradus_autograd::{Dims, Float, Interpolation, Module, Param, Path, Var};
use gradus_derive::Module;

use crate::{BuildError, Layer};

/// All axes of a sample as one, `[batch, ..]` → `[batch, n]`.
#[derive(Clone, Copy, Debug, Default, Module)]
pub struct Flatten;

impl<T: Float> Layer<T> for Flatten {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let batch = x.shape().first().copied().unwrap_or(1);
        let n = x.shape().iter().skip(1).product();
        x.reshape(&[batch, n])
    }
    fn kind(&self) -> &'static str {
        "flatten"
    }
}

/// The elements of a sample under another shape.
///
/// ```
/// use gradus_autograd::{Tape, Tensor};
/// use gradus_nn::{Layer, Reshape};
/// let tape = Tape::<f32>::new();
/// let y = Reshape::new(&[1, 8, 8]).forward(tape.constant(Tensor::zeros(&[5, 64])));
/// assert_eq!(y.shape()[..], [5, 1, 8, 8]);
/// ```
#[derive(Clone, Debug, Module)]
pub struct Reshape {
    #[module(skip)]
    shape: Vec<usize>,
}

impl Reshape {
    /// To the shape of one sample, without the batch axis.
    pub fn new(shape: &[usize]) -> Self {
        Reshape { shape: shape.to_vec() }
    }
}

impl<T: Float> Layer<T> for Reshape {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let batch = x.shape().first().copied().unwrap_or(1);
        let shape: Dims = std::iter::once(batch).chain(self.shape.iter().copied()).collect();
        x.reshape(&shape)
    }
    fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
        if input.iter().product::<usize>() == self.shape.iter().product() {
            return Ok(());
        }
        let why = format!("it has not as many elements as {:?}", self.shape);
        Err(BuildError::Input { layer: "reshape".into(), input: input.into(), why })
    }
    fn kind(&self) -> &'static str {
        "reshape"
    }
}

/// x + inner(x), or shortcut(x) + inner(x) (He et al. 2015).
///
/// ```
/// use gradus_autograd::{Module, Tape, Tensor};
/// use gradus_nn::{Dense, Layer, Residual, Sequential};
/// let block = Residual::new(Dense::new(4));
/// let model = Sequential::new().add(block).build(&[4], 1)?;
/// assert!(model.param("residual.inner.kernel").is_some());
/// # let tape = Tape::<f32>::new();
/// # assert_eq!(model.forward(tape.constant(Tensor::zeros(&[2, 4]))).shape()[..], [2, 4]);
/// # Ok::<(), gradus_nn::BuildError>(())
/// ```
#[derive(Debug, Module)]
pub struct Residual<T: Float = f32> {
    inner: Box<dyn Layer<T>>,
    shortcut: Option<Box<dyn Layer<T>>>,
}

impl<T: Float> Residual<T> {
    /// Around a layer whose output has the shape of its input.
    pub fn new(inner: impl Layer<T> + 'static) -> Self {
        Residual { inner: Box::new(inner), shortcut: None }
    }
    /// With a layer on the shortcut, that makes the shapes equal.
    pub fn shortcut(mut self, layer: impl Layer<T> + 'static) -> Self {
        self.shortcut = Some(Box::new(layer));
        self
    }
}

impl<T: Float> Layer<T> for Residual<T> {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let around = self.shortcut.as_ref().map_or(x, |shortcut| shortcut.forward_tracked(x));
        let y = self.inner.forward_tracked(x);
        assert!(
            around.shape() == y.shape(),
            "residual: the inner layer makes {:?} of {:?}, and the shortcut {:?}: give it a layer by `.shortcut(..)`",
            y.shape(),
            x.shape(),
            around.shape()
        );
        around + y
    }
    fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
        self.inner.build(input)?;
        self.shortcut.as_mut().map_or(Ok(()), |shortcut| shortcut.build(input))
    }
    fn kind(&self) -> &'static str {
        "residual"
    }
}

/// Images `[batch, channels, h, w]`, larger by a factor.
#[derive(Clone, Copy, Debug, Module)]
pub struct Upsample {
    #[module(skip)]
    factor: usize,
    #[module(skip)]
    how: Interpolation,
}

impl Upsample {
    /// Larger by a whole factor along both axes.
    pub fn new(factor: usize, how: Interpolation) -> Self {
        Upsample { factor, how }
    }
}

impl<T: Float> Layer<T> for Upsample {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let shape = x.shape();
        assert!(shape.len() == 4, "upsample: {shape:?} are not images [batch, channels, h, w]");
        x.resize([shape[2] * self.factor, shape[3] * self.factor], self.how)
    }
    fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
        let why = match (input.len(), self.factor) {
            (3, 1..) => return Ok(()),
            (3, _) => format!("a factor of {} leaves nothing", self.factor),
            _ => "it takes images [channels, h, w]".into(),
        };
        Err(BuildError::Input { layer: "upsample".into(), input: input.into(), why })
    }
    fn kind(&self) -> &'static str {
        "upsample"
    }
}

/// Any function of a variable as a layer.
///
/// ```
/// use gradus_autograd::{Tape, Tensor};
/// use gradus_nn::{Lambda, Layer, Sequential};
/// let model = Sequential::new().add(Lambda::new(|x| x.leaky_relu(0.2))).build(&[2], 0)?;
/// let tape = Tape::<f32>::new();
/// let y = model.forward(tape.constant(Tensor::from([[-1.0, 1.0]])));
/// assert_eq!(y.value().to_vec(), [-0.2, 1.0]);
/// # Ok::<(), gradus_nn::BuildError>(())
/// ```
pub struct Lambda<T: Float = f32>(Box<Function<T>>);

type Function<T> = dyn for<'t> Fn(Var<'t, T>) -> Var<'t, T> + Send + Sync;

impl<T: Float> Lambda<T> {
    /// From a closure.
    pub fn new(f: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T> + Send + Sync + 'static) -> Self {
        Lambda(Box::new(f))
    }
}

impl<T: Float> fmt::Debug for Lambda<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lambda")
    }
}

impl<T: Float> Module<T> for Lambda<T> {
    fn visit<'m>(&'m self, _: Path<'_>, _: &mut dyn FnMut(Path<'_>, &'m Param<T>)) {}
    fn visit_mut(&mut self, _: Path<'_>, _: &mut dyn FnMut(Path<'_>, &mut Param<T>)) {}
}

impl<T: Float> Layer<T> for Lambda<T> {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        (self.0)(x)
    }
    fn kind(&self) -> &'static str {
        "lambda"
    }
}

/// x where it is positive, else slope·x with a slope for each channel (axis 1) that is learned, 0.25 at first (He et al.
/// 2015).
#[derive(Clone, Debug, Module)]
pub struct PRelu<T: Float = f32> {
    slope: Option<Param<T>>,
}

impl<T: Float> Default for PRelu<T> {
    fn default() -> Self {
        PRelu::new()
    }
}

impl<T: Float> PRelu<T> {
    /// The channels follow when the model is built, or from [`channels`](PRelu::channels).
    pub fn new() -> Self {
        PRelu { slope: None }
    }
    /// Sets the number of channels.
    pub fn channels(mut self, n: usize) -> Self {
        self.slope = Some(Param::new(gradus_autograd::Tensor::full(&[n], T::of(0.25))));
        self
    }
}

impl<T: Float> Layer<T> for PRelu<T> {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let Some(slope) = &self.slope else {
            panic!(
                "prelu: the channels are not known: set them with `.channels(n)`, or build the model"
            )
        };
        let (shape, channels) = (x.shape(), slope.value().len());
        assert!(
            shape.get(1) == Some(&channels),
            "prelu: input {shape:?} is not [batch, channels, ..] with the {channels} channels that the layer was made for"
        );
        let slope = x.tape().param(slope);
        let beside = (2..x.rank()).fold(slope, |slope, _| slope.unsqueeze(-1));
        gradus_autograd::fused!(|x, a| R::select(R::lit(0.0).less(x), x, x * a))(x, beside)
    }
    fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
        let fail = |why: String| {
            Err(BuildError::Input { layer: "prelu".into(), input: input.into(), why })
        };
        match (input.first(), self.slope.as_ref().map(|slope| slope.value().len())) {
            (None, _) => fail("it has no axis of channels".into()),
            (Some(&n), Some(made)) if n != made => fail(format!("it was made for {made} channels")),
            (Some(_), Some(_)) => Ok(()),
            (Some(&n), None) => {
                *self = PRelu::new().channels(n);
                Ok(())
            }
        }
    }
    fn kind(&self) -> &'static str {
        "prelu"
    }
}
