//! What all optimisers share: the state of each parameter, groups, the step.

use std::fmt::Debug;
use std::iter::zip;
use std::marker::PhantomData;
use std::sync::Arc;

use gradus_autograd::{Float, Fuse, Gradients, Module, Param, ParamId, Path, Rule, Tensor};
use smallvec::SmallVec;

use crate::constrained::{constrain, refuse};
use crate::group::{Changed, Group};
use crate::{Clip, StateDict, StateError, Step, StepError};

/// The settings of an optimiser, and how much it keeps for each parameter.
pub trait Hyperparameters: Clone + Debug + Send + Sync + 'static {
    /// How many moments it keeps for each parameter; they start as zeros.
    fn moments(&self) -> usize;

    /// The shapes of these moments, for a parameter of `shape`: the same, if nothing else is said.
    fn moment_shapes(&self, shape: &[usize]) -> Vec<Vec<usize>> {
        vec![shape.to_vec(); self.moments()]
    }

    /// The hyperparameters that a gradient can be taken for, in the order of the formula of the step; the
    /// learning rate is the first.
    fn hyper(&mut self) -> SmallVec<[&mut f64; 8]>;

    /// The learning rate.
    fn lr(&self) -> f64;

    /// Sets the learning rate.
    fn set_lr(&mut self, lr: f64);

    /// Whether a parameter may be projected after a step, as a [constraint](gradus_autograd::Constraint) asks: not
    /// where the next step supposes that it is where the last one has left it.
    fn takes_constraints(&self) -> bool {
        true
    }
}

/// An update rule with its hyperparameters, as two formulas over [`Real`](gradus_autograd::Real): the
/// numbers of a step, and the update of an element. An [`Optimizer`] runs them in place;
/// [`Unrolled`](crate::Unrolled) puts the same formulas on a tape.
pub trait UpdateRule: Hyperparameters {
    /// Gives both formulas to `run`. `step` counts from 1.
    fn formulas<F: Formulas>(&self, step: u64, run: F) -> F::Out;
}

/// What can be done with the formulas of an [`UpdateRule`].
pub trait Formulas {
    /// What comes of it.
    type Out;

    /// `scalars` makes of the hyperparameters the numbers that are the same for every element; `update` makes
    /// the new parameter and moments from the old ones, the gradient, and those numbers, in that order.
    fn run<const H: usize, const S: usize, const I: usize, const O: usize>(
        self,
        scalars: impl Rule<H, S>,
        update: impl Rule<I, O>,
    ) -> Self::Out;
}

/// The number of a hyperparameter, named by its field, in [`Hyperparameters::hyper`].
#[track_caller]
pub(crate) fn place_of<R: Hyperparameters>(
    rule: &mut R,
    field: impl FnOnce(&mut R) -> &mut f64,
) -> usize {
    let asked: *const f64 = field(rule);
    match rule.hyper().iter().position(|own| std::ptr::eq(*own, asked)) {
        Some(place) => place,
        None => panic!("this is not a field that a gradient can be taken for"),
    }
}

/// The numbers of a step.
pub(crate) type Scalars<T> = SmallVec<[T; 10]>;

/// Works out the numbers of a step in 64 bits.
pub(crate) struct OfStep<R, T> {
    rule: R,
    precision: PhantomData<T>,
}

impl<R: UpdateRule, T: Float> OfStep<R, T> {
    pub fn new(rule: &R) -> Self {
        OfStep { rule: rule.clone(), precision: PhantomData }
    }

    /// The hyperparameters as `T` holds them: what corrects the bias of a moment must be of the same β that
    /// made it.
    pub fn hyper<const H: usize>(&mut self) -> [f64; H] {
        let hyper = self.rule.hyper();
        std::array::from_fn(|i| T::of(*hyper[i]).to_f64())
    }
}

impl<R: UpdateRule, T: Float> Formulas for OfStep<R, T> {
    type Out = Scalars<T>;
    fn run<const H: usize, const S: usize, const I: usize, const O: usize>(
        mut self,
        scalars: impl Rule<H, S>,
        _: impl Rule<I, O>,
    ) -> Scalars<T> {
        scalars.eval(self.hyper::<H>()).iter().map(|&x| T::of(x)).collect()
    }
}

