//! `compile`, `fit`, `evaluate`, `predict`.

use gradus_autograd::{Float, Gradients, Tape, Tensor};
use gradus_data::{Augment, Batch, Dataset};
use gradus_nn::{Layer, losses::Loss, penalty};
use gradus_optim::{StateDict, Step, StepError};

use crate::fit::{Fit, Validation};
use crate::progress::Progress;
use crate::run::{Place, Plan};
use crate::weighting::{Weighted, loss_of, weigh};
use crate::{Direction, History, Metric, Scores, TrainError};

/// Samples that are evaluated or predicted at once.
const EVALUATED: usize = 1024;

/// Gives every [`Layer`] the method `compile`.
pub trait Compile<T: Float>: Layer<T> + Sized {
    /// Puts a model together with an optimiser, a loss and metrics.
    ///
    /// ```
    /// use gradus_autograd::{Module, Tensor};
    /// use gradus_data::Dataset;
    /// use gradus_nn::{Dense, losses::MeanSquaredError};
    /// use gradus_optim::Sgd;
    /// use gradus_train::{Compile, Fit};
    ///
    /// let x = Tensor::new(&[4, 1], vec![0., 1., 2., 3.]);
    /// let data = Dataset::new(x.clone(), x.map(|x| 2.0 * x + 1.0))?;
    /// let mut model = Dense::new(1).inputs(1).init(1).compile(Sgd::new(0.1), MeanSquaredError, &[]);
    /// let history = model.fit(&data, Fit::new().epochs(200))?;
    /// assert!(history.last().unwrap().loss() < 1e-4);
    /// let y: f32 = model.predict(&Tensor::new(&[1, 1], vec![10.0]))?.item();
    /// assert!((y - 21.0).abs() < 0.1);
    /// # Ok::<(), gradus_train::TrainError>(())
    /// ```
    ///
    /// # Panics
    /// When two columns of the history would have the same name.
    #[track_caller]
    fn compile(
        self,
        optimizer: impl Step<T> + 'static,
        loss: impl Loss<T> + 'static,
        metrics: &[&dyn Metric<T>],
    ) -> Trainer<Self, T> {
        let trainer = Trainer {
            model: self,
            optimizer: Box::new(optimizer),
            loss: Box::new(loss),
            metrics: metrics.iter().map(|metric| metric.fresh()).collect(),
            history: History::default(),
        };
        let mut names: Vec<String> = trainer.columns(true).into_iter().map(|c| c.0).collect();
        names.push("lr".into());
        names.sort();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            panic!(
                "compile: the history would have two columns `{}`: each metric needs a name of its own",
                twice[0]
            );
        }
        trainer
    }
}

impl<T: Float, M: Layer<T>> Compile<T> for M {}

/// A compiled model. The model itself stays at hand as [`model`](Trainer::model).
pub struct Trainer<M, T: Float = f32> {
    /// The model.
    pub model: M,
    /// The optimiser.
    pub optimizer: Box<dyn Step<T>>,
    pub(crate) loss: Box<dyn Loss<T>>,
    pub(crate) metrics: Vec<Box<dyn Metric<T>>>,
    history: History,
}

/// A loss over samples, batch by batch.
#[derive(Default)]
pub(crate) struct Mean {
    pub sum: f64,
    pub samples: usize,
}

impl Mean {
    pub fn add(&mut self, loss: f64, samples: usize) {
        self.sum += loss * samples as f64;
        self.samples += samples;
    }
    fn result(&self) -> f64 {
        self.sum / self.samples as f64
    }
}

