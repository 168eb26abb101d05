//! What happens between steps and between epochs: the trait, what it sees, and one callback a file.

use gradus_autograd::{Float, Module};
use gradus_optim::{StateDict, StateError, Step};

use crate::{Direction, Scores, TrainError};

mod csv_logger;
mod early_stopping;
mod ema;
mod lambda;
#[cfg(feature = "weights")]
mod model_checkpoint;
mod plateau;
mod scheduler;
mod tensorboard;
mod terminate_on_nan;
mod watch;

pub use csv_logger::CsvLogger;
pub use early_stopping::EarlyStopping;
pub use ema::Ema;
pub use lambda::LambdaCallback;
#[cfg(feature = "weights")]
pub use model_checkpoint::ModelCheckpoint;
pub use plateau::ReduceLROnPlateau;
pub use scheduler::LearningRateScheduler;
pub use tensorboard::TensorBoard;
pub use terminate_on_nan::TerminateOnNan;

/// Training as a callback sees it.
pub struct State<'a, T: Float = f32> {
    /// The model.
    pub model: &'a mut dyn Module<T>,
    /// The optimiser.
    pub optimizer: &'a mut dyn Step<T>,
    /// How many steps have been taken, over all epochs.
    pub step: u64,
    pub(crate) stop: bool,
    pub(crate) error: Option<TrainError>,
}

impl<T: Float> State<'_, T> {
    /// Ends training after this epoch; from [`Callback::batch_end`], the epoch ends with this batch.
    pub fn stop(&mut self) {
        self.stop = true;
    }

    /// Ends training with an error, once all callbacks have been told what this one was. Of several, the first counts.
    pub fn fail(&mut self, error: TrainError) {
        self.error.get_or_insert(error);
    }
}

/// Something to do between epochs. All methods do nothing by default.
///
/// ```
/// use gradus_train::{Callback, Scores, State};
/// /// Remembers the worst epoch.
/// struct Worst(f64);
/// impl Callback for Worst {
///     fn epoch_end(&mut self, _epoch: usize, scores: &Scores, _: &mut State<'_>) {
///         self.0 = self.0.max(scores.loss());
///     }
/// }
/// ```
pub trait Callback<T: Float = f32> {
    /// Before training: `columns` are the names and directions of the history.
    ///
    /// # Errors
    /// When what the callback needs is not there.
    fn train_begin(
        &mut self,
        columns: &[(String, Direction)],
        state: &mut State<'_, T>,
    ) -> Result<(), TrainError> {
        let _ = (columns, state);
        Ok(())
    }
    /// Before an epoch, counted from 0.
    fn epoch_begin(&mut self, epoch: usize, state: &mut State<'_, T>) {
        let _ = (epoch, state);
    }
    /// After a step, with the number of its batch in the epoch, from 0, and its loss.
    fn batch_end(&mut self, batch: usize, loss: f64, state: &mut State<'_, T>) {
        let _ = (batch, loss, state);
    }
    /// After the last batch of an epoch, before the evaluation on the validation data.
    fn validation_begin(&mut self, state: &mut State<'_, T>) {
        let _ = state;
    }
    /// After an epoch, with its row of the history.
    fn epoch_end(&mut self, epoch: usize, scores: &Scores, state: &mut State<'_, T>) {
        let _ = (epoch, scores, state);
    }
    /// After the last epoch.
    fn train_end(&mut self, state: &mut State<'_, T>) {
        let _ = state;
    }
    /// The epoch whose weights the callback gave back to the model at the end, if it did;
    /// [`History::kept_epoch`](crate::History::kept_epoch) tells of it.
    fn restored_epoch(&self) -> Option<usize> {
        None
    }
    /// What it has seen and would need to go on in another process. Nothing by default: a callback that remembers
    /// nothing.
    fn state_dict(&self) -> StateDict {
        StateDict::new()
    }
    /// Goes on from a [`state_dict`](Callback::state_dict); called after [`train_begin`](Callback::train_begin).
    ///
    /// # Errors
    /// When it is that of another callback.
    fn load_state_dict(&mut self, state: StateDict) -> Result<(), StateError> {
        state.finish()
    }
}

/// A callback that is looked at after training.
impl<T: Float, C: Callback<T> + ?Sized> Callback<T> for &mut C {
    fn train_begin(
        &mut self,
        columns: &[(String, Direction)],
        state: &mut State<'_, T>,
    ) -> Result<(), TrainError> {
        (**self).train_begin(columns, state)
    }
    fn epoch_begin(&mut self, epoch: usize, state: &mut State<'_, T>) {
        (**self).epoch_begin(epoch, state);
    }
    fn batch_end(&mut self, batch: usize, loss: f64, state: &mut State<'_, T>) {
        (**self).batch_end(batch, loss, state);
    }
    fn validation_begin(&mut self, state: &mut State<'_, T>) {
        (**self).validation_begin(state);
    }
    fn epoch_end(&mut self, epoch: usize, scores: &Scores, state: &mut State<'_, T>) {
        (**self).epoch_end(epoch, scores, state);
    }
    fn train_end(&mut self, state: &mut State<'_, T>) {
        (**self).train_end(state);
    }
    fn restored_epoch(&self) -> Option<usize> {
        (**self).restored_epoch()
    }
    fn state_dict(&self) -> StateDict {
        (**self).state_dict()
    }
    fn load_state_dict(&mut self, state: StateDict) -> Result<(), StateError> {
        (**self).load_state_dict(state)
    }
}
