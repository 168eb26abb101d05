//! Smaller learning rates where training stands still.

use gradus_autograd::Float;
use gradus_optim::{StateDict, StateError};

use super::watch::direction_of;
use crate::{Callback, Direction, Scores, State, TrainError};

/// Multiplies the learning rate by a factor when a monitored number has not become better for `patience` epochs, as
/// Keras' `ReduceLROnPlateau` or, by [`pytorch`](Self::pytorch), as PyTorch's. NaN is never better.
///
/// | | Keras (the default) | PyTorch |
/// | --- | --- | --- |
/// | factor, patience, cooldown, least rate | 0.1, 10, 0, 0 | the same |
/// | better is | by more than `min_delta`, 1e-4, as a distance | by more than that part of the best number |
/// | the rate falls | in the epoch that is the `patience`-th without improvement | in the one after that |
/// | the last epoch of a cooldown | counts again | does not yet |
/// | a step smaller than 1e-8 | is taken | is not |
///
/// ```
/// use gradus_train::{Fit, ReduceLROnPlateau};
/// let plateau = ReduceLROnPlateau::monitor("val_loss").factor(0.5).patience(3);
/// let options: Fit = Fit::new().epochs(100).callback(plateau);
/// ```
#[derive(Clone, Debug)]
pub struct ReduceLROnPlateau {
    monitor: String,
    factor: f64,
    patience: usize,
    min_delta: f64,
    cooldown: usize,
    min_lr: f64,
    direction: Option<Direction>,
    pytorch: bool,
    run: Run,
}

/// What a run has seen so far.
#[derive(Clone, Copy, Debug)]
struct Run {
    direction: Direction,
    best: Option<f64>,
    wait: usize,
    cooling: usize,
}

impl Run {
    fn new(direction: Direction) -> Self {
        Run { direction, best: None, wait: 0, cooling: 0 }
    }
}

/// PyTorch takes no step that is smaller.
const LEAST_STEP: f64 = 1e-8;

impl ReduceLROnPlateau {
    /// Watches a column of the history, such as `val_loss`, with the conventions of Keras.
    pub fn monitor(column: impl Into<String>) -> Self {
        ReduceLROnPlateau {
            monitor: column.into(),
            factor: 0.1,
            patience: 10,
            min_delta: 1e-4,
            cooldown: 0,
            min_lr: 0.0,
            direction: None,
            pytorch: false,
            run: Run::new(Direction::Min),
        }
    }
    /// With the conventions of PyTorch.
    pub fn pytorch(self) -> Self {
        ReduceLROnPlateau { pytorch: true, ..self }
    }
    /// What the rate is multiplied by.
    ///
    /// # Panics
    /// When it is not within 0 and 1, without the latter.
    #[track_caller]
    pub fn factor(self, factor: f64) -> Self {
        assert!(
            (0.0..1.0).contains(&factor),
            "ReduceLROnPlateau: a factor of {factor} is not from 0 to below 1"
        );
        ReduceLROnPlateau { factor, ..self }
    }
    /// How many epochs without improvement are waited for.
    pub fn patience(self, patience: usize) -> Self {
        ReduceLROnPlateau { patience, ..self }
    }
    /// By how much a number must be better to count: a distance, or with PyTorch's conventions a part of the best.
    pub fn min_delta(self, delta: f64) -> Self {
        ReduceLROnPlateau { min_delta: delta.abs(), ..self }
    }
    /// For how many epochs after a change nothing is counted.
    pub fn cooldown(self, cooldown: usize) -> Self {
        ReduceLROnPlateau { cooldown, ..self }
    }
    /// The least rate.
    pub fn min_lr(self, min_lr: f64) -> Self {
        ReduceLROnPlateau { min_lr, ..self }
    }
    /// Overrides the direction of the metric.
    pub fn direction(self, direction: Direction) -> Self {
        ReduceLROnPlateau { direction: Some(direction), ..self }
    }

    fn is_better(&self, now: f64) -> bool {
        let Some(best) = self.run.best else { return !now.is_nan() };
        let direction = self.run.direction;
        if !self.pytorch {
            return direction.is_better(now, best, self.min_delta);
        }
        let bound = match direction {
            Direction::Min => best * (1.0 - self.min_delta),
            Direction::Max => best * (1.0 + self.min_delta),
        };
        direction.is_better(now, bound, 0.0)
    }

    /// Counts an epoch; whether the rate is to fall after it.
    fn falls(&mut self, now: f64) -> bool {
        let better = self.is_better(now);
        let run = &mut self.run;
        if better {
            run.best = Some(now);
        }
        let was_cooling = run.cooling > 0;
        run.cooling = run.cooling.saturating_sub(1);
        let counts = match self.pytorch {
            true => !was_cooling,
            false => run.cooling == 0,
        };
        if better || was_cooling {
            run.wait = 0;
        }
        if !better && counts {
            run.wait += 1;
        }
        // In PyTorch, patience is how many are still waited for.
        run.wait > 0 && run.wait >= self.patience + usize::from(self.pytorch)
    }
}

impl<T: Float> Callback<T> for ReduceLROnPlateau {
    fn train_begin(
        &mut self,
        columns: &[(String, Direction)],
        _: &mut State<'_, T>,
    ) -> Result<(), TrainError> {
        let direction = direction_of("ReduceLROnPlateau", &self.monitor, columns)?;
        self.run = Run::new(self.direction.unwrap_or(direction));
        Ok(())
    }

    fn epoch_end(&mut self, _: usize, scores: &Scores, state: &mut State<'_, T>) {
        let Some(now) = scores.get(&self.monitor) else { return };
        if !self.falls(now) {
            return;
        }
        let old = state.optimizer.lr();
        let new = (old * self.factor).max(self.min_lr);
        let worth_it = if self.pytorch { old - new > LEAST_STEP } else { old > self.min_lr };
        if worth_it {
            state.optimizer.set_lr(new);
        }
        if worth_it || self.pytorch {
            (self.run.cooling, self.run.wait) = (self.cooldown, 0);
        }
    }

    fn state_dict(&self) -> StateDict {
        let (run, mut state) = (self.run, StateDict::new());
        state.insert("wait", run.wait as u64);
        state.insert("cooling", run.cooling as u64);
        if let Some(best) = run.best {
            state.insert("best", best);
        }
        state
    }

    fn load_state_dict(&mut self, mut state: StateDict) -> Result<(), StateError> {
        let run = Run {
            wait: state.take_count("wait")? as usize,
            cooling: state.take_count("cooling")? as usize,
            best: state.optional("best", StateDict::take_number)?,
            ..self.run
        };
        state.finish()?;
        self.run = run;
        Ok(())
    }
}
