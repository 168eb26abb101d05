//! The golden tables: what a reference implementation found, in `tests/golden`.
//!
//! What is not run is listed with the reason; a case that is neither run nor listed fails. Tables of
//! losses, initialisers, metrics and callbacks are run beside the other tests of those.

mod higher_order;
mod ops;
mod optim;
mod training;
