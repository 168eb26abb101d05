//! Features with mean 0 and standard deviation 1.

use gradus_autograd::{Float, Tensor};

use super::affine::{Affine, each_row};
use crate::{DataError, Dataset, Preprocess};

/// `(x − mean) / std` for each feature, with the mean and the standard deviation of the data it was
/// fitted on: the training part, never the parts that it is tested on.
///
/// The variance is the biased one (divided by n), as in scikit-learn. A constant feature becomes 0:
/// its `std` counts as 1. A feature is a position within a sample, whatever the sample's shape.
/// Everything is computed in 64 bits.
///
/// ```
/// use gradus_autograd::Tensor;
/// use gradus_data::{Dataset, Preprocess, StandardScaler};
/// # fn main() -> Result<(), gradus_data::DataError> {
/// let mut train: Dataset =
///     Dataset::new(Tensor::from([[1., 5.], [3., 5.]]), Tensor::from([[0.], [1.]]))?;
/// let scaler = StandardScaler::fit(&train)?;
/// assert_eq!(scaler.mean().to_vec(), [2., 5.]);
/// assert_eq!(scaler.std().to_vec(), [1., 1.]);
///
/// scaler.apply(&mut train)?;
/// assert_eq!(train.x().to_vec(), [-1., 0., 1., 0.]);
///
/// let seen_later = scaler.transform(&Tensor::<f32>::from([[4., 6.]]))?;
/// assert_eq!(seen_later.to_vec(), [2., 1.]);
/// assert_eq!(scaler.inverse(&seen_later)?.to_vec(), [4., 6.]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct StandardScaler(Affine);

/// What is known of one feature.
#[derive(Clone, Copy)]
struct Spread {
    low: f64,
    high: f64,
    sum: f64,
    mean: f64,
    squares: f64,
}

impl Spread {
    /// The largest distance from the mean.
    fn reach(&self) -> f64 {
        (self.high - self.mean).max(self.mean - self.low)
    }
}

impl StandardScaler {
    /// Learns the mean and the standard deviation of each feature.
    ///
    /// # Errors
    /// When a feature is not finite, or beyond what a 64-bit mean and spread can hold.
    pub fn fit<T: Float>(train: &Dataset<T>) -> Result<Self, DataError> {
        train.check_finite()?;
        let (sample, count) = (&train.x().shape()[1..], train.len() as f64);
        let width = sample.iter().product();
        let fresh =
            Spread { low: f64::INFINITY, high: -f64::INFINITY, sum: 0.0, mean: 0.0, squares: 0.0 };
        let mut all = vec![fresh; width];

        each_row(train.x(), |row| {
            for (spread, x) in all.iter_mut().zip(row) {
                let x = x.to_f64();
                spread.low = spread.low.min(x);
                spread.high = spread.high.max(x);
                spread.sum += x;
            }
        });
        for spread in &mut all {
            // Rounding may carry the mean of equal numbers away from them.
            spread.mean = (spread.sum / count).clamp(spread.low, spread.high);
        }
        each_row(train.x(), |row| {
            for (spread, x) in all.iter_mut().zip(row) {
                // Relative to the largest distance, so that no square over- or underflows.
                let part = (x.to_f64() - spread.mean) / spread.reach();
                spread.squares += part * part;
            }
        });

        let std = |spread: &Spread| match spread.low == spread.high {
            true => 1.0,
            false => spread.reach() * (spread.squares / count).sqrt(),
        };
        let stds: Vec<f64> = all.iter().map(std).collect();
        let usable = |(spread, std): (&Spread, &f64)| {
            spread.sum.is_finite() && std.is_finite() && *std > 0.0
        };
        if let Some(feature) = all.iter().zip(&stds).position(|each| !usable(each)) {
            return Err(DataError::ScaleOverflow { feature });
        }
        let means = all.iter().map(|spread| spread.mean).collect();
        Ok(StandardScaler(Affine {
            center: Tensor::new(sample, means),
            scale: Tensor::new(sample, stds),
        }))
    }

    /// The mean of each feature, in the shape of a sample.
    pub fn mean(&self) -> &Tensor<f64> {
        &self.0.center
    }

    /// What each feature is divided by: its standard deviation, or 1 if it is constant.
    pub fn std(&self) -> &Tensor<f64> {
        &self.0.scale
    }
}

impl<T: Float> Preprocess<T> for StandardScaler {
    fn transform(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError> {
        self.0.each(x, |x, mean, std| (x - mean) / std)
    }

    fn inverse(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError> {
        self.0.each(x, |x, mean, std| x * std + mean)
    }
}
