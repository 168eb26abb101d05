//! What the fast pass of an operation sees of the engine.

use super::engine::{Aim, Carried, expect_summable, sum_to_shape};
use super::{Kind, Node};
use crate::element::Float;
use crate::pool::Storage;
use crate::tensor::Tensor;

/// What [`Op::backward`](crate::Op::backward) may look at and give to: tensors.
pub struct Backward<'a, T: Float> {
    pub(super) nodes: &'a [Node<T>],
    pub(super) node: &'a Node<T>,
    pub(super) id: u32,
    pub(super) aim: Aim<'a>,
    pub(super) slots: &'a mut [Option<Tensor<T>>],
}

impl<'a, T: Float> Backward<'a, T> {
    /// The number of inputs.
    pub fn inputs(&self) -> usize {
        self.node.inputs.len()
    }

    /// Input number `i`.
    #[inline]
    pub fn input(&self, i: usize) -> &'a Tensor<T> {
        &self.nodes[self.node.inputs[i] as usize].value
    }

    /// Result number `o`.
    #[inline]
    pub fn output(&self, o: usize) -> &'a Tensor<T> {
        &self.nodes[self.id as usize + o].value
    }

    /// Whether somebody needs the cotangent of input `i`.
    #[inline]
    pub fn needs(&self, i: usize) -> bool {
        self.aim.needs(self.nodes, self.node.inputs[i])
    }

    fn name(&self) -> &'static str {
        if let Kind::Op(Some(op), _) = &self.node.kind { op.name() } else { "operation" }
    }

    fn slot(&mut self, o: usize) -> Option<&mut Option<Tensor<T>>> {
        self.slots.get_mut(self.aim.slot(self.id) + o)
    }

    /// Whether anything depends on result `o`.
    pub fn has_cotangent(&self, o: usize) -> bool {
        self.slots.get(self.aim.slot(self.id) + o).is_some_and(Option::is_some)
    }

    /// The cotangent of result `o`, to keep or to change: it can be had once. Zeros if nothing depends
    /// on the result.
    pub fn cotangent(&mut self, o: usize) -> Tensor<T> {
        let stays = self.aim.stays(self.id + o as u32);
        match self.slot(o).and_then(|slot| if stays { slot.clone() } else { slot.take() }) {
            Some(cotangent) => cotangent,
            None => Tensor::zeros(self.output(o).shape()),
        }
    }

    /// As [`cotangent`](Backward::cotangent), for a result of rank 0, which may be asked for again: graphs
    /// of single numbers spend their time on moving tensors about, so they do without.
    #[inline]
    pub(crate) fn scalar_cotangent(&mut self, o: usize) -> T {
        match self.slot(o) {
            Some(Some(cotangent)) => cotangent.first(),
            _ => T::ZERO,
        }
    }

    /// As [`give`](Backward::give), for an input of rank 0.
    #[inline]
    pub(crate) fn give_scalar(&mut self, i: usize, cotangent: T) {
        if !self.needs(i) {
            return;
        }
        match &mut self.slots[self.aim.slot(self.node.inputs[i])] {
            Some(Tensor { storage: Storage::One([sum]), .. }) => *sum += cotangent,
            Some(sum) => sum.add(Tensor::scalar(cotangent)),
            slot => *slot = Some(Tensor::scalar(cotangent)),
        }
    }

    /// Adds to the cotangent of input `i`. It may have the broadcast shape of the result. Nothing
    /// happens if nobody needs it.
    pub fn give(&mut self, i: usize, cotangent: Tensor<T>) {
        if !self.needs(i) {
            return;
        }
        let shape = &self.input(i).shape;
        expect_summable(&cotangent.shape, shape, i, || self.name());
        let cotangent = sum_to_shape(cotangent, shape);
        match &mut self.slots[self.aim.slot(self.node.inputs[i])] {
            Some(sum) => sum.add(cotangent),
            slot => *slot = Some(cotangent),
        }
    }
}
