//! What holds across the crates: golden tables, the points of numerics, messages, properties.
//!
//! The tests stand in `tests/`; here is only what several of them share.

pub mod golden;
pub mod panics;
pub mod rules;
