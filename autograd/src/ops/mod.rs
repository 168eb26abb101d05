//! The operations, one family a file: value and derivative side by side.
//!
//! Elementwise ones are rules over [`Real`](crate::Real) and get their derivatives from it; the
//! others implement [`Op`](crate::Op) as a user's own operation does. Nothing here knows the tape's
//! insides, and nothing outside of a file knows the operations in it.

mod activations;
mod arrange;
mod attention;
mod conv;
pub(crate) mod conv_settings;
mod distances;
pub(crate) mod dropout;
mod einsum;
pub(crate) mod elementwise;
pub(crate) mod fuse;
mod images;
pub(crate) mod index;
mod linalg;
pub(crate) mod linear;
pub(crate) mod loss;
pub(crate) mod losses;
mod lstm;
pub(crate) mod matmul;
pub(crate) mod norm;
mod norms;
mod order;
pub(crate) mod pool;
pub(crate) mod reduce;
pub(crate) mod resample;
pub(crate) mod rule_op;
mod scalars;
mod scan;
pub(crate) mod select;
pub(crate) mod shape;
pub(crate) mod softmax;
pub(crate) mod special;
mod standardise;
mod take;
mod windows;
