//! Initialisers: the first values of parameters.
//!
//! Fans are those of the layout that is stored: a kernel `[.., inputs, outputs]` has fan-in
//! receptive field · inputs and fan-out receptive field · outputs, the receptive field being the
//! product of the axes before.

pub use gradus_autograd::Initializer;

use gradus_autograd::{Float, Module, Path, Rng, Tape, Tensor, Var};

/// The standard deviation of a standard normal truncated at ±2; drawing from σ/this, truncated,
/// gives σ. As in Keras and JAX.
const TRUNCATED_STD: f64 = 0.879_625_661_034_239_8;

/// Fan-in and fan-out of a kernel `[.., inputs, outputs]`. A vector counts as both.
pub fn fans(shape: &[usize]) -> (f64, f64) {
    match shape {
        [] => (1.0, 1.0),
        [n] => (*n as f64, *n as f64),
        [field @ .., inputs, outputs] => {
            let field: usize = field.iter().product();
            ((field * inputs) as f64, (field * outputs) as f64)
        }
    }
}

/// A standard normal number within ±2.
fn truncated(rng: &mut Rng) -> f64 {
    loop {
        let x = rng.normal();
        if x.abs() <= 2.0 {
            return x;
        }
    }
}

fn draw<T: Float>(shape: &[usize], mut next: impl FnMut() -> f64) -> Tensor<T> {
    Tensor::from_fn(shape, |_| T::of(next()))
}

/// Scales the first values of parameters on a tape by variables, w = gain·σ·ε, so that a gain can be learned:
/// from now on a parameter for whose path `gain` gives a variable stands for its value times that.
///
/// ```
/// use gradus_autograd::{Module, Tape, Tensor};
/// use gradus_nn::{Dense, Layer, init::scale_init};
/// let dense = Dense::<f64>::new(4).inputs(3).init(1);
/// let tape = Tape::new();
/// let gain = tape.var(Tensor::scalar(1.5));
/// scale_init(&dense, &tape, |path| (path == "kernel").then_some(gain));
/// let y = dense.forward(tape.constant(Tensor::ones(&[1, 3]))).sum();
/// assert!((y.backward()[gain].item() * 1.5 - y.item()).abs() < 1e-12);
/// ```
pub fn scale_init<'t, T: Float>(
    model: &(impl Module<T> + ?Sized),
    tape: &'t Tape<T>,
    gain: impl Fn(&str) -> Option<Var<'t, T>>,
) {
    model.visit(Path::root(), &mut |path, param| {
        if let Some(gain) = gain(&path.to_string()) {
            tape.rebind(param, tape.param(param) * gain);
        }
    });
}

/// All zeros.
#[derive(Clone, Copy, Debug)]
pub struct Zeros;

impl<T: Float> Initializer<T> for Zeros {
    fn sample(&self, shape: &[usize], _: &mut Rng) -> Tensor<T> {
        Tensor::zeros(shape)
    }
}

/// All ones.
#[derive(Clone, Copy, Debug)]
pub struct Ones;

impl<T: Float> Initializer<T> for Ones {
    fn sample(&self, shape: &[usize], _: &mut Rng) -> Tensor<T> {
        Tensor::ones(shape)
    }
}

/// All the same number.
#[derive(Clone, Copy, Debug)]
pub struct Constant(pub f64);

impl<T: Float> Initializer<T> for Constant {
    fn sample(&self, shape: &[usize], _: &mut Rng) -> Tensor<T> {
        Tensor::full(shape, T::of(self.0))
    }
}

/// Normal with the given mean and standard deviation.
#[derive(Clone, Copy, Debug)]
pub struct Normal {
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub std: f64,
}

impl<T: Float> Initializer<T> for Normal {
    fn sample(&self, shape: &[usize], rng: &mut Rng) -> Tensor<T> {
        draw(shape, || self.mean + self.std * rng.normal())
    }
}

/// Normal, redrawn beyond two standard deviations; as Keras' `TruncatedNormal`, the standard deviation is
/// that before truncation.
#[derive(Clone, Copy, Debug)]
pub struct TruncatedNormal {
    /// The mean.
    pub mean: f64,
    /// The standard deviation before truncation.
    pub std: f64,
}

impl<T: Float> Initializer<T> for TruncatedNormal {
    fn sample(&self, shape: &[usize], rng: &mut Rng) -> Tensor<T> {
        draw(shape, || self.mean + self.std * truncated(rng))
    }
}

