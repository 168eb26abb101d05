//! A run that survives its process.

use std::path::{Path, PathBuf};

use gradus_autograd::Float;
use gradus_optim::{StateDict, StateError};

use crate::file::shown;
use crate::run::Keep;
use crate::safetensors::content;
use crate::{Fit, TrainError, load_safetensors, save_safetensors};

/// Keeps all that a run depends on in a file, and takes it up from there, as Keras' `BackupAndRestore`; with the
/// feature `weights`. A run that is killed at any moment and started again in the same way ends with the same bits as
/// one that was not: parameters, statistics, history, and what callbacks remember.
///
/// The file is written after each epoch, beside its place, and renamed, so that there is always a whole one. It
/// stays when the run has ended; started again, the program gets its result at once, or goes on where there are more
/// epochs. Delete the file to train anew. A file that is damaged, or of a run with other data, seed, weights or options,
/// is an error and is left as it is.
///
/// ```no_run
/// use gradus_train::{BackupAndRestore, Fit};
/// let backup = BackupAndRestore::new("run.safetensors").every_batches(1000);
/// let options: Fit = Fit::new().epochs(100).backup(backup);
/// ```
///
/// A callback of your own that remembers something across epochs says so by
/// [`Callback::state_dict`](crate::Callback::state_dict), a metric for backups within an epoch by
/// [`Metric::state`](crate::Metric::state). A schedule must follow from the epoch and the last rate alone.
#[derive(Clone, Debug)]
pub struct BackupAndRestore {
    path: PathBuf,
    batches: Option<u64>,
}

impl BackupAndRestore {
    /// To a file, after each epoch.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        BackupAndRestore { path: path.into(), batches: None }
    }
    /// Also after every so many steps, counted over all epochs; 0 for none.
    pub fn every_batches(self, steps: u64) -> Self {
        BackupAndRestore { batches: (steps > 0).then_some(steps), ..self }
    }
    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Keep for BackupAndRestore {
    fn load(&self) -> Result<Option<StateDict>, TrainError> {
        match self.path.try_exists() {
            Ok(false) => Ok(None),
            Ok(true) => load_safetensors(&self.path).map(Some),
            Err(source) => Err(TrainError::Read { path: shown(&self.path), source }),
        }
    }
    fn save(&self, state: StateDict) -> Result<(), TrainError> {
        save_safetensors(&self.path, &state)
    }
    fn is_due(&self, step: u64) -> bool {
        self.batches.is_some_and(|steps| step.is_multiple_of(steps))
    }
    fn within_epochs(&self) -> bool {
        self.batches.is_some()
    }
    fn foreign(&self) -> TrainError {
        let why = "it is a safetensors file, but no backup of a run".into();
        TrainError::Format { path: shown(&self.path), why }
    }
    fn error(&self, source: StateError) -> TrainError {
        content(&self.path, source)
    }
    fn other(&self, what: &str) -> TrainError {
        TrainError::OtherRun { path: shown(&self.path), what: what.to_owned() }
    }
}

impl<'a, T: Float> Fit<'a, T> {
    /// Keeps the run in a file, and goes on from there: see [`BackupAndRestore`].
    pub fn backup(mut self, backup: BackupAndRestore) -> Self {
        self.backup = Some(Box::new(backup));
        self
    }
}
