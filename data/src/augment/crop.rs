//! Other sizes.

use gradus_autograd::{Float, Rng};

use super::geometry::in_order;
use super::image::Image;
use super::{Transform, between};
use crate::DataError;

/// The middle of the image.
#[derive(Clone, Copy, Debug)]
pub struct CenterCrop {
    size: [usize; 2],
}

impl CenterCrop {
    /// Height and width of the result. If a margin is odd, the smaller part is above or on the left.
    ///
    /// # Panics
    /// When one is 0.
    #[track_caller]
    pub fn new(size: [usize; 2]) -> Self {
        CenterCrop { size: some("CenterCrop", size) }
    }
}

impl<T: Float> Transform<T> for CenterCrop {
    fn apply(&self, image: &mut Image<'_, T>, _: &mut Rng) {
        let [_, height, width] = image.shape();
        cut(image, self.size, [(height - self.size[0]) / 2, (width - self.size[1]) / 2], 0);
    }
    fn size(&self, of: [usize; 2]) -> Result<[usize; 2], DataError> {
        within("CenterCrop", self.size, of, 0)
    }
}

/// A part of the image at a random place, in whole pixels.
#[derive(Clone, Copy, Debug)]
pub struct RandomCrop {
    size: [usize; 2],
    margin: usize,
}

impl RandomCrop {
    /// Height and width of the result.
    ///
    /// # Panics
    /// When one is 0.
    #[track_caller]
    pub fn new(size: [usize; 2]) -> Self {
        RandomCrop { size: some("RandomCrop", size), margin: 0 }
    }
    /// The part may lie outside of the image by so many pixels, as torchvision's `padding`.
    pub fn margin(mut self, pixels: usize) -> Self {
        self.margin = pixels;
        self
    }
}

impl<T: Float> Transform<T> for RandomCrop {
    fn apply(&self, image: &mut Image<'_, T>, rng: &mut Rng) {
        let [_, height, width] = image.shape();
        let [below, right] = [height, width].map(|side| with_margin(side, self.margin));
        let top = rng.below(below - self.size[0] + 1);
        let left = rng.below(right - self.size[1] + 1);
        cut(image, self.size, [top, left], self.margin);
    }
    fn size(&self, of: [usize; 2]) -> Result<[usize; 2], DataError> {
        within("RandomCrop", self.size, of, self.margin)
    }
}

/// A part of the image of random area, shape and place, stretched to a size, as torchvision. Where it becomes smaller,
/// pixels in between are not averaged.
#[derive(Clone, Copy, Debug)]
pub struct RandomResizedCrop {
    size: [usize; 2],
    scale: [f64; 2],
    ratio: [f64; 2],
}

impl RandomResizedCrop {
    /// Height and width of the result; the part is between 0.08 and all of the image, and between 3:4 and 4:3.
    ///
    /// # Panics
    /// When one is 0.
    #[track_caller]
    pub fn new(size: [usize; 2]) -> Self {
        let size = some("RandomResizedCrop", size);
        RandomResizedCrop { size, scale: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0] }
    }
    /// The smallest and the largest share of the area.
    ///
    /// # Panics
    /// When they are not above 0 and in order, or the largest is above 1.
    #[track_caller]
    pub fn scale(mut self, min: f64, max: f64) -> Self {
        in_order("RandomResizedCrop", min, max);
        assert!(max <= 1.0, "RandomResizedCrop: a part cannot have {max} of the area");
        self.scale = [min, max];
        self
    }
    /// The smallest and the largest width for a height of 1.
    ///
    /// # Panics
    /// When they are not above 0 and in order.
    #[track_caller]
    pub fn ratio(mut self, min: f64, max: f64) -> Self {
        in_order("RandomResizedCrop", min, max);
        self.ratio = [min, max];
        self
    }
}

impl<T: Float> Transform<T> for RandomResizedCrop {
    fn apply(&self, image: &mut Image<'_, T>, rng: &mut Rng) {
        let [_, height, width] = image.shape();
        let [height, width] = [height as f64, width as f64];
        // What does not fit is drawn again; if it never fits, the whole image is taken.
        let mut part = [height, width];
        for _ in 0..10 {
            let area = height * width * between(rng, self.scale[0], self.scale[1]);
            let ratio = between(rng, self.ratio[0].ln(), self.ratio[1].ln()).exp();
            let drawn = [(area / ratio).sqrt(), (area * ratio).sqrt()];
            if drawn[0] <= height && drawn[1] <= width {
                part = drawn;
                break;
            }
        }
        let y = between(rng, -0.5, 0.5) * (height - part[0]);
        let x = between(rng, -0.5, 0.5) * (width - part[1]);
        image.affine([[1.0, 0.0, x], [0.0, 1.0, y]]);
        stretch(image, part, self.size);
    }
    fn size(&self, _: [usize; 2]) -> Result<[usize; 2], DataError> {
        Ok(self.size)
    }
}

/// Stretches the image to a size. Where it becomes smaller, pixels in between are not averaged.
#[derive(Clone, Copy, Debug)]
pub struct Resize {
    size: [usize; 2],
}

impl Resize {
    /// Height and width of the result.
    ///
    /// # Panics
    /// When one is 0.
    #[track_caller]
    pub fn new(size: [usize; 2]) -> Self {
        Resize { size: some("Resize", size) }
    }
}

impl<T: Float> Transform<T> for Resize {
    fn apply(&self, image: &mut Image<'_, T>, _: &mut Rng) {
        let [_, height, width] = image.shape();
        stretch(image, [height as f64, width as f64], self.size);
    }
    fn size(&self, _: [usize; 2]) -> Result<[usize; 2], DataError> {
        Ok(self.size)
    }
}

/// A part of the image, of which the first pixel is at `[top, left]`, counted from `margin` pixels outside.
fn cut<T: Float>(
    image: &mut Image<'_, T>,
    size: [usize; 2],
    [top, left]: [usize; 2],
    margin: usize,
) {
    let [_, height, width] = image.shape();
    // How far the centre moves.
    let by = |first: usize, size: usize, of: usize| {
        first as f64 - margin as f64 + 0.5 * size as f64 - 0.5 * of as f64
    };
    let (x, y) = (by(left, size[1], width), by(top, size[0], height));
    image.affine([[1.0, 0.0, x], [0.0, 1.0, y]]);
    image.set_size(size);
}

/// The middle of the image, `part` pixels high and wide, stretched to a size.
fn stretch<T: Float>(image: &mut Image<'_, T>, part: [f64; 2], size: [usize; 2]) {
    let [y, x] = [0, 1].map(|axis| part[axis] / size[axis] as f64);
    image.affine([[x, 0.0, 0.0], [0.0, y, 0.0]]);
    image.set_size(size);
}

fn within(
    transform: &str,
    size: [usize; 2],
    of: [usize; 2],
    margin: usize,
) -> Result<[usize; 2], DataError> {
    match (0..2).all(|axis| size[axis] <= with_margin(of[axis], margin)) {
        true => Ok(size),
        false => Err(DataError::CropTooLarge { transform: transform.to_owned(), size, image: of }),
    }
}

/// A side with a margin at both ends, however large.
fn with_margin(side: usize, margin: usize) -> usize {
    side.saturating_add(margin.saturating_mul(2))
}

#[track_caller]
fn some(transform: &str, size: [usize; 2]) -> [usize; 2] {
    assert!(!size.contains(&0), "{transform}: a size of {size:?} leaves no pixels");
    size
}
