//! An optimiser's step as an operation: the training run as a computation on the tape.

use gradus_autograd::{Float, Fuse, Module, ParamId, Path, Rule, Tape, Tensor, Var};
use smallvec::SmallVec;

use crate::constrained::refuse;
use crate::group::Changed;
use crate::optimizer::{OncePerStep, place_of};
use crate::{Clip, Formulas, Optimizer, StepError, UpdateRule};

/// An optimiser on a tape. Parameters, gradients, moments and hyperparameters are variables; a step rebinds
/// the parameters of the model on the tape, so that the same `model.forward(x)` goes on from the updated
/// values, and what is computed from them can be differentiated through all steps.
///
/// The update of a parameter is one operation, with the bits of the step in place.
///
/// ```
/// use gradus_autograd::{Param, Tape, Tensor};
/// use gradus_optim::Sgd;
///
/// let w = Param::new(Tensor::scalar(5.0_f64));
/// let tape = Tape::new();
/// let lr = tape.var(Tensor::scalar(0.1));
/// let mut sgd = Sgd::new(0.0).unrolled(&tape).with(|h| &mut h.lr, lr);
/// for _ in 0..3 {
///     sgd.step(&w, tape.param(&w).powf(2.0)); // w ← w·(1 − 2·lr)
/// }
/// let last = tape.param(&w); // 5·(1 − 2·lr)³
/// assert!((last.item() - 5.0 * 0.8_f64.powi(3)).abs() < 1e-12);
/// assert!((last.grad(&[lr])[0].item() - 5.0 * 3.0 * 0.8_f64.powi(2) * -2.0).abs() < 1e-12);
/// ```
pub struct Unrolled<'t, R: UpdateRule, T: Float = f32> {
    tape: &'t Tape<T>,
    base: Optimizer<R, T>,
    /// The variables that stand for hyperparameters, by number.
    hyper: SmallVec<[Option<Var<'t, T>>; 8]>,
    clip: Option<Clip<Var<'t, T>>>,
    first_order: bool,
    pub(crate) slots: Vec<Slot<'t, T>>,
}

/// What is kept for one parameter.
#[derive(Clone, Debug)]
pub(crate) struct Slot<'t, T: Float> {
    pub id: ParamId,
    pub step: u64,
    pub moments: SmallVec<[Var<'t, T>; 2]>,
}

impl<R: UpdateRule, T: Float> Optimizer<R, T> {
    /// This optimiser on a tape: its hyperparameters, groups and moments are constants there, but for those
    /// that [`with`](Unrolled::with) replaces by variables.
    ///
    /// # Panics
    /// When the tape records nothing.
    #[track_caller]
    pub fn unrolled<'t>(&self, tape: &'t Tape<T>) -> Unrolled<'t, R, T> {
        assert!(tape.is_recording(), "unrolled: this tape records nothing: use `Tape::training`");
        let count = self.rule.clone().hyper().len();
        let hyper = SmallVec::from_elem(None, count);
        let clip = self.clip.map(|clip| clip.map(|c| tape.number(c)));
        Unrolled { tape, base: self.clone(), hyper, clip, first_order: false, slots: Vec::new() }
    }
}

impl<'t, R: UpdateRule, T: Float> Unrolled<'t, R, T> {
    /// A variable in place of a hyperparameter, named by its field: `.with(|h| &mut h.lr, lr)`. Groups
    /// that do not change this field follow; a group's learning rate keeps its ratio to the main one.
    ///
    /// # Panics
    /// When the variable is not a single number (rank 0), or the field is not one that a gradient can be taken
    /// for.
    #[track_caller]
    pub fn with(mut self, field: impl FnOnce(&mut R) -> &mut f64, value: Var<'t, T>) -> Self {
        assert!(
            value.rank() == 0,
            "unrolled: a hyperparameter is a single number, not {:?}: use `sum()` or `reshape(&[])`",
            value.shape()
        );
        let place = place_of(&mut self.base.rule, field);
        // The field itself only tells which formula is needed: at 0, as a constant, there would be no momentum.
        let number = value.item().to_f64();
        *self.base.rule.hyper()[place] = if number == 0.0 { f64::MIN_POSITIVE } else { number };
        self.hyper[place] = Some(value);
        self
    }

