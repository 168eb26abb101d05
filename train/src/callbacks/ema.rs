//! The moving average of the weights.

use gradus_autograd::{Float, Module, Path, Tensor};
use gradus_optim::{StateDict, StateError};

use crate::{Callback, Direction, Scores, State, TrainError};

/// Keeps the exponential moving average of the trained parameters, `average = decay·average + (1 − decay)·weight` after
/// each step, as Keras' `use_ema` and PyTorch's `AveragedModel`: it begins with the weights after the first step.
/// At the end, the model gets the averages. Statistics, such as those of batch norm, are averages already and stay.
///
/// ```
/// use gradus_train::{Ema, Fit};
/// let options: Fit = Fit::new().epochs(10).callback(Ema::new(0.99).validate(true));
/// ```
#[derive(Debug)]
pub struct Ema<T: Float = f32> {
    decay: f64,
    validate: bool,
    overwrite: bool,
    /// In the order of the trained parameters.
    average: Vec<Tensor<T>>,
    swapped: bool,
}

impl<T: Float> Ema<T> {
    /// With the weight of the **old** average, such as 0.99 (Keras' default) or 0.999.
    ///
    /// # Panics
    /// When it is not within 0 and 1.
    #[track_caller]
    pub fn new(decay: f64) -> Self {
        assert!((0.0..=1.0).contains(&decay), "Ema: a decay of {decay} is not within 0 and 1");
        Ema { decay, validate: false, overwrite: true, average: Vec::new(), swapped: false }
    }
    /// Whether the validation data is evaluated with the averages in place of the weights; by default it is not.
    /// Callbacks before this one see the averages, too, at the end of an epoch.
    pub fn validate(self, validate: bool) -> Self {
        Ema { validate, ..self }
    }
    /// Whether the model gets the averages at the end; by default it does.
    pub fn overwrite(self, overwrite: bool) -> Self {
        Ema { overwrite, ..self }
    }
    /// The averages, in the order of the trained parameters; none before the first step.
    pub fn average(&self) -> &[Tensor<T>] {
        &self.average
    }

    fn step(&mut self, model: &dyn Module<T>) {
        let (keep, add) = (T::of(self.decay), T::of(1.0 - self.decay));
        let (mut number, average) = (0, &mut self.average);
        model.visit(Path::root(), &mut |_, param| {
            if !param.is_trained() {
                return;
            }
            match average.get_mut(number) {
                None => average.push(param.value().clone()),
                Some(mean) => {
                    let now = param.value().contiguous();
                    for (mean, &now) in
                        mean.make_mut().iter_mut().zip(now.as_slice().unwrap_or(&[]))
                    {
                        *mean = keep * *mean + add * now;
                    }
                }
            }
            number += 1;
        });
    }

    /// Weights for averages, or back.
    fn swap(&mut self, model: &mut dyn Module<T>) {
        let mut averages = self.average.iter_mut();
        model.visit_mut(Path::root(), &mut |_, param| {
            if !param.is_trained() {
                return;
            }
            if let Some(average) = averages.next() {
                std::mem::swap(param.value_mut(), average);
            }
        });
        self.swapped = !self.swapped;
    }
}

impl<T: Float> Callback<T> for Ema<T> {
    fn train_begin(
        &mut self,
        _: &[(String, Direction)],
        _: &mut State<'_, T>,
    ) -> Result<(), TrainError> {
        (self.average, self.swapped) = (Vec::new(), false);
        Ok(())
    }

    fn batch_end(&mut self, _: usize, _: f64, state: &mut State<'_, T>) {
        self.step(state.model);
    }

    fn validation_begin(&mut self, state: &mut State<'_, T>) {
        if self.validate {
            self.swap(state.model);
        }
    }

    fn epoch_end(&mut self, _: usize, _: &Scores, state: &mut State<'_, T>) {
        if self.swapped {
            self.swap(state.model);
        }
    }

    fn train_end(&mut self, state: &mut State<'_, T>) {
        if self.overwrite {
            let averages = self.average.clone();
            self.swap(state.model);
            (self.average, self.swapped) = (averages, false);
        }
    }

    fn state_dict(&self) -> StateDict {
        let mut state = StateDict::new();
        for (number, average) in self.average.iter().enumerate() {
            state.insert_float(number.to_string(), average);
        }
        state
    }

    fn load_state_dict(&mut self, mut state: StateDict) -> Result<(), StateError> {
        let count = state.iter().count();
        let average = (0..count).map(|number| state.take_tensor(&number.to_string()));
        self.average = average.collect::<Result<_, _>>()?;
        Ok(())
    }
}