impl<T: Float, M: Layer<T>> Trainer<M, T> {
    /// Trains the model.
    ///
    /// Each epoch goes through the data in batches; its row in the history has the loss (penalties
    /// included) and the metrics of training, those of validation with `val_` before them, and `lr`.
    ///
    /// A run that diverges is no error: as in Keras, it goes on to the last epoch, and the history shows the
    /// NaN; a callback can stop it ([`State::stop`](crate::State::stop)).
    ///
    /// Orders of samples and draws follow from [`Fit::seed`] and the number of the epoch, which counts from 0
    /// in each call: to go on with other ones, call it with another seed.
    ///
    /// # Errors
    /// Before anything is trained: when there is no data, a feature is not finite, the targets do not fit, a
    /// parameter was never drawn, an option makes no sense, or a callback watches what is not there. Before an
    /// epoch: when its learning rate is negative or not finite. In an epoch: when an optimiser that clips finds a
    /// gradient that is not finite.
    #[track_caller]
    pub fn fit(&mut self, train: &Dataset<T>, options: Fit<'_, T>) -> Result<History, TrainError> {
        let Fit {
            epochs, batch_size, shuffle, drop_last, seed, validation, augment, workers, ..
        } = options;
        if epochs == 0 {
            let why = "the number of epochs is 0; training takes at least 1";
            return Err(TrainError::Option(why.into()));
        }
        // What the model will see: a pipeline may change the size of a sample.
        let seen = match augment {
            Some(pipeline) => train.batches(1)?.augmented(pipeline)?.into_iter().next(),
            None => None,
        };
        let seen = seen.as_ref().map_or(train.x(), |batch| &batch.x);
        self.check_as(seen, train, "training")?;
        if augment.is_some_and(Augment::mixes) {
            self.check_mixed(seen, train)?;
        }
        if let Validation::Data(data) = validation {
            check_alike(seen, data)?;
            self.check(data, "validation")?;
        }
        let (classes, samples) =
            (options.class_weights.as_deref(), options.sample_weights.as_deref());
        let mut weights = weigh(train, classes, samples)?;
        let (held_out, rest);
        let (train, validation) = match validation {
            Validation::None => (train, None),
            Validation::Data(data) => (train, Some(Weighted { data, weights: None })),
            Validation::Fraction(fraction) => {
                (rest, held_out) = hold_out(train, fraction)?;
                // As in Keras, the part that validates keeps the weights of its samples, not those of classes.
                let own = samples.map(|all| all[rest.len()..].iter().map(|&w| T::of(w)).collect());
                weights = weights.map(|mut all| {
                    all.truncate(rest.len());
                    all
                });
                (&rest, Some(Weighted { data: &held_out, weights: own }))
            }
        };
        let train = Weighted { data: train, weights };
        if train.weights.is_some() {
            self.check_each(seen, train.data)?;
        }
        let mut batches = train.data.batches(batch_size)?.workers(workers);
        if shuffle {
            batches = batches.shuffled(seed);
        }
        if drop_last {
            batches = batches.drop_last();
        }
        if let Some(pipeline) = augment {
            batches = batches.augmented(pipeline)?;
        }
        self.check_smallest(train.data.len(), batch_size, drop_last)?;
        if !self.model.params().iter().any(|(_, param)| param.is_trained()) {
            return Err(TrainError::Option("the model has no parameters to train".into()));
        }
        if let Some((path, _)) = self.model.params().into_iter().find(|(_, p)| p.awaits_values()) {
            return Err(TrainError::NoValues { path });
        }
        let (callbacks, backup) = (options.callbacks, options.backup);
        let progress = Progress::new(epochs, options.progress);
        let marks = match backup.is_some() {
            false => StateDict::new(),
            true => {
                let mut marks = self.marks(&train, validation.as_ref());
                marks.insert("seed", seed);
                marks.insert("batch_size", batch_size as u64);
                marks.insert("shuffle", shuffle);
                marks.insert("drop_last", drop_last);
                marks.insert("the augmentation", &*format!("{augment:?}"));
                marks
            }
        };
        let mut plan =
            Plan { train, validation, batches, epochs, seed, callbacks, backup, marks, progress };
        let mut place = Place::default();
        let ended = self.run(&mut plan, &mut place);
        self.history = place.history;
        ended.map(|()| self.history.clone())
    }

