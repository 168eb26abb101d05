//! Gaps filled with what is usual.

use gradus_autograd::{Float, Tensor};

use super::affine::{column, each_row};
use crate::{DataError, Dataset, Preprocess};

/// Gaps, which are NaN, filled with the mean of their feature in the training part, or the median, or
/// the most frequent number. What reads a file with gaps is [`Csv::missing`](crate::Csv::missing).
///
/// ```
/// use gradus_data::{Csv, Dataset, Missing, Preprocess, SimpleImputer, StandardScaler};
/// # fn main() -> Result<(), gradus_data::DataError> {
/// let file = "a,b,label\n1,2,0\n,4,1\n5,,1\n";
/// let mut data: Dataset = Csv::new().missing(Missing::Nan).read(file.as_bytes())?;
/// SimpleImputer::fit(&data)?.apply(&mut data)?;
/// assert_eq!(data.x().to_vec(), [1., 2., 3., 4., 5., 3.]);
///
/// // One after the other, as cross-validation takes it:
/// let fit = |train: &Dataset| {
///     let imputer = SimpleImputer::fit_median(train)?;
///     let mut filled = train.clone();
///     imputer.apply(&mut filled)?;
///     Ok::<_, gradus_data::DataError>((imputer, StandardScaler::fit(&filled)?))
/// };
/// fit(&data)?.apply(&mut data)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SimpleImputer {
    fill: Tensor<f64>,
}

impl SimpleImputer {
    /// Learns the mean of each feature, over the samples that have it.
    ///
    /// # Errors
    /// When no sample has a feature, and when one is infinite.
    pub fn fit<T: Float>(train: &Dataset<T>) -> Result<Self, DataError> {
        SimpleImputer::learn(train, |sorted| {
            // Divided first, so that no sum is too large.
            let mean: f64 = sorted.iter().map(|x| x / sorted.len() as f64).sum();
            mean.clamp(sorted[0], sorted[sorted.len() - 1])
        })
    }

    /// Learns the median of each feature: outliers change nothing.
    ///
    /// # Errors
    /// Those of [`SimpleImputer::fit`].
    pub fn fit_median<T: Float>(train: &Dataset<T>) -> Result<Self, DataError> {
        SimpleImputer::learn(train, |sorted| {
            let last = sorted.len() - 1;
            sorted[last / 2].midpoint(sorted[last.div_ceil(2)])
        })
    }

    /// Learns the most frequent number of each feature, of equals the smallest: for categories.
    ///
    /// # Errors
    /// Those of [`SimpleImputer::fit`].
    pub fn fit_most_frequent<T: Float>(train: &Dataset<T>) -> Result<Self, DataError> {
        SimpleImputer::learn(train, |sorted| {
            let runs = sorted.chunk_by(|a, b| a == b);
            // Of equals, `max_by_key` takes the last.
            runs.rev().max_by_key(|run| run.len()).map_or(0.0, |run| run[0])
        })
    }

    /// What the gaps of each feature are filled with, in the shape of a sample.
    pub fn fill(&self) -> &Tensor<f64> {
        &self.fill
    }

    fn learn<T: Float>(
        train: &Dataset<T>,
        usual: impl Fn(&[f64]) -> f64,
    ) -> Result<Self, DataError> {
        let sample = &train.x().shape()[1..];
        let fill = (0..sample.iter().product()).map(|feature| {
            let mut values = column(train.x(), feature);
            if let Some(sample) = values.iter().position(|x| x.is_infinite()) {
                let (name, value) = (train.feature_names().get(feature).cloned(), values[sample]);
                let index = vec![sample, feature];
                return Err(DataError::NonFinite { what: "x", index, name, value });
            }
            values.retain(|x| !x.is_nan());
            values.sort_unstable_by(f64::total_cmp);
            match values.is_empty() {
                true => Err(DataError::AllMissing { feature }),
                false => Ok(usual(&values)),
            }
        });
        let fill: Vec<f64> = fill.collect::<Result<_, _>>()?;
        Ok(SimpleImputer { fill: Tensor::new(sample, fill) })
    }
}

impl<T: Float> Preprocess<T> for SimpleImputer {
    fn transform(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError> {
        if x.shape().get(1..) != Some(self.fill.shape()) {
            let found = x.shape().get(1..).unwrap_or_default().to_vec();
            return Err(DataError::ScalerShape { fitted: self.fill.shape().to_vec(), found });
        }
        let fill = self.fill.to_vec();
        let mut new = Vec::with_capacity(x.len());
        each_row(x, |row| {
            let filled = row.iter().zip(&fill);
            new.extend(filled.map(|(&x, &fill)| if x.is_nan() { T::of(fill) } else { x }));
        });
        Ok(Tensor::new(x.shape(), new))
    }

    /// As they are: what was a gap is not known any more.
    fn inverse(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError> {
        Ok(x.clone())
    }
}
