//! Transforms one after another.

use std::sync::Arc;

use gradus_autograd::{Float, Padding, Rng, Tensor};

use super::Transform;
use super::image::{Buffers, Image, Others};
use crate::dataset::classes;
use crate::{DataError, Dataset};

/// A pipeline of transforms for the images of a training set, `[n, channels, height, width]`.
///
/// What happens to a sample is a function of the seed, the epoch, the sample and the place of the transform, so that
/// any number of [workers](crate::Batches::workers) makes the same images. Maps of the plane that follow one another
/// (rotation, translation, crop, perspective …) are done as one.
///
/// ```
/// use gradus_autograd::Tensor;
/// use gradus_data::augment::{GaussianNoise, HorizontalFlip, RandomRotation, RandomTranslation};
/// use gradus_data::{Augment, Dataset};
///
/// let data: Dataset = Dataset::new(Tensor::ones(&[6, 1, 8, 8]), Tensor::zeros(&[6, 1]))?;
/// let augment = Augment::new(7)
///     .add(RandomTranslation::new(0.1, 0.1))
///     .add(RandomRotation::new(10.0))
///     .add(HorizontalFlip)
///     .with_probability(0.5)
///     .add(GaussianNoise::new(0.05));
/// for batch in data.batches(3)?.shuffled(7).augmented(&augment)?.workers(1).epoch(0) {
///     assert_eq!(batch.x.shape(), [3, 1, 8, 8]);
/// }
/// # Ok::<(), gradus_data::DataError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a pipeline does nothing until batches are augmented"]
pub struct Augment<T: Float = f32> {
    seed: u64,
    stages: Vec<Stage<T>>,
    padding: Padding,
    images: Option<[usize; 3]>,
}

#[derive(Clone, Debug)]
struct Stage<T: Float> {
    transform: Arc<dyn Transform<T>>,
    probability: f64,
}

/// What a pipeline makes of a data set, worked out once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// The images of the data set.
    image: [usize; 3],
    /// Those of the result.
    result: [usize; 3],
    /// Whether they stand in one row.
    flat: bool,
}

impl Sizes {
    /// The shape of a batch of the result.
    pub(crate) fn batch(&self, samples: usize) -> Vec<usize> {
        let [c, h, w] = self.result;
        if self.flat { vec![samples, c * h * w] } else { vec![samples, c, h, w] }
    }
}

/// Memory that is used again from batch to batch.
#[derive(Debug, Default)]
pub(crate) struct Workspace<T> {
    buffers: Buffers<T>,
    /// The batch between two groups of stages.
    between: [Vec<T>; 2],
    targets: Vec<T>,
}

impl<T: Float> Augment<T> {
    /// A pipeline that does nothing yet.
    pub fn new(seed: u64) -> Self {
        Augment { seed, stages: Vec::new(), padding: Padding::Zeros, images: None }
    }

    /// Appends a transform.
    #[allow(clippy::should_implement_trait, reason = "the word of `Sequential`")]
    pub fn add(mut self, transform: impl Transform<T>) -> Self {
        self.stages.push(Stage { transform: Arc::new(transform), probability: 1.0 });
        self
    }

    /// The probability that the last transform befalls a sample; 1 if nothing is said.
    ///
    /// # Panics
    /// When there is no transform yet, or the probability is not within 0 to 1.
    #[track_caller]
    pub fn with_probability(mut self, probability: f64) -> Self {
        let fits = (0.0..=1.0).contains(&probability);
        assert!(fits, "with_probability: {probability} is not within 0 to 1");
        let Some(last) = self.stages.last_mut() else {
            panic!("with_probability: add a transform first; it is for the last one");
        };
        last.probability = probability;
        self
    }

    /// What is seen outside of an image; [`Padding::Zeros`] if nothing is said. Where 0 is not the background, as after
    /// standardising, [`Padding::Border`] looks better.
    pub fn padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// Reads features that stand in one row, `[n, channels·height·width]`, as images of that shape, and gives the
    /// result in one row again.
    pub fn images(mut self, shape: [usize; 3]) -> Self {
        self.images = Some(shape);
        self
    }

    /// Whether a transform mixes samples, and their targets with them.
    pub fn mixes(&self) -> bool {
        self.stages.iter().any(|stage| stage.transform.mixes())
    }

    /// A data set as an epoch would see it: for looking at the images, or to resize a validation set.
    ///
    /// # Errors
    /// When the features are no images, a size does not fit, class labels would be mixed, or a transform of your own
    /// makes a number that is not finite.
    pub fn apply(&self, data: &Dataset<T>, epoch: u64) -> Result<Dataset<T>, DataError> {
        let sizes = self.sizes(data)?;
        let rows: Vec<usize> = (0..data.len()).collect();
        let mut x = Tensor::zeros(&sizes.batch(data.len()));
        let mut y = Tensor::zeros(data.y().shape());
        let (into, work) = ((x.make_mut(), y.make_mut()), &mut Workspace::default());
        self.fill(data, &sizes, epoch, &rows, into, work);
        data.with_x(x)?.with_y(y)
    }

