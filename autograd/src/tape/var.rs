//! The handle of a value on a tape, and what can be asked of it. Arithmetic stands with the operations.

use std::fmt;

use smallvec::SmallVec;

use super::{Gradients, Kind, Tape, engine};
use crate::element::Float;
use crate::op::{Cotangents, Op, Outputs, Vjp};
use crate::tensor::{Dims, Tensor};

/// A value on a tape: an address, `Copy`, to be used as often as you like.
///
/// Operators work between variables, which broadcast, and with numbers on either side. These are `f64` in
/// either precision: `2.0 * x`, neither `2 * x` nor `2.0_f32 * x`. A power of a fixed exponent is
/// [`x.powf(3.0)`](Var::powf), whole or not; [`x.pow(y)`](Var::pow) takes a variable.
///
/// ```
/// # use gradus_autograd::{Tape, Tensor};
/// let tape = Tape::<f32>::new();
/// let x = tape.var(Tensor::from([1.0, 2.0]));
/// assert_eq!((2.0 * x.powf(3.0) - 1.0).value().to_vec(), [1.0, 15.0]);
/// ```
pub struct Var<'t, T: Float = f32> {
    pub(super) tape: &'t Tape<T>,
    pub(super) id: u32,
}

impl<T: Float> Clone for Var<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: Float> Copy for Var<'_, T> {}

