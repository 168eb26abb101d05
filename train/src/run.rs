//! The loop of `fit`: epochs, batches, callbacks; and where it is, so that it can be taken up again.

use gradus_autograd::{Float, Tape};
use gradus_data::Batches;
use gradus_nn::Layer;
use gradus_optim::{StateDict, StateError};

use crate::progress::{self, Progress};
use crate::trainer::Mean;
use crate::weighting::Weighted;
use crate::{Callback, History, Scores, State, TrainError, Trainer, Weights};

/// What a run is given.
pub(crate) struct Plan<'a, T: Float> {
    pub train: Weighted<'a, T>,
    pub validation: Option<Weighted<'a, T>>,
    pub batches: Batches<'a, T>,
    pub epochs: usize,
    pub seed: u64,
    pub callbacks: Vec<Box<dyn Callback<T> + 'a>>,
    pub backup: Option<Box<dyn Keep + 'a>>,
    /// What a run must have in common with one that it goes on with, under the names that a message has for it.
    pub marks: StateDict,
    pub progress: Progress,
}

/// Where the state of a run is kept.
pub(crate) trait Keep {
    /// What is there, if anything is.
    fn load(&self) -> Result<Option<StateDict>, TrainError>;
    fn save(&self, state: StateDict) -> Result<(), TrainError>;
    /// Whether it keeps the state after so many steps, within an epoch.
    fn is_due(&self, step: u64) -> bool;
    /// Whether it ever does.
    fn within_epochs(&self) -> bool;
    /// That what is there is no state of a run.
    fn foreign(&self) -> TrainError;
    /// What is wrong with the state that was there.
    fn error(&self, source: StateError) -> TrainError;
    /// That the state is that of a run in which `what` differs.
    fn other(&self, what: &str) -> TrainError;
}

/// The first entry of a state.
const FORMAT: &str = "gradus backup 1";

/// Where a run is.
#[derive(Default)]
pub(crate) struct Place {
    epoch: usize,
    /// Batches of this epoch that are done.
    batch: usize,
    /// Over all epochs.
    step: u64,
    stopped: bool,
    loss: Mean,
    pub history: History,
}

impl Place {
    fn state_dict(&self) -> StateDict {
        let mut state = StateDict::new();
        state.insert("epoch", self.epoch as u64);
        state.insert("batch", self.batch as u64);
        state.insert("step", self.step);
        state.insert("stopped", self.stopped);
        state.insert("loss", &[self.loss.sum, self.loss.samples as f64][..]);
        state.nest("history", self.history.state_dict());
        state
    }

    fn from_state_dict(mut state: StateDict) -> Result<Self, StateError> {
        let history = History::from_state_dict(state.part("history"));
        let loss = state.take_shaped::<f64>("loss", &[2])?.to_vec();
        let place = Place {
            epoch: state.take_count("epoch")? as usize,
            batch: state.take_count("batch")? as usize,
            step: state.take_count("step")?,
            stopped: state.take_shaped::<bool>("stopped", &[])?.item(),
            loss: Mean { sum: loss[0], samples: loss[1] as usize },
            history: history.map_err(|error| error.within("history"))?,
        };
        state.finish()?;
        Ok(place)
    }
}

impl<T: Float, M: Layer<T>> Trainer<M, T> {
    /// Runs a plan from its beginning, or from where its backup is.
    #[track_caller]
    pub(crate) fn run(&mut self, plan: &mut Plan<'_, T>, at: &mut Place) -> Result<(), TrainError> {
        let columns = self.columns(plan.validation.is_some());
        let mut begun = Ok(());
        self.tell(plan, at, |callback, state| {
            if begun.is_ok() {
                begun = callback.train_begin(&columns, state);
            }
        })?;
        begun?;
        self.take_up(plan, at)?;
        while at.epoch < plan.epochs && !at.stopped {
            if at.batch == 0 {
                at.loss = Mean::default();
                self.metrics.iter_mut().for_each(|metric| *metric = metric.fresh());
                let epoch = at.epoch;
                self.tell(plan, at, |callback, state| callback.epoch_begin(epoch, state))?;
                if at.stopped {
                    break;
                }
                let lr = self.optimizer.lr();
                if !(lr.is_finite() && lr >= 0.0) {
                    return Err(TrainError::LearningRate { epoch, lr });
                }
            }
            self.epoch(plan, at)?;
        }
        self.tell(plan, at, |callback, state| callback.train_end(state))?;
        let mut callbacks = plan.callbacks.iter().rev();
        at.history.restored = callbacks.find_map(|callback| callback.restored_epoch());
        Ok(())
    }

