//! Features from 0 to 1.

use gradus_autograd::{Float, Tensor};

use super::affine::Affine;
use crate::{DataError, Dataset, Preprocess};

/// `(x − min) / (max − min)` for each feature, stretched to a range: 0 to 1 unless
/// [`MinMaxScaler::range`] says otherwise. Numbers beyond those of the fit go beyond the range.
///
/// A constant feature becomes the lower end, as in scikit-learn.
///
/// ```
/// use gradus_autograd::Tensor;
/// use gradus_data::{Dataset, MinMaxScaler, Preprocess};
/// # fn main() -> Result<(), gradus_data::DataError> {
/// let mut train: Dataset =
///     Dataset::new(Tensor::from([[1., 5.], [2., 5.], [3., 5.]]), Tensor::ones(&[3]))?;
/// let scaler = MinMaxScaler::fit(&train)?.range(-1.0, 1.0);
/// scaler.apply(&mut train)?;
/// assert_eq!(train.x().to_vec(), [-1., -1., 0., -1., 1., -1.]);
/// assert_eq!(scaler.inverse(train.x())?.to_vec(), [1., 5., 2., 5., 3., 5.]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MinMaxScaler {
    affine: Affine,
    low: f64,
    high: f64,
}

impl MinMaxScaler {
    /// Learns the smallest and the largest number of each feature.
    ///
    /// # Errors
    /// When a feature is not finite, or its range is beyond what 64 bits can hold.
    pub fn fit<T: Float>(train: &Dataset<T>) -> Result<Self, DataError> {
        let ends = |sorted: &[f64]| (sorted[0], sorted[sorted.len() - 1] - sorted[0]);
        Ok(MinMaxScaler { affine: Affine::of_sorted(train, ends)?, low: 0.0, high: 1.0 })
    }

    /// From `low` to `high`, instead of from 0 to 1.
    ///
    /// # Panics
    /// When `low` is not below `high`, or one is not finite.
    #[track_caller]
    pub fn range(self, low: f64, high: f64) -> Self {
        let (wide, finite) = (low < high, (high - low).is_finite());
        assert!(wide && finite, "range: from {low} to {high}: they must be finite and ascending");
        MinMaxScaler { low, high, ..self }
    }

    /// The smallest number of each feature, in the shape of a sample.
    pub fn min(&self) -> &Tensor<f64> {
        &self.affine.center
    }

    /// What each feature is divided by: its largest number minus its smallest, or 1 if it is constant.
    pub fn spread(&self) -> &Tensor<f64> {
        &self.affine.scale
    }
}

impl<T: Float> Preprocess<T> for MinMaxScaler {
    fn transform(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError> {
        let width = self.high - self.low;
        self.affine.each(x, |x, min, spread| (x - min) / spread * width + self.low)
    }

    fn inverse(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError> {
        let width = self.high - self.low;
        self.affine.each(x, |x, min, spread| (x - self.low) / width * spread + min)
    }
}
