//! Training in the words of Keras: `compile`, `fit`, `evaluate`, `predict`; metrics, callbacks, history, charts.
//!
//! Any [`Layer`](gradus_nn::Layer) trains by the same [`fit`](Trainer::fit), a
//! [`Sequential`](gradus_nn::Sequential) or a model of your own.
//!
//! What does not live here: layers, update rules, data; this room only puts them together.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod callbacks;
mod chart;
mod cross_validation;
mod early_stopping;
mod error;
mod fit;
mod history;
pub mod metrics;
mod plot;
mod progress;
#[cfg(feature = "search")]
pub mod search;
mod trainer;

pub use callbacks::{Callback, LearningRateScheduler, State, Weights};
pub use chart::Chart;
pub use cross_validation::{
    CrossValidate, CrossValidation, CrossValidationError, FoldData, FoldResult, MeanStd,
    cross_validate,
};
pub use early_stopping::EarlyStopping;
pub use error::TrainError;
pub use fit::Fit;
pub use history::{History, Scores};
// Errors that are losses, too, are reached as `metrics::MeanSquaredError`.
pub use metrics::{
    Accuracy, Average, BinaryAccuracy, CategoricalAccuracy, ClassificationReport, CohenKappa,
    ConfusionMatrix, Direction, F1, LogLoss, MatthewsCorrelation, Metric, PrAuc, PrPoint,
    Precision, R2, Recall, RocAuc, RocPoint, TopKAccuracy, precision_recall_curve, roc_curve,
};
pub use trainer::{Compile, Trainer};