    /// What is left of an epoch.
    #[track_caller]
    fn epoch(&mut self, plan: &mut Plan<'_, T>, at: &mut Place) -> Result<(), TrainError> {
        let epoch = at.epoch;
        let bar = plan.progress.epoch(epoch, plan.batches.len());
        bar.set_position(at.batch as u64);
        for batch in plan.batches.epoch(epoch as u64).skip(at.batch) {
            let number = at.batch;
            let tape = Tape::training(step_seed(plan.seed, epoch, number));
            let loss = self.step(&tape, &batch, plan.train.of(&batch));
            let loss = loss.map_err(|source| TrainError::Step { epoch, source })?;
            at.loss.add(loss, batch.len());
            (at.batch, at.step) = (number + 1, at.step + 1);
            bar.inc(1);
            self.tell(plan, at, |callback, state| callback.batch_end(number, loss, state))?;
            if at.stopped {
                break;
            }
            if plan.backup.as_ref().is_some_and(|backup| backup.is_due(at.step)) {
                self.keep(plan, at)?;
            }
        }
        let mut row = self.scores(&at.loss, "");
        if plan.validation.is_some() {
            self.tell(plan, at, |callback, state| callback.validation_begin(state))?;
        }
        if let Some(data) = &plan.validation {
            row.0.extend(self.evaluate_as(data, "val_")?.0);
        }
        row.0.push(("lr".into(), self.optimizer.lr()));
        progress::finish(&bar, &row);
        at.history.epochs.push(row.clone());
        (at.epoch, at.batch) = (epoch + 1, 0);
        self.tell(plan, at, |callback, state| callback.epoch_end(epoch, &row, state))?;
        self.keep(plan, at)
    }

