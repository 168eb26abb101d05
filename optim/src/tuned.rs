//! Optimisers of optimisers: hyperparameters that are trained along with the model.

use std::iter::zip;

use gradus_autograd::{Dual, Float, Fuse, Gradients, Module, Param, Path, Rule, Tape, Tensor, Var};
use smallvec::SmallVec;

use crate::optimizer::{OfStep, OncePerStep, Scalars, place_of, states};
use crate::{
    Formulas, Fraction, Optimizer, Positive, StateDict, StateError, Step, StepError, UpdateRule,
};

/// An optimiser whose hyperparameters are trained by another one, step by step (Chandra et al. 2022, "Gradient
/// Descent: The Ultimate Optimizer"): the gradient of the loss says how a weight should have been changed by the
/// last step, and so what its hyperparameters should have been. The change takes effect with the next step: so
/// one pass over the weights does everything.
///
/// A step of the other optimiser that is too long throws a hyperparameter to its bound: choose one that limits its
/// steps, as Adam, or clip (`Sgd::new(0.1).clip(Clip::Value(1.0))`). A learning rate of 0, from a schedule, stays 0
/// until the schedule sets another one.
///
/// Only the last update is looked at, older ones are taken as given; for the derivative through a whole run see
/// [`hypergradient`](crate::hypergradient()). Each hyperparameter keeps a tensor for each parameter. A trained
/// learning rate makes an update of Adam half as long again (2 to 6 % of a training step of an MLP 784-512-256-10),
/// any other hyperparameter adds about three times a plain update.
///
/// ```
/// use gradus_autograd::{Param, Tape, Tensor};
/// use gradus_optim::{Adam, Step};
///
/// // A learning rate that is far too small, and an optimiser that finds a better one.
/// let mut adam = Adam::new(1e-4).tuned_by(Adam::new(0.2)).positive(|h| &mut h.lr);
/// let mut w = Param::new(Tensor::from([3.0_f32, -2.0]));
/// for _ in 0..50 {
///     let tape = Tape::new();
///     let loss = tape.param(&w).powf(2.0).sum();
///     adam.step(&mut w, &loss.backward());
/// }
/// assert!(adam.hyper().lr > 0.01);
/// ```
pub struct Tuned<R: UpdateRule, T: Float = f32> {
    base: Optimizer<R, T>,
    outer: Box<dyn Step<f64>>,
    trained: Vec<Trained>,
}

impl<R: UpdateRule, T: Float> Optimizer<R, T> {
    /// This optimiser with hyperparameters that `outer` trains, those that [`positive`](Tuned::positive) and
    /// [`fraction`](Tuned::fraction) name. The other optimiser may be tuned itself.
    pub fn tuned_by(self, outer: impl Step<f64> + 'static) -> Tuned<R, T> {
        Tuned { base: self, outer: Box::new(outer), trained: Vec::new() }
    }
}

impl<R: UpdateRule, T: Float> Tuned<R, T> {
    /// Trains the logarithm of a hyperparameter, which stays above 0: `.positive(|h| &mut h.lr)`.
    ///
    /// # Panics
    /// When it is not above 0, the field is not one that a gradient can be taken for, or is trained already.
    #[track_caller]
    pub fn positive(mut self, field: impl FnOnce(&mut R) -> &mut f64) -> Self {
        let place = self.place(field);
        let value = Positive::new(*self.base.rule.hyper()[place]);
        self.trained.push(Trained { place, value: Value::Positive(value) });
        self
    }

    /// Trains the logit of a hyperparameter, which stays between 0 and 1: `.fraction(|h| &mut h.beta1)`.
    ///
    /// # Panics
    /// When it is not between 0 and 1, the field is not one that a gradient can be taken for, or is trained
    /// already.
    #[track_caller]
    pub fn fraction(mut self, field: impl FnOnce(&mut R) -> &mut f64) -> Self {
        let place = self.place(field);
        let value = Fraction::new(*self.base.rule.hyper()[place]);
        self.trained.push(Trained { place, value: Value::Fraction(value) });
        self
    }