impl<T: Float> fmt::Debug for Var<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tape.restore([self.id]);
        let node = self.tape.node(self.id);
        f.write_str(&self.op_name())?;
        write!(f, " at {}: {:?}", node.location, node.value)
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// The tape that it is on.
    pub fn tape(self) -> &'t Tape<T> {
        self.tape
    }

    /// Its value; O(1), the buffer is shared.
    pub fn value(self) -> Tensor<T> {
        self.tape.restore([self.id]);
        self.tape.node(self.id).value.clone()
    }

    /// The size of each axis.
    pub fn shape(self) -> Dims {
        self.tape.node(self.id).value.shape
    }

    /// The number of axes.
    pub fn rank(self) -> usize {
        self.shape().len()
    }

    /// The name of the operation that made it; `leaf` or `constant` if none did.
    pub fn op_name(self) -> String {
        let node = self.tape.node(self.id);
        match &node.kind {
            Kind::Constant => "constant".into(),
            Kind::Leaf => "leaf".into(),
            Kind::Op(Some(op), _) => op.name().into(),
            Kind::Op(None, _) => "operation".into(),
            Kind::Result => self.tape.at(node.inputs[0]).op_name(),
        }
    }

    /// The number in a variable of one element.
    ///
    /// # Panics
    /// When there is not exactly one element.
    #[track_caller]
    pub fn item(self) -> T {
        self.tape.restore([self.id]);
        self.tape.node(self.id).value.item()
    }

    /// Whether a gradient can flow through it.
    pub fn is_tracked(self) -> bool {
        self.tape.node(self.id).is_tracked()
    }

    /// The same value as a constant: no gradient flows through it.
    #[track_caller]
    pub fn detach(self) -> Var<'t, T> {
        self.tape.constant(self.value())
    }

    /// Zeros of the same shape, as a constant.
    #[track_caller]
    pub fn zeros_like(self) -> Var<'t, T> {
        self.tape.constant(Tensor::zeros(&self.shape()))
    }

    /// Ones of the same shape, as a constant.
    #[track_caller]
    pub fn ones_like(self) -> Var<'t, T> {
        self.tape.constant(Tensor::ones(&self.shape()))
    }

    /// A second name for the same value, which gradients can be taken with respect to on its own.
    #[track_caller]
    pub(crate) fn alias(self) -> Var<'t, T> {
        self.tape.apply(Alias, &[self])
    }

    /// The gradients of this scalar with respect to every leaf and parameter that it depends on. It
    /// can be called again, on this variable or another; the tape keeps its values.
    ///
    /// # Panics
    /// When this is not a single number, or depends on no leaf.
    #[track_caller]
    pub fn backward(self) -> Gradients<T> {
        self.expect_scalar("backward");
        self.backward_with(Tensor::ones(&self.shape()))
    }

    /// The gradients of ⟨`cotangent`, self⟩: the vector-Jacobian product of any variable.
    ///
    /// # Panics
    /// When the shapes differ, or this depends on no leaf.
    #[track_caller]
    pub fn backward_with(self, cotangent: Tensor<T>) -> Gradients<T> {
        self.expect_same_shape("backward_with", cotangent.shape());
        assert!(
            self.is_tracked(),
            "backward: the variable depends on no leaf: make inputs with `tape.var` (not `constant`), on a tape that records"
        );
        engine::backward(self, cotangent)
    }

    /// The gradients of this scalar with respect to the given variables, as variables: they can be
    /// differentiated again. Zeros where it does not depend on one ([`Var::try_grad`] tells apart).
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var(Tensor::scalar(2.0));
    /// let y = x * x * x;
    /// let [first] = y.grad(&[x])[..] else { unreachable!() };
    /// let [second] = first.grad(&[x])[..] else { unreachable!() };
    /// assert_eq!((first.item(), second.item()), (12.0, 12.0));
    /// ```
    ///
    /// # Panics
    /// When this is not a single number, or one of `wrt` is a constant, which has no gradient.
    #[track_caller]
    pub fn grad(self, wrt: &[Var<'t, T>]) -> Vec<Var<'t, T>> {
        let constant = wrt.iter().position(|x| !x.is_tracked());
        assert!(
            constant.is_none(),
            "grad: variable {} of `wrt` is a constant and has no gradient",
            constant.unwrap_or(0)
        );
        let found = self.try_grad(wrt);
        std::iter::zip(wrt, found).map(|(x, g)| g.unwrap_or_else(|| x.zeros_like())).collect()
    }

    /// As [`grad`](Var::grad), with `None` where this does not depend on a variable.
    #[track_caller]
    pub fn try_grad(self, wrt: &[Var<'t, T>]) -> Vec<Option<Var<'t, T>>> {
        self.expect_scalar("grad");
        for x in wrt {
            self.tape.owns("grad", *x);
        }
        self.vjp(wrt, self.ones_like())
    }

    /// The vector-Jacobian product: the cotangents of `wrt`, given that of this variable. `None` where
    /// it does not depend on one.
    ///
    /// # Panics
    /// When the cotangent has another shape.
    #[track_caller]
    pub fn vjp(self, wrt: &[Var<'t, T>], cotangent: Var<'t, T>) -> Vec<Option<Var<'t, T>>> {
        self.tape.vjp(&[(self, cotangent)], wrt)
    }

    #[track_caller]
    fn expect_scalar(self, what: &str) {
        let shape = self.shape();
        assert!(
            shape.product() == 1,
            "{what}: the variable has shape {shape:?}, not a single number: reduce it with `sum()` or `mean()`"
        );
    }

    #[track_caller]
    pub(super) fn expect_same_shape(self, what: &str, cotangent: &[usize]) {
        assert!(
            *self.shape() == *cotangent,
            "{what}: the variable has shape {:?}, its cotangent {cotangent:?}",
            self.shape()
        );
    }
}

impl<T: Float> Tape<T> {
    /// The cotangents of `wrt`, given those of several outputs, as variables: as [`Var::vjp`]. `None`
    /// where no output depends on one.
    ///
    /// # Panics
    /// When a shape differs from that of its cotangent, or a variable is on another tape.
    #[track_caller]
    pub fn vjp<'t>(
        &'t self,
        outputs: &[(Var<'t, T>, Var<'t, T>)],
        wrt: &[Var<'t, T>],
    ) -> Vec<Option<Var<'t, T>>> {
        for (y, cotangent) in outputs {
            self.owns("vjp", *cotangent);
            y.expect_same_shape("vjp", &cotangent.shape());
        }
        // A loop and no closure: in a closure, the panic would not be at the user's line.
        for x in outputs.iter().map(|(y, _)| y).chain(wrt) {
            self.owns("vjp", *x);
        }
        engine::pull(outputs, wrt)
    }

    /// As [`vjp`](Tape::vjp), as tensors: nothing is recorded, and operations may take their fast pass. A
    /// variable that is both an output and in `wrt` starts with the cotangent that it is given.
    ///
    /// # Panics
    /// When a shape differs from that of its cotangent, or a variable is on another tape.
    #[track_caller]
    pub fn pull<'t>(
        &'t self,
        outputs: &[(Var<'t, T>, Tensor<T>)],
        wrt: &[Var<'t, T>],
    ) -> Vec<Option<Tensor<T>>> {
        for (y, cotangent) in outputs {
            y.expect_same_shape("pull", cotangent.shape());
        }
        for x in outputs.iter().map(|(y, _)| y).chain(wrt) {
            self.owns("pull", *x);
        }
        self.with_recording(false, || engine::pull(outputs, wrt))
    }
}

/// y = x
#[derive(Debug)]
struct Alias;

impl<T: Float> Op<T> for Alias {
    fn name(&self) -> &'static str {
        "alias"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        SmallVec::from_elem(x[0].clone(), 1)
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        cx.wrt([&|| cx.cotangent()])
    }
}
