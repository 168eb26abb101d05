//! What can go wrong in a search.

use gradus_optim::HypergradientError;

use super::Value;

/// Why a search could not begin or go on. Trials that had ended stay in the study's file.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// A space without parameters.
    #[error(
        "the search space has no parameters: add some, `Space::new().log_uniform(\"lr\", 1e-4, 1e-1)`"
    )]
    EmptySpace,
    /// Bounds between which there is nothing.
    #[error("parameter `{name}`: {why} (the bounds are {low} and {high})")]
    Bounds {
        /// The parameter.
        name: String,
        /// Its lower bound.
        low: f64,
        /// Its upper bound.
        high: f64,
        /// What is wrong.
        why: &'static str,
    },
    /// No choices, or one twice.
    #[error("parameter `{name}`: {why}")]
    Choices {
        /// The parameter.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// Two parameters of the same name.
    #[error("there are two parameters `{name}` in the search space: give one another name")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A condition that no trial or no parameter can meet.
    #[error("parameter `{name}`, `when(\"{parent}\", …)`: {why}")]
    When {
        /// The parameter with the condition.
        name: String,
        /// The parameter that it looks at.
        parent: String,
        /// What is wrong.
        why: String,
    },
    /// A condition before any parameter.
    #[error(
        "`when(\"{parent}\", …)` stands before the first parameter: it belongs behind the one that it is about"
    )]
    WhenFirst {
        /// The parameter that it looks at.
        parent: String,
    },
    /// An option of the study, a sampler or a scheduler that makes no sense.
    #[error("study: {0}")]
    Option(String),
    /// A parameter that the space does not have.
    #[error("there is no parameter `{name}` in the search space; there are {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A parameter whose condition this trial does not meet.
    #[error(
        "parameter `{name}` is not part of this trial: the condition it stands under is not met; \
         ask for an `Option<…>`, or ask only where the condition holds"
    )]
    Inactive {
        /// The parameter.
        name: String,
    },
    /// A parameter that was asked for as another type.
    #[error("parameter `{name}` is {value:?}, which cannot be read as {wanted}")]
    Kind {
        /// The parameter.
        name: String,
        /// What it is.
        value: Value,
        /// What was asked for.
        wanted: &'static str,
    },
    /// A report that is not the next one.
    #[error("trial {trial}: {why}")]
    Report {
        /// The number of the trial.
        trial: u64,
        /// What is wrong.
        why: String,
    },
    /// The scheduler ended the trial. The objective hands this on by `?`; the study notes it.
    #[error("the trial was pruned")]
    Pruned,
    /// No trial came to its end, so that there is no best one.
    #[error("none of the {trials} trial(s) was completed: {first}")]
    NoneCompleted {
        /// The number of trials.
        trials: usize,
        /// What happened to the first of them.
        first: String,
    },
    /// The file is not a study's.
    #[error("{path} is not the file of a study ({why}); nothing was written: choose another file")]
    Foreign {
        /// The file.
        path: String,
        /// What gave it away.
        why: String,
    },
    /// The file is that of a study with other settings.
    #[error(
        "{path} holds a study with another {what}: {theirs} there, {ours} here; nothing was written: \
         go on with the same {what}, or choose another file"
    )]
    OtherStudy {
        /// The file.
        path: String,
        /// What differs: space, seed, sampler …
        what: String,
        /// In the file.
        theirs: String,
        /// In this program.
        ours: String,
    },
    /// A line of the file is not what a study wrote.
    #[error("{path}, line {line}: {why}; nothing was written: mend or remove the line")]
    Damaged {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// Another process or another study of this one writes to the file.
    #[error("{path} is in use by another study that is running")]
    Busy {
        /// The file.
        path: String,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// Read, write, …
        action: &'static str,
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A parameter that cannot be refined by gradients.
    #[error("refining: parameter `{name}` is not continuous, so there is no derivative by it")]
    NotContinuous {
        /// The parameter.
        name: String,
    },
    /// The training run of the best trial could not be differentiated.
    #[error("refining: {0}")]
    Hypergradient(#[from] HypergradientError),
}

/// The sentence, as [`Display`](std::fmt::Display) has it: a `main` that returns an error prints it so.
impl std::fmt::Debug for SearchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl SearchError {
    /// Whether it is a mistake in the program, which every other trial would repeat.
    pub(super) fn is_mistake(&self) -> bool {
        use SearchError::{Inactive, Kind, Report, Unknown};
        matches!(self, Unknown { .. } | Inactive { .. } | Kind { .. } | Report { .. })
    }
}