    /// The history of the last [`fit`](Trainer::fit), also of one that ended with an error.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// One training step; the loss of the batch.
    #[track_caller]
    pub(crate) fn step(
        &mut self,
        tape: &Tape<T>,
        batch: &Batch<T>,
        weights: Option<Tensor<T>>,
    ) -> Result<f64, StepError> {
        let y = self.model.forward(tape.constant(batch.x.clone()));
        let mut loss = loss_of(&*self.loss, tape, y, &batch.y, weights);
        if let Some(penalty) = penalty(&self.model, tape) {
            loss = loss + penalty;
        }
        let gradients: Gradients<T> = loss.backward();
        self.optimizer.try_step(&mut self.model, &gradients)?;
        let predictions = y.value();
        self.metrics.iter_mut().for_each(|metric| metric.update(&predictions, &batch.y));
        Ok(loss.item().to_f64())
    }

    /// The loss (penalties included) and the metrics on a data set, in evaluation mode.
    ///
    /// # Errors
    /// When there is no data, a feature is not finite, or the targets do not fit.
    #[track_caller]
    pub fn evaluate(&mut self, data: &Dataset<T>) -> Result<Scores, TrainError> {
        self.check(data, "given")?;
        self.evaluate_as(&Weighted { data, weights: None }, "")
    }

    #[track_caller]
    pub(crate) fn evaluate_as(
        &mut self,
        data: &Weighted<'_, T>,
        prefix: &str,
    ) -> Result<Scores, TrainError> {
        let mut loss = Mean::default();
        self.metrics.iter_mut().for_each(|metric| *metric = metric.fresh());
        for batch in data.data.batches(EVALUATED)?.epoch(0) {
            let tape = Tape::inference();
            let y = self.model.forward(tape.constant(batch.x.clone()));
            let of_batch = loss_of(&*self.loss, &tape, y, &batch.y, data.of(&batch));
            loss.add(of_batch.item().to_f64(), batch.len());
            let predictions = y.value();
            self.metrics.iter_mut().for_each(|metric| metric.update(&predictions, &batch.y));
        }
        let tape = Tape::inference();
        if let Some(penalty) = penalty(&self.model, &tape) {
            loss.sum += penalty.item().to_f64() * loss.samples as f64;
        }
        Ok(self.scores(&loss, prefix))
    }

    /// The model's output for each sample, in evaluation mode.
    ///
    /// # Errors
    /// When there are no samples.
    #[track_caller]
    pub fn predict(&self, x: &Tensor<T>) -> Result<Tensor<T>, TrainError> {
        let n = x.shape().first().copied().unwrap_or(0);
        if n == 0 {
            return Err(TrainError::Empty { part: "given" });
        }
        let whole = Tape::inference();
        let mut parts = Vec::new();
        for start in (0..n).step_by(EVALUATED) {
            // A tape for each part: it holds all that the model computes on the way.
            let tape = Tape::inference();
            let part = tape.constant(x.slice(0, start..n.min(start + EVALUATED)));
            parts.push(whole.constant(self.model.forward(part).value()));
        }
        Ok(whole.concat(&parts, 0).value())
    }

    pub(crate) fn scores(&self, loss: &Mean, prefix: &str) -> Scores {
        let metrics = self.metrics.iter().map(|m| (format!("{prefix}{}", m.name()), m.result()));
        Scores(std::iter::once((format!("{prefix}loss"), loss.result())).chain(metrics).collect())
    }

    /// The columns of the history.
    pub(crate) fn columns(&self, validation: bool) -> Vec<(String, Direction)> {
        let prefixes: &[&str] = if validation { &["", "val_"] } else { &[""] };
        let mut columns = Vec::new();
        for prefix in prefixes {
            columns.push((format!("{prefix}loss"), Direction::Min));
            let metrics = self.metrics.iter();
            columns.extend(metrics.map(|m| (format!("{prefix}{}", m.name()), m.direction())));
        }
        columns
    }

    /// Whether data is there, its features are numbers, and its targets fit the loss.
    #[track_caller]
    fn check(&self, data: &Dataset<T>, part: &'static str) -> Result<(), TrainError> {
        self.check_as(data.x(), data, part)
    }

