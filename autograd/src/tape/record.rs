//! Operations onto the list. Of each kind of operation only its way into a box is compiled, and not what is done with
//! it.

use std::any::TypeId;
use std::panic::Location;

use smallvec::SmallVec;

use super::{Inputs, Kind, Node, Recorded, Tape, Var};
use crate::element::Float;
use crate::op::{Op, Outputs};
use crate::tensor::Tensor;

fn values<'n, T: Float>(
    nodes: &'n [Node<T>],
    inputs: &[Var<'_, T>],
) -> SmallVec<[&'n Tensor<T>; 6]> {
    inputs.iter().map(|x| &nodes[x.id as usize].value).collect()
}

impl<T: Float> Tape<T> {
    /// Applies an operation with one result.
    ///
    /// # Panics
    /// When an input belongs to another tape, and whenever the operation does.
    #[track_caller]
    pub fn apply<'t>(&'t self, op: impl Op<T>, inputs: &[Var<'t, T>]) -> Var<'t, T> {
        let (first, count) = self.record(op, inputs);
        assert!(count == 1, "apply: the operation has {count} results: use `apply_all`");
        self.at(first)
    }

    /// Applies an operation with any number of results.
    #[track_caller]
    pub fn apply_all<'t>(
        &'t self,
        op: impl Op<T>,
        inputs: &[Var<'t, T>],
    ) -> SmallVec<[Var<'t, T>; 4]> {
        let (first, count) = self.record(op, inputs);
        (first..first + count).map(|id| self.at(id)).collect()
    }

    #[track_caller]
    fn record(&self, op: impl Op<T>, inputs: &[Var<'_, T>]) -> (u32, u32) {
        self.prepare(op.name(), inputs);
        let mut outputs = {
            let nodes = &self.parts.borrow().nodes;
            let value = |i: usize| &nodes[inputs[i.min(inputs.len() - 1)].id as usize].value;
            match inputs.len() {
                // A list of three stands in place: collecting would take as long as multiplying numbers.
                count @ 1..=3 => op.forward(&[value(0), value(1), value(2)][..count]),
                _ => op.forward(&values(nodes, inputs)),
            }
        };
        if self.checked.get() {
            self.check(op.name(), inputs, &outputs);
        }
        let op: Option<Recorded<T>> = match self.tracks(inputs) {
            true => Some(smallbox::smallbox!(op)),
            false => None,
        };
        T::note(self, &mut outputs, inputs, op, Location::caller())
    }

    /// What comes before an operation: all inputs are of this tape, and their values there.
    #[inline]
    #[track_caller]
    fn prepare(&self, name: &str, inputs: &[Var<'_, T>]) {
        for &input in inputs {
            self.owns(name, input);
        }
        self.restore(inputs.iter().map(|x| x.id));
    }

    #[cold]
    #[track_caller]
    fn check(&self, name: &str, inputs: &[Var<'_, T>], outputs: &[Tensor<T>]) {
        let nodes = &self.parts.borrow().nodes;
        let inputs: Vec<_> = inputs.iter().map(|x| &nodes[x.id as usize].value).collect();
        self.expect_finite(name, &inputs, outputs);
    }

    /// Whether what is made of these inputs has a derivative.
    #[inline]
    fn tracks(&self, inputs: &[Var<'_, T>]) -> bool {
        let nodes = &self.parts.borrow().nodes;
        self.recording.get() && inputs.iter().any(|x| nodes[x.id as usize].is_tracked())
    }

    /// Puts the results of an operation on the list; the number of the first, and how many there are.
    pub(crate) fn note(
        &self,
        outputs: &mut Outputs<T>,
        inputs: &[Var<'_, T>],
        op: Option<Recorded<T>>,
        location: &'static Location<'static>,
    ) -> (u32, u32) {
        let nodes = &mut self.parts.borrow_mut().nodes;
        let (first, count) = (nodes.len() as u32, outputs.len() as u32);
        let tracked = op.is_some();
        let (mut kind, mut ids) = (Kind::Constant, Inputs::new());
        if tracked {
            kind = Kind::Op(op, count);
            ids.extend(inputs.iter().map(|x| x.id));
        }
        if count == 1
            && let Some(value) = outputs.pop()
        {
            nodes.push(Node { value, inputs: ids, kind, location });
            return (first, count);
        }
        for value in outputs.drain(..) {
            nodes.push(Node { value, inputs: ids, kind, location });
            (kind, ids) = match tracked {
                true => (Kind::Result, Inputs::from_slice(&[first])),
                false => (Kind::Constant, Inputs::new()),
            };
        }
        (first, count)
    }

    /// Runs `f`, a rule of the operation `O` that made `output`. Should it apply the same operation to
    /// the same inputs again, it gets `output`: tanh′ = 1 − y² need not compute tanh(x) anew.
    pub(crate) fn remembering<O: Op<T>, R>(&self, output: Var<'_, T>, f: impl FnOnce() -> R) -> R {
        // Data in an operation would have to be compared; those with data are not worth it.
        let known = (size_of::<O>() == 0).then_some((TypeId::of::<O>(), output.id));
        let before = self.memory.replace(known);
        let result = f();
        self.memory.set(before);
        result
    }

    /// As [`apply`](Tape::apply), or what is [remembered](Tape::remembering).
    #[track_caller]
    pub(crate) fn apply_or_remember<'t, O: Op<T>, const N: usize>(
        &'t self,
        op: O,
        inputs: [Var<'t, T>; N],
    ) -> Var<'t, T> {
        match self.remembered(TypeId::of::<O>(), &inputs) {
            Some(output) => output,
            None => self.apply(op, &inputs),
        }
    }

    fn remembered(&self, op: TypeId, inputs: &[Var<'_, T>]) -> Option<Var<'_, T>> {
        let (_, output) = self.memory.get().filter(|(of, _)| *of == op)?;
        let same = self.node(output).inputs.iter().eq(inputs.iter().map(|x| &x.id));
        same.then(|| self.at(output))
    }
}
