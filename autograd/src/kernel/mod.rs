//! Loops over slices: everything that is fast, and everything that is `unsafe`.
//!
//! A kernel knows slices, shapes and strides, never variables or tapes. Two rules hold for all:
//! the result has the same bits for any number of threads (work is cut by its size alone, and sums
//! are combined in a fixed order), and no kernel allocates but from the pool.

pub(crate) mod attention;
pub(crate) mod conv;
pub(crate) mod copy;
pub(crate) mod factor;
pub(crate) mod gemm;
pub(crate) mod lanes;
pub(crate) mod map;
pub(crate) mod reduce;
pub(crate) mod resample;
pub(crate) mod share;
pub(crate) mod simd;
