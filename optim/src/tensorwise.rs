//! Optimisers whose update of an element depends on the rest of its tensor.

use gradus_autograd::{Float, Fuse, Gradients, Module, Rule, Tape, Var};
use smallvec::SmallVec;

use crate::optimizer::OfStep;
use crate::{
    Clip, Formulas, Hyperparameters, Optimizer, StateDict, StateError, Step, StepError, UpdateRule,
};

/// A parameter and its moments on a tape.
pub type States<'t, T> = SmallVec<[Var<'t, T>; 4]>;

/// The update of a parameter as a whole, by operations on variables: for norms of tensors and products of matrices,
/// which a [`Rule`] of elements cannot have.
pub trait TensorRule: Hyperparameters {
    /// The new parameter and moments from the old ones and the gradient. `step` counts from 1.
    fn update<'t, T: Float>(
        &self,
        step: u64,
        p: Var<'t, T>,
        moments: &[Var<'t, T>],
        g: Var<'t, T>,
    ) -> States<'t, T>;
}

/// A [`TensorRule`] at work on a model: as an [`Optimizer`], but only in place, neither unrolled on a tape nor with
/// hyperparameters that are trained.
#[derive(Clone, Debug)]
pub struct Tensorwise<R: TensorRule, T: Float = f32>(pub(crate) Optimizer<R, T>);

impl<R: TensorRule, T: Float> Tensorwise<R, T> {
    /// An optimiser with the given rule for all parameters.
    ///
    /// # Panics
    /// When the learning rate is negative or not finite.
    #[track_caller]
    pub fn with_rule(rule: R) -> Self {
        Tensorwise(Optimizer::with_rule(rule))
    }
    /// Other hyperparameters for the parameters whose path `holds`; see [`Optimizer::group`].
    pub fn group(
        self,
        holds: impl Fn(&str) -> bool + Send + Sync + 'static,
        change: impl Fn(&mut R) + Send + Sync + 'static,
    ) -> Self {
        Tensorwise(self.0.group(holds, change))
    }
    /// Clips the gradients before each step; see [`Optimizer::clip`].
    ///
    /// # Panics
    /// When the threshold is not above 0, or not finite.
    #[track_caller]
    pub fn clip(self, clip: Clip) -> Self {
        Tensorwise(self.0.clip(clip))
    }
    /// The hyperparameters of the main group.
    pub fn hyper(&self) -> &R {
        self.0.hyper()
    }
}

impl<R: TensorRule, T: Float> Step<T> for Tensorwise<R, T> {
    fn try_step(
        &mut self,
        model: &mut dyn Module<T>,
        gradients: &Gradients<T>,
    ) -> Result<(), StepError> {
        self.0.each(model, gradients, |main, slot, p, g| {
            // A tape for each parameter: what one needs on the way is free before the next.
            let tape = Tape::new();
            let moments: SmallVec<[_; 4]> =
                slot.moments.iter().map(|m| tape.constant(m.clone())).collect();
            let (old, g) = (tape.constant(p.clone()), tape.constant(g.clone()));
            let states = slot.rule(main).update(slot.step, old, &moments, g);
            let mut states = states.into_iter().map(|state| state.value());
            if let Some(new) = states.next() {
                *p = new;
            }
            slot.moments = states.collect();
        })
    }
    fn lr(&self) -> f64 {
        self.0.rule.lr()
    }
    fn set_lr(&mut self, lr: f64) {
        self.0.rule.set_lr(lr);
    }
    fn state_dict(&self) -> StateDict {
        self.0.saved()
    }
    fn load_state_dict(&mut self, state: StateDict) -> Result<(), StateError> {
        self.0.load(state, 0)
    }
}

/// The update of a rule of elements, as a part of that of a tensor.
pub(crate) fn elementwise<'t, R: UpdateRule, T: Float>(
    rule: &R,
    step: u64,
    p: Var<'t, T>,
    moments: &[Var<'t, T>],
    g: Var<'t, T>,
) -> States<'t, T> {
    let scalars = rule.formulas(step, OfStep::<_, T>::new(rule));
    let numbers = scalars.iter().map(|&x| g.tape().number(x.to_f64()));
    let states = std::iter::once(p).chain(moments.iter().copied());
    rule.formulas(step, Fused(states.chain([g]).chain(numbers).collect()))
}

/// The inputs of the update of an element.
struct Fused<'t, T: Float>(SmallVec<[Var<'t, T>; 16]>);

impl<'t, T: Float> Formulas for Fused<'t, T> {
    type Out = States<'t, T>;
    fn run<const H: usize, const S: usize, const I: usize, const O: usize>(
        self,
        _: impl Rule<H, S>,
        update: impl Rule<I, O>,
    ) -> Self::Out {
        update.fuse::<T>(std::array::from_fn(|i| self.0[i])).into_iter().collect()
    }
}

/// ‖x‖ in 64 bits.
pub(crate) fn length<T: Float>(x: Var<'_, T>) -> f64 {
    let squares = x.value().to_vec().into_iter().map(|x| x.to_f64() * x.to_f64());
    squares.sum::<f64>().sqrt()
}

/// The constructor and the setters of a [`Tensorwise`] optimiser.
macro_rules! tensorwise {
    ($name:ident { $($(#[$doc:meta])* $field:ident: $t:ty,)* }) => {
        impl<T: gradus_autograd::Float> $name<T> {$(
            $(#[$doc])*
            pub fn $field(mut self, $field: $t) -> Self {
                self.0.rule.$field = $field;
                self
            }
        )*}
    };
}
pub(crate) use tensorwise;
