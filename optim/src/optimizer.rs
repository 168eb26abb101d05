//! What all optimisers share: the state of each parameter, groups, the step.

use std::fmt::Debug;

use gradus_autograd::{Float, Gradients, Module, ParamId, Path, Tensor};

/// An update rule with its hyperparameters.
pub trait UpdateRule: Clone + Debug + Send + Sync + 'static {
    /// How many moments it keeps for each parameter.
    fn moments(&self) -> usize;

    /// The learning rate.
    fn lr(&self) -> f64;

    /// Sets the learning rate.
    fn set_lr(&mut self, lr: f64);

    /// Updates one parameter in place. `step` counts from 1; the moments start as zeros.
    fn update<T: Float>(
        &self,
        step: u64,
        p: &mut Tensor<T>,
        g: &Tensor<T>,
        moments: &mut [Tensor<T>],
    );
}

/// A training step: what a training loop needs of an optimiser.
pub trait Step<T: Float>: Send {
    /// Applies running statistics, then updates every trained parameter that has a gradient.
    ///
    /// One optimiser serves one model: moments are kept by path, so that a copy of the model goes on
    /// with them, and two models with the same paths would share theirs.
    ///
    /// # Panics
    /// When no gradient belongs to a parameter of the model: a clone has parameters of its own.
    #[track_caller]
    fn step(&mut self, model: &mut dyn Module<T>, gradients: &Gradients<T>);
    /// The learning rate of the main group.
    fn lr(&self) -> f64;
    /// Sets the learning rate; groups keep their ratio to it.
    fn set_lr(&mut self, lr: f64);
}

/// A rule at work on a model: its hyperparameters, groups of parameters that have others, and the
/// moments of each parameter, kept by path.
///
/// ```
/// use gradus_autograd::{Module, Tape, Tensor};
/// use gradus_optim::{Adam, Step};
/// # use gradus_autograd::Param;
/// let mut model = vec![Param::<f32>::new(Tensor::from([3.0]))];
/// let mut adam = Adam::new(0.1).group(|path| path.ends_with("bias"), |h| h.weight_decay = 0.0);
/// for _ in 0..200 {
///     let tape = Tape::new();
///     let loss = tape.param(&model[0]).powf(2.0).sum();
///     adam.step(&mut model, &loss.backward());
/// }
/// assert!(model[0].value().item().abs() < 1e-2);
/// ```
#[derive(Debug)]
pub struct Optimizer<R: UpdateRule, T: Float = f32> {
    pub(crate) rule: R,
    groups: Vec<Group<R>>,
    slots: Vec<Slot<R, T>>,
}

struct Group<R> {
    holds: Box<dyn Fn(&str) -> bool + Send + Sync>,
    change: Box<dyn Fn(&mut R) + Send + Sync>,
}

impl<R> Debug for Group<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Group")
    }
}

/// What is kept for one parameter.
#[derive(Debug)]
struct Slot<R, T: Float> {
    id: ParamId,
    path: String,
    /// The rule of its group, and its learning rate as a part of the main one.
    group: Option<(R, f64)>,
    step: u64,
    moments: Vec<Tensor<T>>,
}

impl<R: UpdateRule, T: Float> Optimizer<R, T> {
    /// An optimiser with the given rule for all parameters.
    ///
    /// # Panics
    /// When the learning rate is negative or not finite.
    #[track_caller]
    pub fn with_rule(rule: R) -> Self {
        let lr = rule.lr();
        assert!(
            lr.is_finite() && lr >= 0.0,
            "optimizer: a learning rate of {lr} is negative or not finite"
        );
        Optimizer { rule, groups: Vec::new(), slots: Vec::new() }
    }

    /// Other hyperparameters for the parameters whose path `holds`; the last group that holds wins. A
    /// learning rate of its own keeps its ratio to the main one when that changes.
    pub fn group(
        mut self,
        holds: impl Fn(&str) -> bool + Send + Sync + 'static,
        change: impl Fn(&mut R) + Send + Sync + 'static,
    ) -> Self {
        self.groups.push(Group { holds: Box::new(holds), change: Box::new(change) });
        self
    }

    /// The hyperparameters of the main group.
    pub fn hyper(&self) -> &R {
        &self.rule
    }

    /// The place of a parameter's state: usually `guess`, the number of the parameter in the visit.
    fn slot(&mut self, guess: usize, path: Path<'_>, id: ParamId, p: &Tensor<T>) -> usize {
        if self.slots.get(guess).is_some_and(|slot| slot.id == id) {
            return guess;
        }
        let path = path.to_string();
        if let Some(at) = self.slots.iter().position(|slot| slot.path == path) {
            // The same place in another copy of the model: it goes on with the moments there are.
            self.slots[at].id = id;
            if self.slots[at].moments.iter().all(|m| m.shape() == p.shape()) {
                return at;
            }
            self.slots.remove(at);
        }
        let group = self.groups.iter().rev().find(|group| (group.holds)(&path)).map(|group| {
            let mut rule = self.rule.clone();
            (group.change)(&mut rule);
            let (own, main) = (rule.lr(), self.rule.lr());
            (rule, if main == 0.0 { 1.0 } else { own / main })
        });
        let zeros = || {
            let mut moment = Tensor::zeros(p.shape());
            moment.make_mut();
            moment
        };
        let rule = group.as_ref().map_or(&self.rule, |(rule, _)| rule);
        let moments = (0..rule.moments()).map(|_| zeros()).collect();
        let at = guess.min(self.slots.len());
        self.slots.insert(at, Slot { id, path, group, step: 0, moments });
        at
    }
}

impl<R: UpdateRule, T: Float> Step<T> for Optimizer<R, T> {
    fn step(&mut self, model: &mut dyn Module<T>, gradients: &Gradients<T>) {
        gradients.apply_updates(model);
        let (mut number, mut trained) = (0, 0);
        model.visit_mut(Path::root(), &mut |path, param| {
            if !param.is_trained() {
                return;
            }
            trained += 1;
            let Some(gradient) = gradients.param(param) else { return };
            let at = self.slot(number, path, param.id(), param.value());
            number += 1;
            let slot = &mut self.slots[at];
            slot.step += 1;
            let p = param.value_mut();
            let rule = match &mut slot.group {
                None => &self.rule,
                Some((rule, ratio)) => {
                    rule.set_lr(self.rule.lr() * *ratio);
                    rule
                }
            };
            rule.update(slot.step, p, gradient, &mut slot.moments);
        });
        assert!(
            number > 0 || trained == 0,
            "step: no gradient belongs to a parameter of this model: a clone has parameters of its own, and a \
             loss that was computed with another model says nothing about this one"
        );
    }
    fn lr(&self) -> f64 {
        self.rule.lr()
    }
    fn set_lr(&mut self, lr: f64) {
        self.rule.set_lr(lr);
    }
}
