//! Cross-validation: a fresh model for each fold, trained on the other samples and judged on the fold.

use std::any::Any;
use std::error::Error;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use gradus_autograd::Float;
use gradus_data::{DataError, Dataset, Fold, Folds, Preprocess};
use gradus_nn::Layer;
use indicatif::ProgressBar;

use crate::fit::Validation;
use crate::{Callback, Fit, Scores, State, Trainer, progress};

mod result;

pub use result::{CrossValidation, FoldResult, MeanStd};

/// What may go wrong while a model is built: any error.
type BoxError = Box<dyn Error + Send + Sync>;
/// Learns from the training part what is done to both.
type FitFn<'a, T> =
    dyn Fn(&Dataset<T>) -> Result<Box<dyn Preprocess<T> + 'a>, DataError> + Sync + 'a;

/// What the model of a fold may be built from. The samples it is judged on are not here.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FoldData<'a, T: Float = f32> {
    /// The number of the fold, from 0.
    pub number: usize,
    /// A seed of its own, which follows from [`CrossValidate::seed`] and the number.
    pub seed: u64,
    /// The samples that it trains on, not yet preprocessed: for class weights, or for a search inside.
    pub train: &'a Dataset<T>,
    /// The rows of the whole data that these samples are, in order: for what is known of each sample beside the data,
    /// such as its weight, or its group in the folds of a search inside.
    pub rows: &'a [usize],
}

/// Why a cross-validation did not come to its end.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum CrossValidationError<T: Float = f32> {
    /// The folds could not be made.
    #[error("cross_validate: {0}")]
    Folds(#[from] DataError),
    /// A fold could not be preprocessed, built, trained or evaluated.
    #[error("cross_validate: fold {number} of {folds}: {source}")]
    Fold {
        /// The fold, from 0: the first of those that went wrong.
        number: usize,
        /// How many there are.
        folds: usize,
        /// Why.
        source: BoxError,
        /// The folds that were done until then.
        finished: CrossValidation<T>,
    },
}

