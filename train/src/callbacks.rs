//! What happens between epochs.

use gradus_autograd::{Float, Module, Path, Tensor};
use gradus_optim::{Schedule, Step};

use crate::{Direction, Scores, TrainError};

/// Training as a callback sees it.
pub struct State<'a, T: Float = f32> {
    /// The model.
    pub model: &'a mut dyn Module<T>,
    /// The optimiser.
    pub optimizer: &'a mut dyn Step<T>,
    pub(crate) stop: bool,
}

impl<T: Float> State<'_, T> {
    /// Ends training after this epoch.
    pub fn stop(&mut self) {
        self.stop = true;
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
    fn epoch_end(&mut self, epoch: usize, scores: &Scores, state: &mut State<'_, T>) {
        (**self).epoch_end(epoch, scores, state);
    }
    fn train_end(&mut self, state: &mut State<'_, T>) {
        (**self).train_end(state);
    }
    fn restored_epoch(&self) -> Option<usize> {
        (**self).restored_epoch()
    }
}

/// Sets the learning rate before each epoch by a [`Schedule`].
pub struct LearningRateScheduler<S>(S);

impl<S: Schedule> LearningRateScheduler<S> {
    /// From a closure `|epoch, lr| …` or a schedule.
    pub fn new(schedule: S) -> Self {
        LearningRateScheduler(schedule)
    }
}

impl<T: Float, S: Schedule> Callback<T> for LearningRateScheduler<S> {
    fn epoch_begin(&mut self, epoch: usize, state: &mut State<'_, T>) {
        let lr = self.0.rate(epoch, state.optimizer.lr());
        state.optimizer.set_lr(lr);
    }
}

/// The values of all parameters and statistics of a model at one moment. Cheap: buffers are shared
/// until one side writes.
#[derive(Clone, Debug)]
pub struct Weights<T: Float = f32>(Vec<Tensor<T>>);

impl<T: Float> Weights<T> {
    /// Those of a model.
    pub fn of(model: &dyn Module<T>) -> Self {
        let mut all = Vec::new();
        model.visit(Path::root(), &mut |_, param| all.push(param.value().clone()));
        Weights(all)
    }

    /// Puts them back into the model that they came from.
    ///
    /// # Panics
    /// When the model has other parameters.
    #[track_caller]
    pub fn restore(&self, model: &mut dyn Module<T>) {
        let mut values = self.0.iter();
        model.visit_mut(Path::root(), &mut |path, param| match values.next() {
            Some(value) => param.set(value.clone()),
            None => panic!("restore: the model has a parameter `{path}` that was not there"),
        });
        let left = values.len();
        assert!(left == 0, "restore: the model lacks {left} parameter(s) that were there");
    }
}
