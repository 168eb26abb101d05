//! What can go wrong while a training run is differentiated.

use thiserror::Error;

/// Why there is no hypergradient.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum HypergradientError {
    /// K = 0.
    #[error("a run of 0 steps has no derivative: ask for at least one, `Unroll::steps(1)`")]
    NoSteps,
    /// `last(0)`.
    #[error("differentiating the last 0 steps: ask for at least one, `Unroll::last(1)`")]
    NoLastSteps,
    /// A loss of several numbers.
    #[error(
        "the {which} has shape {shape:?}, not a single number: reduce it with `mean()` or `sum()`"
    )]
    NotScalar {
        /// "training loss at step 3" or "validation loss".
        which: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// NaN or infinity.
    #[error(
        "the {which} is {value}: start from a lower learning rate, clip the gradients, or unroll fewer steps"
    )]
    NotFinite {
        /// "training loss at step 3" or "validation loss".
        which: String,
        /// The value.
        value: f64,
    },
    /// The training loss depends on no parameter.
    #[error(
        "the training loss at step {step} depends on no trained parameter of the model: compute it with \
         `tape.param` or `model.forward` on the tape that the closure is given"
    )]
    NotTrained {
        /// From 0.
        step: usize,
    },
    /// A hyperparameter is not on the tape.
    #[error(
        "the validation loss does not depend on hyperparameter `{path}`: bring it onto the tape inside the \
         closures (`.var(tape)` or `tape.param`), at every step, and do not `detach` it"
    )]
    Unused {
        /// Where the hyperparameter is.
        path: String,
    },
    /// Initial weights, forward.
    #[error(
        "`{path}` is a parameter of the model itself: its initial value is differentiated in reverse \
         (leave `forward()` out), through all steps (leave `last()` out)"
    )]
    Initial {
        /// Where the parameter is.
        path: String,
    },
    /// Implicit differentiation away from a minimum.
    #[error(
        "the training loss is not convex here (curvature {curvature:e} along a direction): train closer to a \
         minimum, or give the solver some damping"
    )]
    NotConvex {
        /// dᵀHd/dᵀd
        curvature: f64,
    },
    /// The solver of a linear system diverged or stopped early.
    #[error(
        "the solver stopped with a relative residual of {residual:e} after {iterations} iterations: allow more, \
         add damping, or lower the rate of the Neumann series below 2/λ of the largest curvature"
    )]
    NotSolved {
        /// ‖Hx − v‖/‖v‖
        residual: f64,
        /// How many there were.
        iterations: usize,
    },
}
