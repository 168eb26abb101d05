//! Penalties on parameters, added to the loss.

pub use gradus_autograd::Regularizer;

use gradus_autograd::{Float, Module, Path, Tape, Var};

/// λ·Σ|w|; gradient λ·sign(w), 0 at 0. λ is a number, or a variable where it is to be learned.
#[derive(Clone, Copy, Debug)]
pub struct L1<L = f64>(pub L);

/// λ·Σw², as Keras: gradient **2**λw. A weight decay of λ in an optimiser has gradient λw. λ is a number, or
/// a variable where it is to be learned:
///
/// ```
/// use gradus_autograd::{Tape, Tensor};
/// use gradus_nn::regularizers::L2;
/// let tape = Tape::<f64>::new();
/// let (lambda, w) = (tape.var(Tensor::scalar(0.1)), tape.var(Tensor::from([1.0, 2.0])));
/// assert_eq!(L2(lambda).penalty(w).backward()[lambda].item(), 5.0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct L2<L = f64>(pub L);

impl<'t, T: Float> L1<Var<'t, T>> {
    /// The penalty, a single number.
    #[track_caller]
    pub fn penalty(&self, weight: Var<'t, T>) -> Var<'t, T> {
        weight.abs().sum() * self.0
    }
}

impl<'t, T: Float> L2<Var<'t, T>> {
    /// The penalty, a single number.
    #[track_caller]
    pub fn penalty(&self, weight: Var<'t, T>) -> Var<'t, T> {
        weight.powf(2.0).sum() * self.0
    }
}

/// λ₁·Σ|w| + λ₂·Σw².
#[derive(Clone, Copy, Debug)]
pub struct L1L2 {
    /// λ₁
    pub l1: f64,
    /// λ₂
    pub l2: f64,
}

impl<T: Float> Regularizer<T> for L1 {
    fn penalty<'t>(&self, weight: Var<'t, T>) -> Var<'t, T> {
        weight.abs().sum() * self.0
    }
}

impl<T: Float> Regularizer<T> for L2 {
    fn penalty<'t>(&self, weight: Var<'t, T>) -> Var<'t, T> {
        weight.powf(2.0).sum() * self.0
    }
}

impl<T: Float> Regularizer<T> for L1L2 {
    fn penalty<'t>(&self, weight: Var<'t, T>) -> Var<'t, T> {
        L1(self.l1).penalty(weight) + L2(self.l2).penalty(weight)
    }
}

/// The sum of all penalties of a model on a tape; `None` if no parameter has one.
///
/// ```
/// use gradus_autograd::{Module, Tape};
/// use gradus_nn::{Dense, init::Constant, penalty, regularizers::L2};
/// let model = Dense::<f64>::new(2).inputs(3).kernel_initializer(Constant(2.0))
///     .kernel_regularizer(L2(0.5)).init(1);
/// let tape = Tape::new();
/// assert_eq!(penalty(&model, &tape).unwrap().item(), 0.5 * 6.0 * 4.0);
/// ```
pub fn penalty<'t, T: Float>(
    model: &(impl Module<T> + ?Sized),
    tape: &'t Tape<T>,
) -> Option<Var<'t, T>> {
    let mut sum: Option<Var<'t, T>> = None;
    model.visit(Path::root(), &mut |_, param| {
        if let Some(regularizer) = param.regularizer() {
            let penalty = regularizer.penalty(tape.param(param));
            sum = Some(sum.map_or(penalty, |sum| sum + penalty));
        }
    });
    sum
}
