//! Learning rates that follow a schedule.

use gradus_autograd::Float;
use gradus_optim::Schedule;

use crate::{Callback, State};

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