/// The sentence, as [`Display`](std::fmt::Display) has it: a `main` that returns an error prints it so.
impl<T: Float> std::fmt::Debug for CrossValidationError<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Trains and judges a fresh model for each fold of the data.
///
/// `build` makes the compiled model of a fold and the options it is trained with; `folds` says which samples
/// these are. The fold's samples are the validation data of [`fit`](Trainer::fit), so that callbacks can watch
/// `val_loss`. A number that training was stopped or weights were chosen by is a little too good: with
/// [`Fit::validation_fraction`] the callbacks watch a part of the training samples instead, and the fold is
/// seen only once, at the end.
///
/// Nothing is trained before [`run`](CrossValidate::run).
///
/// ```
/// use gradus_data::{Dataset, KFold, StandardScaler};
/// use gradus_nn::{Dense, Sequential, losses::MeanSquaredError};
/// use gradus_optim::Sgd;
/// use gradus_train::{Compile, Fit, cross_validate};
/// # use gradus_autograd::Tensor;
///
/// let x = Tensor::linspace(0.0, 5.0, 24).reshape(&[24, 1]);
/// let data: Dataset = Dataset::new(x.clone(), x.map(|x| 2.0 * x + 1.0))?;
/// let scores = cross_validate(
///     |fold| {
///         let model = Sequential::new().add(Dense::new(1)).build(&[1], fold.seed)?;
///         let model = model.compile(Sgd::new(0.1), MeanSquaredError, &[]);
///         Ok((model, Fit::new().epochs(60).seed(fold.seed)))
///     },
///     &data,
///     KFold::new(4).shuffled(0),
/// )
/// .preprocess(StandardScaler::fit)
/// .run()?;
///
/// let loss = scores.get("loss").unwrap();
/// println!("{scores}\nloss {loss}"); // a table of the folds, then mean ± standard deviation
/// assert!(loss.mean < 1e-3);
/// assert_eq!(scores.history().epochs().len(), 60); // each column averaged over the folds
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A search inside chooses the settings of each fold by the fold's training samples alone, which makes the
/// cross-validation a nested one:
///
/// ```
/// # use gradus_autograd::Tensor;
/// # use gradus_data::{Dataset, KFold};
/// # use gradus_nn::{Dense, losses::MeanSquaredError};
/// # use gradus_optim::Sgd;
/// # use gradus_train::{Compile, Fit, Trainer, cross_validate};
/// # let x = Tensor::linspace(0.0, 1.0, 24).reshape(&[24, 1]);
/// # let data: Dataset = Dataset::new(x.clone(), x.map(|x| 2.0 * x + 1.0))?;
/// # use gradus_autograd::Module;
/// let model = |lr: f64, seed: u64| -> (Trainer<Dense>, Fit) {
///     let model = Dense::new(1).inputs(1).init(seed);
///     (model.compile(Sgd::new(lr), MeanSquaredError, &[]), Fit::new().epochs(5).seed(seed))
/// };
/// let scores = cross_validate(
///     |outer| {
///         let mut best = (f64::INFINITY, 0.0);
///         for lr in [0.01, 0.1] {
///             let folds = KFold::new(3).shuffled(outer.seed);
///             let inner = cross_validate(|fold| Ok(model(lr, fold.seed)), outer.train, folds);
///             let loss = inner.threads(1).progress(false).run()?.get("loss").unwrap().mean;
///             best = if loss < best.0 { (loss, lr) } else { best };
///         }
///         Ok(model(best.1, outer.seed))
///     },
///     &data,
///     KFold::new(4).shuffled(0),
/// )
/// .run()?;
/// assert_eq!(scores.folds().len(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn cross_validate<'a, 'f: 'a, M: Layer<T>, T: Float>(
    build: impl Fn(&FoldData<'_, T>) -> Result<(Trainer<M, T>, Fit<'f, T>), BoxError> + Sync + 'a,
    data: &'a Dataset<T>,
    folds: impl Folds<T> + Sync + 'a,
) -> CrossValidate<'a, M, T> {
    CrossValidate {
        build: Box::new(move |fold| build(fold)),
        data,
        folds: Box::new(folds),
        preprocess: None,
        threads: thread::available_parallelism().map_or(1, usize::from),
        seed: 0,
        progress: true,
    }
}

/// A cross-validation that is yet to [`run`](CrossValidate::run), made by [`cross_validate`].
#[must_use = "nothing is trained before `run`"]
#[allow(clippy::type_complexity, reason = "the closures that `cross_validate` is given")]
pub struct CrossValidate<'a, M, T: Float = f32> {
    build:
        Box<dyn Fn(&FoldData<'_, T>) -> Result<(Trainer<M, T>, Fit<'a, T>), BoxError> + Sync + 'a>,
    data: &'a Dataset<T>,
    folds: Box<dyn Folds<T> + Sync + 'a>,
    preprocess: Option<Box<FitFn<'a, T>>>,
    threads: usize,
    seed: u64,
    progress: bool,
}

