//! Update rules and schedules.
//!
//! A rule is one formula over [`Real`](gradus_autograd::Real) (in `sgd.rs`, `adam.rs`, …): parameter, gradient and
//! moments in, parameter and moments out. [`Optimizer`] runs it in place on a model; the same formula
//! can be put on a tape.
//!
//! | PyTorch | Keras | optax | here |
//! | --- | --- | --- | --- |
//! | `SGD` | `SGD` | `sgd` | [`Sgd`] |
//! | `Adam`, `amsgrad=True` | `Adam` | `adam`, `amsgrad` | [`Adam`], [`amsgrad`](Optimizer::amsgrad) |
//! | `AdamW` | `AdamW` | `adamw` | [`AdamW`] |
//! | `RMSprop` | `RMSprop` | `rmsprop` | [`RMSprop`] |
//! | `Adagrad` | `Adagrad` | `adagrad` | [`Adagrad`] |
//! | `Adadelta` | `Adadelta` | `adadelta` | [`Adadelta`] |
//! | `Adamax` | `Adamax` | `adamax` | [`Adamax`] |
//! | `NAdam` | `Nadam` | `nadam` | [`NAdam`] |
//! | `RAdam` | | `radam` | [`RAdam`] |
//! | | `Lion` | `lion` | [`Lion`] |
//! | `Adafactor` | `Adafactor` | `adafactor` | [`Adafactor`], as PyTorch's |
//! | `Muon` | `Muon` | `contrib.muon` | [`Muon`] |
//! | | `Lamb` | `lamb` | [`Lamb`] |
//! | `schedulefree.AdamWScheduleFree` | `ScheduleFreeAdamW` | `contrib.schedule_free_adamw` | [`ScheduleFreeAdamW`] |
//! | `LBFGS` | | `lbfgs` | [`Lbfgs`] |
//! | `clip_grad_value_`, `clip_grad_norm_` | `clipvalue`, `clipnorm`, `global_clipnorm` | `clip`, `clip_by_global_norm` | [`Clip`] |
//! | several `backward` | `gradient_accumulation_steps` | `MultiSteps` | [`Step::accumulate`] |
//! | parameter groups | | `multi_transform` | [`Optimizer::group`] |
//! | `lr_scheduler` | `schedules` | `schedules` | [`Schedule`] |
//!
//! Elementwise rules run in place, on a tape ([`Unrolled`]) and with hyperparameters that are trained ([`Tuned`]);
//! those of whole tensors ([`Tensorwise`]: LAMB, Adafactor, Muon) run in place only. The moving average of weights is a
//! callback of `gradus_train`, `Ema`.
//!
//! What does not live here: gradients (they come from a backward pass), the training loop.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod accumulate;
mod adadelta;
mod adafactor;
mod adagrad;
mod adam;
mod adamax;
mod bounded;
mod clip;
mod constrained;
mod formula;
mod group;
mod hypergradient;
mod lamb;
mod lbfgs;
mod lion;
mod muon;
mod nadam;
mod optimizer;
mod radam;
mod rmsprop;
mod saved;
mod schedule;
mod schedule_free;
mod sgd;
mod state_dict;
mod step;
mod tensorwise;
mod tuned;
mod unrolled;

pub use accumulate::Accumulate;
pub use adadelta::{Adadelta, AdadeltaHyper};
pub use adafactor::{Adafactor, AdafactorHyper};
pub use adagrad::{Adagrad, AdagradHyper};
pub use adam::{Adam, AdamHyper, AdamW};
pub use adamax::{Adamax, AdamaxHyper};
pub use bounded::{Fraction, Positive};
pub use clip::Clip;
pub use hypergradient::{
    Hypergradient, HypergradientError, Solver, Unroll, hypergradient, implicit_hypergradient,
};
pub use lamb::{Lamb, LambHyper};
pub use lbfgs::{Lbfgs, LineSearch};
pub use lion::{Lion, LionHyper};
pub use muon::{Muon, MuonHyper};
pub use nadam::{NAdam, NAdamHyper};
pub use optimizer::{Formulas, Hyperparameters, Optimizer, UpdateRule};
pub use radam::{RAdam, RAdamHyper};
pub use rmsprop::{RMSprop, RMSpropHyper};
pub use schedule::{
    ConstantSchedule, CosineDecay, CosineRestarts, Cyclic, ExponentialDecay, InverseTimeDecay,
    OneCycle, PiecewiseConstant, PolynomialDecay, Schedule, SequentialSchedule, StepDecay, Warmup,
};
pub use schedule_free::{ScheduleFreeAdamW, ScheduleFreeHyper};
pub use sgd::{Sgd, SgdHyper};
pub use state_dict::{Entry, StateDict, StateError};
pub use step::{Step, StepError};
pub use tensorwise::{States, TensorRule, Tensorwise};
pub use tuned::Tuned;
pub use unrolled::Unrolled;