    /// As `check`, where the model sees samples like those of `x`.
    #[track_caller]
    fn check_as(
        &self,
        x: &Tensor<T>,
        data: &Dataset<T>,
        part: &'static str,
    ) -> Result<(), TrainError> {
        if data.len() == 0 {
            return Err(TrainError::Empty { part });
        }
        data.check_finite().map_err(|source| TrainError::NonFinite { part, source })?;
        let tape = Tape::inference();
        let y = self.model.forward(tape.constant(x.slice(0, 0..1)));
        let fits = self.loss.check(&y.shape(), data.y());
        fits.map_err(|why| TrainError::Targets { loss: self.loss.name(), part, why })
    }

    /// Whether the loss reads means of targets, as augmentation that mixes samples makes them.
    #[track_caller]
    fn check_mixed(&self, seen: &Tensor<T>, data: &Dataset<T>) -> Result<(), TrainError> {
        let tape = Tape::inference();
        let y = self.model.forward(tape.constant(seen.slice(0, 0..1)));
        let first = tape.constant(data.y().slice(0, 0..1));
        let mixed = (tape.constant(data.y().clone()) + first) * 0.5;
        self.loss.check(&y.shape(), &mixed.value()).map_err(|why| {
            let loss = self.loss.name();
            let why = format!(
                "the augmentation mixes targets, and the loss {loss} cannot read a mean of two ({why}): mix \
                 one-hot targets (`Dataset::with_y`) and train with `CategoricalCrossentropy`"
            );
            TrainError::Option(why)
        })
    }

    /// Whether the loss has one for each sample, which weights need.
    #[track_caller]
    fn check_each(&self, seen: &Tensor<T>, data: &Dataset<T>) -> Result<(), TrainError> {
        let tape = Tape::inference();
        let y = self.model.forward(tape.constant(seen.slice(0, 0..1)));
        match self.loss.each(y, tape.constant(data.y().slice(0, 0..1))) {
            Some(_) => Ok(()),
            None => {
                let loss = self.loss.name();
                let why =
                    format!("the loss {loss} has none for each sample, so none can weigh more");
                Err(TrainError::Option(why))
            }
        }
    }

    fn check_smallest(
        &self,
        samples: usize,
        batch_size: usize,
        drop_last: bool,
    ) -> Result<(), TrainError> {
        let (last, needed) = (samples % batch_size, self.model.smallest_batch());
        let smallest = match (last, drop_last) {
            (0, _) => batch_size,
            (_, true) if samples > batch_size => batch_size,
            (last, _) => last,
        };
        if smallest >= needed {
            return Ok(());
        }
        Err(TrainError::SmallBatch { samples, batch_size, last: smallest, needed })
    }
}

/// Whether samples have as many axes, and vectors as many features; other axes may be as long as they like.
fn check_alike<T: Float>(seen: &Tensor<T>, data: &Dataset<T>) -> Result<(), TrainError> {
    match (&seen.shape()[1..], &data.x().shape()[1..]) {
        ([a], [b]) if a == b => Ok(()),
        (a, b) if a.len() == b.len() && a.len() != 1 => Ok(()),
        (a, b) => Err(TrainError::ValidationShape { validation: b.into(), training: a.into() }),
    }
}

/// The last part of a data set for validation, and the rest.
fn hold_out<T: Float>(
    data: &Dataset<T>,
    fraction: f64,
) -> Result<(Dataset<T>, Dataset<T>), TrainError> {
    let n = data.len();
    if !(fraction > 0.0 && fraction < 1.0) {
        let why = format!("a validation fraction of {fraction} is not between 0 and 1");
        return Err(TrainError::Option(why));
    }
    // As Keras: the first int(n · (1 − fraction)) samples train.
    let kept = (n as f64 * (1.0 - fraction)) as usize;
    if kept == 0 || kept == n {
        let why =
            format!("a validation fraction of {fraction} of {n} samples leaves one side empty");
        return Err(TrainError::Option(why));
    }
    let rows: Vec<usize> = (0..n).collect();
    Ok((data.subset(&rows[..kept])?, data.subset(&rows[kept..])?))
}