impl<'a, M: Layer<T>, T: Float> CrossValidate<'a, M, T> {
    /// How features are scaled or encoded: `fit` sees the training samples of a fold alone, and what it learnt is
    /// applied to both parts.
    pub fn preprocess<P: Preprocess<T> + 'a>(
        mut self,
        fit: impl Fn(&Dataset<T>) -> Result<P, DataError> + Sync + 'a,
    ) -> Self {
        self.preprocess = Some(Box::new(move |train| Ok(Box::new(fit(train)?))));
        self
    }
    /// How many folds are trained at once; by default as many as there are processors. The numbers are the
    /// same for any count.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }
    /// What the seeds of the folds follow from; 0 by default.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
    /// Whether there is a progress bar; there never is one where the output is not a terminal.
    pub fn progress(mut self, progress: bool) -> Self {
        self.progress = progress;
        self
    }

    /// Trains and judges all folds.
    ///
    /// # Errors
    /// When the folds cannot be made, and when one of them cannot be preprocessed, built, trained or evaluated. No
    /// further fold is begun then, and the error has those that were finished.
    ///
    /// # Panics
    /// When a fold does, on whichever thread; the message names the fold.
    #[track_caller]
    pub fn run(self) -> Result<CrossValidation<T>, CrossValidationError<T>> {
        let folds = self.folds.folds(self.data)?;
        let bar = progress::folds(folds.len(), self.progress);
        let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= folds.len() {
                    return;
                }
                let fold = AssertUnwindSafe(|| self.fold(number, &folds, &bar));
                let result = panic::catch_unwind(fold);
                if !matches!(result, Ok(Ok(_))) {
                    // Folds are begun in order, so all before this one come to their end.
                    next.store(folds.len(), Ordering::Relaxed);
                }
                let mut done = done.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                done.push((number, result));
                bar.set_message(format!("{}/{} folds", done.len(), folds.len()));
            }
        };
        match self.threads.min(folds.len()) {
            0 | 1 => work(),
            threads => thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work)))),
        }
        bar.finish_and_clear();

        let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        done.sort_by_key(|(number, _)| *number);
        let (mut finished, mut failed) = (Vec::new(), None);
        for (number, result) in done {
            match result {
                Ok(Ok(fold)) => finished.push(fold),
                Ok(Err(source)) => failed = failed.or(Some((number, source))),
                Err(payload) => panic_again(payload, number, folds.len()),
            }
        }
        let finished = CrossValidation::new(finished);
        match failed {
            None => Ok(finished),
            Some((number, source)) => {
                let folds = folds.len();
                Err(CrossValidationError::Fold { number, folds, source, finished })
            }
        }
    }

    /// Trains and judges one fold.
    fn fold(
        &self,
        number: usize,
        folds: &[Fold],
        bar: &ProgressBar,
    ) -> Result<FoldResult<T>, BoxError> {
        let fold = &folds[number];
        // An odd factor: no two folds of a run are the same, and another seed is far away.
        let seed = self.seed.wrapping_add((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let [train, mut held_out] = self.data.split_at([&fold.train, &fold.test])?;
        let mut ready = train.clone();
        if let Some(fit) = &self.preprocess {
            let learnt = fit(&train)?;
            learnt.apply(&mut ready)?;
            learnt.apply(&mut held_out)?;
        }

        let (mut trainer, options) =
            (self.build)(&FoldData { number, seed, train: &train, rows: &fold.train })?;
        let mut options: Fit<'_, T> = options.progress(false);
        let epochs = options.epochs;
        if let Validation::None = options.validation {
            options = options.validation(&held_out);
        }
        // Folds may ask for different numbers of epochs; the bar counts on the most.
        let all = (epochs * folds.len()) as u64;
        bar.set_length(bar.length().unwrap_or(0).max(all));
        let history = trainer.fit(&ready, options.callback(Tick(bar)))?;
        bar.inc(epochs.saturating_sub(history.epochs().len()) as u64);
        Ok(FoldResult {
            number,
            seed,
            held_out: fold.test.clone(),
            scores: trainer.evaluate(&held_out)?,
            predictions: trainer.predict(held_out.x())?,
            history,
        })
    }
}

/// A panic of a fold at the line that ran them all.
#[track_caller]
fn panic_again(payload: Box<dyn Any + Send>, number: usize, folds: usize) -> ! {
    let text = payload.downcast_ref::<&str>().copied();
    match text.or(payload.downcast_ref::<String>().map(String::as_str)) {
        Some(text) => panic!("cross_validate: fold {number} of {folds}: {text}"),
        None => panic::resume_unwind(payload),
    }
}

/// Moves the bar on, an epoch at a time.
struct Tick<'a>(&'a ProgressBar);

impl<T: Float> Callback<T> for Tick<'_> {
    fn epoch_end(&mut self, _: usize, _: &Scores, _: &mut State<'_, T>) {
        self.0.inc(1);
    }
}
