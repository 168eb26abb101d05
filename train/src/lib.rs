//! Training in the words of Keras: `compile`, `fit`, `evaluate`, `predict`; metrics, callbacks, cross-validation, reports.
//!
//! Any [`Layer`](gradus_nn::Layer) trains by the same [`fit`](Trainer::fit), a
//! [`Sequential`](gradus_nn::Sequential) or a model of your own.
//!
//! What does not live here: layers, update rules, data; this room only puts them together.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(feature = "weights")]
mod backup;
mod callbacks;
mod chart;
mod cross_validation;
mod error;
mod file;
mod fit;
mod history;
mod marks;
pub mod metrics;
mod plot;
mod progress;
#[cfg(feature = "weights")]
mod pytorch;
mod report;
mod run;
#[cfg(feature = "weights")]
mod safetensors;
#[cfg(feature = "search")]
pub mod search;
mod trainer;
mod weighting;
mod weights;

#[cfg(feature = "weights")]
pub use backup::BackupAndRestore;
#[cfg(feature = "weights")]
pub use callbacks::ModelCheckpoint;
pub use callbacks::{
    Callback, CsvLogger, EarlyStopping, Ema, LambdaCallback, LearningRateScheduler,
    ReduceLROnPlateau, State, TensorBoard, TerminateOnNan,
};
pub use chart::Chart;
pub use cross_validation::{
    CrossValidate, CrossValidation, CrossValidationError, FoldData, FoldResult, MeanStd,
    cross_validate,
};
pub use error::TrainError;
pub use fit::Fit;
pub use history::{History, Scores};
// Errors that are losses, too, are reached as `metrics::MeanSquaredError`.
pub use metrics::{
    Accuracy, Average, BinaryAccuracy, CategoricalAccuracy, ClassificationReport, CohenKappa,
    ConfusionMatrix, Direction, F1, LogLoss, MatthewsCorrelation, Metric, PrAuc, PrPoint,
    Precision, R2, Recall, RocAuc, RocPoint, TopKAccuracy, precision_recall_curve, roc_curve,
};
pub use report::Report;
#[cfg(feature = "weights")]
pub use safetensors::{load_safetensors, save_safetensors};
pub use trainer::{Compile, Trainer};
pub use weights::Weights;
