//! Forward: the derivative of the state with respect to each hyperparameter is carried along.

use std::iter::zip;

use gradus_autograd::{Float, Tape, Tensor};

use super::run::Run;
use super::{Hypergradient, HypergradientError};

/// The derivatives of the state, or of the hyperparameters, in one direction; `None` is zero.
type Tangents<T> = Vec<Option<Tensor<T>>>;

/// The product of a Jacobian and a vector comes from two products of a vector and a Jacobian: u ↦ Jᵀu is linear,
/// so the transpose of *its* derivative, applied to a tangent, is J·tangent. So forward mode needs no second set
/// of rules.
pub(super) fn forward<T: Float>(run: &Run<'_, T>) -> Result<Hypergradient<T>, HypergradientError> {
    let (first, end) = (run.first(), run.unroll.steps);
    let mut losses = Vec::new();
    let mut state = run.start();
    run.plain(&mut state, 0..first, &mut losses)?;

    let directions = directions(run);
    let mut tangents: Vec<Tangents<T>> = vec![vec![None; state.values.len()]; directions.len()];
    for k in first..end {
        let tape = Tape::training(0);
        let hyper = run.hyper_on(&tape);
        let mut placed = run.enter(&tape, &state);
        let inputs = [&hyper[..], &placed.vars].concat();
        losses.push(run.advance(&tape, &mut placed, k)?);
        let ones: Vec<_> =
            placed.vars.iter().map(|y| (*y, tape.var(Tensor::ones(&y.shape())))).collect();
        let transposed = tape.vjp(&ones, &inputs);
        let ones: Vec<_> = ones.into_iter().map(|(_, u)| u).collect();
        for (direction, tangent) in zip(&directions, &mut tangents) {
            let known = direction.iter().chain(&*tangent).cloned();
            let given = zip(&transposed, known).filter_map(|(x, t)| Some(((*x)?, t?)));
            *tangent = tape.pull(&given.collect::<Vec<_>>(), &ones);
        }
        state = placed.leave();
    }

    let tape = Tape::training(0);
    let hyper = run.hyper_on(&tape);
    let placed = run.enter(&tape, &state);
    let loss = run.validation(&tape)?;
    let inputs = [&hyper[..], &placed.vars].concat();
    let slopes = tape.pull(&[(loss, Tensor::ones(&loss.shape()))], &inputs);
    // `None` where the loss does not depend on an element of a hyperparameter.
    let mut sums = zip(&directions, &tangents).map(|(direction, tangent)| {
        let pairs = zip(&slopes, direction.iter().chain(tangent));
        pairs.filter_map(|(a, b)| Some(dot(a.as_ref()?, b.as_ref()?))).reduce(|a, b| a + b)
    });
    let mut gradients = Vec::new();
    for (_, param) in &run.hyper {
        let mut is_used = false;
        let gradient = Tensor::from_fn(param.value().shape(), |_| {
            let sum = sums.next().flatten();
            is_used |= sum.is_some();
            T::of(sum.unwrap_or(0.0))
        });
        gradients.push(is_used.then_some(gradient));
    }
    run.result(loss.item(), losses, gradients, Vec::new())
}

/// One direction for each element of the hyperparameters.
fn directions<T: Float>(run: &Run<'_, T>) -> Vec<Tangents<T>> {
    let mut all = Vec::new();
    for (number, (_, param)) in run.hyper.iter().enumerate() {
        for element in 0..param.value().len() {
            let mut direction = vec![None; run.hyper.len()];
            let mut one = vec![T::ZERO; param.value().len()];
            one[element] = T::ONE;
            direction[number] = Some(Tensor::from(one).reshape(param.value().shape()));
            all.push(direction);
        }
    }
    all
}

/// Σ a·b in 64 bits.
pub(super) fn dot<T: Float>(a: &Tensor<T>, b: &Tensor<T>) -> f64 {
    zip(a.to_vec(), b.to_vec()).map(|(a, b)| a.to_f64() * b.to_f64()).sum()
}
