//! Augmentation: images as they might have been.

mod crop;
mod elastic;
mod geometry;
mod image;
mod mix;
mod pipeline;
mod pixels;

use std::fmt::Debug;

use gradus_autograd::{Float, Rng};

pub use crop::{CenterCrop, RandomCrop, RandomResizedCrop, Resize};
pub use elastic::ElasticTransform;
pub use geometry::{
    HorizontalFlip, RandomPerspective, RandomRotation, RandomShear, RandomTranslation, RandomZoom,
    VerticalFlip,
};
pub use image::{Image, Matrix};
pub use mix::{CutMix, MixUp};
pub use pipeline::Augment;
pub use pixels::{GaussianNoise, RandomBrightness, RandomContrast, RandomErasing};

pub(crate) use pipeline::{Sizes, Workspace};

use crate::DataError;

/// A change of an image, drawn at random: a stage of [`Augment`].
///
/// ```
/// use gradus_autograd::{Float, Rng, Tensor};
/// use gradus_data::{Augment, Dataset, augment::Image, augment::Transform};
///
/// /// Black becomes white.
/// #[derive(Debug)]
/// struct Invert;
///
/// impl<T: Float> Transform<T> for Invert {
///     fn apply(&self, image: &mut Image<'_, T>, _: &mut Rng) {
///         image.pixels().iter_mut().for_each(|x| *x = T::ONE - *x);
///     }
/// }
///
/// let data: Dataset = Dataset::new(Tensor::zeros(&[1, 1, 2, 2]), Tensor::zeros(&[1, 1]))?;
/// let inverted = Augment::new(0).add(Invert).apply(&data, 0)?;
/// assert_eq!(inverted.x().to_vec(), [1.0; 4]);
/// # Ok::<(), gradus_data::DataError>(())
/// ```
pub trait Transform<T: Float = f32>: Debug + Send + Sync + 'static {
    /// Changes one image. All that is random comes from `rng`, which is that of the seed, the epoch, the sample and the
    /// place of this transform in the pipeline.
    fn apply(&self, image: &mut Image<'_, T>, rng: &mut Rng);

    /// The size, `[height, width]`, of what becomes of an image of a size; by default the same.
    ///
    /// # Errors
    /// When such images cannot be had.
    fn size(&self, of: [usize; 2]) -> Result<[usize; 2], DataError> {
        Ok(of)
    }

    /// Whether it looks at other samples of the batch; by default not. All transforms before it are done for the whole
    /// batch, before this one begins.
    fn mixes(&self) -> bool {
        false
    }
}

/// A number between two, uniform.
fn between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.uniform()
}
