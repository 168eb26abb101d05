//! Hyperparameter search: a space, a sampler, a scheduler, and a study that survives being killed.
//!
//! | here | is |
//! | --- | --- |
//! | [`Space`], [`Params`], [`Value`] | what is searched, in one place, and one choice from it |
//! | [`Random`], [`Grid`], [`Halton`], [`Tpe`] | which choice comes next: [`Sampler`] |
//! | [`NoPruning`], [`MedianStopping`], [`Asha`] | which trials end early: [`Scheduler`] |
//! | [`Study`], [`Trial`] | runs trials on threads, into a file |
//! | [`StudyResult`], [`Record`] | the best trial, the table, the charts |
//! | [`Knobs`], [`Refined`] | continuous parameters of the best trial, refined by hypergradients |
//!
//! ```
//! use gradus_train::search::*;
//!
//! let space = Space::new()
//!     .log_uniform("lr", 1e-4, 1.0)
//!     .choice("optimizer", ["adam", "sgd"])
//!     .uniform("momentum", 0.0, 0.99)
//!     .when("optimizer", ["sgd"]);
//!
//! let found = Study::minimize(space).sampler(Tpe::new()).trials(30).seed(1).run(|trial| {
//!     let lr: f64 = trial.get("lr")?;
//!     let momentum: Option<f64> = trial.get("momentum")?; // none with Adam
//!     Ok((lr.log10() + 2.0).powi(2) + momentum.map_or(0.1, |m| (m - 0.9).abs())) // a loss
//! })?;
//! let best = found.best();
//! assert!(best.score.unwrap() < 0.15);
//! println!("{found}"); // a table of the trials, best first
//! # Ok::<(), SearchError>(())
//! ```
//!
//! # The same seed, the same trials
//!
//! What a trial is given and when it is pruned is a function of the space, the seed, its number and
//! the trials that it may look at. These are not "all that have ended by now", which would depend on
//! how fast threads are, but the trials `0..=n - lag` ([`Study::lag`]): before trial n begins, the
//! study waits for them. So a study has the same trials and scores with any number of threads, and also
//! when it was killed and taken up again. Where nothing looks back (random, grid and Halton without a
//! scheduler), nothing is waited for.

mod charts;
mod error;
mod file;
mod params;
mod record;
mod refine;
mod result;
mod sampler;
mod scheduler;
mod space;
mod study;
mod trial;

pub use error::SearchError;
pub use params::{FromValue, Params, Value};
pub use record::{Record, TrialState};
pub use refine::{Knobs, Refined};
pub use result::StudyResult;
pub use sampler::{Ask, Grid, Halton, Random, Sampler, Tpe};
pub use scheduler::{Asha, MedianStopping, NoPruning, Running, Scheduler};
pub use space::{Condition, Domain, Space};
pub use study::Study;
pub use trial::{Outcome, Trial, TrialCallback};
