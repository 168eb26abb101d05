//! Constraints: what follows the update of a parameter that has one.

use gradus_autograd::{Float, Module, Param, Path, Tape, Tensor};

use crate::StepError;

/// Projects an updated parameter in place; and how it changed with each hyperparameter that is trained, by the
/// derivative of the projection.
pub(crate) fn constrain<T: Float>(param: &mut Param<T>, tangents: &mut [Tensor<T>]) {
    if param.constraint().is_none() {
        return;
    }
    let tape = if tangents.is_empty() { Tape::inference() } else { Tape::new() };
    let weight = tape.var(param.value().clone());
    let projected = param.project(weight);
    for tangent in tangents {
        *tangent = projected.jvp(&[weight], &[tape.constant(tangent.clone())]).value();
    }
    let value = projected.value();
    param.set(value);
}

/// The error for a parameter with a constraint, if there is one that is trained.
pub(crate) fn refuse<T: Float>(model: &(impl Module<T> + ?Sized)) -> Result<(), StepError> {
    let mut found = Ok(());
    model.visit(Path::root(), &mut |path, param| {
        if found.is_ok() && param.is_trained() && param.constraint().is_some() {
            found = Err(StepError::Constrained { path: path.to_string() });
        }
    });
    found
}