    /// The number of a hyperparameter that is not trained yet.
    #[track_caller]
    fn place(&mut self, field: impl FnOnce(&mut R) -> &mut f64) -> usize {
        let place = place_of(&mut self.base.rule, field);
        let is_known = self.trained.iter().any(|one| one.place == place);
        assert!(!is_known, "tuned_by: this hyperparameter is trained already");
        place
    }

    /// The hyperparameters as they are now.
    pub fn hyper(&self) -> &R {
        self.base.hyper()
    }

    /// Changes the hyperparameters by their gradients.
    fn tune(&mut self, slopes: &[f64]) {
        // There was no update yet; or the training has come to grief, and no hyperparameter is to blame for that.
        if slopes.iter().all(|&slope| slope == 0.0) || !slopes.iter().all(|slope| slope.is_finite())
        {
            return;
        }
        let tape = Tape::new();
        let terms = zip(&self.trained, slopes).map(|(one, &slope)| one.value.var(&tape) * slope);
        if let Some(loss) = terms.reduce(|a, b| a + b) {
            self.outer.step(&mut self.trained, &loss.backward());
        }
        for one in &self.trained {
            let number = &mut *self.base.rule.hyper()[one.place];
            if *number != 0.0 {
                *number = one.value.number();
            }
        }
    }
}

impl<R: UpdateRule, T: Float> Step<T> for Tuned<R, T> {
    fn try_step(
        &mut self,
        model: &mut dyn Module<T>,
        gradients: &Gradients<T>,
    ) -> Result<(), StepError> {
        let mut slopes = vec![0.0; self.trained.len()];
        let (mut numbers, trained) = (OncePerStep::new(), &self.trained);
        self.base.each(model, gradients, |main, slot, p, g| {
            let rule = slot.rule(main);
            let numbers = numbers.get(slot.step, slot.group.is_some(), || {
                let of = || OfStep::new(&rule);
                let change = |one: &Trained| {
                    let factor =
                        slot.group.as_ref().map_or(1.0, |group| group.factors()[one.place]);
                    rule.formulas(slot.step, Change { of: of(), place: one.place, factor })
                };
                Numbers {
                    scalars: rule.formulas(slot.step, of()),
                    directions: trained.iter().map(change).collect(),
                }
            });
            if slot.tangents.is_empty() {
                slot.tangents = trained.iter().map(|_| Tensor::zeros(p.shape())).collect();
            }
            let (moments, tangents) = (&mut slot.moments[..], &mut slot.tangents[..]);
            let found = rule.formulas(slot.step, InPlace { p, moments, g, tangents, numbers });
            zip(&mut slopes, found).for_each(|(slope, found)| *slope += found);
        })?;
        self.tune(&slopes);
        Ok(())
    }
    fn lr(&self) -> f64 {
        self.base.lr()
    }
    fn set_lr(&mut self, lr: f64) {
        self.base.set_lr(lr);
        for one in self.trained.iter_mut().filter(|one| one.place == 0 && lr != 0.0) {
            one.value.set(lr);
        }
    }
    fn state_dict(&self) -> StateDict {
        let mut state = StateDict::new();
        state.nest("base", self.base.saved());
        state.nest("outer", self.outer.state_dict());
        let trained: Vec<f64> =
            self.trained.iter().map(|one| one.value.param().value().item()).collect();
        state.insert("trained", &trained[..]);
        state
    }
    fn load_state_dict(&mut self, mut state: StateDict) -> Result<(), StateError> {
        let trained = state.take_shaped::<f64>("trained", &[self.trained.len()])?.to_vec();
        let (base, outer) = (state.part("base"), state.part("outer"));
        state.finish()?;
        let before = self.outer.state_dict();
        self.outer.load_state_dict(outer).map_err(|error| error.within("outer"))?;
        if let Err(error) = self.base.load(base, trained.len()) {
            self.outer.load_state_dict(before)?;
            return Err(error.within("base"));
        }
        for (one, saved) in self.trained.iter_mut().zip(trained) {
            one.value.param_mut().set(Tensor::scalar(saved));
        }
        Ok(())
    }
}

