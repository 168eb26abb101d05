//! Features with median 0 and interquartile range 1.

use gradus_autograd::{Float, Tensor};

use super::affine::Affine;
use crate::{DataError, Dataset, Preprocess};

/// `(x − median) / (q₃ − q₁)` for each feature: outliers, which drag a mean and a standard deviation
/// along, change nothing here.
///
/// Quantiles are interpolated linearly between neighbours, as in NumPy and scikit-learn. A feature
/// whose quartiles are equal is divided by 1.
///
/// ```
/// use gradus_autograd::Tensor;
/// use gradus_data::{Dataset, Preprocess, RobustScaler};
/// # fn main() -> Result<(), gradus_data::DataError> {
/// let x = Tensor::from([[1.], [2.], [3.], [4.], [1000.]]);
/// let train: Dataset = Dataset::new(x.clone(), x)?;
/// let scaler = RobustScaler::fit(&train)?;
/// assert_eq!(scaler.transform(train.x())?.to_vec(), [-1., -0.5, 0., 0.5, 498.5]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RobustScaler(Affine);

impl RobustScaler {
    /// Learns the median and the quartiles of each feature.
    ///
    /// # Errors
    /// When a feature is not finite, or its range is beyond what 64 bits can hold.
    pub fn fit<T: Float>(train: &Dataset<T>) -> Result<Self, DataError> {
        RobustScaler::fit_quantiles(train, 0.25, 0.75)
    }

    /// As [`RobustScaler::fit`], with other quantiles than the quartiles.
    ///
    /// # Errors
    /// Those of [`RobustScaler::fit`].
    ///
    /// # Panics
    /// When not 0 ≤ `low` < `high` ≤ 1.
    #[track_caller]
    pub fn fit_quantiles<T: Float>(
        train: &Dataset<T>,
        low: f64,
        high: f64,
    ) -> Result<Self, DataError> {
        let fits = 0.0 <= low && low < high && high <= 1.0;
        assert!(fits, "fit_quantiles: from {low} to {high}: it must be 0 ≤ low < high ≤ 1");
        let learn = |sorted: &[f64]| {
            (quantile(sorted, 0.5), quantile(sorted, high) - quantile(sorted, low))
        };
        Affine::of_sorted(train, learn).map(RobustScaler)
    }

    /// The median of each feature, in the shape of a sample.
    pub fn median(&self) -> &Tensor<f64> {
        &self.0.center
    }

    /// What each feature is divided by: the distance of its quantiles, or 1 if they are equal.
    pub fn spread(&self) -> &Tensor<f64> {
        &self.0.scale
    }
}

impl<T: Float> Preprocess<T> for RobustScaler {
    fn transform(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError> {
        self.0.each(x, |x, median, spread| (x - median) / spread)
    }

    fn inverse(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError> {
        self.0.each(x, |x, median, spread| x * spread + median)
    }
}

/// The number that `part` of the sorted numbers lie below; there is at least one.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let at = part * (sorted.len() - 1) as f64;
    let (below, part) = (at.floor() as usize, at.fract());
    let (low, high) = (sorted[below], sorted[(below + 1).min(sorted.len() - 1)]);
    // NumPy's way to interpolate, which is exact at both ends.
    match part < 0.5 {
        true => low + (high - low) * part,
        false => high - (high - low) * (1.0 - part),
    }
}
