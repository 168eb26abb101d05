//! Activation checkpointing: values that are not kept but worked out again (Chen et al. 2016).
//!
//! The operations stay on the list, with all that they need to run again (a dropout has its key), so the
//! values come back with the same bits, and neither the user's code nor any derivative knows about it. What
//! does not stay are the buffers.

use std::ops::Range;

use smallvec::SmallVec;

use super::{Inputs, Kind, Parts, Tape, Var};
use crate::element::Float;

/// A part of the list whose values are worked out when needed.
pub(super) struct Region {
    nodes: Range<u32>,
    /// Those that stay: the result, and what stands for parameters.
    kept: SmallVec<[u32; 4]>,
}

impl<'t, T: Float> Var<'t, T> {
    /// `f(self)`, without keeping the values in between: they are computed a second time when a derivative
    /// needs them. The same bits, with and without, and dropout draws the same mask; less memory, one more
    /// forward pass. Derivatives of any order pass through it.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var(Tensor::linspace(-1.0, 1.0, 1000));
    /// let y = x.checkpoint(|x| (0..10).fold(x, |h, _| (h * 0.9).tanh())); // one buffer, not 20
    /// assert_eq!(y.sum().backward()[x].len(), 1000);
    /// ```
    ///
    /// A checkpoint within another one counts as a part of it.
    #[track_caller]
    pub fn checkpoint(self, f: impl FnOnce(Var<'t, T>) -> Var<'t, T>) -> Var<'t, T> {
        let tape = self.tape;
        let start = tape.len() as u32;
        let y = f(self);
        let end = tape.len() as u32;
        let parts = &mut *tape.parts.borrow_mut();
        let outside = parts.bindings.iter().chain(&parts.updates).map(|entry| entry.1);
        let kept = outside.chain([y.id]).filter(|&id| id >= start).collect();
        parts.released.retain(|region| region.nodes.start < start);
        parts.released.push(Region { nodes: start..end, kept });
        parts.release(parts.released.len() - 1);
        y
    }
}

impl<T: Float> Parts<T> {
    /// Lets go of the values of a region.
    fn release(&mut self, region: usize) {
        let Region { nodes, kept } = &self.released[region];
        for id in nodes.clone().filter(|id| !kept.contains(id)) {
            let node = &mut self.nodes[id as usize];
            if matches!(node.kind, Kind::Op(..) | Kind::Result) {
                node.value.storage.release();
            }
        }
    }
}

impl<T: Float> Tape<T> {
    /// Works out the released values among those of `ids`.
    #[inline(always)]
    pub(super) fn restore(&self, ids: impl IntoIterator<Item = u32>) {
        if !self.parts.borrow().released.is_empty() {
            ids.into_iter().for_each(|id| self.restore_region_of(id));
        }
    }

    /// Works out the released values among the inputs and results of the operation at `id`.
    #[cold]
    pub(super) fn restore_around(&self, id: u32) {
        let (inputs, results) = {
            let node = self.node(id);
            (node.inputs.clone(), node.results())
        };
        self.restore(inputs.into_iter().chain(id..id + results));
    }

    /// Works out again all values of the part that `id` is in, if its own is missing. What that needs of other parts
    /// is worked out first: a list and no recursion, because a part may need one that needs one, and so on.
    #[cold]
    fn restore_region_of(&self, id: u32) {
        let mut begun: Vec<Range<u32>> = self.missing_region_of(id).into_iter().collect();
        while let Some(rest) = begun.last_mut() {
            let Some(id) = rest.next() else {
                begun.pop();
                continue;
            };
            let Some(inputs) = self.inputs_to_restore(id) else { continue };
            let own = rest.end;
            let mut missing = inputs.iter().filter_map(|&input| self.missing_region_of(input));
            if let Some(other) = missing.find(|region| region.end != own) {
                // Then this one again.
                rest.start = id;
                begun.push(other);
                continue;
            }
            self.run_again(id, &inputs);
        }
    }

    /// The part that a value is in, if it is missing.
    fn missing_region_of(&self, id: u32) -> Option<Range<u32>> {
        let parts = self.parts.borrow();
        if !parts.nodes[id as usize].value.storage.is_released() {
            return None;
        }
        let at = parts.released.partition_point(|region| region.nodes.end <= id);
        Some(parts.released[at].nodes.clone())
    }

    /// The inputs of the operation at `id`, if one of its results is missing.
    fn inputs_to_restore(&self, id: u32) -> Option<Inputs> {
        let node = self.node(id);
        let Kind::Op(Some(_), results) = node.kind else { return None };
        let is_missing = |id: u32| self.node(id).value.storage.is_released();
        (id..id + results).any(is_missing).then(|| node.inputs.clone())
    }

    /// Works out the missing results of the operation at `id`.
    fn run_again(&self, id: u32, inputs: &[u32]) {
        let parts = &mut *self.parts.borrow_mut();
        let Kind::Op(Some(op), _) = &parts.nodes[id as usize].kind else { return };
        let value = |&input: &u32| &parts.nodes[input as usize].value;
        let outputs = op.forward(&inputs.iter().map(value).collect::<SmallVec<[_; 6]>>());
        for (node, value) in std::iter::zip(&mut parts.nodes[id as usize..], outputs) {
            if node.value.storage.is_released() {
                node.value = value;
            }
        }
    }

    /// Lets go of the values of a part that starts at `id` again: the reverse pass has left it.
    pub(super) fn leave(&self, id: u32) {
        let parts = &mut *self.parts.borrow_mut();
        let at = parts.released.partition_point(|region| region.nodes.start < id);
        if parts.released.get(at).is_some_and(|region| region.nodes.start == id) {
            parts.release(at);
        }
    }
}
