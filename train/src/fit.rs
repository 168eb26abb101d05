//! The options of `fit`.

use gradus_autograd::Float;
use gradus_data::{Augment, Dataset};

use crate::Callback;
use crate::run::Keep;

/// The options of [`fit`](crate::Trainer::fit), with the defaults of Keras: 1 epoch, batches of 32,
/// shuffled.
pub struct Fit<'a, T: Float = f32> {
    pub(crate) epochs: usize,
    pub(crate) batch_size: usize,
    pub(crate) shuffle: bool,
    pub(crate) drop_last: bool,
    pub(crate) seed: u64,
    pub(crate) validation: Validation<'a, T>,
    pub(crate) callbacks: Vec<Box<dyn Callback<T> + 'a>>,
    pub(crate) progress: bool,
    pub(crate) augment: Option<&'a Augment<T>>,
    pub(crate) workers: usize,
    pub(crate) class_weights: Option<Vec<f64>>,
    pub(crate) sample_weights: Option<Vec<f64>>,
    pub(crate) backup: Option<Box<dyn Keep + 'a>>,
}

pub(crate) enum Validation<'a, T: Float> {
    None,
    Data(&'a Dataset<T>),
    Fraction(f64),
}

impl<T: Float> Default for Fit<'_, T> {
    fn default() -> Self {
        Fit::new()
    }
}

impl<'a, T: Float> Fit<'a, T> {
    /// The defaults.
    pub fn new() -> Self {
        Fit {
            epochs: 1,
            batch_size: 32,
            shuffle: true,
            drop_last: false,
            seed: 0,
            validation: Validation::None,
            callbacks: Vec::new(),
            progress: true,
            augment: None,
            workers: 0,
            class_weights: None,
            sample_weights: None,
            backup: None,
        }
    }
    /// How many times the data is gone through; at least once.
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.epochs = epochs;
        self
    }
    /// Samples a step; the last batch of an epoch may have fewer.
    pub fn batch_size(mut self, samples: usize) -> Self {
        self.batch_size = samples;
        self
    }
    /// Whether each epoch has an order of its own; by default it does.
    pub fn shuffle(mut self, shuffle: bool) -> Self {
        self.shuffle = shuffle;
        self
    }
    /// Whether a last batch with fewer samples is left out. One that is the only batch stays.
    pub fn drop_last(mut self, drop_last: bool) -> Self {
        self.drop_last = drop_last;
        self
    }
    /// The seed of the order of samples and of dropout.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
    /// Data to evaluate on after each epoch.
    pub fn validation(mut self, data: &'a Dataset<T>) -> Self {
        self.validation = Validation::Data(data);
        self
    }
    /// Takes the last part of the training data for validation, before any shuffling, as Keras'
    /// `validation_split`.
    pub fn validation_fraction(mut self, fraction: f64) -> Self {
        self.validation = Validation::Fraction(fraction);
        self
    }
    /// What the samples of each class weigh in the training loss, by the number of the class, such as
    /// [`Dataset::balanced_class_weights`]. As in Keras, the loss is Σ wᵢ·lossᵢ / n, divided by the number of samples
    /// and not by the sum of the weights, and metrics and validation do not know of them.
    pub fn class_weights(mut self, weights: &[f64]) -> Self {
        self.class_weights = Some(weights.into());
        self
    }
    /// What each sample of the training data weighs in the loss: Σ wᵢ·lossᵢ / n, times the weight of its class if there
    /// are such. The part that [`validation_fraction`](Self::validation_fraction) takes keeps its weights.
    pub fn sample_weights(mut self, weights: &[f64]) -> Self {
        self.sample_weights = Some(weights.into());
        self
    }
    /// Adds a callback, or `&mut` one that is looked at afterwards.
    pub fn callback(mut self, callback: impl Callback<T> + 'a) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }
    /// Whether there is a progress bar; there never is one where the output is not a terminal.
    pub fn progress(mut self, progress: bool) -> Self {
        self.progress = progress;
        self
    }
    /// Sends the training samples, and only these, through a pipeline: every epoch sees other images.
    ///
    /// ```
    /// use gradus_autograd::{Module, Rng, Tensor};
    /// use gradus_data::{Augment, Dataset, augment::RandomTranslation};
    /// use gradus_nn::{Dense, losses::MeanSquaredError};
    /// use gradus_optim::Sgd;
    /// use gradus_train::{Compile, Fit};
    ///
    /// let x = Tensor::rand(&[40, 16], 0.0, 1.0, &mut Rng::new(0));
    /// let data: Dataset = Dataset::new(x, Tensor::zeros(&[40, 1]))?;
    /// let augment = Augment::new(1).images([1, 4, 4]).add(RandomTranslation::new(0.2, 0.2));
    /// let mut model = Dense::new(1).inputs(16).init(1).compile(Sgd::new(0.1), MeanSquaredError, &[]);
    /// model.fit(&data, Fit::new().epochs(2).augment(&augment).workers(1))?;
    /// # Ok::<(), gradus_train::TrainError>(())
    /// ```
    pub fn augment(mut self, pipeline: &'a Augment<T>) -> Self {
        self.augment = Some(pipeline);
        self
    }
    /// Makes batches ahead on as many threads of their own; 0, the default, makes them between the steps. The batches are
    /// the same, and so is the run.
    pub fn workers(mut self, threads: usize) -> Self {
        self.workers = threads;
        self
    }
}
