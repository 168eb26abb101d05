//! Judging models: cross-validation, plots of a history, reports.

mod cross_validation;
mod plot;
mod report;