/// The parameter and its moments, which an update replaces.
pub(crate) fn states<'a, T: Float, const O: usize>(
    p: &'a mut Tensor<T>,
    moments: &'a mut [Tensor<T>],
) -> [&'a mut Tensor<T>; O] {
    let mut states = std::iter::once(p).chain(moments);
    std::array::from_fn(|_| match states.next() {
        Some(state) => state,
        None => unreachable!("a result of an update is the parameter or a moment"),
    })
}

/// Updates a parameter in place.
struct InPlace<'a, T: Float> {
    p: &'a mut Tensor<T>,
    moments: &'a mut [Tensor<T>],
    g: &'a Tensor<T>,
    scalars: &'a [T],
}

impl<T: Float> Formulas for InPlace<'_, T> {
    type Out = ();
    fn run<const H: usize, const S: usize, const I: usize, const O: usize>(
        self,
        _: impl Rule<H, S>,
        update: impl Rule<I, O>,
    ) {
        update.update::<T>(states(self.p, self.moments), self.g, self.scalars);
    }
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
#[derive(Clone, Debug)]
pub struct Optimizer<R: Hyperparameters, T: Float = f32> {
    pub(crate) rule: R,
    groups: Vec<Group<R>>,
    pub(crate) slots: Vec<Slot<R, T>>,
    pub(crate) clip: Option<Clip>,
}

/// What is kept for one parameter.
#[derive(Clone, Debug)]
pub(crate) struct Slot<R, T: Float> {
    id: ParamId,
    pub path: String,
    pub group: Option<Changed<R>>,
    pub step: u64,
    pub moments: Vec<Tensor<T>>,
    /// How the last update changed with each hyperparameter that is trained.
    pub tangents: Vec<Tensor<T>>,
}

impl<R: Hyperparameters, T: Float> Slot<R, T> {
    /// Of a parameter that is known by its path until its first step.
    pub fn new(path: String, group: Option<Changed<R>>, step: u64) -> Self {
        let id = Param::<T>::new(Tensor::scalar(T::ZERO)).id();
        Slot { id, path, group, step, moments: Vec::new(), tangents: Vec::new() }
    }

    /// The rule for this parameter, which may be that of its group.
    pub fn rule(&self, main: &R) -> R {
        self.group.as_ref().map_or_else(|| main.clone(), |group| group.rule(main))
    }
}

/// What is worked out once a step for the parameters of the main group. Most are at the same step, and share it.
pub(crate) struct OncePerStep<N> {
    main: Option<(u64, N)>,
    own: Option<N>,
}

impl<N> OncePerStep<N> {
    pub fn new() -> Self {
        OncePerStep { main: None, own: None }
    }

    pub fn get(&mut self, step: u64, is_group: bool, make: impl FnOnce() -> N) -> &mut N {
        if is_group {
            return self.own.insert(make());
        }
        if self.main.as_ref().is_some_and(|(at, _)| *at != step) {
            self.main = None;
        }
        &mut self.main.get_or_insert_with(|| (step, make())).1
    }
}

