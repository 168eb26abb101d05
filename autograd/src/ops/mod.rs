//! The operations, one family a file: value and derivative side by side.
//!
//! Elementwise ones are rules over [`Real`](crate::Real) and get their derivatives from it; the
//! others implement [`Op`](crate::Op) as a user's own operation does. Nothing here knows the tape's
//! insides, and nothing outside of a file knows the operations in it.

pub(crate) mod dropout;
pub(crate) mod elementwise;
pub(crate) mod fuse;
pub(crate) mod index;
pub(crate) mod linear;
pub(crate) mod loss;
pub(crate) mod matmul;
pub(crate) mod norm;
pub(crate) mod reduce;
pub(crate) mod resample;
mod scalars;
pub(crate) mod shape;
pub(crate) mod softmax;
