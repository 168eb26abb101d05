//! Mini-batches: in order as views, shuffled as copies of rows.

use std::ops::Range;
use std::sync::Arc;

use gradus_autograd::{Float, Rng, Tensor};

use crate::dataset::{classes, gather};
use crate::{DataError, Dataset};

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
}

impl<T: Float> Dataset<T> {
    /// Batches of `size` samples, in order until [`Batches::shuffled`] is asked for.
    ///
    /// # Errors
    /// When `size` is 0.
    pub fn batches(&self, size: usize) -> Result<Batches<'_, T>, DataError> {
        match size {
            0 => Err(DataError::BatchSize),
            _ => Ok(Batches { data: self, size, seed: None, drop_last: false }),
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
    pub fn epoch(&self, epoch: u64) -> BatchIter<'a, T> {
        let order = self.seed.map(|seed| {
            let mut rows: Arc<[usize]> = (0..self.data.len()).collect();
            if let Some(rows) = Arc::get_mut(&mut rows) {
                Rng::named(seed, &format!("epoch {epoch}")).shuffle(rows);
            }
            rows
        });
        BatchIter { data: self.data, size: self.size, order, next: 0, left: self.len() }
    }
}

impl<'a, T: Float> IntoIterator for Batches<'a, T> {
    type Item = Batch<T>;
    type IntoIter = BatchIter<'a, T>;
    /// Epoch 0.
    fn into_iter(self) -> BatchIter<'a, T> {
        self.epoch(0)
    }
}

/// The batches of one epoch, from [`Batches::epoch`].
#[derive(Clone, Debug)]
pub struct BatchIter<'a, T: Float = f32> {
    data: &'a Dataset<T>,
    size: usize,
    order: Option<Arc<[usize]>>,
    next: usize,
    left: usize,
}

impl<T: Float> Iterator for BatchIter<'_, T> {
    type Item = Batch<T>;

    fn next(&mut self) -> Option<Batch<T>> {
        self.left = self.left.checked_sub(1)?;
        let range = self.next..self.next.saturating_add(self.size).min(self.data.len());
        self.next = range.end;
        let (x, y) = (self.data.x(), self.data.y());
        let (x, y) = match &self.order {
            Some(order) => (gather(x, &order[range.clone()]), gather(y, &order[range.clone()])),
            None => (x.slice(0, range.clone()), y.slice(0, range.clone())),
        };
        Some(Batch { x, y, order: self.order.clone(), range })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T: Float> ExactSizeIterator for BatchIter<'_, T> {}
impl<T: Float> std::iter::FusedIterator for BatchIter<'_, T> {}

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
