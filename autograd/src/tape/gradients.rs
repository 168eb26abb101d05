//! What a backward pass returns.

use std::fmt;
use std::ops::Index;

use super::engine::Slots;
use super::{Kind, Tape, Var};
use crate::element::Float;
use crate::param::{Module, Param, ParamId, Path};
use crate::tensor::Tensor;

pub(crate) struct Parts<T: Float> {
    /// By variable, in the order of the tape.
    leaves: Vec<(u32, Tensor<T>)>,
    /// By parameter, sorted.
    params: Vec<(ParamId, Tensor<T>)>,
    updates: Vec<(ParamId, Tensor<T>)>,
}

/// The gradients of one loss, by variable and by parameter, and the new running statistics that the
/// forward pass found. A value: nothing is stored in the model and nothing has to be zeroed.
pub struct Gradients<T: Float = f32> {
    parts: Parts<T>,
    /// The serial number of the tape.
    tape: u64,
}

/// Why there is no gradient, which is not the same as a gradient of zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoGradient {
    /// The variable is a constant, or made with recording off or by `detach`.
    Constant,
    /// The loss does not depend on the variable.
    NotOnPath,
    /// The variable was computed from others, and `backward` keeps gradients of leaves only.
    NotALeaf,
    /// The variable is on another tape.
    OtherTape,
}

impl fmt::Display for NoGradient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoGradient::Constant => {
                "the variable is a constant (made by `constant`, `detach` or without recording)"
            }
            NoGradient::NotOnPath => "the loss does not depend on the variable",
            NoGradient::NotALeaf => "the variable is not a leaf; ask for it with `loss.grad(&[x])`",
            NoGradient::OtherTape => "the variable is on another tape than the loss",
        })
    }
}

impl std::error::Error for NoGradient {}

impl<T: Float> Gradients<T> {
    pub(super) fn collect(tape: &Tape<T>, slots: &mut Slots<T>) -> Self {
        let spare = T::with_spares(|spares| spares.gradients.pop()).flatten();
        let mut parts = spare.unwrap_or(Parts { leaves: vec![], params: vec![], updates: vec![] });
        let list = tape.parts.borrow();
        for &(param, id) in &list.bindings {
            if let Some(Some(gradient)) = slots.get(id as usize) {
                parts.params.push((param, gradient.clone()));
            }
        }
        for (id, slot) in slots.iter_mut().enumerate() {
            // Looked at before it is taken: most are empty.
            if slot.is_some()
                && let (Kind::Leaf, Some(gradient)) = (&list.nodes[id].kind, slot.take())
            {
                parts.leaves.push((id as u32, gradient));
            }
        }
        let count = list.updates.len();
        // The list is free meanwhile: a value may have to be worked out again.
        drop(list);
        for at in 0..count {
            let (param, new) = tape.parts.borrow().updates[at];
            parts.updates.push((param, tape.at(new).value()));
        }
        Gradients { parts, tape: tape.serial }
    }

    /// Gradients of parameters that were worked out in another way than by a backward pass, for an
    /// optimiser's step.
    pub fn of_params<'m>(gradients: impl IntoIterator<Item = (&'m Param<T>, Tensor<T>)>) -> Self {
        let mut params: Vec<_> = gradients.into_iter().map(|(p, g)| (p.id(), g)).collect();
        params.sort_by_key(|entry| entry.0);
        // No tape has the serial number 0.
        Gradients { parts: Parts { leaves: vec![], params, updates: vec![] }, tape: 0 }
    }

    /// The gradient of a leaf, or why there is none.
    pub fn get(&self, x: Var<'_, T>) -> Result<&Tensor<T>, NoGradient> {
        if x.tape.serial != self.tape {
            return Err(NoGradient::OtherTape);
        }
        match &x.tape.node(x.id).kind {
            Kind::Constant => Err(NoGradient::Constant),
            Kind::Leaf => match self.parts.leaves.binary_search_by_key(&x.id, |leaf| leaf.0) {
                Ok(at) => Ok(&self.parts.leaves[at].1),
                Err(_) => Err(NoGradient::NotOnPath),
            },
            _ => Err(NoGradient::NotALeaf),
        }
    }

    /// The gradient of a parameter; `None` if the loss does not depend on it.
    pub fn param(&self, param: &Param<T>) -> Option<&Tensor<T>> {
        let at = self.parts.params.binary_search_by_key(&param.id(), |entry| entry.0).ok()?;
        Some(&self.parts.params[at].1)
    }

    /// All gradients of parameters, for changing them: clipping, accumulating.
    pub fn params_mut(&mut self) -> impl Iterator<Item = &mut Tensor<T>> {
        // Nobody else sees them while they are changed, so that they are changed in place.
        self.parts.leaves.clear();
        self.parts.params.iter_mut().map(|entry| &mut entry.1)
    }

    /// Writes the running statistics that the forward pass found into the model. Optimisers do this
    /// as part of their step.
    pub fn apply_updates(&self, model: &mut (impl Module<T> + ?Sized)) {
        if self.parts.updates.is_empty() {
            return;
        }
        model.visit_mut(Path::root(), &mut |_, param| {
            for (id, value) in &self.parts.updates {
                if *id == param.id() {
                    param.set(value.clone());
                }
            }
        });
    }
}

impl<T: Float> Index<Var<'_, T>> for Gradients<T> {
    type Output = Tensor<T>;

    /// # Panics
    /// When there is no gradient; the message says why.
    #[track_caller]
    fn index(&self, x: Var<'_, T>) -> &Tensor<T> {
        match self.get(x) {
            Ok(gradient) => gradient,
            Err(why) => panic!("no gradient: {why}"),
        }
    }
}

impl<T: Float> Drop for Gradients<T> {
    fn drop(&mut self) {
        let empty = Parts { leaves: vec![], params: vec![], updates: vec![] };
        let mut parts = std::mem::replace(&mut self.parts, empty);
        parts.leaves.clear();
        parts.params.clear();
        parts.updates.clear();
        T::with_spares(|spares| spares.gradients.push(parts));
    }
}
