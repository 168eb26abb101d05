//! Mini-batches: in order as views, shuffled as copies of rows.

use std::ops::Range;
use std::sync::Arc;

use gradus_autograd::{Float, Rng, Tensor};

use crate::augment::{Sizes, Workspace};
use crate::dataset::{classes, gather_into};
use crate::prefetch::Prefetch;
use crate::{Augment, DataError, Dataset};

/// A plan of batches over a data set, for as many epochs as one likes.
///
/// In order, a batch is a view of the data and costs nothing. Shuffled, its rows are copied into a
/// buffer from the pool. The last batch is smaller if the size does not divide the data.
///
/// ```
/// use gradus_autograd::Tensor;
/// use gradus_data::Dataset;
/// # fn main() -> Result<(), gradus_data::DataError> {
/// let x = Tensor::arange(5.0).reshape(&[5, 1]);
/// let data: Dataset = Dataset::new(x.clone(), x)?;
/// let sizes: Vec<usize> = data.batches(2)?.into_iter().map(|batch| batch.len()).collect();
/// assert_eq!(sizes, [2, 2, 1]);
///
/// let shuffled = data.batches(5)?.shuffled(7);
/// let order = |epoch| shuffled.epoch(epoch).flat_map(|b| b.x.to_vec()).collect::<Vec<_>>();
/// assert_ne!(order(0), order(1));
/// assert_eq!(order(1), order(1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "batches are made by iterating"]
pub struct Batches<'a, T: Float = f32> {
    data: &'a Dataset<T>,
    size: usize,
    seed: Option<u64>,
    drop_last: bool,
    augment: Option<(&'a Augment<T>, Sizes)>,
    workers: usize,
}

impl<T: Float> Dataset<T> {
    /// Batches of `size` samples, in order until [`Batches::shuffled`] is asked for.
    ///
    /// # Errors
    /// When `size` is 0.
    pub fn batches(&self, size: usize) -> Result<Batches<'_, T>, DataError> {
        match size {
            0 => Err(DataError::BatchSize),
            _ => {
                let (augment, workers) = (None, 0);
                Ok(Batches { data: self, size, seed: None, drop_last: false, augment, workers })
            }
        }
    }
}

impl<'a, T: Float> Batches<'a, T> {
    /// Every epoch in another order, which is a function of the seed and the epoch.
    pub fn shuffled(self, seed: u64) -> Self {
        Batches { seed: Some(seed), ..self }
    }

    /// Leaves out a last batch that is smaller, unless it is the only one.
    pub fn drop_last(self) -> Self {
        Batches { drop_last: true, ..self }
    }

    /// Sends each batch through a pipeline, which sees the epoch and the samples' rows: every epoch other images.
    ///
    /// # Errors
    /// When the features are no images, a size does not fit, or class labels would be mixed.
    pub fn augmented(self, pipeline: &'a Augment<T>) -> Result<Self, DataError> {
        let sizes = pipeline.sizes(self.data)?;
        Ok(Batches { augment: Some((pipeline, sizes)), ..self })
    }

    /// Makes batches ahead on as many threads of their own; with 0, where they are asked for. The batches are the
    /// same. One is enough where making a batch takes less time than a training step.
    pub fn workers(self, threads: usize) -> Self {
        Batches { workers: threads, ..self }
    }

    /// The number of batches of an epoch; at least 1.
    #[allow(clippy::len_without_is_empty, reason = "there is always a batch")]
    pub fn len(&self) -> usize {
        let samples = self.data.len();
        match self.drop_last {
            true => (samples / self.size).max(1),
            false => samples.div_ceil(self.size),
        }
    }

    /// The batches of one epoch.
    pub fn epoch(&self, epoch: u64) -> BatchIter<T> {
        let order = self.seed.map(|seed| {
            let mut rows: Arc<[usize]> = (0..self.data.len()).collect();
            if let Some(rows) = Arc::get_mut(&mut rows) {
                Rng::named(seed, &format!("epoch {epoch}")).shuffle(rows);
            }
            rows
        });
        let augment = self.augment.map(|(pipeline, sizes)| (pipeline.clone(), sizes));
        let plan = Plan { data: self.data.clone(), size: self.size, order, augment, epoch };
        let workers = if plan.is_view() { 0 } else { self.workers.min(self.len()) };
        BatchIter { batches: Prefetch::new(plan, self.len(), workers) }
    }
}

