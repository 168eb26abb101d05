//! Muon.

use gradus_autograd::{Float, Var};
use smallvec::smallvec;

use crate::formula::hyperparameters;
use crate::tensorwise::{States, elementwise, length, tensorwise};
use crate::{AdamHyper, TensorRule, Tensorwise};

/// Of the polynomial a·x + b·x³ + c·x⁵, whose iteration takes singular values to nearly 1.
const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];
/// The least norm of a direction.
const LEAST_NORM: f64 = 1e-7;

/// The hyperparameters of [`Muon`].
#[derive(Clone, Debug, PartialEq)]
pub struct MuonHyper {
    /// The learning rate of matrices.
    pub lr: f64,
    /// The weight of the old direction.
    pub momentum: f64,
    /// λ of the decoupled decay.
    pub weight_decay: f64,
    /// The learning rate of AdamW is this part of `lr`.
    pub adam_lr_ratio: f64,
    /// The weight of AdamW's old first moment.
    pub beta1: f64,
    /// The weight of AdamW's old second moment.
    pub beta2: f64,
    /// Added to the root of AdamW's second moment.
    pub epsilon: f64,
    /// Whether the momentum is Nesterov's.
    pub nesterov: bool,
    /// The steps of the iteration that makes a direction orthogonal.
    pub ns_steps: usize,
    /// Whether matrices are orthogonalised; else all goes to AdamW. For groups.
    pub orthogonal: bool,
}

/// Muon (Jordan et al. 2024), with the conventions of PyTorch: the direction of a matrix `[n, m]` is its momentum, made
/// orthogonal by Newton and Schulz' iteration, times √max(1, n/m). A tensor of more dimensions is taken as the matrix
/// of its first one and all others. Vectors and single numbers go to AdamW, whose rate is a part of Muon's, as
/// in Keras.
///
/// The first and the last layer are usually left to AdamW, too, and embeddings:
/// `.group(|path| path.starts_with("0."), |h| h.orthogonal = false)`.
///
/// ```
/// use gradus_optim::Muon;
/// let muon: Muon = Muon::new(0.02).adam_lr_ratio(0.1).weight_decay(0.01);
/// assert_eq!(muon.hyper().momentum, 0.95);
/// ```
pub type Muon<T = f32> = Tensorwise<MuonHyper, T>;

impl<T: Float> Muon<T> {
    /// Nesterov's momentum of 0.95, five iterations, a decay of 0.1; AdamW with a tenth of the rate, β₁ = 0.9,
    /// β₂ = 0.999, ε = 1e-8.
    ///
    /// # Panics
    /// When the learning rate is negative or not finite.
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        Tensorwise::with_rule(MuonHyper {
            lr,
            momentum: 0.95,
            weight_decay: 0.1,
            adam_lr_ratio: 0.1,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            nesterov: true,
            ns_steps: 5,
            orthogonal: true,
        })
    }
    /// The weights of AdamW's old moments.
    pub fn betas(self, beta1: f64, beta2: f64) -> Self {
        self.beta1(beta1).beta2(beta2)
    }
}

tensorwise!(Muon {
    /// The weight of the old direction.
    momentum: f64,
    /// λ of a decay that takes lr·λ·w from a weight.
    weight_decay: f64,
    /// See [`MuonHyper::adam_lr_ratio`].
    adam_lr_ratio: f64,
    /// The weight of AdamW's old first moment.
    beta1: f64,
    /// The weight of AdamW's old second moment.
    beta2: f64,
    /// What is added to the root of AdamW's second moment.
    epsilon: f64,
    /// Whether the momentum is Nesterov's.
    nesterov: bool,
    /// The steps of the iteration.
    ns_steps: usize,
});

impl MuonHyper {
    fn is_orthogonal(&self, rank: usize) -> bool {
        self.orthogonal && rank > 1
    }
}

hyperparameters!(
    MuonHyper,
    |_h| 2,
    [lr, momentum, weight_decay, adam_lr_ratio, beta1, beta2, epsilon],
    {
        /// The momentum, and nothing; or AdamW's.
        fn moment_shapes(&self, shape: &[usize]) -> Vec<Vec<usize>> {
            let second = if self.is_orthogonal(shape.len()) { vec![0] } else { shape.to_vec() };
            vec![shape.to_vec(), second]
        }
    }
);

impl TensorRule for MuonHyper {
    fn update<'t, T: Float>(
        &self,
        step: u64,
        p: Var<'t, T>,
        moments: &[Var<'t, T>],
        g: Var<'t, T>,
    ) -> States<'t, T> {
        let MuonHyper { lr, momentum, weight_decay, beta1, beta2, epsilon, .. } = *self;
        if !self.is_orthogonal(p.rank()) {
            let adam = AdamHyper {
                beta1,
                beta2,
                epsilon,
                weight_decay,
                decoupled: true,
                ..AdamHyper::new(lr * self.adam_lr_ratio)
            };
            return elementwise(&adam, step, p, moments, g);
        }
        let buffer = moments[0] * momentum + g * (1.0 - momentum);
        let direction =
            if self.nesterov { g * (1.0 - momentum) + buffer * momentum } else { buffer };
        let shape = p.shape().to_vec();
        let rows = shape[0];
        let columns = shape[1..].iter().product::<usize>();
        let matrix = orthogonal(direction.reshape(&[rows, columns]), self.ns_steps);
        let scale = (rows as f64 / columns.max(1) as f64).max(1.0).sqrt();
        let p = p * (1.0 - lr * weight_decay) - matrix.reshape(&shape) * (lr * scale);
        smallvec![p, buffer, moments[1]]
    }
}

/// A matrix with the singular vectors of `x` `[n, m]`, and singular values near 1.
fn orthogonal<'t, T: Float>(x: Var<'t, T>, steps: usize) -> Var<'t, T> {
    let is_tall = x.shape()[0] > x.shape()[1];
    // The smaller one of the two products.
    let mut x = if is_tall { x.t() } else { x };
    x = x / length(x).max(LEAST_NORM);
    let [a, b, c] = COEFFICIENTS;
    for _ in 0..steps {
        let square = x.matmul(x.t());
        x = x * a + (square * b + square.matmul(square) * c).matmul(x);
    }
    if is_tall { x.t() } else { x }
}
