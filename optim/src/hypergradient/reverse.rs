//! In reverse: through the whole run on one tape, or part by part from checkpoints.

use gradus_autograd::{Float, Tape, Tensor};

use super::run::Run;
use super::{Hypergradient, HypergradientError};

/// Differentiates in parts of `part` steps. The last part comes first; the state before each of the others has
/// been kept from a first run, and its steps are run again. The cotangents of a state are handed from part to
/// part, and those of the hyperparameters are added to where they stand, in the order in which one tape would have
/// added them: the bits are the same.
pub(super) fn reverse<T: Float>(
    run: &Run<'_, T>,
    part: usize,
) -> Result<Hypergradient<T>, HypergradientError> {
    let (first, end) = (run.first(), run.unroll.steps);
    let mut losses = Vec::new();
    let mut state = run.start();
    run.plain(&mut state, 0..first, &mut losses)?;

    let starts: Vec<usize> = (first..end).step_by(part).collect();
    let mut kept = Vec::new();
    for pair in starts.windows(2) {
        kept.push(state.clone());
        run.plain(&mut state, pair[0]..pair[1], &mut losses)?;
    }
    kept.push(state);

    let mut validation = None;
    let mut hyper: Vec<Option<Tensor<T>>> = vec![None; run.hyper.len()];
    let mut after: Vec<Option<Tensor<T>>> = Vec::new();
    for (&start, state) in std::iter::zip(&starts, &kept).rev() {
        let tape = Tape::training(0);
        let hyper_vars = run.hyper_on(&tape);
        let mut placed = run.enter(&tape, state);
        let before = placed.vars.clone();
        for k in start..end.min(start + part) {
            let loss = run.advance(&tape, &mut placed, k)?;
            if validation.is_none() {
                losses.push(loss);
            }
        }
        let mut outputs = Vec::new();
        if validation.is_none() {
            let loss = run.validation(&tape)?;
            validation = Some(loss.item());
            outputs.push((loss, Tensor::ones(&loss.shape())));
        }
        let given = std::iter::zip(&placed.vars, after).chain(std::iter::zip(&hyper_vars, hyper));
        outputs.extend(given.filter_map(|(x, cotangent)| Some((*x, cotangent?))));
        let wrt = [&hyper_vars[..], &before].concat();
        hyper = tape.pull(&outputs, &wrt);
        after = hyper.split_off(hyper_vars.len());
    }
    let initial = match first {
        0 => after.into_iter().take(run.params.len()).collect(),
        _ => Vec::new(),
    };
    run.result(validation.unwrap_or(T::ZERO), losses, hyper, initial)
}
