//! What can go wrong in training.

use gradus_data::DataError;

/// Why training could not begin or go on. Nothing that was finished is lost: the model keeps the
/// weights of its last step.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The data set is unusable.
    #[error(transparent)]
    Data(#[from] DataError),
    /// There is nothing to train or evaluate on.
    #[error("the {part} data has no samples")]
    Empty {
        /// Training, validation or other data.
        part: &'static str,
    },
    /// The targets do not fit the loss.
    #[error("{loss}: {why} (in the {part} data)")]
    Targets {
        /// The loss.
        loss: &'static str,
        /// Training, validation or other data.
        part: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A feature is NaN or infinite.
    #[error("{source} (in the {part} data)")]
    NonFinite {
        /// Training, validation or other data.
        part: &'static str,
        /// Which feature of which sample.
        source: DataError,
    },
    /// The samples to validate on are not of the kind that is trained on.
    #[error(
        "fit: a sample of the validation data has shape {validation:?}, one of the training data {training:?}"
    )]
    ValidationShape {
        /// The shape of a sample of the validation data.
        validation: Vec<usize>,
        /// The shape of a sample of the training data.
        training: Vec<usize>,
    },
    /// A parameter that is to be drawn never was: it would start as zeros.
    #[error(
        "fit: the parameter `{path}` has no values yet: draw them by `.init(seed)`, or give it some"
    )]
    NoValues {
        /// Where it is in the model.
        path: String,
    },
    /// An option of `fit` makes no sense.
    #[error("fit: {0}")]
    Option(String),
    /// A batch would be too small for the model.
    #[error("fit: {}", small_batch(*samples, *batch_size, *last, *needed))]
    SmallBatch {
        /// Samples of the training data.
        samples: usize,
        /// The batch size asked for.
        batch_size: usize,
        /// The samples of the smallest batch.
        last: usize,
        /// The smallest batch that the model takes.
        needed: usize,
    },
    /// A schedule or another callback set a learning rate that makes no sense.
    #[error("fit: the learning rate of epoch {epoch} is {lr}, which is negative or not finite")]
    LearningRate {
        /// The epoch, from 0, which was not begun.
        epoch: usize,
        /// The rate.
        lr: f64,
    },
    /// The optimiser could not take a step.
    #[error("fit, epoch {epoch}: {source}")]
    Step {
        /// The epoch, from 0.
        epoch: usize,
        /// Why.
        source: gradus_optim::StepError,
    },
    /// A callback watches something that is not in the history.
    #[error("{callback}: there is no `{monitor}` to watch; there are {available}")]
    Monitor {
        /// The callback.
        callback: &'static str,
        /// What it watches.
        monitor: String,
        /// What there is.
        available: String,
    },
    /// A file could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("cannot read {path}: {why}")]
    Format {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// A file does not hold what it should.
    #[error("{path}: {source}")]
    Content {
        /// The file.
        path: String,
        /// What is wrong.
        source: gradus_optim::StateError,
    },
    /// A backup is that of a run that was started otherwise.
    #[error(
        "the backup {path} is of another run: {what} differs. Start as before, or with another file"
    )]
    OtherRun {
        /// The file.
        path: String,
        /// What differs.
        what: String,
    },
    /// A file could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// The sentence, as [`Display`](std::fmt::Display) has it: a `main` that returns an error prints it so.
impl std::fmt::Debug for TrainError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// What is too small, and what helps.
fn small_batch(samples: usize, batch_size: usize, last: usize, needed: usize) -> String {
    let why =
        format!("but the model needs at least {needed} (batch norm has no variance of one value)");
    if batch_size < needed {
        return format!(
            "batches have {batch_size} sample(s), {why}: set `batch_size` to {needed} or more"
        );
    }
    if samples < needed {
        return format!("the only batch has {samples} sample(s), {why}: train on more samples");
    }
    format!(
        "{samples} samples in batches of {batch_size} leave a last batch of {last}, {why}: choose \
         another batch size, or `drop_last(true)`"
    )
}
