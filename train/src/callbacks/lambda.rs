//! A callback of closures.

use gradus_autograd::Float;

use crate::{Callback, Scores, State};

type OnBatch<'a, T> = Box<dyn FnMut(usize, f64, &mut State<'_, T>) + 'a>;
type OnEpoch<'a, T> = Box<dyn FnMut(usize, &Scores, &mut State<'_, T>) + 'a>;
type OnBegin<'a, T> = Box<dyn FnMut(usize, &mut State<'_, T>) + 'a>;
type OnEnd<'a, T> = Box<dyn FnMut(&mut State<'_, T>) + 'a>;

/// Calls closures, as Keras' `LambdaCallback`.
///
/// ```
/// use gradus_train::LambdaCallback;
/// let mut losses = Vec::new();
/// let note = LambdaCallback::<f32>::new().epoch_end(|_epoch, scores, _state| losses.push(scores.loss()));
/// # drop(note);
/// ```
pub struct LambdaCallback<'a, T: Float = f32> {
    epoch_begin: Option<OnBegin<'a, T>>,
    batch_end: Option<OnBatch<'a, T>>,
    epoch_end: Option<OnEpoch<'a, T>>,
    train_end: Option<OnEnd<'a, T>>,
}

impl<T: Float> Default for LambdaCallback<'_, T> {
    fn default() -> Self {
        LambdaCallback::new()
    }
}

impl<'a, T: Float> LambdaCallback<'a, T> {
    /// With none.
    pub fn new() -> Self {
        LambdaCallback { epoch_begin: None, batch_end: None, epoch_end: None, train_end: None }
    }
    /// Before each epoch: `|epoch, state| …`.
    pub fn epoch_begin(mut self, f: impl FnMut(usize, &mut State<'_, T>) + 'a) -> Self {
        self.epoch_begin = Some(Box::new(f));
        self
    }
    /// After each step: `|batch, loss, state| …`.
    pub fn batch_end(mut self, f: impl FnMut(usize, f64, &mut State<'_, T>) + 'a) -> Self {
        self.batch_end = Some(Box::new(f));
        self
    }
    /// After each epoch: `|epoch, scores, state| …`.
    pub fn epoch_end(mut self, f: impl FnMut(usize, &Scores, &mut State<'_, T>) + 'a) -> Self {
        self.epoch_end = Some(Box::new(f));
        self
    }
    /// After the last epoch: `|state| …`.
    pub fn train_end(mut self, f: impl FnMut(&mut State<'_, T>) + 'a) -> Self {
        self.train_end = Some(Box::new(f));
        self
    }
}

impl<T: Float> Callback<T> for LambdaCallback<'_, T> {
    fn epoch_begin(&mut self, epoch: usize, state: &mut State<'_, T>) {
        if let Some(f) = &mut self.epoch_begin {
            f(epoch, state);
        }
    }
    fn batch_end(&mut self, batch: usize, loss: f64, state: &mut State<'_, T>) {
        if let Some(f) = &mut self.batch_end {
            f(batch, loss, state);
        }
    }
    fn epoch_end(&mut self, epoch: usize, scores: &Scores, state: &mut State<'_, T>) {
        if let Some(f) = &mut self.epoch_end {
            f(epoch, scores, state);
        }
    }
    fn train_end(&mut self, state: &mut State<'_, T>) {
        if let Some(f) = &mut self.train_end {
            f(state);
        }
    }
}