    /// Tells all callbacks, and does what they ask for.
    fn tell(
        &mut self,
        plan: &mut Plan<'_, T>,
        at: &mut Place,
        mut what: impl FnMut(&mut dyn Callback<T>, &mut State<'_, T>),
    ) -> Result<(), TrainError> {
        let (model, optimizer) = (&mut self.model, &mut *self.optimizer);
        let mut state = State { model, optimizer, step: at.step, stop: false, error: None };
        plan.callbacks.iter_mut().for_each(|callback| what(&mut **callback, &mut state));
        at.stopped |= state.stop;
        state.error.map_or(Ok(()), Err)
    }

    /// Keeps all that the rest of the run depends on.
    fn keep(&self, plan: &Plan<'_, T>, at: &Place) -> Result<(), TrainError> {
        let Some(backup) = &plan.backup else { return Ok(()) };
        let mut state = StateDict::new();
        state.insert("format", FORMAT);
        state.nest("marks", plan.marks.clone());
        state.nest("place", at.state_dict());
        state.nest("model", Weights::of(&self.model).state_dict());
        state.nest("optimizer", self.optimizer.state_dict());
        if at.batch > 0 {
            for (number, metric) in self.metrics.iter().enumerate() {
                state.insert(format!("metrics.{number}"), &metric.state().unwrap_or_default()[..]);
            }
        }
        for (number, callback) in plan.callbacks.iter().enumerate() {
            state.nest(&format!("callbacks.{number}"), callback.state_dict());
        }
        backup.save(state)
    }

    /// Goes to where the backup is; makes one if there is none. After an error, model and optimiser are as before.
    fn take_up(&mut self, plan: &mut Plan<'_, T>, at: &mut Place) -> Result<(), TrainError> {
        let Some(backup) = plan.backup.take() else { return Ok(()) };
        let stateless = self.metrics.iter().find(|metric| metric.state().is_none());
        if let Some(metric) = stateless.filter(|_| backup.within_epochs()) {
            let name = metric.name();
            let why = format!(
                "the metric `{name}` has no `state`, so a backup within an epoch would lose it"
            );
            return Err(TrainError::Option(why));
        }
        let Some(mut state) = backup.load()? else {
            plan.backup = Some(backup);
            return self.keep(plan, at);
        };
        if state.take_text("format").ok().as_deref() != Some(FORMAT) {
            return Err(backup.foreign());
        }
        let marks = state.part("marks");
        if let Some((what, _)) =
            plan.marks.iter().find(|(name, mark)| marks.get(name) != Some(mark))
        {
            return Err(backup.other(what));
        }
        let (model, optimizer) = (Weights::of(&self.model), self.optimizer.state_dict());
        match self.load(plan, state) {
            Ok(place) => *at = place,
            Err(error) => {
                model.restore(&mut self.model);
                // Its own state; it fits.
                drop(self.optimizer.load_state_dict(optimizer));
                return Err(backup.error(error));
            }
        }
        plan.backup = Some(backup);
        Ok(())
    }

    fn load(&mut self, plan: &mut Plan<'_, T>, mut state: StateDict) -> Result<Place, StateError> {
        let within = |whole: &'static str| move |error: StateError| error.within(whole);
        let place = Place::from_state_dict(state.part("place")).map_err(within("place"))?;
        let weights = Weights::from_state_dict(state.part("model"));
        weights.and_then(|w| w.apply(&mut self.model)).map_err(within("model"))?;
        let optimizer = self.optimizer.load_state_dict(state.part("optimizer"));
        optimizer.map_err(within("optimizer"))?;
        self.metrics.iter_mut().for_each(|metric| *metric = metric.fresh());
        if place.batch > 0 {
            for (number, metric) in self.metrics.iter_mut().enumerate() {
                let name = format!("metrics.{number}");
                if !metric.set_state(&state.take_numbers(&name)?) {
                    let why = format!("is no state of the metric `{}`", metric.name());
                    return Err(StateError::Value { name, why });
                }
            }
        }
        for (number, callback) in plan.callbacks.iter_mut().enumerate() {
            let name = format!("callbacks.{number}");
            let loaded = callback.load_state_dict(state.part(&name));
            loaded.map_err(|error| error.within(&name))?;
        }
        state.finish()?;
        Ok(place)
    }
}

impl History {
    fn state_dict(&self) -> StateDict {
        let mut state = StateDict::new();
        if let Some(first) = self.epochs.first() {
            let names: Vec<&str> = first.iter().map(|(name, _)| name).collect();
            let numbers = self.epochs.iter().flat_map(|row| row.iter().map(|(_, value)| value));
            state.insert("columns", &*names.join("\n"));
            state.insert("numbers", &numbers.collect::<Vec<_>>()[..]);
        }
        state
    }

    fn from_state_dict(mut state: StateDict) -> Result<Self, StateError> {
        let mut history = History::default();
        let Some(columns) = state.optional("columns", StateDict::take_text)? else {
            return state.finish().map(|()| history);
        };
        let names: Vec<&str> = columns.split('\n').collect();
        for row in state.take_numbers("numbers")?.chunks(names.len()) {
            let row = names.iter().zip(row).map(|(name, value)| ((*name).to_owned(), *value));
            history.epochs.push(Scores(row.collect()));
        }
        state.finish()?;
        Ok(history)
    }
}

/// A seed for the draws of one step, so that a run can be taken up again at any step.
fn step_seed(seed: u64, epoch: usize, batch: usize) -> u64 {
    // An odd factor: of one run, no two steps are the same, and another seed is far away.
    seed.wrapping_add(((epoch as u64) << 32 | batch as u64).wrapping_mul(0xd134_2543_de82_ef95))
}