/// A hyperparameter that is trained: its number in [`Hyperparameters::hyper`](crate::Hyperparameters::hyper).
struct Trained {
    place: usize,
    value: Value,
}

enum Value {
    Positive(Positive<f64>),
    Fraction(Fraction<f64>),
}

impl Value {
    fn number(&self) -> f64 {
        match self {
            Value::Positive(x) => x.value(),
            Value::Fraction(x) => x.value(),
        }
    }
    fn param(&self) -> &Param<f64> {
        match self {
            Value::Positive(x) => &x.log,
            Value::Fraction(x) => &x.logit,
        }
    }
    fn param_mut(&mut self) -> &mut Param<f64> {
        match self {
            Value::Positive(x) => &mut x.log,
            Value::Fraction(x) => &mut x.logit,
        }
    }
    fn var<'t>(&self, tape: &'t Tape<f64>) -> Var<'t, f64> {
        match self {
            Value::Positive(x) => x.var(tape),
            Value::Fraction(x) => x.var(tape),
        }
    }
    /// Another number, with the same parameter: the moments of the outer optimiser belong to it.
    fn set(&mut self, number: f64) {
        match self {
            Value::Positive(x) => x.log.set(Positive::new(number).log.value().clone()),
            Value::Fraction(x) => x.logit.set(Fraction::new(number).logit.value().clone()),
        }
    }
}

impl Module<f64> for Trained {
    fn visit<'m>(&'m self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &'m Param<f64>)) {
        match &self.value {
            Value::Positive(x) => x.visit(path, f),
            Value::Fraction(x) => x.visit(path, f),
        }
    }
    fn visit_mut(&mut self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &mut Param<f64>)) {
        match &mut self.value {
            Value::Positive(x) => x.visit_mut(path, f),
            Value::Fraction(x) => x.visit_mut(path, f),
        }
    }
}

/// The numbers of a step, and how they change with each trained hyperparameter.
struct Numbers<T> {
    scalars: Scalars<T>,
    directions: SmallVec<[Scalars<T>; 4]>,
}

/// How the numbers of a step change with one hyperparameter, which changes by `factor`.
struct Change<R, T> {
    of: OfStep<R, T>,
    place: usize,
    factor: f64,
}

impl<R: UpdateRule, T: Float> Formulas for Change<R, T> {
    type Out = Scalars<T>;
    fn run<const H: usize, const S: usize, const I: usize, const O: usize>(
        mut self,
        scalars: impl Rule<H, S>,
        _: impl Rule<I, O>,
    ) -> Scalars<T> {
        let mut duals = self.of.hyper::<H>().map(Dual::<f64, 1>::constant);
        duals[self.place].tangents = [self.factor];
        scalars.eval(duals).iter().map(|dual| T::of(dual.tangents[0])).collect()
    }
}

/// Updates a parameter in place, and its tangents. Returns Σ g · tangent, before that, of each.
struct InPlace<'a, T: Float> {
    p: &'a mut Tensor<T>,
    moments: &'a mut [Tensor<T>],
    g: &'a Tensor<T>,
    tangents: &'a mut [Tensor<T>],
    numbers: &'a Numbers<T>,
}

impl<T: Float> Formulas for InPlace<'_, T> {
    type Out = SmallVec<[f64; 4]>;
    fn run<const H: usize, const S: usize, const I: usize, const O: usize>(
        self,
        _: impl Rule<H, S>,
        update: impl Rule<I, O>,
    ) -> Self::Out {
        let Numbers { scalars, directions } = self.numbers;
        let directions: SmallVec<[&[T]; 4]> = directions.iter().map(|d| &d[..]).collect();
        let states = states(self.p, self.moments);
        update.update_along::<T>(states, self.g, scalars, &directions, self.tangents)
    }
}
