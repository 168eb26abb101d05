//! The weights of epochs as files.

use std::path::PathBuf;

use gradus_autograd::Float;
use gradus_optim::{StateDict, StateError};

use super::watch::direction_of;
use crate::{Callback, Direction, Scores, State, TrainError, Weights};

/// Writes the weights after each epoch, or only where a number has become better, as Keras' `ModelCheckpoint`; with
/// the feature `weights`. In the path, `{epoch}` stands for the number of the epoch, from 0 as in the history. To take
/// a whole run up again, see [`BackupAndRestore`](crate::BackupAndRestore).
///
/// ```
/// use gradus_train::{Fit, ModelCheckpoint};
/// let best = ModelCheckpoint::new("best.safetensors").best("val_loss");
/// let all = ModelCheckpoint::new("weights-{epoch}.safetensors").every(5);
/// let options: Fit = Fit::new().epochs(20).callback(best).callback(all);
/// ```
#[derive(Clone, Debug)]
pub struct ModelCheckpoint {
    path: PathBuf,
    monitor: Option<String>,
    direction: Option<Direction>,
    every: usize,
    watched: Direction,
    best: Option<f64>,
    /// Whether there is a file yet.
    saved: bool,
}

impl ModelCheckpoint {
    /// After each epoch, to a file, which is replaced.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        ModelCheckpoint {
            path: path.into(),
            monitor: None,
            direction: None,
            every: 1,
            watched: Direction::Min,
            best: None,
            saved: false,
        }
    }
    /// Only where a column of the history, such as `val_loss`, is better than ever. NaN never is, but the first epoch
    /// is saved in any case.
    pub fn best(self, monitor: impl Into<String>) -> Self {
        ModelCheckpoint { monitor: Some(monitor.into()), ..self }
    }
    /// Overrides the direction of the metric.
    pub fn direction(self, direction: Direction) -> Self {
        ModelCheckpoint { direction: Some(direction), ..self }
    }
    /// Only after every so many epochs: of 5, after epochs 4, 9, 14 …
    pub fn every(self, epochs: usize) -> Self {
        ModelCheckpoint { every: epochs.max(1), ..self }
    }
}

impl<T: Float> Callback<T> for ModelCheckpoint {
    fn train_begin(
        &mut self,
        columns: &[(String, Direction)],
        _: &mut State<'_, T>,
    ) -> Result<(), TrainError> {
        (self.best, self.saved) = (None, false);
        if let Some(monitor) = &self.monitor {
            let direction = direction_of("ModelCheckpoint", monitor, columns)?;
            self.watched = self.direction.unwrap_or(direction);
        }
        Ok(())
    }

    fn epoch_end(&mut self, epoch: usize, scores: &Scores, state: &mut State<'_, T>) {
        if !(epoch + 1).is_multiple_of(self.every) {
            return;
        }
        if let Some(now) = self.monitor.as_ref().and_then(|monitor| scores.get(monitor)) {
            let better = |best| self.watched.is_better(now, best, 0.0);
            let better = self.best.map_or(!now.is_nan(), better);
            if better {
                self.best = Some(now);
            } else if self.saved {
                return;
            }
        }
        let path = self.path.to_string_lossy().replace("{epoch}", &epoch.to_string());
        match Weights::of(state.model).save(path) {
            Ok(()) => self.saved = true,
            Err(error) => state.fail(error),
        }
    }

    fn state_dict(&self) -> StateDict {
        let mut state = StateDict::new();
        state.insert("saved", self.saved);
        if let Some(best) = self.best {
            state.insert("best", best);
        }
        state
    }

    fn load_state_dict(&mut self, mut state: StateDict) -> Result<(), StateError> {
        let best = state.optional("best", StateDict::take_number)?;
        let saved = state.take_shaped::<bool>("saved", &[])?.item();
        state.finish()?;
        (self.best, self.saved) = (best, saved);
        Ok(())
    }
}