impl<T: Float> IntoIterator for Batches<'_, T> {
    type Item = Batch<T>;
    type IntoIter = BatchIter<T>;
    /// Epoch 0.
    fn into_iter(self) -> BatchIter<T> {
        self.epoch(0)
    }
}

/// The batches of one epoch, from [`Batches::epoch`]. Dropped early, it ends its workers.
#[derive(Debug)]
pub struct BatchIter<T: Float = f32> {
    batches: Prefetch<T>,
}

impl<T: Float> Iterator for BatchIter<T> {
    type Item = Batch<T>;

    /// # Panics
    /// When a transform did.
    #[track_caller]
    fn next(&mut self) -> Option<Batch<T>> {
        self.batches.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.batches.left(), Some(self.batches.left()))
    }
}

impl<T: Float> ExactSizeIterator for BatchIter<T> {}
impl<T: Float> std::iter::FusedIterator for BatchIter<T> {}

/// How the batches of one epoch are made, on any thread.
#[derive(Debug)]
pub(crate) struct Plan<T: Float> {
    data: Dataset<T>,
    size: usize,
    order: Option<Arc<[usize]>>,
    augment: Option<(Augment<T>, Sizes)>,
    epoch: u64,
}

impl<T: Float> Plan<T> {
    /// Whether batches are views of the data, and cost nothing.
    fn is_view(&self) -> bool {
        self.order.is_none() && self.augment.is_none()
    }

    fn range(&self, number: usize) -> Range<usize> {
        number * self.size..(number + 1).saturating_mul(self.size).min(self.data.len())
    }

    /// Batch `number`, without its numbers unless they are a view. The buffers are made by who takes the batch, so
    /// that they come from, and go back to, the pool of one thread.
    pub(crate) fn blank(&self, number: usize) -> Batch<T> {
        let (range, order) = (self.range(number), self.order.clone());
        let (x, y) = (self.data.x(), self.data.y());
        if self.is_view() {
            let (x, y) = (x.slice(0, range.clone()), y.slice(0, range.clone()));
            return Batch { x, y, order, range };
        }
        let blank = |shape: &[usize]| {
            let mut blank = Tensor::zeros(shape);
            blank.make_mut();
            blank
        };
        let as_data = |of: &Tensor<T>| [&[range.len()], &of.shape()[1..]].concat();
        let images = self.augment.as_ref().map(|(_, sizes)| sizes.batch(range.len()));
        let (x, y) = (blank(&images.unwrap_or_else(|| as_data(x))), blank(&as_data(y)));
        Batch { x, y, order, range }
    }

    /// Writes the numbers of a batch that was [blank](Plan::blank).
    pub(crate) fn fill(&self, batch: &mut Batch<T>, work: &mut Workspace<T>) {
        let ordered;
        let rows = match &self.order {
            _ if self.is_view() => return,
            Some(order) => &order[batch.range.clone()],
            None => {
                ordered = batch.range.clone().collect::<Vec<_>>();
                &ordered
            }
        };
        match &self.augment {
            Some((pipeline, sizes)) => {
                let into = (batch.x.make_mut(), batch.y.make_mut());
                pipeline.fill(&self.data, sizes, self.epoch, rows, into, work);
            }
            None => {
                gather_into(self.data.x(), rows, batch.x.make_mut());
                gather_into(self.data.y(), rows, batch.y.make_mut());
            }
        }
    }
}

/// Some samples of a data set.
#[derive(Clone, Debug)]
pub struct Batch<T: Float = f32> {
    /// The features, `[b, …]`.
    pub x: Tensor<T>,
    /// The targets, `[b, …]`.
    pub y: Tensor<T>,
    order: Option<Arc<[usize]>>,
    range: Range<usize>,
}

impl<T: Float> Batch<T> {
    /// The number of samples.
    #[allow(clippy::len_without_is_empty, reason = "a batch always has samples")]
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// The rows of the data set that these samples are, in order.
    pub fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        self.range.clone().map(|at| self.order.as_ref().map_or(at, |order| order[at]))
    }

    /// The targets as class labels, `[b]`; as [`Dataset::classes`], but samples are counted within
    /// the batch.
    ///
    /// # Errors
    /// Those of [`Dataset::classes`].
    pub fn classes(&self) -> Result<Tensor<i64>, DataError> {
        classes(&self.y)
    }
}
