//! Adafactor.

use gradus_autograd::{Float, Var};
use smallvec::smallvec;

use crate::formula::hyperparameters;
use crate::tensorwise::{States, length, tensorwise};
use crate::{TensorRule, Tensorwise};

/// The hyperparameters of [`Adafactor`].
#[derive(Clone, Debug, PartialEq)]
pub struct AdafactorHyper {
    /// The learning rate, relative to the size of the weights; the rate of step t is at most 1/√t.
    pub lr: f64,
    /// The mean squares take t to this power of the new ones.
    pub beta2_decay: f64,
    /// The least mean square, ε₁²; 0 for the machine epsilon of the type, squared.
    pub epsilon1: f64,
    /// The least size of the weights of a tensor, ε₂.
    pub epsilon2: f64,
    /// The root mean square of an update is at most this.
    pub threshold: f64,
    /// λ of the decoupled decay.
    pub weight_decay: f64,
}

/// Adafactor (Shazeer and Stern 2018), in the form of PyTorch: the second moment of a matrix is kept as the means of
/// its rows and columns, there is no first moment, and steps are relative to the root mean square of the weights. Of
/// tensors of more dimensions, the last two are rows and columns; vectors have all of their second moment.
///
/// ```
/// use gradus_optim::Adafactor;
/// let adafactor: Adafactor = Adafactor::new(1e-2);
/// assert_eq!(adafactor.hyper().beta2_decay, -0.8);
/// ```
pub type Adafactor<T = f32> = Tensorwise<AdafactorHyper, T>;

impl<T: Float> Adafactor<T> {
    /// t^−0.8, ε₂ = 1e-3, a threshold of 1, no decay.
    ///
    /// # Panics
    /// When the learning rate is negative or not finite.
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        Tensorwise::with_rule(AdafactorHyper {
            lr,
            beta2_decay: -0.8,
            epsilon1: 0.0,
            epsilon2: 1e-3,
            threshold: 1.0,
            weight_decay: 0.0,
        })
    }
}

tensorwise!(Adafactor {
    /// See [`AdafactorHyper::beta2_decay`].
    beta2_decay: f64,
    /// See [`AdafactorHyper::epsilon1`].
    epsilon1: f64,
    /// See [`AdafactorHyper::epsilon2`].
    epsilon2: f64,
    /// See [`AdafactorHyper::threshold`]: PyTorch's `d`.
    threshold: f64,
    /// λ of a decay that takes lr·λ·w from a weight.
    weight_decay: f64,
});

hyperparameters!(
    AdafactorHyper,
    |_h| 2,
    [lr, beta2_decay, epsilon1, epsilon2, threshold, weight_decay],
    {
        /// The means of the rows `[.., n, 1]` and of the columns `[.., 1, m]`; of a vector its mean squares, and nothing.
        fn moment_shapes(&self, shape: &[usize]) -> Vec<Vec<usize>> {
            let (mut rows, mut columns) = (shape.to_vec(), shape.to_vec());
            match shape.len() {
                0 | 1 => columns = vec![0],
                rank => (rows[rank - 1], columns[rank - 2]) = (1, 1),
            }
            vec![rows, columns]
        }
    }
);

impl TensorRule for AdafactorHyper {
    fn update<'t, T: Float>(
        &self,
        step: u64,
        p: Var<'t, T>,
        moments: &[Var<'t, T>],
        g: Var<'t, T>,
    ) -> States<'t, T> {
        let (t, count) = (step as f64, (p.value().len().max(1) as f64).sqrt());
        let new = t.powf(self.beta2_decay);
        let mean = |old: Var<'t, T>, squares: Var<'t, T>| old * (1.0 - new) + squares * new;
        let machine =
            if size_of::<T>() == size_of::<f32>() { f32::EPSILON.into() } else { f64::EPSILON };
        let least = if self.epsilon1 == 0.0 { machine } else { self.epsilon1 };
        let floor = |x: Var<'t, T>, least: f64| x.maximum(p.tape().number(least));
        let squares = g * g;
        let (rows, columns, estimate) = match p.rank() {
            0 | 1 => {
                let all = mean(moments[0], squares);
                (all, moments[1], all)
            }
            _ => {
                let mean_over = |x: Var<'t, T>, axis: isize, like: Var<'t, T>| {
                    x.mean_axes(&[axis]).reshape(&like.shape())
                };
                let rows = mean(moments[0], mean_over(squares, -1, moments[0]));
                let columns = mean(moments[1], mean_over(squares, -2, moments[1]));
                let mut one = rows.shape().to_vec();
                one[p.rank() - 2] = 1;
                let total = floor(rows.mean_axes(&[-2]).reshape(&one), least);
                (rows, columns, rows / total * columns)
            }
        };
        let update = g / floor(estimate, least * least).sqrt();
        let size = (length(update) / (count * self.threshold)).max(1.0);
        let rate = (length(p) / count).max(self.epsilon2) * self.lr.min(1.0 / t.sqrt());
        let p = p * (1.0 - self.lr * self.weight_decay) - update * (rate / size);
        smallvec![p, rows, columns]
    }
}
