//! The core: tape, operations, kernels.

mod determinism;
mod engine;
mod messages;
mod numerics;
mod properties;
mod vocabulary;
