//! Spectral normalisation: a layer around a layer.

use gradus_autograd::{Float, Module, Param, Path, Rng, Tape, Tensor, Var};

use crate::reparametrized::{Weight, forward_with};
use crate::{BuildError, Layer};

/// The iterations before the first step, as in PyTorch.
const FIRST_ITERATIONS: usize = 15;

/// A layer whose weight is divided by its largest singular value, σ = uᵀWv, so that the layer lengthens no difference
/// of two inputs (Miyato et al. 2018; PyTorch's `parametrizations.spectral_norm`). W is the weight as a matrix, the
/// outputs by all the rest.
///
/// The inner layer keeps its name and paths; u and v, the singular vectors, stand beside its `kernel` as `kernel_u`
/// `[outputs]` and `kernel_v`. A forward pass in training brings them nearer by power iteration, and the optimiser's
/// step keeps them; in evaluation they are taken as they are. To a derivative they are constants.
///
/// ```
/// use gradus_autograd::{Module, Tape, Tensor};
/// use gradus_nn::{Dense, Layer, SpectralNorm, init::Constant};
/// let layer = SpectralNorm::new(Dense::new(2).inputs(2).kernel_initializer(Constant(3.0))).init(1);
/// let tape = Tape::<f64>::new();
/// // Of a matrix of threes, the largest singular value is 6.
/// let y = layer.forward(tape.constant(Tensor::from([[1.0, 0.0]]))).value();
/// assert!(y.to_vec().iter().all(|y| (y - 0.5).abs() < 1e-12));
/// ```
#[derive(Clone, Debug)]
pub struct SpectralNorm<L, T: Float = f32> {
    inner: L,
    weight: Weight,
    vectors: Option<Vectors<T>>,
    names: [String; 2],
    iterations: usize,
    epsilon: f64,
}

/// The singular vectors as they are known so far.
#[derive(Clone, Debug)]
struct Vectors<T: Float> {
    u: Param<T>,
    v: Param<T>,
}

impl<T: Float> Vectors<T> {
    fn new(weight: &Param<T>, axis: usize) -> Self {
        let [outputs, all] = [weight.value().shape()[axis], weight.value().len()];
        let [u, v] = [outputs, all / outputs.max(1)].map(|n| {
            let mut vector = Param::derived(&[n]);
            vector.set_trained(false);
            vector
        });
        Vectors { u, v }
    }
}

