//! The derivative of a validation loss through a whole training run.

mod error;
mod forward;
mod implicit;
mod reverse;
mod run;

pub use error::HypergradientError;
pub use implicit::{Solver, implicit_hypergradient};

use gradus_autograd::{Float, Gradients, Module, Tape, Var};

use crate::{Unrolled, UpdateRule};
use run::Run;

/// How many steps to unroll, and in which way to differentiate them.
///
/// | way | memory | time, in plain runs | for |
/// | --- | --- | --- | --- |
/// | reverse (the default) | O(K) | 4 to 6 | any number of hyperparameters, initial weights too |
/// | [`checkpointed`](Unroll::checkpointed) | O(√K) | one more | the same, with the same bits |
/// | [`forward`](Unroll::forward) | O(1) | about 4, and 3 for each hyperparameter | a few hyperparameters, long runs |
#[derive(Clone, Copy, Debug)]
pub struct Unroll {
    steps: usize,
    way: Way,
    last: usize,
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Reverse,
    Checkpointed,
    Forward,
}

impl Unroll {
    /// A run of so many steps, differentiated in reverse through all of them.
    pub fn steps(steps: usize) -> Self {
        Unroll { steps, way: Way::Reverse, last: usize::MAX, seed: 0 }
    }

    /// In reverse, with the state of every √K-th step kept and the steps between run a second time.
    pub fn checkpointed(mut self) -> Self {
        self.way = Way::Checkpointed;
        self
    }

    /// Forward: the derivative of the state is carried along with it.
    pub fn forward(mut self) -> Self {
        self.way = Way::Forward;
        self
    }

    /// Differentiates through the last `steps` steps only, and takes what was before as given.
    pub fn last(mut self, steps: usize) -> Self {
        self.last = steps;
        self
    }

    /// The seed of the random draws of the run (dropout). Those of a step depend on this and on the number of
    /// the step alone.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// What [`hypergradient`] returns.
pub struct Hypergradient<T: Float = f32> {
    /// The validation loss at the end of the run.
    pub loss: T,
    /// The training loss of each step.
    pub train_losses: Vec<T>,
    /// The derivatives of the validation loss with respect to the hyperparameters, as an optimiser's step takes
    /// them; differentiated in reverse through all steps, also with respect to the initial values of the model.
    pub gradients: Gradients<T>,
    /// By how much the validation loss would still change if training went on to the minimum, to first order.
    /// [`implicit_hypergradient`] supposes that this is small; 0 otherwise.
    pub unsettled: T,
}

/// The derivative of a validation loss with respect to `hyper`, through the training of `model` from its
/// present values. The model itself stays as it is.
///
/// - `hyper`: the parameters to differentiate for: [`Positive`](crate::Positive) or
///   [`Fraction`](crate::Fraction) or a struct of them, or the model itself (its initial weights, as MAML does).
/// - `optimizer`: the optimiser on a tape at step k (from 0): `adam.unrolled(tape).with(…)`.
/// - `train`: the training loss of step k, of the model as it stands on the tape.
/// - `validate`: the loss at the end, on a tape in evaluation mode.
///
/// A hyperparameter comes into the three closures as a variable of the tape they are given, `lr.var(tape)`: they
/// are called anew at every step, perhaps on another tape, and must be functions of their arguments. Step 0
/// may rebind parameters of the model, for an initialiser whose gain is learned.
///
/// ```
/// use gradus_autograd::{Param, Tape, Tensor};
/// use gradus_optim::{Positive, Sgd, Unroll, hypergradient};
///
/// let w = Param::new(Tensor::scalar(5.0_f64));
/// let lr = Positive::new(0.1);
/// let sgd = Sgd::new(0.0);
/// let found = hypergradient(
///     &lr,
///     &w,
///     Unroll::steps(3),
///     |tape, _| sgd.unrolled(tape).with(|h| &mut h.lr, lr.var(tape)),
///     |tape, _| tape.param(&w).powf(2.0),
///     |tape| tape.param(&w),
/// )?;
/// // w₃ = 5·(1 − 2·lr)³, and its derivative with respect to ln lr
/// assert!((found.loss - 5.0 * 0.8_f64.powi(3)).abs() < 1e-12);
/// let slope = found.gradients.param(&lr.log).unwrap().item();
/// assert!((slope - 0.1 * 5.0 * 3.0 * 0.8_f64.powi(2) * -2.0).abs() < 1e-12);
/// # Ok::<(), gradus_optim::HypergradientError>(())
/// ```
///
/// Hyperparameters that are frozen ([`Param::set_trained`](gradus_autograd::Param::set_trained)) are left out.
///
/// # Errors
/// No steps, a loss that is not a single number or not finite (with the step), a derivative that is not finite, a
/// hyperparameter that nothing depends on.
pub fn hypergradient<T, H, M, R>(
    hyper: &H,
    model: &M,
    unroll: Unroll,
    optimizer: impl for<'t> Fn(&'t Tape<T>, usize) -> Unrolled<'t, R, T>,
    train: impl for<'t> Fn(&'t Tape<T>, usize) -> Var<'t, T>,
    validate: impl for<'t> Fn(&'t Tape<T>) -> Var<'t, T>,
) -> Result<Hypergradient<T>, HypergradientError>
where
    T: Float,
    H: Module<T> + ?Sized,
    M: Module<T> + ?Sized,
    R: UpdateRule,
{
    // One closure for everything that is generic: what follows is compiled once for each precision.
    let step: &run::Step<'_, T> = &|tape, k, slots| {
        let loss = train(tape, k);
        let value = run::check("training loss", Some(k), loss)?;
        let mut optimizer = optimizer(tape, k);
        optimizer.slots = std::mem::take(slots);
        let gradients = optimizer.gradients(model, loss);
        if gradients.iter().all(Option::is_none) {
            return Err(HypergradientError::NotTrained { step: Some(k) });
        }
        let checked = optimizer.check(model, &gradients);
        checked.map_err(|source| HypergradientError::Step { step: k, source })?;
        optimizer.apply(model, &gradients);
        *slots = optimizer.slots;
        Ok(value)
    };
    let run = Run::new(hyper, model, unroll, step, &validate)?;
    match unroll.way {
        Way::Reverse => reverse::reverse(&run, unroll.steps),
        Way::Checkpointed => {
            let steps = unroll.steps.min(unroll.last);
            reverse::reverse(&run, (steps as f64).sqrt().ceil() as usize)
        }
        Way::Forward => forward::forward(&run),
    }
}
