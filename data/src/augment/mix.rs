//! Two samples in one, with the targets of both.

use gradus_autograd::{Float, Rng};

use super::Transform;
use super::image::Image;

/// A weighted mean of two samples of the batch and of their targets (Zhang et al. 2018, "mixup"). The targets must be
/// such that a mean makes sense: probabilities of classes (one-hot), 0 or 1, or quantities.
#[derive(Clone, Copy, Debug)]
pub struct MixUp {
    alpha: f64,
}

impl MixUp {
    /// The weight comes from the Beta distribution (alpha, alpha): the smaller alpha, the more one of the two prevails.
    /// Keras' default is 0.2, torchvision's 1.
    ///
    /// # Panics
    /// When alpha is not above 0, or not finite.
    #[track_caller]
    pub fn new(alpha: f64) -> Self {
        MixUp { alpha: above_zero("MixUp", alpha) }
    }
}

impl<T: Float> Transform<T> for MixUp {
    fn apply(&self, image: &mut Image<'_, T>, rng: &mut Rng) {
        let weight = beta(rng, self.alpha);
        let (x, y) = image.other(rng.below(image.batch_len()));
        mix(image.pixels(), x, weight);
        mix(image.target(), y, weight);
    }
    fn mixes(&self) -> bool {
        true
    }
}

/// A rectangle of another sample of the batch in its place, and the targets mixed by area (Yun et al. 2019, "CutMix").
/// For targets as those of [`MixUp`].
#[derive(Clone, Copy, Debug)]
pub struct CutMix {
    alpha: f64,
}

impl CutMix {
    /// The share that stays comes from the Beta distribution (alpha, alpha); 1 in the paper, which is uniform.
    ///
    /// # Panics
    /// When alpha is not above 0, or not finite.
    #[track_caller]
    pub fn new(alpha: f64) -> Self {
        CutMix { alpha: above_zero("CutMix", alpha) }
    }
}

impl<T: Float> Transform<T> for CutMix {
    fn apply(&self, image: &mut Image<'_, T>, rng: &mut Rng) {
        let [_, height, width] = image.shape();
        let side = (1.0 - beta(rng, self.alpha)).sqrt();
        let (x, y) = image.other(rng.below(image.batch_len()));
        // The centre lies anywhere, and what lies outside is cut off.
        let mut range = |size: usize| {
            let (half, centre) = (0.5 * side * size as f64, rng.uniform() * size as f64);
            let [from, to] =
                [centre - half, centre + half].map(|x| x.round().clamp(0.0, size as f64));
            from as usize..to as usize
        };
        let (rows, columns) = (range(height), range(width));
        let planes = image.pixels().chunks_exact_mut(height * width);
        for (plane, other) in planes.zip(x.chunks_exact(height * width)) {
            for row in rows.clone() {
                let part = row * width + columns.start..row * width + columns.end;
                plane[part.clone()].copy_from_slice(&other[part]);
            }
        }
        let taken = (rows.len() * columns.len()) as f64 / (height * width) as f64;
        mix(image.target(), y, 1.0 - taken);
    }
    fn mixes(&self) -> bool {
        true
    }
}

/// a = weight·a + (1 − weight)·b
fn mix<T: Float>(a: &mut [T], b: &[T], weight: f64) {
    let (stays, comes) = (T::of(weight), T::of(1.0 - weight));
    a.iter_mut().zip(b).for_each(|(a, &b)| *a = stays * *a + comes * b);
}

/// A number of the Beta distribution (alpha, alpha).
fn beta(rng: &mut Rng, alpha: f64) -> f64 {
    let (a, b) = (ln_gamma_variate(rng, alpha), ln_gamma_variate(rng, alpha));
    1.0 / (1.0 + (b - a).exp())
}

/// The logarithm of a number of the Gamma distribution (Marsaglia and Tsang 2000): for a small shape the number itself
/// would be 0.
fn ln_gamma_variate(rng: &mut Rng, shape: f64) -> f64 {
    if shape < 1.0 {
        let less = (1.0 - rng.uniform()).ln() / shape;
        return ln_gamma_variate(rng, shape + 1.0) + less;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = rng.normal();
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && (1.0 - rng.uniform()).ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
            return (d * v).ln();
        }
    }
}

#[track_caller]
fn above_zero(transform: &str, alpha: f64) -> f64 {
    let fits = alpha > 0.0 && alpha.is_finite();
    assert!(fits, "{transform}: alpha {alpha} is not above 0, or not finite");
    alpha
}
