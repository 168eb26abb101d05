//! What a training loop needs of an optimiser.

use gradus_autograd::{Float, Gradients, Module, Path};

use crate::{Accumulate, StateDict, StateError};

/// Why no step was taken. Neither parameters nor moments have changed.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// A gradient that clipping does not make finite.
    #[error(
        "clip: the gradient of `{path}` is not finite, and scaling by a norm would spread that: no step was taken. \
         Look at the loss, or lower the learning rate"
    )]
    NotFinite {
        /// The parameter in the model.
        path: String,
    },
    /// A parameter with a constraint, to an optimiser that cannot keep it.
    #[error(
        "`{path}` has a constraint, and this optimiser supposes that weights are where its last step has left them: \
         no step was taken. Train with another one (Adam, Sgd), or without the constraint"
    )]
    Constrained {
        /// The parameter in the model.
        path: String,
    },
    /// A loss without a finite value or gradient, to an optimiser that evaluates it itself.
    #[error(
        "the loss is {loss}, or its gradient is not finite: the weights are those of the last point where both were. \
         Look at the loss, or use a line search"
    )]
    Loss {
        /// Its value.
        loss: f64,
    },
}

/// The sentence, as [`Display`](std::fmt::Display) has it: a `main` that returns an error prints it so.
impl std::fmt::Debug for StepError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl StepError {
    pub(crate) fn not_finite(path: Path<'_>) -> Self {
        StepError::NotFinite { path: path.to_string() }
    }
}

/// A training step: what a training loop needs of an optimiser.
pub trait Step<T: Float>: Send {
    /// Applies running statistics, then updates every trained parameter that has a gradient, and projects it if it has
    /// a [constraint](gradus_autograd::Constraint).
    ///
    /// One optimiser serves one model: moments are kept by path, so that a copy of the model goes on
    /// with them, and two models with the same paths would share theirs.
    ///
    /// # Errors
    /// With [clipping](crate::Optimizer::clip), when a gradient is NaN or infinite. When a parameter has a constraint
    /// that this optimiser [cannot keep](crate::Hyperparameters::takes_constraints).
    ///
    /// # Panics
    /// When no gradient belongs to a parameter of the model: a clone has parameters of its own.
    #[track_caller]
    fn try_step(
        &mut self,
        model: &mut dyn Module<T>,
        gradients: &Gradients<T>,
    ) -> Result<(), StepError>;

    /// As [`try_step`](Step::try_step).
    ///
    /// # Panics
    /// Where that gives an error, too.
    #[track_caller]
    fn step(&mut self, model: &mut dyn Module<T>, gradients: &Gradients<T>) {
        if let Err(error) = self.try_step(model, gradients) {
            panic!("step: {error}");
        }
    }

    /// This optimiser, with a step for the mean of the gradients of so many calls.
    ///
    /// # Panics
    /// When that is 0.
    #[track_caller]
    fn accumulate(self, batches: usize) -> Accumulate<Self, T>
    where
        Self: Sized,
    {
        Accumulate::new(self, batches)
    }

    /// The learning rate of the main group.
    fn lr(&self) -> f64;
    /// Sets the learning rate; groups keep their ratio to it.
    fn set_lr(&mut self, lr: f64);

    /// All that the next step depends on, by the paths of the parameters: hyperparameters, counts of steps, moments.
    fn state_dict(&self) -> StateDict;
    /// Goes on from a [`state_dict`](Step::state_dict) of an optimiser that was made alike.
    ///
    /// # Errors
    /// When it is of another one. Nothing has changed then.
    fn load_state_dict(&mut self, state: StateDict) -> Result<(), StateError>;
}
