//! A shift and a scale for each feature: what all scalers are. Computed in 64 bits.

use gradus_autograd::{Float, Tensor};

use crate::{DataError, Dataset};

/// (x − center) / scale for each feature, in the shape of a sample.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Affine {
    pub(super) center: Tensor<f64>,
    pub(super) scale: Tensor<f64>,
}

impl Affine {
    /// Learns center and scale of each feature from its numbers, which come sorted. A scale of 0,
    /// that of a constant feature, counts as 1.
    pub(super) fn of_sorted<T: Float>(
        train: &Dataset<T>,
        learn: impl Fn(&[f64]) -> (f64, f64),
    ) -> Result<Self, DataError> {
        train.check_finite()?;
        let sample = &train.x().shape()[1..];
        let width = sample.iter().product();
        let (mut center, mut scale) = (Vec::with_capacity(width), Vec::with_capacity(width));
        for feature in 0..width {
            let mut values = column(train.x(), feature);
            values.sort_unstable_by(f64::total_cmp);
            let (middle, spread) = learn(&values);
            if !middle.is_finite() || !spread.is_finite() {
                return Err(DataError::ScaleOverflow { feature });
            }
            center.push(middle);
            scale.push(if spread == 0.0 { 1.0 } else { spread });
        }
        Ok(Affine { center: Tensor::new(sample, center), scale: Tensor::new(sample, scale) })
    }

    /// `f(x, center, scale)` of each number.
    pub(super) fn each<T: Float>(
        &self,
        x: &Tensor<T>,
        f: impl Fn(f64, f64, f64) -> f64,
    ) -> Result<Tensor<T>, DataError> {
        if x.shape().get(1..) != Some(self.center.shape()) {
            let found = x.shape().get(1..).unwrap_or_default().to_vec();
            return Err(DataError::ScalerShape { fitted: self.center.shape().to_vec(), found });
        }
        let (centers, scales) = (self.center.to_vec(), self.scale.to_vec());
        let (mut scaled, width) = (x.clone(), centers.len().max(1));
        for row in scaled.make_mut().chunks_exact_mut(width) {
            for (feature, x) in row.iter_mut().enumerate() {
                let new = T::of(f(x.to_f64(), centers[feature], scales[feature]));
                if x.is_finite() && !new.is_finite() {
                    return Err(DataError::ScaleOverflow { feature });
                }
                *x = new;
            }
        }
        Ok(scaled)
    }
}

/// Calls `f` with each sample's numbers.
pub(super) fn each_row<T: Float>(x: &Tensor<T>, f: impl FnMut(&[T])) {
    let width = x.shape()[1..].iter().product::<usize>().max(1);
    let x = x.contiguous();
    x.as_slice().unwrap_or_default().chunks_exact(width).for_each(f);
}

/// The numbers of one feature, by its position in a sample.
pub(super) fn column<T: Float>(x: &Tensor<T>, feature: usize) -> Vec<f64> {
    let mut values = Vec::with_capacity(x.shape()[0]);
    each_row(x, |row| values.push(row[feature].to_f64()));
    values
}
