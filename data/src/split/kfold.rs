//! K-fold cross-validation: plain, stratified, grouped, repeated.

use std::collections::BTreeMap;
use std::sync::Arc;

use gradus_autograd::{Float, Rng};

use super::deal::{class_labels, deal};
use super::folds::{Fold, Folds, check_count};
use super::grouped::deal_groups;
use crate::{DataError, Dataset, FoldsError};

/// `k` parts of about the same size; each is tested on once, by a model trained on all others.
///
/// The parts are consecutive samples until [`KFold::shuffled`] asks for random ones.
///
/// ```
/// # use gradus_autograd::Tensor;
/// use gradus_data::{Dataset, Folds, KFold};
/// # fn main() -> Result<(), gradus_data::DataError> {
/// # let y = Tensor::from_fn(&[50, 1], |at| (at[0] % 5 / 4) as f32);
/// # let data: Dataset = Dataset::new(y.clone(), y)?; // 50 samples, 10 of them of class 1
/// for fold in KFold::new(10).stratified().shuffled(7).folds(&data)? {
///     let [train, test] = data.split_at([&fold.train, &fold.test])?;
///     assert_eq!(test.classes()?.to_vec().iter().sum::<i64>(), 1);
/// }
///
/// let patients = (0..50).map(|sample| sample / 3);
/// let folds = KFold::new(5).grouped(patients).folds(&data)?;
/// assert!(folds[0].train.iter().all(|row| !folds[0].test.iter().any(|t| t / 3 == row / 3)));
///
/// let folds = KFold::new(5).shuffled(7).repeated(10).folds(&data)?;
/// assert_eq!(folds.len(), 50);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it divides nothing before `folds`"]
pub struct KFold {
    folds: usize,
    stratified: bool,
    seed: Option<u64>,
    repeats: usize,
    /// The number of the group of each sample, and of all groups.
    groups: Option<(Arc<[usize]>, usize)>,
}

impl KFold {
    /// `folds` folds of consecutive samples, at least 2.
    pub fn new(folds: usize) -> Self {
        KFold { folds, stratified: false, seed: None, repeats: 1, groups: None }
    }

    /// Every class in its proportion in every fold, within one sample of exact; the classes are
    /// [`Dataset::classes`]. Each class needs a sample for each fold.
    ///
    /// Together with [`KFold::grouped`], as near to the proportion as whole groups allow.
    pub fn stratified(self) -> Self {
        KFold { stratified: true, ..self }
    }

    /// Folds of random samples, in random order; the same seed gives the same folds.
    pub fn shuffled(self, seed: u64) -> Self {
        KFold { seed: Some(seed), ..self }
    }

    /// Samples of the same group stay together, in training or in testing: those of one patient,
    /// say, as `groups` has one patient's name for each sample. Large groups are dealt first, each
    /// to the fold that is smallest so far.
    ///
    /// Folds within a fold need the groups of its rows: `fold.train.iter().map(|&row| groups[row])`.
    pub fn grouped<G: Ord>(self, groups: impl IntoIterator<Item = G>) -> Self {
        let groups: Vec<G> = groups.into_iter().collect();
        let mut numbers: BTreeMap<&G, usize> = groups.iter().map(|group| (group, 0)).collect();
        numbers.values_mut().enumerate().for_each(|(number, slot)| *slot = number);
        let of_samples = groups.iter().map(|group| numbers[group]).collect();
        let count = numbers.len();
        KFold { groups: Some((of_samples, count)), ..self }
    }

    /// All folds again, `times` times in all, each time shuffled in another way.
    pub fn repeated(self, times: usize) -> Self {
        KFold { repeats: times, ..self }
    }

    /// The rows that each fold is tested on.
    fn parts(
        &self,
        samples: usize,
        classes: Option<&[i64]>,
        rng: Option<Rng>,
    ) -> Result<Vec<Vec<usize>>, DataError> {
        match &self.groups {
            Some((groups, count)) => Ok(deal_groups(groups, *count, classes, self.folds, rng)),
            None => {
                let parts = deal(samples, classes, &vec![1.0 / self.folds as f64; self.folds], rng);
                parts.map_err(|error| match error {
                    DataError::ClassTooSmall { class, count, .. } => {
                        FoldsError::ClassTooSmall { class, count, folds: self.folds }.into()
                    }
                    error => error,
                })
            }
        }
    }
}

impl<T: Float> Folds<T> for KFold {
    fn folds(&self, data: &Dataset<T>) -> Result<Vec<Fold>, DataError> {
        let (folds, samples) = (self.folds, data.len());
        check_count(folds, self.repeats, samples)?;
        match &self.groups {
            Some((groups, _)) if groups.len() != samples => {
                return Err(FoldsError::GroupCount { groups: groups.len(), samples }.into());
            }
            Some((_, groups)) if *groups < folds => {
                return Err(FoldsError::TooFewGroups { folds, groups: *groups }.into());
            }
            _ => {}
        }
        if self.repeats == 0 || (self.repeats > 1 && self.seed.is_none()) {
            return Err(FoldsError::Repeats { repeats: self.repeats }.into());
        }
        let classes = self.stratified.then(|| class_labels(data)).transpose()?;
        let mut all = Vec::with_capacity(folds * self.repeats);
        for repeat in 0..self.repeats {
            let rng = self.seed.map(|seed| Rng::named(seed, &format!("folds {repeat}")));
            let parts = self.parts(samples, classes.as_deref(), rng)?;
            all.extend((0..folds).map(|test| {
                let train = parts.iter().enumerate().filter(|(part, _)| *part != test);
                let train = train.flat_map(|(_, rows)| rows).copied().collect();
                Fold { train, test: parts[test].clone() }
            }));
        }
        Ok(all)
    }
}
