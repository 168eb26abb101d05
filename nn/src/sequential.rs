//! Layers in a row.

use gradus_autograd::{Float, Module, Param, Path, Tape, Tensor, Var};

use crate::{BuildError, Layer};

/// Layers applied one after the other. Each has a name, `dense`, `dense_1` …, under which its
/// parameters are found: `dense_1.kernel`.
///
/// ```
/// use gradus_autograd::{Activation::Relu, Module, Tape, Tensor};
/// use gradus_nn::{BatchNorm, Dense, Layer, Sequential};
///
/// let model = Sequential::new()
///     .add(Dense::new(16))
///     .add(BatchNorm::new())
///     .add(Relu)
///     .add(Dense::new(1))
///     .build(&[4], 42)?;
/// assert_eq!(model.param("dense_1.kernel").unwrap().value().shape(), [16, 1]);
/// let tape = Tape::<f32>::inference();
/// assert_eq!(model.forward(tape.constant(Tensor::zeros(&[3, 4]))).shape()[..], [3, 1]);
/// # Ok::<(), gradus_nn::BuildError>(())
/// ```
#[derive(Debug, Default)]
pub struct Sequential<T: Float = f32> {
    layers: Vec<(String, Box<dyn Layer<T>>)>,
}

impl<T: Float> Sequential<T> {
    /// No layers yet.
    pub fn new() -> Self {
        Sequential { layers: Vec::new() }
    }

    /// Adds a layer at the end.
    #[allow(clippy::should_implement_trait, reason = "Keras' word")]
    pub fn add(mut self, layer: impl Layer<T> + 'static) -> Self {
        let kind = layer.kind();
        let same = self.layers.iter().filter(|(_, other)| other.kind() == kind).count();
        let name = if same == 0 { kind.into() } else { format!("{kind}_{same}") };
        self.layers.push((name, Box::new(layer)));
        self
    }

    /// Makes all parameters for inputs of the given shape (one sample, without the batch axis) and
    /// draws their values from `seed`, each from a stream of its own.
    ///
    /// # Errors
    /// When a layer cannot take what comes out of the one before; the error names it.
    #[track_caller]
    pub fn build(mut self, input: &[usize], seed: u64) -> Result<Self, BuildError> {
        Layer::build(&mut self, input)?;
        Ok(self.init(seed))
    }

    /// The layers with their names.
    pub fn layers(&self) -> impl Iterator<Item = (&str, &dyn Layer<T>)> {
        self.layers.iter().map(|(name, layer)| (name.as_str(), layer.as_ref()))
    }
}

impl<T: Float> Layer<T> for Sequential<T> {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let mut x = x;
        for (_, layer) in &self.layers {
            x = layer.forward_tracked(x);
        }
        x
    }

    fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
        // The shape behind a layer is found by letting it run on zeros: no layer has to state it.
        let mut shape: Vec<usize> = std::iter::once(1).chain(input.iter().copied()).collect();
        for (name, layer) in &mut self.layers {
            let nested = layer.kind() == "sequential";
            let named =
                |inner: String| if nested { format!("{name}.{inner}") } else { name.clone() };
            layer.build(&shape[1..]).map_err(|error| match error {
                BuildError::Input { layer, input, why } => {
                    BuildError::Input { layer: named(layer), input, why }
                }
                BuildError::Setting { layer, why } => {
                    BuildError::Setting { layer: named(layer), why }
                }
            })?;
            let tape = Tape::inference();
            let y = layer.forward(tape.constant(Tensor::zeros(&shape)));
            shape = y.shape().to_vec();
        }
        Ok(())
    }

    fn smallest_batch(&self) -> usize {
        self.layers.iter().map(|(_, layer)| layer.smallest_batch()).max().unwrap_or(1)
    }

    fn kind(&self) -> &'static str {
        "sequential"
    }
}

impl<T: Float> Module<T> for Sequential<T> {
    fn visit<'m>(&'m self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &'m Param<T>)) {
        self.layers.iter().for_each(|(name, layer)| layer.visit(path.field(name), f));
    }
    fn visit_mut(&mut self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &mut Param<T>)) {
        self.layers.iter_mut().for_each(|(name, layer)| layer.visit_mut(path.field(name), f));
    }
}
