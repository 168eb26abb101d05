//! A trial that runs: what the objective is given.

use std::error::Error;
use std::sync::Arc;

use gradus_autograd::Float;

use super::{FromValue, Params, Record, Running, Scheduler, SearchError};
use crate::{Callback, Direction, Scores, TrainError};

/// What an objective returns: a score, or an error of any kind.
pub type Outcome = Result<f64, Box<dyn Error>>;

/// A trial may report so many values: its line of the file stays short.
const REPORTS: usize = 100_000;

/// A trial that runs.
#[derive(Debug)]
pub struct Trial<'a> {
    pub(super) number: u64,
    pub(super) study_seed: u64,
    pub(super) direction: Direction,
    pub(super) params: Params,
    pub(super) reports: Vec<(u64, f64)>,
    pub(super) pruned: bool,
    pub(super) scheduler: &'a dyn Scheduler,
    pub(super) history: &'a [Arc<Record>],
}

impl Trial<'_> {
    /// Its number, from 0.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// A seed for whatever is random in it, another one in each trial: a function of the study's seed and
    /// the number. (With a constant seed instead, trials differ by their parameters alone.)
    pub fn seed(&self) -> u64 {
        // As a training step's: an odd factor keeps the trials of a study apart, and studies from each other.
        self.study_seed.wrapping_add((self.number + 1).wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// The parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The value of a parameter: [`Params::get`].
    ///
    /// # Errors
    /// Those of [`Params::get`]. Handed on by `?`, they end the study: every trial would fail alike.
    pub fn get<'a, T: FromValue<'a>>(&'a self, name: &str) -> Result<T, SearchError> {
        self.params.get(name)
    }

    /// Reports how well it stands after a step (an epoch, a fold), counted from 0, so that the scheduler can
    /// end it.
    ///
    /// # Errors
    /// [`SearchError::Pruned`] when the trial should end: hand it on by `?`. And when the step does not come
    /// after the last one.
    pub fn report(&mut self, step: u64, value: f64) -> Result<(), SearchError> {
        let wrong = |why: String| Err(SearchError::Report { trial: self.number, why });
        if let Some(&(last, _)) = self.reports.last().filter(|last| last.0 >= step) {
            return wrong(format!("step {step} was reported after step {last}: steps must grow"));
        }
        if self.reports.len() >= REPORTS {
            return wrong(format!(
                "more than {REPORTS} reports: report after an epoch, not after a batch"
            ));
        }
        // In the file both are null, and a study that is taken up again must decide alike.
        self.reports.push((step, if value.is_finite() { value } else { f64::NAN }));
        let running = Running {
            number: self.number,
            seed: self.study_seed,
            direction: self.direction,
            reports: &self.reports,
            history: self.history,
        };
        self.pruned |= self.scheduler.prunes(&running);
        if self.pruned { Err(SearchError::Pruned) } else { Ok(()) }
    }

    /// A callback for [`fit`](crate::Trainer::fit) that reports a column of the history after each epoch and
    /// ends training when the scheduler says so. What the objective returns then does not matter: the trial
    /// is noted as pruned.
    ///
    /// ```
    /// use gradus_autograd::{Module, Tensor};
    /// use gradus_data::Dataset;
    /// use gradus_nn::{Dense, losses::MeanSquaredError};
    /// use gradus_optim::Sgd;
    /// use gradus_train::{Compile, Fit, search::*};
    ///
    /// let x = Tensor::linspace(-1.0, 1.0, 8).reshape(&[8, 1]);
    /// let data: Dataset = Dataset::new(x.clone(), x.map(|x| 2.0 * x))?;
    /// let space = Space::new().log_uniform("lr", 1e-3, 1.0);
    /// let found = Study::minimize(space).scheduler(Asha::new(9)).trials(12).run(|trial| {
    ///     let lr: f64 = trial.get("lr")?;
    ///     let mut model = Dense::new(1).inputs(1).init(1).compile(Sgd::new(lr), MeanSquaredError, &[]);
    ///     let options = Fit::new().epochs(9).validation(&data).progress(false);
    ///     let history = model.fit(&data, options.callback(trial.callback("val_loss")))?;
    ///     Ok(history.last().map_or(f64::NAN, |epoch| epoch.get("val_loss").unwrap_or(f64::NAN)))
    /// })?;
    /// assert!(found.trials().iter().any(|trial| trial.state == TrialState::Pruned));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn callback(&mut self, column: impl Into<String>) -> TrialCallback<'_> {
        let running = self as &mut dyn Report;
        TrialCallback { trial: running, column: column.into() }
    }
}

/// A trial without its lifetime, which is invariant behind `&mut`.
trait Report {
    fn report(&mut self, step: u64, value: f64) -> Result<(), SearchError>;
    fn begun(&self) -> bool;
    fn direction(&self) -> Direction;
}

impl Report for Trial<'_> {
    fn report(&mut self, step: u64, value: f64) -> Result<(), SearchError> {
        Trial::report(self, step, value)
    }
    fn begun(&self) -> bool {
        !self.reports.is_empty()
    }
    fn direction(&self) -> Direction {
        self.direction
    }
}

/// Reports to a trial after each epoch: [`Trial::callback`].
pub struct TrialCallback<'a> {
    trial: &'a mut dyn Report,
    column: String,
}

impl<T: Float> Callback<T> for TrialCallback<'_> {
    fn train_begin(
        &mut self,
        columns: &[(String, Direction)],
        _: &mut crate::State<'_, T>,
    ) -> Result<(), TrainError> {
        let Some((_, direction)) = columns.iter().find(|(name, _)| *name == self.column) else {
            let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
            return Err(TrainError::Monitor {
                callback: "Trial::callback",
                monitor: self.column.clone(),
                available: names.join(", "),
            });
        };
        let column = &self.column;
        if *direction != self.trial.direction() {
            let words =
                |direction| if direction == Direction::Min { "minimizes" } else { "maximizes" };
            return Err(TrainError::Option(format!(
                "the study {} its score, but reports `{column}`, which training {}: report another \
                 column, or turn the study round",
                words(self.trial.direction()),
                words(*direction)
            )));
        }
        if self.trial.begun() {
            return Err(TrainError::Option(format!(
                "the trial has reports already; `{column}` of a second training would be taken for a \
                 continuation: report the mean of several trainings by `Trial::report`"
            )));
        }
        Ok(())
    }

    fn epoch_end(&mut self, epoch: usize, scores: &Scores, state: &mut crate::State<'_, T>) {
        let value = scores.get(&self.column).unwrap_or(f64::NAN);
        if self.trial.report(epoch as u64, value).is_err() {
            state.stop();
        }
    }
}
