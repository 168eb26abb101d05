//! The tape: the Wengert list of one computation, and the variables on it.
//!
//! Here live the list ([`Tape`]), its handles ([`Var`]), the one reverse pass (`engine.rs`) and what
//! it returns ([`Gradients`]). What does *not* live here: any operation. The tape knows operations
//! only through [`Op`].

pub(crate) mod backward;
mod bindings;
mod checked;
mod checkpoint;
mod dot;
mod draws;
pub(crate) mod engine;
mod gradients;
mod record;
mod var;

pub use gradients::{Gradients, NoGradient};
pub use var::Var;

use std::any::TypeId;
use std::cell::{Cell, Ref, RefCell};
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};

use smallbox::{SmallBox, space::S4};
use smallvec::SmallVec;

use crate::element::Float;
use crate::op::Op;
use crate::param::ParamId;
use crate::tensor::Tensor;

/// An operation on the list. Up to four words stand in place: recording allocates nothing.
pub type Recorded<T> = SmallBox<dyn Op<T>, S4>;

type Inputs = SmallVec<[u32; 4]>;

pub(crate) struct Node<T: Float> {
    value: Tensor<T>,
    inputs: Inputs,
    kind: Kind<T>,
    /// The user's line that made it.
    location: &'static Location<'static>,
}

enum Kind<T: Float> {
    /// Has no derivative: a constant, or made with recording off.
    Constant,
    /// Where a derivative ends.
    Leaf,
    /// The first of the results of an operation, and how many there are.
    Op(Option<Recorded<T>>, u32),
    /// A further result of the operation at the given node.
    Result,
}

impl<T: Float> Node<T> {
    fn is_tracked(&self) -> bool {
        !matches!(self.kind, Kind::Constant)
    }

    /// How many results the operation has that made it.
    fn results(&self) -> u32 {
        if let Kind::Op(_, results) = self.kind { results } else { 0 }
    }
}

/// The vectors of a tape, kept when it is dropped and given to the next one.
pub struct Spares<T: Float> {
    tapes: Vec<Parts<T>>,
    pub(crate) gradients: Vec<gradients::Parts<T>>,
    pub(crate) cotangents: Vec<engine::Slots<T>>,
}

impl<T: Float> Spares<T> {
    #[allow(clippy::new_without_default, reason = "only ever made as a thread local")]
    pub(crate) const fn new() -> Self {
        Spares { tapes: Vec::new(), gradients: Vec::new(), cotangents: Vec::new() }
    }
}

struct Parts<T: Float> {
    nodes: Vec<Node<T>>,
    /// Which variable stands for which parameter, sorted.
    bindings: Vec<(ParamId, u32)>,
    /// New values of parameters that are not trained by gradients, running statistics, as variables.
    updates: Vec<(ParamId, u32)>,
    /// The parts of the list whose values are worked out again when needed, in order.
    released: Vec<checkpoint::Region>,
}

impl<T: Float> Parts<T> {
    const EMPTY: Self = Parts {
        nodes: Vec::new(),
        bindings: Vec::new(),
        updates: Vec::new(),
        released: Vec::new(),
    };
}

/// The list of the operations of one computation, and the state of that run: whether it is training,
/// the seed of its random draws, which variable stands for which parameter.
///
/// Cheap to make: make one for each training step.
///
/// ```
/// use gradus_autograd::{Tape, Tensor};
///
/// let tape = Tape::<f64>::new();
/// let x = tape.var(Tensor::from([1.0, 2.0, 3.0]));
/// let y = (x * x).sum();
/// let grads = y.backward();
/// assert_eq!(grads[x].to_vec(), [2.0, 4.0, 6.0]);
/// ```
///
/// A variable cannot outlive its tape:
///
/// ```compile_fail
/// use gradus_autograd::{Tape, Tensor};
/// let x = {
///     let tape = Tape::<f64>::new();
///     tape.var(Tensor::scalar(1.0))
/// };
/// x.item();
/// ```
pub struct Tape<T: Float = f32> {
    parts: RefCell<Parts<T>>,
    recording: Cell<bool>,
    /// Whether it records outside of `no_grad`.
    records: bool,
    training: Cell<bool>,
    seed: Cell<u64>,
    draws: Cell<u32>,
    checked: Cell<bool>,
    /// Tells this tape from one that was at the same address before.
    serial: u64,
    /// The node that the reverse pass stands at, and the type of its operation.
    memory: Cell<Option<(TypeId, u32)>>,
}

/// Restores a flag when it goes out of scope, also by a panic.
struct Restore<'a>(&'a Cell<bool>, bool);

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

static SERIAL: AtomicU64 = AtomicU64::new(1);