/// Uniform in [low, high).
#[derive(Clone, Copy, Debug)]
pub struct Uniform {
    /// The smallest value.
    pub low: f64,
    /// The end, not reached.
    pub high: f64,
}

impl<T: Float> Initializer<T> for Uniform {
    fn sample(&self, shape: &[usize], rng: &mut Rng) -> Tensor<T> {
        Tensor::rand(shape, self.low, self.high, rng)
    }
}

macro_rules! scaled {
    ($($(#[$doc:meta])* $name:ident: $variance:expr, $kind:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl<T: Float> Initializer<T> for $name {
            fn sample(&self, shape: &[usize], rng: &mut Rng) -> Tensor<T> {
                let variance: fn(f64, f64) -> f64 = $variance;
                let (inputs, outputs) = fans(shape);
                $kind(shape, variance(inputs.max(1.0), outputs.max(1.0)).sqrt(), rng)
            }
        }
    )*};
}

fn uniform<T: Float>(shape: &[usize], std: f64, rng: &mut Rng) -> Tensor<T> {
    let limit = std * 3.0_f64.sqrt();
    Tensor::rand(shape, -limit, limit, rng)
}

fn normal<T: Float>(shape: &[usize], std: f64, rng: &mut Rng) -> Tensor<T> {
    draw(shape, || std * rng.normal())
}

fn truncated_normal<T: Float>(shape: &[usize], std: f64, rng: &mut Rng) -> Tensor<T> {
    draw(shape, || std / TRUNCATED_STD * truncated(rng))
}

scaled! {
    /// Uniform with variance 2/(fan-in + fan-out) (Glorot and Bengio 2010); PyTorch's `xavier_uniform_`.
    GlorotUniform: |i, o| 2.0 / (i + o), uniform;
    /// Truncated normal with variance 2/(fan-in + fan-out), as Keras and JAX.
    GlorotNormal: |i, o| 2.0 / (i + o), truncated_normal;
    /// Plain normal with variance 2/(fan-in + fan-out): PyTorch's `xavier_normal_`.
    XavierNormal: |i, o| 2.0 / (i + o), normal;
    /// Uniform with variance 2/fan-in (He et al. 2015); PyTorch's `kaiming_uniform_` for ReLU.
    HeUniform: |i, _| 2.0 / i, uniform;
    /// Truncated normal with variance 2/fan-in, as Keras and JAX.
    HeNormal: |i, _| 2.0 / i, truncated_normal;
    /// Plain normal with variance 2/fan-in: PyTorch's `kaiming_normal_` for ReLU.
    KaimingNormal: |i, _| 2.0 / i, normal;
    /// Uniform with variance 1/fan-in (LeCun et al. 1998).
    LecunUniform: |i, _| 1.0 / i, uniform;
    /// Truncated normal with variance 1/fan-in, as Keras and JAX; for SELU.
    LecunNormal: |i, _| 1.0 / i, truncated_normal;
}

/// What a variance is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FanMode {
    /// The number of inputs of a unit: values keep their size.
    In,
    /// The number of units that an input goes to: gradients keep theirs.
    Out,
    /// The mean of both.
    Average,
}

/// How values are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Evenly.
    Uniform,
    /// Normal.
    Normal,
    /// Normal within two standard deviations, with the variance asked for after the cut.
    TruncatedNormal,
}

/// Variance `scale` / fan, with the fan and the distribution of choice: what all of Glorot's, He's and LeCun's are
/// instances of (Keras' `VarianceScaling`; PyTorch's `kaiming_*_` with `scale` = gain²).
#[derive(Clone, Copy, Debug)]
pub struct VarianceScaling {
    /// The variance times the fan.
    pub scale: f64,
    /// Which fan.
    pub mode: FanMode,
    /// Which distribution.
    pub distribution: Distribution,
}

impl<T: Float> Initializer<T> for VarianceScaling {
    fn sample(&self, shape: &[usize], rng: &mut Rng) -> Tensor<T> {
        let (inputs, outputs) = fans(shape);
        let fan = match self.mode {
            FanMode::In => inputs,
            FanMode::Out => outputs,
            FanMode::Average => (inputs + outputs) / 2.0,
        };
        let std = (self.scale / fan.max(1.0)).sqrt();
        match self.distribution {
            Distribution::Uniform => uniform(shape, std, rng),
            Distribution::Normal => normal(shape, std, rng),
            Distribution::TruncatedNormal => truncated_normal(shape, std, rng),
        }
    }
}

