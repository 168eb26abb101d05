//! Layers, initialisers, regularisers and losses.
//!
//! | here | is |
//! | --- | --- |
//! | [`Layer`] | a module that maps a variable to a variable; a model of your own is one, too |
//! | [`Sequential`] | layers in a row, sizes inferred on [`build`](Sequential::build) |
//! | [`Dense`], [`BatchNorm`], [`Dropout`], [`Activation`] | layers |
//! | [`init`] | how parameters get their first values |
//! | [`regularizers`] | penalties on parameters |
//! | [`losses`] | what training makes small |
//!
//! What does not live here: the operations (a layer composes them), optimisers, data, training.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod batch_norm;
mod dense;
mod dropout;
pub mod init;
mod layer;
pub mod losses;
pub mod regularizers;
mod sequential;
mod summary;

pub use batch_norm::BatchNorm;
pub use dense::Dense;
pub use dropout::Dropout;
pub use gradus_autograd::Activation;
pub use layer::{BuildError, Layer};
pub use regularizers::penalty;
pub use sequential::Sequential;
pub use summary::summary;
