//! Ending training when it no longer helps.

use gradus_autograd::Float;
use gradus_optim::{StateDict, StateError};

use super::watch::direction_of;
use crate::{Callback, Direction, Scores, State, TrainError, Weights};

/// Ends training when a monitored number has not become better for `patience` epochs, as Keras'
/// `EarlyStopping`.
///
/// NaN is never better. With [`restore_best_weights`](Self::restore_best_weights) the model gets the
/// weights of its best epoch back, also when training was not cut short.
#[derive(Debug)]
pub struct EarlyStopping<T: Float = f32> {
    monitor: String,
    patience: usize,
    min_delta: f64,
    baseline: Option<f64>,
    start_from_epoch: usize,
    restore: bool,
    direction: Option<Direction>,
    run: Run<T>,
}

/// What a run has seen so far.
#[derive(Debug)]
struct Run<T: Float> {
    direction: Direction,
    best: Option<f64>,
    best_epoch: usize,
    weights: Option<Weights<T>>,
    wait: usize,
    stopped: Option<usize>,
    restored: Option<usize>,
}

impl<T: Float> Run<T> {
    fn new(direction: Direction) -> Self {
        Run {
            direction,
            best: None,
            best_epoch: 0,
            weights: None,
            wait: 0,
            stopped: None,
            restored: None,
        }
    }
}

impl<T: Float> EarlyStopping<T> {
    /// Watches a column of the history, such as `val_accuracy`: patience 0, min_delta 0, the direction
    /// that of the metric.
    pub fn monitor(column: impl Into<String>) -> Self {
        EarlyStopping {
            monitor: column.into(),
            patience: 0,
            min_delta: 0.0,
            baseline: None,
            start_from_epoch: 0,
            restore: false,
            direction: None,
            run: Run::new(Direction::Min),
        }
    }
    /// How many epochs without improvement are waited for.
    pub fn patience(mut self, epochs: usize) -> Self {
        self.patience = epochs;
        self
    }
    /// By how much a number must be better to count; a distance, whichever the direction.
    pub fn min_delta(mut self, delta: f64) -> Self {
        self.min_delta = delta.abs();
        self
    }
    /// Ends training, too, when `patience` epochs have not become better than this.
    pub fn baseline(mut self, baseline: f64) -> Self {
        self.baseline = Some(baseline);
        self
    }
    /// Looks away in the epochs before this one.
    pub fn start_from_epoch(mut self, epoch: usize) -> Self {
        self.start_from_epoch = epoch;
        self
    }
    /// Gives the model the weights of its best epoch at the end.
    pub fn restore_best_weights(mut self, restore: bool) -> Self {
        self.restore = restore;
        self
    }
    /// Overrides the direction of the metric.
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = Some(direction);
        self
    }
    /// The epoch after which training was ended, if it was.
    pub fn stopped_epoch(&self) -> Option<usize> {
        self.run.stopped
    }
    /// The best epoch.
    pub fn best_epoch(&self) -> usize {
        self.run.best_epoch
    }
    /// The best number.
    pub fn best(&self) -> Option<f64> {
        self.run.best
    }
}

impl<T: Float> Callback<T> for EarlyStopping<T> {
    fn train_begin(
        &mut self,
        columns: &[(String, Direction)],
        _: &mut State<'_, T>,
    ) -> Result<(), TrainError> {
        let direction = direction_of("EarlyStopping", &self.monitor, columns)?;
        self.run = Run::new(self.direction.unwrap_or(direction));
        Ok(())
    }

    fn epoch_end(&mut self, epoch: usize, scores: &Scores, state: &mut State<'_, T>) {
        let Some(now) = scores.get(&self.monitor) else { return };
        if epoch < self.start_from_epoch {
            return;
        }
        let run = &mut self.run;
        let better = |than: f64| run.direction.is_better(now, than, self.min_delta);
        if self.restore && run.weights.is_none() {
            // Should nothing ever be better than NaN, the first weights are the best.
            (run.weights, run.best_epoch) = (Some(Weights::of(state.model)), epoch);
        }
        run.wait += 1;
        if run.best.map_or(!now.is_nan(), better) {
            let beats_baseline = self.baseline.is_none_or(better);
            (run.best, run.best_epoch) = (Some(now), epoch);
            if self.restore {
                run.weights = Some(Weights::of(state.model));
            }
            if beats_baseline {
                run.wait = 0;
            }
            return;
        }
        if run.wait >= self.patience && epoch > 0 {
            run.stopped = Some(epoch);
            state.stop();
        }
    }

    fn train_end(&mut self, state: &mut State<'_, T>) {
        if let Some(weights) = self.run.weights.take() {
            weights.restore(state.model);
            self.run.restored = Some(self.run.best_epoch);
        }
    }

    fn restored_epoch(&self) -> Option<usize> {
        self.run.restored
    }

    fn state_dict(&self) -> StateDict {
        let (run, mut state) = (&self.run, StateDict::new());
        state.insert("wait", run.wait as u64);
        state.insert("best_epoch", run.best_epoch as u64);
        if let Some(best) = run.best {
            state.insert("best", best);
        }
        if let Some(epoch) = run.stopped {
            state.insert("stopped", epoch as u64);
        }
        if let Some(weights) = &run.weights {
            state.nest("weights", weights.state_dict());
        }
        state
    }

    fn load_state_dict(&mut self, mut state: StateDict) -> Result<(), StateError> {
        let weights = state.part("weights");
        let run = Run {
            wait: state.take_count("wait")? as usize,
            best_epoch: state.take_count("best_epoch")? as usize,
            best: state.optional("best", StateDict::take_number)?,
            stopped: state.optional("stopped", StateDict::take_count)?.map(|epoch| epoch as usize),
            weights: match weights.is_empty() {
                true => None,
                false => Some(Weights::from_state_dict(weights)?),
            },
            ..Run::new(self.run.direction)
        };
        state.finish()?;
        self.run = run;
        Ok(())
    }
}