    /// What becomes of the images of a data set.
    pub(crate) fn sizes(&self, data: &Dataset<T>) -> Result<Sizes, DataError> {
        let features = data.x().shape();
        let image = match (self.images, &features[1..]) {
            (None, &[c, h, w]) => [c, h, w],
            (Some(shape), sample)
                if sample.len() == 1
                    && shape.iter().try_fold(1_usize, |n, &m| n.checked_mul(m))
                        == Some(sample[0]) =>
            {
                shape
            }
            (images, _) => {
                return Err(DataError::NotImages { features: features.to_vec(), images });
            }
        };
        if image.contains(&0) {
            return Err(DataError::NotImages { features: features.to_vec(), images: self.images });
        }
        let mut size = [image[1], image[2]];
        for Stage { transform, probability } in &self.stages {
            let before = size;
            size = transform.size(before)?;
            if before != size && *probability < 1.0 {
                let transform = format!("{transform:?}");
                return Err(DataError::SizeByChance { transform, before, after: size });
            }
        }
        // A mean of labels is no label; a mean of two probabilities is one.
        if self.mixes()
            && let Ok(labels) = classes(data.y())
            && labels.to_vec().into_iter().max() > Some(1)
        {
            return Err(DataError::MixedLabels);
        }
        let (result, flat) = ([image[0], size[0], size[1]], self.images.is_some());
        Ok(Sizes { image, result, flat })
    }

    /// Writes the samples `rows` of a data set, as the epoch sees them, to `x` and `y`.
    pub(crate) fn fill(
        &self,
        data: &Dataset<T>,
        sizes: &Sizes,
        epoch: u64,
        rows: &[usize],
        (x, y): (&mut [T], &mut [T]),
        work: &mut Workspace<T>,
    ) {
        let (all_x, all_y) = (data.x().contiguous(), data.y().contiguous());
        let (Some(all_x), Some(all_y)) = (all_x.as_slice(), all_y.as_slice()) else { return };
        let mut shape = sizes.image;
        let width = y.len() / rows.len().max(1);
        let Workspace { buffers, between: [before, after], targets } = work;
        // A transform that mixes opens a group: it needs the batch as all before it have left it.
        let opens = |at: usize| at > 0 && self.stages[at].transform.mixes();
        let mut start = 0;
        loop {
            let end = (start + 1..self.stages.len()).find(|&at| opens(at));
            let group = start..end.unwrap_or(self.stages.len());
            let pixels = shape.iter().product();
            let others = match start {
                0 => Others {
                    x: all_x,
                    y: all_y,
                    rows: Some(rows),
                    len: rows.len(),
                    width: [pixels, width],
                },
                _ => Others {
                    x: before,
                    y: targets,
                    rows: None,
                    len: rows.len(),
                    width: [pixels, width],
                },
            };
            let size =
                self.stages[group.clone()].iter().fold([shape[1], shape[2]], |size, stage| {
                    stage.transform.size(size).unwrap_or(size)
                });
            let result = shape[0] * size[0] * size[1];
            let out = match end {
                None => &mut *x,
                Some(_) => {
                    after.clear();
                    after.resize(result * rows.len(), T::ZERO);
                    &mut after[..]
                }
            };
            for (i, &row) in rows.iter().enumerate() {
                let (source, target) = others.get(i);
                let y = &mut y[i * width..][..width];
                y.copy_from_slice(target);
                let mut image = Image::new(shape, source, y, &others, (buffers, self.padding));
                for (at, stage) in group.clone().zip(&self.stages[group.clone()]) {
                    let rng = &mut Rng::new(key([self.seed, epoch, row as u64, at as u64]));
                    if stage.probability == 1.0 || rng.uniform() < stage.probability {
                        stage.transform.apply(&mut image, rng);
                    }
                }
                image.finish(&mut out[i * result..][..result]);
            }
            let Some(next) = end else { return };
            (start, shape) = (next, [shape[0], size[0], size[1]]);
            std::mem::swap(before, after);
            targets.clear();
            targets.extend_from_slice(y);
        }
    }
}

/// A seed from several numbers: the finaliser of SplitMix64 (Steele, Lea and Flood 2014) over each in turn.
fn key(parts: [u64; 4]) -> u64 {
    parts.into_iter().fold(0, |key, part| {
        let mut x = (key ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    })
}
