//! What an operation is. Built-in and user operations implement the same trait, with the same rights.

use std::fmt::Debug;

use smallvec::SmallVec;

use crate::element::Float;
use crate::tape::Var;
pub use crate::tape::backward::Backward;
use crate::tensor::Tensor;

/// The results of an operation; nearly always one.
pub type Outputs<T> = SmallVec<[Tensor<T>; 1]>;
/// A cotangent for each input, or `None` where it is zero or nobody needs it.
pub type Cotangents<'t, T> = SmallVec<[Option<Var<'t, T>>; 3]>;
/// One differentiable operation: value and derivative side by side.
///
/// ```
/// use gradus_autograd::{Cotangents, Float, Op, Outputs, Tape, Tensor, Vjp, check::gradcheck};
///
/// /// y = x³
/// #[derive(Debug)]
/// struct Cube;
///
/// impl<T: Float> Op<T> for Cube {
///     fn name(&self) -> &'static str { "cube" }
///     fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
///         [x[0].map(|x| x * x * x)].into()
///     }
///     fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
///         let (x, g) = (cx.input(0), cx.cotangent());
///         cx.wrt([&|| g * x * x * 3.0])
///     }
/// }
///
/// let tape = Tape::<f64>::new();
/// let x = tape.var(Tensor::scalar(2.0));
/// let first = tape.apply(Cube, &[x]).grad(&[x])[0];
/// let second = first.grad(&[x])[0];
/// assert_eq!((first.item(), second.item()), (12.0, 12.0));
/// gradcheck(|x| x[0].tape().apply(Cube, x).sum(), &[Tensor::from([0.5, -1.5])]).unwrap();
/// ```
pub trait Op<T: Float>: Debug + 'static {
    /// The name in error messages and graphs.
    fn name(&self) -> &'static str;

    /// The results from the inputs. Wrong shapes panic, which the user sees at the line that applied
    /// the operation: mark helpers `#[track_caller]`.
    #[track_caller]
    fn forward(&self, inputs: &[&Tensor<T>]) -> Outputs<T>;

    /// Cotangents of the inputs that need one, written with variables, so that the same rule serves
    /// every order of derivative. A cotangent may have the broadcast shape of the result: the engine
    /// sums it to the shape of its input, and adds up what arrives from several uses.
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T>;

    /// Optionally the same cotangents in one fast pass over tensors, for a first derivative: each that
    /// somebody [needs](Backward::needs) is [given](Backward::give). Returns whether it did; if not (the
    /// default), [`vjp`](Op::vjp) does the work.
    fn backward(&self, cx: &mut Backward<'_, T>) -> bool {
        let _ = cx;
        false
    }
}

/// What [`Op::vjp`] may look at: variables, so that what it computes can be differentiated again.
pub struct Vjp<'a, 't, T: Float> {
    pub(crate) inputs: &'a [Var<'t, T>],
    pub(crate) outputs: &'a [Var<'t, T>],
    pub(crate) cotangents: &'a [Option<Var<'t, T>>],
    pub(crate) needs: &'a [bool],
}

impl<'t, T: Float> Vjp<'_, 't, T> {
    /// Input number `i`.
    pub fn input(&self, i: usize) -> Var<'t, T> {
        self.inputs[i]
    }

    /// All inputs.
    pub fn inputs(&self) -> &[Var<'t, T>] {
        self.inputs
    }

    /// Result number `i`.
    pub fn output(&self, i: usize) -> Var<'t, T> {
        self.outputs[i]
    }

    /// The cotangent of the first result.
    pub fn cotangent(&self) -> Var<'t, T> {
        self.cotangent_of(0)
    }

    /// The cotangent of result `i`; zeros if nothing depends on it.
    pub fn cotangent_of(&self, i: usize) -> Var<'t, T> {
        self.cotangents[i].unwrap_or_else(|| self.outputs[i].zeros_like())
    }

    /// Whether somebody needs the cotangent of input `i`.
    pub fn needs(&self, i: usize) -> bool {
        self.needs[i]
    }

    /// A cotangent for each input in order, each worked out only if somebody needs it.
    pub fn wrt<const N: usize>(&self, rules: [&dyn Fn() -> Var<'t, T>; N]) -> Cotangents<'t, T> {
        std::iter::zip(rules, self.needs).map(|(rule, &needed)| needed.then(rule)).collect()
    }

    /// The cotangents by differentiating `f`, the same operation composed from others: for fused
    /// operations, whose fast form serves the first derivative and whose further ones need only be right.
    pub fn through(
        &self,
        f: impl FnOnce(&[Var<'t, T>]) -> SmallVec<[Var<'t, T>; 2]>,
    ) -> Cotangents<'t, T> {
        // Stand-ins for the inputs: the cotangents must not flow on into whatever made them.
        let tape = self.inputs[0].tape();
        let (inputs, outputs) = tape.with_recording(true, || {
            let inputs: SmallVec<[Var<T>; 6]> = self.inputs.iter().map(|x| x.alias()).collect();
            let outputs = f(&inputs);
            (inputs, outputs)
        });
        let wrt: SmallVec<[Var<T>; 6]> = std::iter::zip(&inputs, self.needs)
            .filter(|(_, needed)| **needed)
            .map(|(x, _)| *x)
            .collect();
        let outputs: SmallVec<[(Var<T>, Var<T>); 4]> = std::iter::zip(outputs, self.cotangents)
            .filter_map(|(y, cotangent)| Some((y, (*cotangent)?)))
            .collect();
        let mut found = crate::tape::engine::pull(&outputs, &wrt).into_iter();
        self.needs
            .iter()
            .map(|&needed| if needed { found.next().flatten() } else { None })
            .collect()
    }
}
