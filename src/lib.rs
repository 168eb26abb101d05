//! Automatic differentiation of any order, and training that is itself differentiable.
//!
//! This crate is the façade: it re-exports the rooms of the house and, in [`prelude`], what nearly
//! every program uses. `ARCHITECTURE.md` in the repository shows the house.
//!
//! | room | holds |
//! | --- | --- |
//! | [`autograd`] | tensors, the tape, operations, gradients, gradient checks |
//! | [`nn`] | layers, initialisers, regularisers, constraints, losses |
//! | [`optim`] | update rules, schedules, [hypergradients](differentiating_training) |
//! | [`data`] | data sets, readers of files, splits, folds, scaling, encoding, batches |
//! | [`train`] | `compile`, `fit`, `evaluate`, `predict`, callbacks, history, charts |
//!
//! ```
//! use gradus::prelude::*;
//!
//! let tape = Tape::<f64>::new();
//! let x = tape.var(Tensor::from([1.0, 2.0]));
//! let y = (x * x * x).sum();
//! let dy = y.grad(&[x])[0];
//! let d2y = dy.sum().grad(&[x])[0];
//! assert_eq!(dy.value().to_vec(), [3.0, 12.0]); // 3x²
//! assert_eq!(d2y.value().to_vec(), [6.0, 12.0]); // 6x
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub use gradus_autograd as autograd;
pub use gradus_data as data;
pub use gradus_nn as nn;
pub use gradus_optim as optim;
pub use gradus_train as train;

/// Derives [`Module`](trait@autograd::Module) for a struct of layers and parameters.
pub use gradus_derive::Module;

pub use gradus_autograd::fused;

/// What nearly every program uses.
pub mod prelude {
    pub use crate::autograd::Activation::{
        self, Elu, Gelu, GeluTanh, Identity, LeakyRelu, LogSoftmax, Mish, Relu, Selu, Sigmoid,
        Silu, Softmax, Softplus, Tanh,
    };
    pub use crate::autograd::check::gradcheck;
    pub use crate::autograd::{
        ClassOptions, Conv, Cotangents, Float, Fuse, Gradients, Literal, Module, Op, Outputs,
        PadMode, Param, Pool, Real, Reduction, Rng, Rule, Tape, Tensor, Var, Vjp, fused,
    };
    pub use crate::data::*;
    pub use crate::nn::constraints::{MaxNorm, MinMaxNorm, NonNeg, UnitNorm};
    pub use crate::nn::init::*;
    pub use crate::nn::losses::*;
    pub use crate::nn::regularizers::{L1, L1L2, L2, penalty};
    pub use crate::nn::{
        AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool1d, AvgPool2d, BatchNorm, Conv1d, Conv2d,
        Conv3d, ConvTranspose1d, ConvTranspose2d, Dense, Dropout, Embedding, Flatten,
        GlobalAvgPool, GlobalMaxPool, GroupNorm, Gru, Lambda, Layer, LayerNorm, Lstm, MaxPool1d,
        MaxPool2d, MultiHeadAttention, PRelu, PositionalEncoding, Reshape, Residual, RmsNorm, Rnn,
        Sequential, SpectralNorm, TransformerEncoderLayer, Upsample, WeightNorm, summary,
    };
    pub use crate::optim::{
        Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Clip, CosineDecay, ExponentialDecay,
        Lamb, Lbfgs, Lion, Muon, NAdam, OneCycle, PiecewiseConstant, RAdam, RMSprop, Schedule,
        ScheduleFreeAdamW, Sgd, Step, StepDecay, Warmup,
    };
    pub use crate::train::*;
    pub use gradus_derive::Module;
}

/// A guide: gradients through Adam, weight decay, batch norm, dropout and initialisation.
#[doc = include_str!("../docs/differentiating-training.md")]
pub mod differentiating_training {}

/// For those who know Keras: one example in both, what maps to what, and what surprises.
#[doc = include_str!("../docs/from-keras.md")]
pub mod from_keras {}

/// For those who know PyTorch: what is called what.
#[doc = include_str!("../docs/names.md")]
pub mod names {}

/// A guide: hyperparameter search, with the feature `search`.
#[cfg(feature = "search")]
#[doc = include_str!("../docs/search.md")]
pub mod hyperparameter_search {}

/// A guide: weights as files, and runs that go on after their process was killed, with the feature `weights`.
#[cfg(feature = "weights")]
#[doc = include_str!("../docs/checkpoints.md")]
pub mod checkpoints {}

/// Compiles and runs the code in the README, parts of which take the features `search` and `weights`.
#[cfg(all(doctest, feature = "search", feature = "weights"))]
#[doc = include_str!("../README.md")]
struct Readme;