/// A weight as a matrix, `[outputs, all the rest]`.
#[track_caller]
fn matrix<T: Float>(weight: Var<'_, T>, axis: usize) -> Var<'_, T> {
    let order: Vec<usize> =
        std::iter::once(axis).chain((0..weight.rank()).filter(|&a| a != axis)).collect();
    let turned = weight.permute(&order);
    let outputs = turned.shape()[0];
    turned.reshape(&[outputs, weight.shape().iter().product::<usize>() / outputs.max(1)])
}

impl<L: Layer<T>, T: Float> SpectralNorm<L, T> {
    /// Around a layer, for its `kernel`; one iteration for each forward pass in training, ε = 1e-12.
    pub fn new(inner: L) -> Self {
        let names = ["kernel_u", "kernel_v"].map(String::from);
        let (weight, vectors) = (Weight::kernel(), None);
        SpectralNorm { inner, weight, vectors, names, iterations: 1, epsilon: 1e-12 }.made()
    }

    /// For another parameter, by its path in the layer: `weight_hh_l0`.
    pub fn name(mut self, path: &str) -> Self {
        self.weight.name = path.into();
        self.names = ["u", "v"].map(|end| format!("{path}_{end}"));
        self.made()
    }

    /// The axis of the outputs, PyTorch's `dim`. If nothing is said: the last of a [`Dense`](crate::Dense) layer's
    /// kernel, the second of a transposed convolution's, else the first.
    pub fn axis(mut self, axis: isize) -> Self {
        self.weight.axis = Some(axis);
        self.made()
    }

    /// The iterations of a forward pass in training.
    ///
    /// # Panics
    /// When there are none.
    #[track_caller]
    pub fn power_iterations(mut self, iterations: usize) -> Self {
        assert!(iterations > 0, "spectral_norm: 0 power iterations would never find the norm");
        self.iterations = iterations;
        self
    }

    /// The least length that a vector is divided by.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// The layer inside.
    pub fn inner(&self) -> &L {
        &self.inner
    }

    /// u and v after some iterations: u ← Wv/‖Wv‖, v ← Wᵀu/‖Wᵀu‖.
    fn iterate<'t>(&self, w: Var<'t, T>, mut v: Var<'t, T>, iterations: usize) -> [Var<'t, T>; 2] {
        let unit = |x: Var<'t, T>| x / x.norm().clamp(self.epsilon, f64::INFINITY);
        let mut u = unit(w.matmul(v));
        v = unit(u.matmul(w));
        for _ in 1..iterations {
            u = unit(w.matmul(v));
            v = unit(u.matmul(w));
        }
        [u, v]
    }

    fn made(mut self) -> Self {
        let built = self.weight.built("spectral_norm", &self.inner).ok();
        self.vectors = built.map(|(weight, axis)| Vectors::new(weight, axis));
        self.start();
        self
    }

    /// Gives u and v their first values, once the weight has one.
    fn start(&mut self) {
        let awaits = |vectors: &Vectors<T>| vectors.u.awaits_values() || vectors.v.awaits_values();
        if !self.vectors.as_ref().is_some_and(awaits) {
            return;
        }
        let tape = Tape::inference();
        let found = match self.weight.built("spectral_norm", &self.inner) {
            Ok((weight, axis)) if !weight.awaits_values() => {
                let w = matrix(tape.constant(weight.value().clone()), axis);
                // Any direction does that is not at a right angle to the one looked for.
                let any = Tensor::randn(&[w.shape()[1]], &mut Rng::new(0));
                self.iterate(w, tape.constant(any), FIRST_ITERATIONS)
            }
            _ => return,
        };
        if let Some(Vectors { u, v }) = &mut self.vectors {
            std::iter::zip([u, v], found).for_each(|(param, found)| param.set(found.value()));
        }
    }
}

impl<L: Layer<T>, T: Float> Layer<T> for SpectralNorm<L, T> {
    /// # Panics
    /// When the inner layer has not been built, and whenever it does.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let param = self.weight.expect("spectral_norm", &self.inner);
        let axis = self.weight.axis(self.inner.kind(), param.value().rank());
        let (Some(vectors), Some(axis)) = (&self.vectors, axis) else {
            panic!(
                "spectral_norm: `{}` was made after the norm: build the model",
                self.weight.name
            );
        };
        let tape = x.tape();
        let weight = tape.param(param);
        let w = matrix(weight, axis);
        let [mut u, mut v] = [&vectors.u, &vectors.v].map(|vector| tape.param(vector));
        if tape.is_training() {
            tape.update(&vectors.v, |old| {
                [u, v] = tape.no_grad(|| self.iterate(w, old, self.iterations));
                v
            });
            tape.update(&vectors.u, |_| u);
        }
        let sigma = u.dot(w.matmul(v));
        forward_with(&self.inner, x, param, weight / sigma)
    }

    fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
        self.inner.build(input)?;
        let (weight, axis) = self.weight.built("spectral_norm", &self.inner)?;
        let (layer, shape) = (self.inner.kind().to_owned(), weight.value().shape());
        if shape.len() < 2 {
            let why =
                format!("`{}` {shape:?} is no matrix and has no spectral norm", self.weight.name);
            return Err(BuildError::Setting { layer, why });
        }
        if self.vectors.is_none() {
            self.vectors = Some(Vectors::new(weight, axis));
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

impl<L: Layer<T>, T: Float> Module<T> for SpectralNorm<L, T> {
    fn visit<'m>(&'m self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &'m Param<T>)) {
        self.inner.visit(path, f);
        if let Some(Vectors { u, v }) = &self.vectors {
            u.visit(path.field(&self.names[0]), f);
            v.visit(path.field(&self.names[1]), f);
        }
    }
    fn visit_mut(&mut self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &mut Param<T>)) {
        self.inner.visit_mut(path, f);
        if let Some(Vectors { u, v }) = &mut self.vectors {
            u.visit_mut(path.field(&self.names[0]), f);
            v.visit_mut(path.field(&self.names[1]), f);
        }
        self.start();
    }
}