    /// Clips the gradients before each step, as [`Optimizer::clip`] does; the threshold is a variable here.
    pub fn clip(mut self, clip: Clip<Var<'t, T>>) -> Self {
        self.clip = Some(clip);
        self
    }

    /// Takes the gradients of the training loss as constants: the first-order approximation (as first-order
    /// MAML, Finn et al. 2017). Cheaper by a factor of two to three; the run itself has the same numbers.
    pub fn first_order(mut self) -> Self {
        self.first_order = true;
        self
    }

    /// The gradients of a loss with respect to the trained parameters of a model, in the order of
    /// [`Module::visit`], for what is to happen between `gradients` and [`apply`](Unrolled::apply): a
    /// transformation of one's own. `None` where the loss does not depend on a parameter.
    ///
    /// # Panics
    /// When the loss is not a single number.
    #[track_caller]
    pub fn gradients<M>(&self, model: &M, loss: Var<'t, T>) -> Vec<Option<Var<'t, T>>>
    where
        M: Module<T> + ?Sized,
    {
        let mut params = Vec::new();
        model.visit(Path::root(), &mut |_, param| {
            if param.is_trained() {
                params.push(self.tape.param(param));
            }
        });
        if !self.first_order {
            return loss.try_grad(&params);
        }
        let shape = loss.shape();
        assert!(
            shape.iter().product::<usize>() == 1,
            "gradients: the loss has shape {shape:?}, not a single number: reduce it with `sum()` or `mean()`"
        );
        let found = self.tape.pull(&[(loss, Tensor::ones(&loss.shape()))], &params);
        found.into_iter().map(|g| g.map(|g| self.tape.constant(g))).collect()
    }

    /// One step with the gradients of `loss`.
    ///
    /// # Panics
    /// When the loss is not a single number, or depends on no trained parameter of the model.
    #[track_caller]
    pub fn step<M: Module<T> + ?Sized>(&mut self, model: &M, loss: Var<'t, T>) {
        let gradients = self.gradients(model, loss);
        assert!(
            gradients.iter().any(Option::is_some),
            "step: the loss depends on no trained parameter of this model: a clone has parameters of its own"
        );
        self.apply(model, &gradients);
    }

    /// One step with given gradients, one for each trained parameter in the order of [`Module::visit`].
    /// Running statistics noted on the tape take effect, too.
    ///
    /// # Panics
    /// When there are more or fewer gradients than trained parameters, or a shape differs; with clipping, when a
    /// gradient is not finite.
    #[track_caller]
    pub fn apply<M>(&mut self, model: &M, gradients: &[Option<Var<'t, T>>])
    where
        M: Module<T> + ?Sized,
    {
        let tape = self.tape;
        let mut trained = 0;
        model.visit(Path::root(), &mut |_, param| trained += usize::from(param.is_trained()));
        assert!(
            gradients.len() == trained,
            "apply: {} gradients for {trained} trained parameters",
            gradients.len()
        );
        if let Err(error) = self.check(model, gradients) {
            panic!("apply: {error}");
        }
        tape.apply_updates();
        let clipped = self.clip.map(|clip| clip.apply(gradients));
        let gradients = clipped.as_deref().unwrap_or(gradients);
        let mut numbers = OncePerStep::new();
        let mut given = gradients.iter();
        model.visit(Path::root(), &mut |path, param| {
            if !param.is_trained() {
                return;
            }
            let Some(g) = given.next().copied().flatten() else { return };
            let group = match self.base.has_groups() {
                true => self.base.group_of(&path.to_string()),
                false => None,
            };
            let own = group.as_ref().map(|group| group.rule(&self.base.rule));
            let rule = own.as_ref().unwrap_or(&self.base.rule);
            let at = self.slot(path, param.id(), tape.param(param), rule.moments());
            let slot = &mut self.slots[at];
            slot.step += 1;
            let numbers = numbers.get(slot.step, group.is_some(), || None);
            let (step, moments) = (slot.step, slot.moments.clone());
            let rule = own.as_ref().unwrap_or(&self.base.rule);
            let p = tape.param(param);
            let record = Record { p, moments: &moments, g, numbers, hyper: &|| self.hyper(&group) };
            let states = rule.formulas(step, record);
            tape.rebind(param, param.project(states[0]));
            self.slots[at].moments = states[1..].into();
        });
    }

    /// Whether all gradients can be clipped, and all constraints kept.
    pub(crate) fn check<M>(
        &self,
        model: &M,
        gradients: &[Option<Var<'t, T>>],
    ) -> Result<(), StepError>
    where
        M: Module<T> + ?Sized,
    {
        if !self.base.rule.takes_constraints() {
            refuse(model)?;
        }
        let (Some(clip), mut given, mut result) = (&self.clip, gradients.iter(), Ok(())) else {
            return Ok(());
        };
        model.visit(Path::root(), &mut |path, param| {
            if param.is_trained()
                && let Some(Some(gradient)) = given.next()
                && result.is_ok()
                && !clip.can(&gradient.value())
            {
                result = Err(StepError::not_finite(path));
            }
        });
        result
    }

    /// The hyperparameters of a group as variables.
    fn hyper(&self, group: &Option<Changed<R>>) -> SmallVec<[Var<'t, T>; 8]> {
        let main = &self.base.rule;
        let mut own = group.as_ref().map_or_else(|| main.clone(), |group| group.rule(main));
        let one = |(place, own): (usize, &mut f64)| {
            let factor = group.as_ref().map_or(1.0, |group| group.factors()[place]);
            match self.hyper[place] {
                Some(var) if factor == 1.0 => var,
                Some(var) if factor != 0.0 => var * factor,
                _ => self.tape.number(*own),
            }
        };
        own.hyper().into_iter().enumerate().map(one).collect()
    }

    /// The place of a parameter's state, for a rule that keeps so many moments.
    fn slot(&mut self, path: Path<'_>, id: ParamId, p: Var<'t, T>, moments: usize) -> usize {
        if let Some(at) = self.slots.iter().position(|slot| slot.id == id) {
            return at;
        }
        let (step, known) = self.base.state_of(path).unwrap_or((0, &[]));
        let known = known.iter().filter(|m| *m.shape() == *p.shape());
        let mut all: SmallVec<[_; 2]> = known.map(|m| self.tape.constant(m.clone())).collect();
        // A rule may keep more on a tape than it has kept in place: momentum that was 0.
        all.resize_with(moments, || p.zeros_like());
        self.slots.push(Slot { id, step, moments: all });
        self.slots.len() - 1
    }
}

/// The numbers of a step as variables, once they are known.
type Numbers<'t, T> = Option<SmallVec<[Var<'t, T>; 10]>>;

/// Puts the update of a parameter on the tape: the new parameter and moments.
struct Record<'a, 't, T: Float> {
    p: Var<'t, T>,
    moments: &'a [Var<'t, T>],
    g: Var<'t, T>,
    numbers: &'a mut Numbers<'t, T>,
    hyper: &'a dyn Fn() -> SmallVec<[Var<'t, T>; 8]>,
}

impl<'t, T: Float> Formulas for Record<'_, 't, T> {
    type Out = SmallVec<[Var<'t, T>; 4]>;
    fn run<const H: usize, const S: usize, const I: usize, const O: usize>(
        self,
        scalars: impl Rule<H, S>,
        update: impl Rule<I, O>,
    ) -> Self::Out {
        let numbers = self.numbers.get_or_insert_with(|| {
            let hyper = (self.hyper)();
            scalars.fuse_scalars::<T>(std::array::from_fn(|i| hyper[i])).into_iter().collect()
        });
        let mut inputs = SmallVec::<[Var<'t, T>; 16]>::new();
        inputs.push(self.p);
        inputs.extend_from_slice(self.moments);
        inputs.push(self.g);
        inputs.extend_from_slice(numbers);
        update.fuse::<T>(std::array::from_fn(|i| inputs[i])).into_iter().collect()
    }
}
