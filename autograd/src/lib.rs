//! Tensors, the tape, operations and gradients of any order.
//!
//! | here | is |
//! | --- | --- |
//! | [`Tensor`] | an n-dimensional array |
//! | [`Tape`], [`Var`] | the list of a computation, and a value on it |
//! | [`Op`] | an operation: value and derivative side by side |
//! | [`Real`], [`Rule`], [`fused!`] | an elementwise formula, written once and read as kernel, derivative and record |
//! | [`Gradients`] | what [`Var::backward`] returns |
//! | [`Param`], [`Module`] | parameters, and how they are found in a model |
//! | [`check`] | gradient checks |
//!
//! What does not live here: layers, optimisers, data, training.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod check;
mod containers;
mod element;
mod functional;
mod kernel;
mod once;
mod op;
mod ops;
mod param;
mod pool;
mod real;
mod rule;
mod tape;
mod tensor;

pub use element::{Element, Float};
pub use functional::per_sample_gradients;
#[doc(hidden)]
pub use kernel::resample::resample;
pub use kernel::resample::{Interpolation, Padding};
pub use op::{Backward, Cotangents, Op, Outputs, Vjp};
pub use ops::conv_settings::{Conv, PerAxis};
pub use ops::fuse::Fuse;
pub use ops::linear::Activation;
#[doc(hidden)]
pub use ops::loss::reshape_hint;
pub use ops::losses::{ClassOptions, Reduction};
pub use ops::pool::Pool;
pub use ops::select::PadMode;
pub use param::{Constraint, Initializer, Module, Param, ParamId, Path, Regularizer};
pub use real::{Dual, Literal, Num, Real, Sym};
#[doc(hidden)]
pub use rule::Kernels;
pub use rule::Rule;
pub use tape::{Gradients, NoGradient, Tape, Var};
pub use tensor::{Arange, Dims, MAX_RANK, Nested, Rng, Tensor};
