//! What can go wrong while a training run is differentiated.

use thiserror::Error;

use super::Unroll;
use super::run::named;
use crate::StepError;

/// Why there is no hypergradient.
#[derive(Clone, PartialEq, Error)]
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
        "the {which}{} has shape {shape:?}, not a single number: reduce it with `mean()` or `sum()`",
        at(step)
    )]
    NotScalar {
        /// "training loss" or "validation loss".
        which: &'static str,
        /// Of a training loss: the step, from 0.
        step: Option<usize>,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A loss that is NaN or infinite.
    #[error("the {which}{} is {value}: {}", at(step), advice(which, step))]
    NotFinite {
        /// "training loss" or "validation loss".
        which: &'static str,
        /// Of a training loss: the step, from 0.
        step: Option<usize>,
        /// The value.
        value: f64,
    },
    /// A derivative that is NaN or infinite, of a loss that is not.
    #[error(
        "the derivative with respect to {path} is {value}, though all losses are finite: unroll fewer steps, \
         differentiate the `last` ones only, or look for a function with an infinite slope (a root of 0)"
    )]
    NotFiniteSlope {
        /// The hyperparameter.
        path: String,
        /// The value.
        value: f64,
    },
    /// The optimiser could not take a step.
    #[error("step {step}: {source}")]
    Step {
        /// From 0.
        step: usize,
        /// Why.
        source: StepError,
    },
    /// The training loss depends on no parameter.
    #[error(
        "the training loss{} depends on no trained parameter of the model: compute it with `tape.param` or \
         `model.forward` on the tape that the closure is given",
        at(step)
    )]
    NotTrained {
        /// From 0; none where there are no steps.
        step: Option<usize>,
    },
    /// A hyperparameter is not on the tape.
    #[error(
        "the validation loss does not depend on {path}: bring it onto the tape inside the closures \
         (`.var(tape)` or `tape.param`), {}, and do not `detach` it",
        match last {
            Some(last) => format!("in the last {last} steps, the only ones that are differentiated"),
            None => "at every step".into(),
        }
    )]
    Unused {
        /// Where the hyperparameter is.
        path: String,
        /// How many steps are differentiated, if these are not all.
        last: Option<usize>,
    },
    /// Initial weights, where they are out of reach.
    #[error(
        "{path} is a parameter of the model itself: its initial value is differentiated by `hypergradient`, in \
         reverse (without `forward()`) and through all steps (without `last()`)"
    )]
    Initial {
        /// Where the parameter is.
        path: String,
    },
    /// Implicit differentiation with a constraint.
    #[error(
        "`{path}` has a constraint: on its edge the slope of the training loss is not 0, and the implicit function \
         theorem says nothing: differentiate through the steps, by `hypergradient`"
    )]
    Constrained {
        /// Where the parameter is in the model.
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
    /// A Neumann series without terms, or with a rate that is not above 0.
    #[error("a Neumann series of {terms} terms with rate {rate}: both must be above 0")]
    Neumann {
        /// How many terms.
        terms: usize,
        /// The rate.
        rate: f64,
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

/// The sentence, as [`Display`](std::fmt::Display) has it: a `main` that returns an error prints it so.
impl std::fmt::Debug for HypergradientError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl HypergradientError {
    pub(super) fn unused(path: &str, unroll: &Unroll) -> Self {
        let last = (unroll.last < unroll.steps).then_some(unroll.last);
        HypergradientError::Unused { path: named(path), last }
    }
}

/// The step in a message.
fn at(step: &Option<usize>) -> String {
    step.map_or(String::new(), |step| format!(" at step {step}"))
}

/// What to do about a loss that is not finite.
fn advice(which: &str, step: &Option<usize>) -> &'static str {
    match (which, step) {
        // Of implicit differentiation.
        ("training loss", None) => "no step is taken here, so look at the data and the weights",
        (_, Some(0)) => "no step has been taken yet, so look at the data and the initial weights",
        _ => "start from a lower learning rate, clip the gradients, or unroll fewer steps",
    }
}
