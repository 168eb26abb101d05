//! Weight normalisation: a layer around a layer.

use gradus_autograd::{Float, Module, Param, Path, Tape, Var};

use crate::reparametrized::{Weight, forward_with};
use crate::{BuildError, Layer};

/// A layer whose weight is w = g·v/‖v‖, with a length for each output (Salimans and Kingma 2016; PyTorch's
/// `parametrizations.weight_norm`): direction and length are trained apart.
///
/// The inner layer keeps its name and paths; v is its `kernel`, and g, `kernel_g` of shape `[outputs]`, stands beside
/// it and starts as ‖v‖, so that w is first what the layer has drawn.
///
/// ```
/// use gradus_autograd::{Activation::Relu, Tape, Tensor};
/// use gradus_nn::{Dense, Layer, Sequential, WeightNorm};
/// use gradus_autograd::Module;
/// let model = Sequential::new()
///     .add(WeightNorm::new(Dense::new(8).activation(Relu)))
///     .add(Dense::new(1))
///     .build(&[3], 7)?;
/// assert_eq!(model.param("dense.kernel_g").unwrap().value().shape(), [8]);
/// # let tape = Tape::<f32>::new();
/// # model.forward(tape.constant(Tensor::zeros(&[2, 3])));
/// # Ok::<(), gradus_nn::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct WeightNorm<L, T: Float = f32> {
    inner: L,
    weight: Weight,
    g: Option<Param<T>>,
    g_name: String,
}

/// The length for each index of an axis.
#[track_caller]
fn lengths<T: Float>(v: Var<'_, T>, axis: usize) -> Var<'_, T> {
    let others: Vec<isize> = (0..v.rank()).filter(|&a| a != axis).map(|a| a as isize).collect();
    v.norm_axes(2.0, &others)
}

impl<L: Layer<T>, T: Float> WeightNorm<L, T> {
    /// Around a layer, for its `kernel`.
    pub fn new(inner: L) -> Self {
        WeightNorm { inner, weight: Weight::kernel(), g: None, g_name: "kernel_g".into() }.made()
    }

    /// For another parameter, by its path in the layer: `weight_hh_l0`.
    pub fn name(mut self, path: &str) -> Self {
        self.weight.name = path.into();
        self.g_name = format!("{path}_g");
        self.made()
    }

    /// The axis of the outputs, PyTorch's `dim`. If nothing is said: the last of a [`Dense`](crate::Dense) layer's
    /// kernel, the second of a transposed convolution's (where PyTorch takes the first), else the first.
    pub fn axis(mut self, axis: isize) -> Self {
        self.weight.axis = Some(axis);
        self.made()
    }

    /// The layer inside.
    pub fn inner(&self) -> &L {
        &self.inner
    }

    fn made(mut self) -> Self {
        let built = self.weight.built("weight_norm", &self.inner).ok();
        self.g = built.map(|(v, axis)| Param::derived(&[v.value().shape()[axis]]));
        self.start();
        self
    }

    /// Gives g its first value, once v has one.
    fn start(&mut self) {
        let Some(g) = self.g.as_mut().filter(|g| g.awaits_values()) else { return };
        if let Ok((v, axis)) = self.weight.built("weight_norm", &self.inner)
            && !v.awaits_values()
        {
            g.set(lengths(Tape::inference().constant(v.value().clone()), axis).value());
        }
    }
}

impl<L: Layer<T>, T: Float> Layer<T> for WeightNorm<L, T> {
    /// # Panics
    /// When the inner layer has not been built, and whenever it does.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let param = self.weight.expect("weight_norm", &self.inner);
        let axis = self.weight.axis(self.inner.kind(), param.value().rank());
        let (Some(g), Some(axis)) = (&self.g, axis) else {
            panic!("weight_norm: `{}` was made after the norm: build the model", self.weight.name);
        };
        let (v, g) = (x.tape().param(param), x.tape().param(g));
        let mut kept = vec![1; v.rank()];
        kept[axis] = g.shape()[0];
        let w = v * (g / lengths(v, axis)).reshape(&kept);
        forward_with(&self.inner, x, param, w)
    }

    fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
        self.inner.build(input)?;
        let (v, axis) = self.weight.built("weight_norm", &self.inner)?;
        if self.g.is_none() {
            self.g = Some(Param::derived(&[v.value().shape()[axis]]));
        }
        self.start();
        Ok(())
    }

    fn smallest_batch(&self) -> usize {
        self.inner.smallest_batch()
    }

    fn kind(&self) -> &'static str {
        self.inner.kind()
    }
}

impl<L: Layer<T>, T: Float> Module<T> for WeightNorm<L, T> {
    fn visit<'m>(&'m self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &'m Param<T>)) {
        self.inner.visit(path, f);
        self.g.visit(path.field(&self.g_name), f);
    }
    fn visit_mut(&mut self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &mut Param<T>)) {
        self.inner.visit_mut(path, f);
        self.g.visit_mut(path.field(&self.g_name), f);
        self.start();
    }
}
