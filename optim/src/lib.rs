//! Update rules and schedules.
//!
//! A rule is one formula over [`Real`](gradus_autograd::Real) (in `sgd.rs`, `adam.rs`): parameter, gradient and
//! moments in, parameter and moments out. [`Optimizer`] runs it in place on a model; the same formula
//! can be put on a tape.
//!
//! What does not live here: gradients (they come from a backward pass), the training loop.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod adam;
mod bounded;
mod clip;
mod group;
mod hypergradient;
mod optimizer;
mod saved;
mod schedule;
mod sgd;
mod state_dict;
mod step;
mod tuned;
mod unrolled;

pub use adam::{Adam, AdamHyper, AdamW};
pub use bounded::{Fraction, Positive};
pub use clip::Clip;
pub use hypergradient::{
    Hypergradient, HypergradientError, Solver, Unroll, hypergradient, implicit_hypergradient,
};
pub use optimizer::{Formulas, Optimizer, UpdateRule};
pub use schedule::{
    CosineDecay, CosineRestarts, ExponentialDecay, InverseTimeDecay, OneCycle, PiecewiseConstant,
    PolynomialDecay, Schedule, StepDecay, Warmup,
};
pub use sgd::{Sgd, SgdHyper};
pub use state_dict::{Entry, StateDict, StateError};
pub use step::{Step, StepError};
pub use tuned::Tuned;
pub use unrolled::Unrolled;