/// `gain` times a matrix with orthonormal columns, or rows if these are fewer; `[.., inputs, outputs]` as
/// `[..·inputs, outputs]` (Saxe et al. 2013). By the Gram-Schmidt process, twice over, of normal numbers.
#[derive(Clone, Copy, Debug)]
pub struct Orthogonal {
    /// What the orthonormal matrix is multiplied with.
    pub gain: f64,
}

impl Default for Orthogonal {
    fn default() -> Self {
        Orthogonal { gain: 1.0 }
    }
}

impl<T: Float> Initializer<T> for Orthogonal {
    fn sample(&self, shape: &[usize], rng: &mut Rng) -> Tensor<T> {
        let columns = shape.last().copied().unwrap_or(1).max(1);
        let rows = shape.iter().product::<usize>() / columns;
        let (count, length) = (rows.min(columns), rows.max(columns));
        let mut all: Vec<Vec<f64>> = Vec::with_capacity(count);
        while all.len() < count {
            let mut v: Vec<f64> = (0..length).map(|_| rng.normal()).collect();
            for _ in 0..2 {
                for u in &all {
                    let dot: f64 = std::iter::zip(u, &v).map(|(u, v)| u * v).sum();
                    std::iter::zip(&mut v, u).for_each(|(v, u)| *v -= dot * u);
                }
            }
            let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
            if norm > 1e-6 {
                v.iter_mut().for_each(|x| *x /= norm);
                all.push(v);
            }
        }
        let mut at = 0;
        Tensor::from_fn(shape, |_| {
            let (row, column) = (at / columns, at % columns);
            at += 1;
            let x = if rows >= columns { all[column][row] } else { all[row][column] };
            T::of(x * self.gain)
        })
    }
}

/// `gain` on the diagonal of a matrix, and zeros (Keras' `Identity`, PyTorch's `eye_`).
#[derive(Clone, Copy, Debug)]
pub struct Eye {
    /// The number on the diagonal.
    pub gain: f64,
}

impl<T: Float> Initializer<T> for Eye {
    fn sample(&self, shape: &[usize], _: &mut Rng) -> Tensor<T> {
        Tensor::from_fn(shape, |at| match at {
            [.., row, column] if row == column => T::of(self.gain),
            _ => T::ZERO,
        })
    }
}

/// A kernel `[.., inputs, outputs]` of a convolution that hands on its channels: 1 in the middle of each (PyTorch's
/// `dirac_`).
#[derive(Clone, Copy, Debug)]
pub struct Dirac;

impl<T: Float> Initializer<T> for Dirac {
    fn sample(&self, shape: &[usize], _: &mut Rng) -> Tensor<T> {
        let field = shape.len().saturating_sub(2);
        Tensor::from_fn(shape, |at| {
            let centre = (0..field).all(|axis| at[axis] == shape[axis] / 2);
            let same = at.len() >= 2 && at[field] == at[field + 1];
            if centre && same { T::ONE } else { T::ZERO }
        })
    }
}

/// Normal numbers, of which in each column the part `sparsity` is 0 (Martens 2010).
#[derive(Clone, Copy, Debug)]
pub struct Sparse {
    /// The part of each column that is 0.
    pub sparsity: f64,
    /// The standard deviation of the others.
    pub std: f64,
}

impl<T: Float> Initializer<T> for Sparse {
    fn sample(&self, shape: &[usize], rng: &mut Rng) -> Tensor<T> {
        let columns = shape.last().copied().unwrap_or(1).max(1);
        let rows = shape.iter().product::<usize>() / columns;
        let zeros = ((rows as f64 * self.sparsity).ceil() as usize).min(rows);
        let mut x = vec![0.0; rows * columns];
        x.iter_mut().for_each(|x| *x = self.std * rng.normal());
        for column in 0..columns {
            // The first few of the rows in any order.
            let mut order: Vec<usize> = (0..rows).collect();
            for k in 0..zeros {
                order.swap(k, k + rng.below(rows - k));
                x[order[k] * columns + column] = 0.0;
            }
        }
        Tensor::new(shape, x.into_iter().map(T::of).collect())
    }
}
