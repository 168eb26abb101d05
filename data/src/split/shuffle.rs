//! Random parts again and again: what is tested in one fold may be tested in another.

use gradus_autograd::{Float, Rng};

use super::deal::{class_labels, deal};
use super::folds::{Fold, Folds, check_rows};
use crate::{DataError, Dataset, FoldsError};

/// `n` divisions at random, each on its own: as many as one likes, of whatever size. As in
/// scikit-learn a tenth is tested on unless [`ShuffleSplit::test_fraction`] says otherwise.
///
/// ```
/// # use gradus_autograd::Tensor;
/// use gradus_data::{Dataset, Folds, ShuffleSplit};
/// # fn main() -> Result<(), gradus_data::DataError> {
/// # let y = Tensor::from_fn(&[50, 1], |at| (at[0] % 5 / 4) as f32);
/// # let data: Dataset = Dataset::new(y.clone(), y)?; // 50 samples, 10 of them of class 1
/// let folds = ShuffleSplit::new(20, 7).test_fraction(0.2).stratified().folds(&data)?;
/// assert_eq!((folds.len(), folds[0].train.len(), folds[0].test.len()), (20, 40, 10));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "it divides nothing before `folds`"]
pub struct ShuffleSplit {
    times: usize,
    seed: u64,
    test: f64,
    stratified: bool,
}

impl ShuffleSplit {
    /// `times` divisions; the same seed gives the same.
    pub fn new(times: usize, seed: u64) -> Self {
        ShuffleSplit { times, seed, test: 0.1, stratified: false }
    }

    /// The fraction that is tested on; all other samples are trained on.
    pub fn test_fraction(self, test: f64) -> Self {
        ShuffleSplit { test, ..self }
    }

    /// Every class in its proportion in both parts, within one sample of exact.
    pub fn stratified(self) -> Self {
        ShuffleSplit { stratified: true, ..self }
    }
}

impl<T: Float> Folds<T> for ShuffleSplit {
    fn folds(&self, data: &Dataset<T>) -> Result<Vec<Fold>, DataError> {
        let samples = data.len();
        if self.times == 0 {
            return Err(FoldsError::Count { folds: 0, least: 1, samples }.into());
        }
        check_rows(self.times, 1, samples)?;
        let classes = self.stratified.then(|| class_labels(data)).transpose()?;
        let fold = |at: usize| {
            let rng = Rng::named(self.seed, &format!("shuffle {at}"));
            let parts = deal(samples, classes.as_deref(), &[1.0 - self.test, self.test], Some(rng));
            let [train, test] = <[Vec<usize>; 2]>::try_from(parts?).unwrap_or_default();
            Ok(Fold { train, test })
        };
        (0..self.times).map(fold).collect()
    }
}
