//! Folds of a cross-validation: which rows are trained on, and which are tested on, several times.

use std::ops::Range;

use gradus_autograd::Float;

use crate::{DataError, Dataset, FoldsError};

/// The most row numbers that all folds may hold together: 1 GiB of them.
const MOST_ROWS: usize = 1 << 27;

/// One fold of a cross-validation: the rows to train on, and the rows to test on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The rows to train on, in the order to train in.
    pub train: Vec<usize>,
    /// The rows that are held out: the model is scored on these.
    pub test: Vec<usize>,
}

/// A way to divide samples into rows to train on and rows to test on, more than once: what
/// cross-validation takes.
///
/// | | |
/// | --- | --- |
/// | [`KFold`](crate::KFold) | `k` parts, each tested on once; also stratified, grouped, repeated |
/// | [`LeaveOneOut`] | each sample tested on alone |
/// | [`ShuffleSplit`](crate::ShuffleSplit) | parts at random, again and again |
/// | [`TimeSeriesSplit`] | tested on what comes after the training rows |
/// | `Vec<Fold>`, `[Fold]` | rows that are given, as a published protocol has them |
///
/// The folds are a function of the data and of a seed alone: asked again, they are the same.
///
/// ```
/// # use gradus_autograd::Tensor;
/// use gradus_data::{Dataset, Folds, KFold};
/// # fn main() -> Result<(), gradus_data::DataError> {
/// # let x = Tensor::arange(10.0);
/// # let data: Dataset = Dataset::new(x.clone(), x)?;
/// for fold in KFold::new(5).shuffled(7).folds(&data)? {
///     let [train, test] = data.split_at([&fold.train, &fold.test])?;
///     assert_eq!([train.len(), test.len()], [8, 2]);
/// }
/// # Ok(())
/// # }
/// ```
pub trait Folds<T: Float = f32> {
    /// The folds of `data`: at least one, none with an empty part, no row in both parts of a fold.
    ///
    /// # Errors
    /// When the data cannot be divided so: too few samples, or of one class, for the folds.
    fn folds(&self, data: &Dataset<T>) -> Result<Vec<Fold>, DataError>;
}

impl<T: Float, F: Folds<T> + ?Sized> Folds<T> for &F {
    fn folds(&self, data: &Dataset<T>) -> Result<Vec<Fold>, DataError> {
        (**self).folds(data)
    }
}

impl<T: Float> Folds<T> for [Fold] {
    fn folds(&self, data: &Dataset<T>) -> Result<Vec<Fold>, DataError> {
        if self.is_empty() {
            return Err(FoldsError::Count { folds: 0, least: 1, samples: data.len() }.into());
        }
        for fold in self {
            data.split_at([&fold.train, &fold.test])?;
        }
        Ok(self.to_vec())
    }
}

impl<T: Float> Folds<T> for Vec<Fold> {
    fn folds(&self, data: &Dataset<T>) -> Result<Vec<Fold>, DataError> {
        self[..].folds(data)
    }
}

/// As many folds as samples: each is tested on alone, by a model trained on all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaveOneOut;

impl<T: Float> Folds<T> for LeaveOneOut {
    fn folds(&self, data: &Dataset<T>) -> Result<Vec<Fold>, DataError> {
        let samples = data.len();
        check_count(samples, 1, samples)?;
        let others = |test| (0..samples).filter(move |&row| row != test).collect();
        Ok((0..samples).map(|test| Fold { train: others(test), test: vec![test] }).collect())
    }
}

/// Samples in order of time: each fold is tested on the samples that follow those it is trained
/// on. The defaults and the arithmetic are those of scikit-learn's class of the same name.
///
/// ```
/// # use gradus_autograd::Tensor;
/// use gradus_data::{Dataset, Folds, TimeSeriesSplit};
/// # fn main() -> Result<(), gradus_data::DataError> {
/// # let x = Tensor::arange(12.0);
/// # let data: Dataset = Dataset::new(x.clone(), x)?; // 12 samples
/// let folds = TimeSeriesSplit::new(3).test_size(2).gap(1).folds(&data)?;
/// assert_eq!((&folds[0].train[..], &folds[0].test[..]), (&[0, 1, 2, 3, 4][..], &[6, 7][..]));
/// assert_eq!((folds[2].train.len(), &folds[2].test[..]), (9, &[10, 11][..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it divides nothing before `folds`"]
pub struct TimeSeriesSplit {
    folds: usize,
    gap: usize,
    test_size: Option<usize>,
    max_train_size: Option<usize>,
}

impl TimeSeriesSplit {
    /// `folds` folds, each tested on `n / (folds + 1)` samples and trained on all before them.
    pub fn new(folds: usize) -> Self {
        TimeSeriesSplit { folds, gap: 0, test_size: None, max_train_size: None }
    }

    /// Leaves out `samples` samples between those trained on and those tested on.
    pub fn gap(self, samples: usize) -> Self {
        TimeSeriesSplit { gap: samples, ..self }
    }

    /// Tests on `samples` samples a fold.
    pub fn test_size(self, samples: usize) -> Self {
        TimeSeriesSplit { test_size: Some(samples), ..self }
    }

    /// Trains on the last `samples` samples at most: a window that moves, instead of one that grows.
    pub fn max_train_size(self, samples: usize) -> Self {
        TimeSeriesSplit { max_train_size: Some(samples), ..self }
    }
}

impl<T: Float> Folds<T> for TimeSeriesSplit {
    fn folds(&self, data: &Dataset<T>) -> Result<Vec<Fold>, DataError> {
        let (samples, folds, gap) = (data.len(), self.folds, self.gap);
        check_count(folds, 1, samples)?;
        let test_size = self.test_size.unwrap_or(samples / (folds + 1));
        let needed = folds.saturating_mul(test_size).saturating_add(gap);
        if needed >= samples || test_size == 0 || self.max_train_size == Some(0) {
            return Err(FoldsError::TimeSeries { folds, test_size, gap, samples }.into());
        }
        let rows = |rows: Range<usize>| rows.collect();
        let fold = |at: usize| {
            let test = samples - (folds - at) * test_size;
            let end = test - gap;
            let start = end.saturating_sub(self.max_train_size.unwrap_or(end));
            Fold { train: rows(start..end), test: rows(test..test + test_size) }
        };
        Ok((0..folds).map(fold).collect())
    }
}

/// Whether there may be so many folds, and so many of them again for each repeat.
pub(super) fn check_count(folds: usize, repeats: usize, samples: usize) -> Result<(), DataError> {
    if !(2..=samples).contains(&folds) {
        return Err(FoldsError::Count { folds, least: 2, samples }.into());
    }
    check_rows(folds, repeats, samples)
}

/// Whether the rows of so many folds can be listed.
pub(super) fn check_rows(folds: usize, repeats: usize, samples: usize) -> Result<(), DataError> {
    match folds.saturating_mul(repeats).saturating_mul(samples) {
        rows if rows > MOST_ROWS => Err(FoldsError::TooMany { folds, repeats, samples }.into()),
        _ => Ok(()),
    }
}
