//! Ending a training that has come to grief.

use gradus_autograd::Float;

use crate::{Callback, State};

/// Ends training with the batch whose loss is NaN or infinite, as Keras' `TerminateOnNaN`. The row of that epoch
/// is still in the history.
#[derive(Clone, Copy, Debug, Default)]
pub struct TerminateOnNan;

impl<T: Float> Callback<T> for TerminateOnNan {
    fn batch_end(&mut self, _: usize, loss: f64, state: &mut State<'_, T>) {
        if !loss.is_finite() {
            state.stop();
        }
    }
}