impl<R: Hyperparameters, T: Float> Optimizer<R, T> {
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
        Optimizer { rule, groups: Vec::new(), slots: Vec::new(), clip: None }
    }

    /// Other hyperparameters for the parameters whose path `holds`; the last group that holds wins.
    ///
    /// A field that `change` scales goes on following the main one, one that it sets stays; but a learning rate
    /// that it sets keeps its ratio to the main one when that changes.
    pub fn group(
        mut self,
        holds: impl Fn(&str) -> bool + Send + Sync + 'static,
        change: impl Fn(&mut R) + Send + Sync + 'static,
    ) -> Self {
        let main_lr = self.rule.lr();
        self.groups.push(Group { holds: Arc::new(holds), change: Arc::new(change), main_lr });
        self
    }

    /// Clips the gradients before each step: `.clip(Clip::GlobalNorm(1.0))`.
    ///
    /// # Panics
    /// When the threshold is not above 0, or not finite.
    #[track_caller]
    pub fn clip(mut self, clip: Clip) -> Self {
        let c = clip.threshold();
        assert!(c > 0.0 && c.is_finite(), "clip: a threshold of {c} is not above 0 and finite");
        self.clip = Some(clip);
        self
    }

    /// The hyperparameters of the main group.
    pub fn hyper(&self) -> &R {
        &self.rule
    }

    /// What the group of a parameter makes of the main rule; `None` for the main group.
    pub(crate) fn group_of(&self, path: &str) -> Option<Changed<R>> {
        let group = self.groups.iter().rev().find(|group| (group.holds)(path))?;
        Some(group.changed(&self.rule))
    }

    pub(crate) fn has_groups(&self) -> bool {
        !self.groups.is_empty()
    }

    /// The step and the moments of a parameter that has been trained.
    pub(crate) fn state_of(&self, path: Path<'_>) -> Option<(u64, &[Tensor<T>])> {
        if self.slots.is_empty() {
            return None;
        }
        let path = path.to_string();
        let slot = self.slots.iter().find(|slot| slot.path == path)?;
        Some((slot.step, &slot.moments))
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
            let shapes = self.slots[at].rule(&self.rule).moment_shapes(p.shape());
            if zip(&self.slots[at].moments, shapes).all(|(m, shape)| m.shape() == shape) {
                // Where it is looked for first, from now on.
                let place = guess.min(self.slots.len() - 1);
                self.slots.swap(at, place);
                return place;
            }
            self.slots.remove(at);
        }
        let group = self.group_of(&path);
        let zeros = |shape: Vec<usize>| {
            let mut moment = Tensor::zeros(&shape);
            moment.make_mut();
            moment
        };
        let mut slot = Slot { id, path, group, step: 0, moments: Vec::new(), tangents: Vec::new() };
        let shapes = slot.rule(&self.rule).moment_shapes(p.shape());
        slot.moments = shapes.into_iter().map(zeros).collect();
        let at = guess.min(self.slots.len());
        self.slots.insert(at, slot);
        at
    }
}

impl<R: Hyperparameters, T: Float> Optimizer<R, T> {
    /// One step: applies running statistics, then calls `update` with the main rule, the state, the value and the
    /// gradient of each parameter that has one, after counting its step, and projects what has a constraint.
    #[track_caller]
    pub(crate) fn each(
        &mut self,
        model: &mut dyn Module<T>,
        gradients: &Gradients<T>,
        mut update: impl FnMut(&R, &mut Slot<R, T>, &mut Tensor<T>, &Tensor<T>),
    ) -> Result<(), StepError> {
        if !self.rule.takes_constraints() {
            refuse(&*model)?;
        }
        let clipped = self.clip.map(|clip| clip.gradients(&*model, gradients)).transpose()?;
        gradients.apply_updates(model);
        let gradients = clipped.as_ref().unwrap_or(gradients);
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
            update(&self.rule, slot, param.value_mut(), gradient);
            constrain(param, &mut slot.tangents);
        });
        assert!(
            number > 0 || trained == 0,
            "step: no gradient belongs to a parameter of this model: a clone has parameters of its own, and a \
             loss that was computed with another model says nothing about this one"
        );
        Ok(())
    }
}

impl<R: UpdateRule, T: Float> Step<T> for Optimizer<R, T> {
    fn try_step(
        &mut self,
        model: &mut dyn Module<T>,
        gradients: &Gradients<T>,
    ) -> Result<(), StepError> {
        let mut numbers = OncePerStep::new();
        self.each(model, gradients, |main, slot, p, g| {
            let rule = slot.rule(main);
            let scalars = numbers.get(slot.step, slot.group.is_some(), || {
                rule.formulas(slot.step, OfStep::new(&rule))
            });
            rule.formulas(slot.step, InPlace { p, moments: &mut slot.moments, g, scalars });
        })
    }
    fn lr(&self) -> f64 {
        self.rule.lr()
    }
    fn set_lr(&mut self, lr: f64) {
        self.rule.set_lr(lr);
    }
    fn state_dict(&self) -> StateDict {
        self.saved()
    }
    fn load_state_dict(&mut self, state: StateDict) -> Result<(), StateError> {
        self.load(state, 0)
    }
}
