//! A training run that can be taken up at any step, on any tape.

use gradus_autograd::{Float, Gradients, Module, Param, ParamId, Path, Tape, Tensor, Var};

use super::{Hypergradient, HypergradientError, Unroll};
use crate::unrolled::Slot;

/// What changes from step to step, by value: parameters and statistics of the model, then the moments.
#[derive(Clone)]
pub(super) struct State<T: Float> {
    pub values: Vec<Tensor<T>>,
    /// For each parameter that has been trained: its steps, and how many moments it has.
    slots: Vec<(ParamId, u64, usize)>,
}

/// The same on a tape, in the same order.
pub(super) struct Placed<'t, T: Float> {
    pub vars: Vec<Var<'t, T>>,
    slots: Vec<Slot<'t, T>>,
}

/// Takes one training step on a tape and returns the training loss before it.
pub(super) type Step<'a, T> =
    dyn for<'t> Fn(&'t Tape<T>, usize, &mut Vec<Slot<'t, T>>) -> Result<T, HypergradientError> + 'a;
/// The loss at the end.
pub(super) type Validate<'a, T> = dyn for<'t> Fn(&'t Tape<T>) -> Var<'t, T> + 'a;

pub(super) struct Run<'a, T: Float> {
    /// The hyperparameters that are not parameters of the model, with their paths.
    pub hyper: Vec<(String, &'a Param<T>)>,
    /// Those that are, by their number in the model.
    pub initial: Vec<(String, usize)>,
    /// The parameters and statistics of the model.
    pub params: Vec<&'a Param<T>>,
    pub unroll: Unroll,
    pub step: &'a Step<'a, T>,
    pub validate: &'a Validate<'a, T>,
}

fn params<T: Float>(module: &(impl Module<T> + ?Sized)) -> Vec<(String, &Param<T>)> {
    let mut all = Vec::new();
    module.visit(Path::root(), &mut |path, param| all.push((path.to_string(), param)));
    all
}

impl<'a, T: Float> Run<'a, T> {
    pub fn new(
        hyper: &'a (impl Module<T> + ?Sized),
        model: &'a (impl Module<T> + ?Sized),
        unroll: Unroll,
        step: &'a Step<'a, T>,
        validate: &'a Validate<'a, T>,
    ) -> Result<Self, HypergradientError> {
        if unroll.steps == 0 {
            return Err(HypergradientError::NoSteps);
        }
        if unroll.last == 0 {
            return Err(HypergradientError::NoLastSteps);
        }
        let model: Vec<&Param<T>> = params(model).into_iter().map(|(_, param)| param).collect();
        let (mut own, mut initial) = (Vec::new(), Vec::new());
        for (path, param) in params(hyper).into_iter().filter(|(_, param)| param.is_trained()) {
            match model.iter().position(|p| p.id() == param.id()) {
                Some(number) => initial.push((path, number)),
                None => own.push((path, param)),
            }
        }
        Ok(Run { hyper: own, initial, params: model, unroll, step, validate })
    }

    /// The first step that is differentiated.
    pub fn first(&self) -> usize {
        self.unroll.steps.saturating_sub(self.unroll.last)
    }

    /// The state before the first step.
    pub fn start(&self) -> State<T> {
        State { values: self.params.iter().map(|p| p.value().clone()).collect(), slots: Vec::new() }
    }

    /// The hyperparameters on a tape, before all else.
    pub fn hyper_on<'t>(&self, tape: &'t Tape<T>) -> Vec<Var<'t, T>> {
        self.hyper.iter().map(|(_, param)| tape.param(param)).collect()
    }

    /// Puts a state on a tape, as leaves.
    pub fn enter<'t>(&self, tape: &'t Tape<T>, state: &State<T>) -> Placed<'t, T> {
        let vars: Vec<_> = state.values.iter().map(|value| tape.var(value.clone())).collect();
        let (values, mut moments) = vars.split_at(self.params.len());
        for (param, &value) in std::iter::zip(&self.params, values) {
            tape.rebind(param, value);
        }
        let mut slots = Vec::new();
        for &(id, step, count) in &state.slots {
            let (own, rest) = moments.split_at(count);
            slots.push(Slot { id, step, moments: own.into() });
            moments = rest;
        }
        Placed { vars, slots }
    }

    /// Takes step `k` on a tape; returns the training loss before it.
    pub fn advance<'t>(
        &self,
        tape: &'t Tape<T>,
        placed: &mut Placed<'t, T>,
        k: usize,
    ) -> Result<T, HypergradientError> {
        // Of different seeds, no two steps are the same.
        tape.reseed(self.unroll.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(k as u64));
        let loss = (self.step)(tape, k, &mut placed.slots)?;
        placed.vars.clear();
        placed.vars.extend(self.params.iter().map(|param| tape.param(param)));
        placed.vars.extend(placed.slots.iter().flat_map(|slot| &slot.moments));
        Ok(loss)
    }

    /// Steps that are not differentiated, each on a tape of its own.
    pub fn plain(
        &self,
        state: &mut State<T>,
        steps: std::ops::Range<usize>,
        losses: &mut Vec<T>,
    ) -> Result<(), HypergradientError> {
        for k in steps {
            let tape = Tape::training(0);
            let mut placed = self.enter(&tape, state);
            losses.push(self.advance(&tape, &mut placed, k)?);
            *state = placed.leave();
        }
        Ok(())
    }

    /// The validation loss on a tape.
    pub fn validation<'t>(&self, tape: &'t Tape<T>) -> Result<Var<'t, T>, HypergradientError> {
        let loss = tape.evaluation(|| (self.validate)(tape));
        check("validation loss", None, loss)?;
        Ok(loss)
    }

    /// The result, from the gradients of the hyperparameters and of the model's initial values.
    pub fn result(
        &self,
        loss: T,
        train_losses: Vec<T>,
        hyper: Vec<Option<Tensor<T>>>,
        initial: Vec<Option<Tensor<T>>>,
    ) -> Result<Hypergradient<T>, HypergradientError> {
        let mut all = Vec::new();
        for ((path, param), gradient) in std::iter::zip(&self.hyper, hyper) {
            match gradient {
                Some(gradient) => all.push((*param, gradient, path.as_str())),
                None => return Err(HypergradientError::unused(path, &self.unroll)),
            }
        }
        if let Some((path, _)) = self.initial.iter().find(|(_, number)| *number >= initial.len()) {
            return Err(HypergradientError::Initial { path: named(path) });
        }
        let asked = |number: &usize| self.initial.iter().find(|(_, asked)| asked == number);
        for (number, gradient) in initial.into_iter().enumerate() {
            // What nothing depends on has no gradient, as after any backward pass.
            let Some(gradient) = gradient else { continue };
            let path = asked(&number).map_or(NOT_ASKED, |(path, _)| path);
            all.push((self.params[number], gradient, path));
        }
        for (_, gradient, path) in all.iter().filter(|(.., path)| *path != NOT_ASKED) {
            if let Some(at) = gradient.first_non_finite() {
                let value = gradient.to_vec()[at].to_f64();
                return Err(HypergradientError::NotFiniteSlope { path: named(path), value });
            }
        }
        let gradients = Gradients::of_params(all.into_iter().map(|(param, g, _)| (param, g)));
        Ok(Hypergradient { loss, train_losses, gradients, unsettled: T::ZERO })
    }
}

/// In place of a path: nobody has asked for this derivative.
const NOT_ASKED: &str = "\0";

/// A hyperparameter in a message.
pub(super) fn named(path: &str) -> String {
    match path {
        "" => "the hyperparameter".into(),
        path => format!("hyperparameter `{path}`"),
    }
}

impl<T: Float> Placed<'_, T> {
    /// The state by value.
    pub fn leave(&self) -> State<T> {
        State {
            values: self.vars.iter().map(|x| x.value()).collect(),
            slots: self.slots.iter().map(|s| (s.id, s.step, s.moments.len())).collect(),
        }
    }
}

/// The number in a loss, that of a training step if there is one.
pub(super) fn check<T: Float>(
    which: &'static str,
    step: Option<usize>,
    loss: Var<'_, T>,
) -> Result<T, HypergradientError> {
    let shape = loss.shape();
    if shape.iter().product::<usize>() != 1 {
        let shape = shape.to_vec();
        return Err(HypergradientError::NotScalar { which, step, shape });
    }
    let value = loss.item();
    match value.is_finite() {
        true => Ok(value),
        false => Err(HypergradientError::NotFinite { which, step, value: value.to_f64() }),
    }
}