impl<T: Float> Default for Tape<T> {
    fn default() -> Self {
        Tape::new()
    }
}

impl<T: Float> Tape<T> {
    fn with(training: bool, recording: bool, seed: u64) -> Self {
        let parts = T::with_spares(|spares| spares.tapes.pop()).flatten();
        Tape {
            parts: RefCell::new(parts.unwrap_or(Parts::EMPTY)),
            recording: Cell::new(recording),
            records: recording,
            training: Cell::new(training),
            seed: Cell::new(seed),
            draws: Cell::new(0),
            checked: Cell::new(false),
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            memory: Cell::new(None),
        }
    }

    /// A tape in evaluation mode: batch norm uses its running statistics, dropout does nothing.
    pub fn new() -> Self {
        Tape::with(false, true, 0)
    }

    /// A tape in training mode, whose random draws (dropout) follow from `seed`.
    pub fn training(seed: u64) -> Self {
        Tape::with(true, true, seed)
    }

    /// A tape in evaluation mode that records nothing: for predictions.
    pub fn inference() -> Self {
        Tape::with(false, false, 0)
    }

    /// Whether layers should behave as in training.
    pub fn is_training(&self) -> bool {
        self.training.get()
    }

    /// Runs `f` in evaluation mode: a validation loss at the end of an unrolled training run.
    pub fn evaluation<R>(&self, f: impl FnOnce() -> R) -> R {
        let _restore = Restore(&self.training, self.training.replace(false));
        f()
    }

    /// Whether operations are being recorded.
    pub fn is_recording(&self) -> bool {
        self.recording.get()
    }

    /// Runs `f` without recording: what it makes has no derivative.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var(Tensor::scalar(3.0));
    /// let y = tape.no_grad(|| x * x) * x; // 9·x
    /// assert_eq!(y.backward()[x].item(), 9.0);
    /// ```
    pub fn no_grad<R>(&self, f: impl FnOnce() -> R) -> R {
        self.with_recording(false, f)
    }

    pub(crate) fn with_recording<R>(&self, on: bool, f: impl FnOnce() -> R) -> R {
        let _restore = Restore(&self.recording, self.recording.replace(on));
        f()
    }

    /// How many values the tape holds.
    pub fn len(&self) -> usize {
        self.parts.borrow().nodes.len()
    }

    /// Whether nothing has been put on the tape.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A variable that gradients can be taken with respect to.
    #[track_caller]
    pub fn var(&self, value: Tensor<T>) -> Var<'_, T> {
        let kind = if self.recording.get() { Kind::Leaf } else { Kind::Constant };
        self.push(value, kind)
    }

    /// A value that has no gradient: data, targets.
    #[track_caller]
    pub fn constant(&self, value: Tensor<T>) -> Var<'_, T> {
        self.push(value, Kind::Constant)
    }

    /// A number as a constant of rank 0.
    #[track_caller]
    pub fn number(&self, x: f64) -> Var<'_, T> {
        self.constant(Tensor::scalar(T::of(x)))
    }

    #[track_caller]
    fn push(&self, value: Tensor<T>, kind: Kind<T>) -> Var<'_, T> {
        if self.checked.get() {
            let (what, leaf) = match kind {
                Kind::Leaf => ("var", true),
                _ => ("constant", false),
            };
            if leaf || value.with_dense(|x| x.iter().any(|x| x.is_nan())) {
                self.expect_finite(what, &[], std::slice::from_ref(&value));
            }
        }
        let nodes = &mut self.parts.borrow_mut().nodes;
        nodes.push(Node { value, inputs: Inputs::new(), kind, location: Location::caller() });
        self.at(nodes.len() as u32 - 1)
    }

    fn at(&self, id: u32) -> Var<'_, T> {
        Var { tape: self, id }
    }

    #[track_caller]
    fn owns(&self, what: &str, var: Var<'_, T>) {
        assert!(
            std::ptr::eq(self, var.tape),
            "{what}: a variable of another tape: use its value as a constant"
        );
    }

    fn node(&self, id: u32) -> Ref<'_, Node<T>> {
        Ref::map(self.parts.borrow(), |parts| &parts.nodes[id as usize])
    }
}

impl<T: Float> Drop for Tape<T> {
    fn drop(&mut self) {
        let mut parts = std::mem::replace(self.parts.get_mut(), Parts::EMPTY);
        // Emptied before the store is borrowed: dropping a tensor or an operation may use it, too.
        parts.nodes.clear();
        parts.bindings.clear();
        parts.updates.clear();
        parts.released.clear();
        T::with_spares(|spares| spares.tapes.push(parts));
    }
}
