//! Other values at the same places.

use gradus_autograd::{Float, Rng, Tape, Tensor};

use super::geometry::{in_order, not_negative};
use super::image::Image;
use super::{Transform, between};

/// Adds a number between −factor and factor to all pixels, in the units of the pixels; what leaves the range of the
/// values is not cut off. Keras multiplies its factor by the width of `value_range`, 255 unless set, and cuts off: its
/// 0.2 is 51 for pixels from 0 to 255, and 0.2 for pixels from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub struct RandomBrightness {
    factor: f64,
}

impl RandomBrightness {
    /// The largest change.
    ///
    /// # Panics
    /// When it is negative or not finite.
    #[track_caller]
    pub fn new(factor: f64) -> Self {
        not_negative("RandomBrightness", "factor", factor);
        RandomBrightness { factor }
    }
}

impl<T: Float> Transform<T> for RandomBrightness {
    fn apply(&self, image: &mut Image<'_, T>, rng: &mut Rng) {
        let more = T::of(between(rng, -self.factor, self.factor));
        image.pixels().iter_mut().for_each(|x| *x += more);
    }
}

/// Stretches values about the mean of each channel, by a factor between 1 − factor and 1 + factor, as Keras; what leaves
/// the range of the values is not cut off.
#[derive(Clone, Copy, Debug)]
pub struct RandomContrast {
    factor: f64,
}

impl RandomContrast {
    /// The largest change of the factor.
    ///
    /// # Panics
    /// When it is not within 0 to 1: beyond, black could become white.
    #[track_caller]
    pub fn new(factor: f64) -> Self {
        let fits = (0.0..=1.0).contains(&factor);
        assert!(fits, "RandomContrast: factor {factor} is not within 0 to 1");
        RandomContrast { factor }
    }
}

impl<T: Float> Transform<T> for RandomContrast {
    fn apply(&self, image: &mut Image<'_, T>, rng: &mut Rng) {
        let factor = T::of(between(rng, 1.0 - self.factor, 1.0 + self.factor));
        let [_, height, width] = image.shape();
        for channel in image.pixels().chunks_exact_mut(height * width) {
            let sum: f64 = channel.iter().map(|x| x.to_f64()).sum();
            let mean = T::of(sum / channel.len() as f64);
            channel.iter_mut().for_each(|x| *x = (*x - mean) * factor + mean);
        }
    }
}

/// Adds an independent normal number to each pixel.
#[derive(Clone, Copy, Debug)]
pub struct GaussianNoise {
    stddev: f64,
}

impl GaussianNoise {
    /// The standard deviation.
    ///
    /// # Panics
    /// When it is negative or not finite.
    #[track_caller]
    pub fn new(stddev: f64) -> Self {
        not_negative("GaussianNoise", "stddev", stddev);
        GaussianNoise { stddev }
    }
}

impl<T: Float> Transform<T> for GaussianNoise {
    fn apply(&self, image: &mut Image<'_, T>, rng: &mut Rng) {
        let pixels = image.pixels();
        // Box and Muller: two uniform numbers give two normal ones, here a whole image at a time.
        let half = pixels.len().div_ceil(2);
        let tape = Tape::inference();
        let mut uniform = || {
            let mut u = Tensor::zeros(&[half]);
            u.make_mut().iter_mut().for_each(|u| *u = T::of(1.0 - rng.uniform()));
            tape.constant(u)
        };
        let radius = (uniform().ln() * (-2.0 * self.stddev * self.stddev)).sqrt();
        let angle = uniform() * std::f64::consts::TAU;
        let noise = [radius * angle.cos(), radius * angle.sin()].map(|noise| noise.value());
        for (pixels, noise) in pixels.chunks_mut(half).zip(&noise) {
            let noise = noise.as_slice().unwrap_or(&[]);
            pixels.iter_mut().zip(noise).for_each(|(x, &more)| *x += more);
        }
    }
}

/// Sets a rectangle of random area, shape and place to one value (Zhong et al. 2020, "Random Erasing"), as torchvision.
#[derive(Clone, Copy, Debug)]
pub struct RandomErasing {
    scale: [f64; 2],
    ratio: [f64; 2],
    value: f64,
}

impl Default for RandomErasing {
    fn default() -> Self {
        RandomErasing::new()
    }
}

impl RandomErasing {
    /// Between 0.02 and 0.33 of the area, between 0.3 and 3.3 times as wide as high, becomes 0.
    pub fn new() -> Self {
        RandomErasing { scale: [0.02, 0.33], ratio: [0.3, 3.3], value: 0.0 }
    }
    /// The smallest and the largest share of the area.
    ///
    /// # Panics
    /// When they are not above 0 and in order, or the largest is above 1.
    #[track_caller]
    pub fn scale(mut self, min: f64, max: f64) -> Self {
        in_order("RandomErasing", min, max);
        assert!(max <= 1.0, "RandomErasing: a part cannot have {max} of the area");
        self.scale = [min, max];
        self
    }
    /// The value instead of 0.
    pub fn value(mut self, value: f64) -> Self {
        self.value = value;
        self
    }
}

impl<T: Float> Transform<T> for RandomErasing {
    fn apply(&self, image: &mut Image<'_, T>, rng: &mut Rng) {
        let [_, height, width] = image.shape();
        // What does not fit is drawn again; if it never fits, nothing is erased.
        for _ in 0..10 {
            let area = (height * width) as f64 * between(rng, self.scale[0], self.scale[1]);
            let ratio = between(rng, self.ratio[0].ln(), self.ratio[1].ln()).exp();
            let h = (area / ratio).sqrt().round() as usize;
            let w = (area * ratio).sqrt().round() as usize;
            if (1..=height).contains(&h) && (1..=width).contains(&w) {
                let (top, left) = (rng.below(height - h + 1), rng.below(width - w + 1));
                for channel in image.pixels().chunks_exact_mut(height * width) {
                    for row in channel.chunks_exact_mut(width).skip(top).take(h) {
                        row[left..left + w].fill(T::of(self.value));
                    }
                }
                return;
            }
        }
    }
}
