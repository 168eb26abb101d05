//! Layers, initialisers, regularisers, constraints and losses.
//!
//! | here | is |
//! | --- | --- |
//! | [`Layer`] | a module that maps a variable to a variable; a model of your own is one, too |
//! | [`Sequential`] | layers in a row, sizes inferred on [`build`](Sequential::build) |
//! | [`Dense`], [`Conv2d`] and its like, [`Flatten`], [`Reshape`], [`Residual`], [`Lambda`] | layers |
//! | [`BatchNorm`], [`LayerNorm`], [`GroupNorm`], [`RmsNorm`], [`Dropout`] | norms, and noise |
//! | [`WeightNorm`], [`SpectralNorm`] | norms of weights, around a layer |
//! | [`MaxPool2d`] and its like, [`GlobalAvgPool`], [`Upsample`] | other sizes |
//! | [`Activation`], [`PRelu`] | functions between layers |
//! | [`Embedding`], [`PositionalEncoding`], [`Rnn`], [`Lstm`], [`Gru`], [`MultiHeadAttention`], [`TransformerEncoderLayer`] | layers for sequences |
//! | [`init`] | how parameters get their first values |
//! | [`regularizers`], [`constraints`] | penalties on parameters, and where they have to stay |
//! | [`losses`] | what training makes small |
//!
//! What does not live here: the operations (a layer composes them), optimisers, data, training.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod arrange;
mod batch_norm;
pub mod constraints;
mod conv;
mod dense;
mod dropout;
mod embedding;
pub mod init;
mod layer;
pub mod losses;
mod norms;
mod pooling;
mod positional_encoding;
pub mod recurrent;
pub mod regularizers;
mod reparametrized;
mod sequential;
mod spectral_norm;
mod summary;
mod transformer;
mod weight_norm;
mod weights;

pub use arrange::{Flatten, Lambda, PRelu, Reshape, Residual, Upsample};
pub use batch_norm::BatchNorm;
pub use conv::{
    Conv1d, Conv2d, Conv3d, ConvNd, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d,
    ConvTransposeNd,
};
pub use dense::Dense;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use gradus_autograd::Activation;
pub use layer::{BuildError, Layer};
pub use norms::{GroupNorm, LayerNorm, RmsNorm};
pub use pooling::{
    AdaptiveAvgPool, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool,
    AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d, AvgPool, AvgPool1d, AvgPool2d,
    AvgPool3d, GlobalAvgPool, GlobalMaxPool, MaxPool, MaxPool1d, MaxPool2d, MaxPool3d,
};
pub use positional_encoding::PositionalEncoding;
pub use recurrent::{Gru, Lstm, Rnn};
pub use regularizers::penalty;
pub use sequential::Sequential;
pub use spectral_norm::SpectralNorm;
pub use summary::summary;
pub use transformer::{MultiHeadAttention, TransformerEncoderLayer};
pub use weight_norm::WeightNorm;
