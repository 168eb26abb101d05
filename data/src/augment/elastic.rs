//! Warps that no matrix describes.

use gradus_autograd::{Float, Rng};

use super::geometry::not_negative;
use super::image::Image;
use super::{Transform, between};

/// Every pixel moves a little its own way, neighbours nearly alike, as handwriting varies (Simard, Steinkraus and Platt
/// 2003): uniform displacements, smoothed by a Gaussian and multiplied, as torchvision.
#[derive(Clone, Copy, Debug)]
pub struct ElasticTransform {
    alpha: f64,
    sigma: f64,
}

impl ElasticTransform {
    /// The factor of the displacements, and the standard deviation of the Gaussian in pixels. With alpha 8 and sigma 3, a
    /// digit of 28 × 28 looks written by another hand.
    ///
    /// # Panics
    /// When alpha is negative or sigma not above 0, or one not finite.
    #[track_caller]
    pub fn new(alpha: f64, sigma: f64) -> Self {
        not_negative("ElasticTransform", "alpha", alpha);
        let fits = sigma > 0.0 && sigma.is_finite();
        assert!(fits, "ElasticTransform: sigma {sigma} is not above 0, or not finite");
        ElasticTransform { alpha, sigma }
    }
}

impl<T: Float> Transform<T> for ElasticTransform {
    fn apply(&self, image: &mut Image<'_, T>, rng: &mut Rng) {
        let [_, height, width] = image.shape();
        let weights: Vec<f64> = (0..=(4.0 * self.sigma).ceil().min(height.max(width) as f64)
            as usize)
            .map(|at| (-0.5 * (at as f64 / self.sigma).powi(2)).exp())
            .collect();
        let mut field = || {
            let drawn: Vec<f64> = (0..height * width).map(|_| between(rng, -1.0, 1.0)).collect();
            // Both passes transpose, so that the second one smooths along the other axis.
            smooth(&smooth(&drawn, width, &weights), height, &weights)
        };
        let (by_x, by_y) = (field(), field());
        let mut at = 0;
        image.displace(|[x, y]| {
            at += 1;
            [x + self.alpha * by_x[at - 1], y + self.alpha * by_y[at - 1]]
        });
    }
}

/// The weighted means along rows of `width` numbers, transposed; where neighbours lack, of those that are there.
fn smooth(field: &[f64], width: usize, weights: &[f64]) -> Vec<f64> {
    let (height, reach) = (field.len() / width, weights.len() - 1);
    let mut smoothed = vec![0.0; field.len()];
    for (i, row) in field.chunks_exact(width).enumerate() {
        for j in 0..width {
            let (mut sum, mut total) = (0.0, 0.0);
            for k in j.saturating_sub(reach)..width.min(j + reach + 1) {
                let weight = weights[k.abs_diff(j)];
                sum += weight * row[k];
                total += weight;
            }
            smoothed[j * height + i] = sum / total;
        }
    }
    smoothed
}
