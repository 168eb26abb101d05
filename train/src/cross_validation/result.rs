//! What a cross-validation found: each fold, and all of them together.

use std::fmt;

use gradus_autograd::{Float, Tape, Tensor};

use crate::{History, Scores};

/// One fold of a [`CrossValidation`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FoldResult<T: Float = f32> {
    /// The number of the fold, from 0.
    pub number: usize,
    /// Its seed.
    pub seed: u64,
    /// The rows of the data that it was judged on.
    pub held_out: Vec<usize>,
    /// The loss and the metrics on these rows, after training.
    pub scores: Scores,
    /// The model's outputs for these rows.
    pub predictions: Tensor<T>,
    /// What training left behind.
    pub history: History,
}

/// The mean over folds, and the standard deviation (divided by the number of folds, as NumPy's).
///
/// ```
/// let accuracy = gradus_train::MeanStd { mean: 0.96333, std: 0.0192 };
/// assert_eq!(accuracy.to_string(), "0.963 ± 0.019");
/// assert_eq!(format!("{accuracy:.1}"), "1.0 ± 0.0");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanStd {
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub std: f64,
}

impl MeanStd {
    /// Of these numbers; NaN if there are none.
    pub fn of(values: &[f64]) -> Self {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let center = mean(values);
        let squares: Vec<f64> = values.iter().map(|value| (value - center).powi(2)).collect();
        MeanStd { mean: center, std: mean(&squares).sqrt() }
    }
}

impl fmt::Display for MeanStd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(3);
        write!(f, "{:.digits$} ± {:.digits$}", self.mean, self.std)
    }
}

/// The folds of [`cross_validate`](crate::cross_validate). As text, a table with a row for each of them.
#[derive(Clone)]
pub struct CrossValidation<T: Float = f32> {
    folds: Vec<FoldResult<T>>,
}

impl<T: Float> CrossValidation<T> {
    pub(super) fn new(folds: Vec<FoldResult<T>>) -> Self {
        CrossValidation { folds }
    }

    /// The folds, in order.
    pub fn folds(&self) -> &[FoldResult<T>] {
        &self.folds
    }

    /// A score, such as `loss` or `accuracy`, over the folds; each fold counts the same.
    pub fn get(&self, name: &str) -> Option<MeanStd> {
        let values: Option<Vec<f64>> =
            self.folds.iter().map(|fold| fold.scores.get(name)).collect();
        values.filter(|values| !values.is_empty()).map(|values| MeanStd::of(&values))
    }

    /// Each column of the history, averaged over the folds by epoch: the averaged validation loss is its
    /// `val_loss`. A fold that was stopped early no longer counts in the epochs that it lacks.
    pub fn history(&self) -> History {
        let longest = self.folds.iter().map(|fold| fold.history.epochs().len()).max().unwrap_or(0);
        let row = |epoch: usize| {
            let rows: Vec<&Scores> =
                self.folds.iter().filter_map(|fold| fold.history.epochs().get(epoch)).collect();
            let mean = |name: &str| {
                let values: Vec<f64> = rows.iter().filter_map(|row| row.get(name)).collect();
                MeanStd::of(&values).mean
            };
            let names = rows.first().into_iter().flat_map(|row| row.iter());
            Scores(names.map(|(name, _)| (name.to_owned(), mean(name))).collect())
        };
        History { epochs: (0..longest).map(row).collect(), restored: None }
    }

    /// The rows that the folds were judged on, in the order of the data, and the outputs for them: each sample as
    /// seen by a model that was not trained on it. With repeated folds a row comes again.
    ///
    /// # Panics
    /// When the models of two folds have outputs of different shapes.
    #[track_caller]
    pub fn out_of_fold(&self) -> (Vec<usize>, Tensor<T>) {
        let rows = self.folds.iter().flat_map(|fold| &fold.held_out);
        let mut order: Vec<(usize, usize)> = rows.copied().zip(0..).collect();
        order.sort_unstable();
        let tape = Tape::inference();
        let parts = self.folds.iter().map(|fold| tape.constant(fold.predictions.clone()));
        let parts: Vec<_> = parts.collect();
        let outputs = match parts.is_empty() {
            true => Tensor::full(&[0], T::of(0.0)),
            false => tape.concat(&parts, 0).value(),
        };
        let (mut shape, all) = (outputs.shape().to_vec(), outputs.to_vec());
        let width = all.len() / order.len().max(1);
        let in_order = order.iter().flat_map(|&(_, at)| &all[at * width..][..width]).copied();
        shape[0] = order.len();
        let outputs = Tensor::new(&shape, in_order.collect());
        (order.into_iter().map(|(row, _)| row).collect(), outputs)
    }
}

/// Short: an error that holds the finished folds is printed so where `main` returns it.
impl<T: Float> fmt::Debug for CrossValidation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CrossValidation {{ {} folds }}", self.folds.len())
    }
}

impl<T: Float> fmt::Display for CrossValidation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.folds.first() else { return f.write_str("no folds") };
        let names: Vec<&str> = first.scores.iter().map(|(name, _)| name).collect();
        let width = |name: &str| name.len().max(8);
        write!(f, "fold  samples  epochs")?;
        for name in &names {
            write!(f, "  {name:>0$}", width(name))?;
        }
        for fold in &self.folds {
            let epochs = fold.history.epochs().len();
            write!(f, "\n{:>4}  {:>7}  {epochs:>6}", fold.number, fold.held_out.len())?;
            for name in &names {
                let value = fold.scores.get(name).unwrap_or(f64::NAN);
                write!(f, "  {value:>0$.4}", width(name))?;
            }
        }
        let all: Vec<MeanStd> = names.iter().filter_map(|name| self.get(name)).collect();
        for (label, of) in [("mean", (|s| s.mean) as fn(&MeanStd) -> f64), ("std", |s| s.std)] {
            write!(f, "\n{label:<21}")?;
            for (name, score) in names.iter().zip(&all) {
                write!(f, "  {:>1$.4}", of(score), width(name))?;
            }
        }
        Ok(())
    }
}
