//! The reverse pass: one loop down the list, used in two ways.
//!
//! `backward` carries tensors: rules run with recording off, on a scratch suffix of the tape that is
//! cut off after each node. `recorded` carries variables: the same rules run with recording on, so
//! that the result can be differentiated again. Summing broadcast axes away and adding up what
//! arrives from several uses happen here, once, and never in a rule.

use std::iter::zip;

use smallvec::SmallVec;

use super::{Gradients, Kind, Tape, Var};
use crate::element::Float;
use crate::op::{Backward, Cotangents, Vjp};
use crate::tensor::Tensor;

/// The cotangents that have arrived so far, by node.
pub(crate) type Slots<T> = Vec<Option<Tensor<T>>>;

type Few<T> = SmallVec<[T; 6]>;

/// What is carried down the list: tensors or variables.
trait Carried<'t, T: Float>: Clone {
    /// The cotangents of the inputs of the operation at `node`.
    fn pull(at: &At<'t, T>, cotangents: &[Option<Self>], needs: &[bool]) -> SmallVec<[Option<Self>; 3]>;
    fn sum_to(self, like: Var<'t, T>) -> Self;
    fn plus(self, other: Self) -> Self;
}

/// An operation on the list.
struct At<'t, T: Float> {
    tape: &'t Tape<T>,
    id: u32,
    results: u32,
    inputs: SmallVec<[u32; 4]>,
}

impl<'t, T: Float> At<'t, T> {
    /// Runs the rule of the operation, which is out of the list meanwhile: rules push to the list.
    fn rule(&self, cotangents: &[Option<Var<'t, T>>], needs: &[bool]) -> Cotangents<'t, T> {
        let (tape, id) = (self.tape, self.id as usize);
        let op = match &mut tape.parts.borrow_mut().nodes[id].kind {
            Kind::Op(op, _) => op.take(),
            _ => None,
        };
        let Some(op) = op else {
            panic!("a rule differentiates itself: build its cotangents from its inputs' values");
        };
        let inputs: Few<Var<T>> = self.inputs.iter().map(|&id| tape.at(id)).collect();
        let outputs: Few<Var<T>> = (self.id..self.id + self.results).map(|id| tape.at(id)).collect();
        let found = op.vjp(&Vjp { inputs: &inputs, outputs: &outputs, cotangents, needs });
        if let Kind::Op(place, _) = &mut tape.parts.borrow_mut().nodes[id].kind {
            *place = Some(op);
        }
        found
    }
}

impl<'t, T: Float> Carried<'t, T> for Var<'t, T> {
    fn pull(at: &At<'t, T>, cotangents: &[Option<Self>], needs: &[bool]) -> Cotangents<'t, T> {
        at.rule(cotangents, needs)
    }
    fn sum_to(self, like: Var<'t, T>) -> Self {
        self.sum_to_shape_of(like)
    }
    fn plus(self, other: Self) -> Self {
        self + other
    }
}

impl<'t, T: Float> Carried<'t, T> for Tensor<T> {
    fn pull(at: &At<'t, T>, cotangents: &[Option<Self>], needs: &[bool]) -> SmallVec<[Option<Self>; 3]> {
        let tape = at.tape;
        {
            let nodes = &tape.parts.borrow().nodes;
            let value = |id: u32| &nodes[id as usize].value;
            let inputs: Few<&Tensor<T>> = at.inputs.iter().map(|&id| value(id)).collect();
            let outputs: Few<&Tensor<T>> = (at.id..at.id + at.results).map(value).collect();
            if let Kind::Op(Some(op), _) = &nodes[at.id as usize].kind {
                let cx = Backward { inputs: &inputs, outputs: &outputs, cotangents, needs };
                if let Some(found) = op.backward(&cx) {
                    return found;
                }
            }
        }
        let mark = tape.len();
        let cotangents: Few<Option<Var<T>>> =
            cotangents.iter().map(|g| g.as_ref().map(|g| tape.constant(g.clone()))).collect();
        let found = at.rule(&cotangents, needs);
        let found = found.into_iter().map(|g| g.map(|g| g.value())).collect();
        tape.parts.borrow_mut().nodes.truncate(mark);
        found
    }
    fn sum_to(self, like: Var<'t, T>) -> Self {
        let shape = like.shape();
        if shape == self.shape { self } else { crate::ops::reduce::sum_to(&self, &shape) }
    }
    fn plus(self, other: Self) -> Self {
        crate::ops::elementwise::accumulate(self, &other)
    }
}

/// Carries what is in `slots` down from node `top` to where it ends. `relevant` says which nodes lead
/// to something that is asked for; a node that is in `keep` holds on to its cotangent.
fn sweep<'t, T: Float, C: Carried<'t, T>>(
    tape: &'t Tape<T>,
    top: u32,
    bottom: u32,
    slots: &mut [Option<C>],
    relevant: impl Fn(u32) -> bool,
    keep: impl Fn(u32) -> bool,
) {
    for id in (bottom..=top).rev() {
        let (inputs, results) = match &tape.node(id).kind {
            Kind::Op(_, results) => (tape.node(id).inputs.clone(), *results),
            _ => continue,
        };
        let of = |id: u32| (id - bottom) as usize;
        let mine = id..(id + results).min(top + 1);
        if mine.clone().all(|id| slots[of(id)].is_none()) {
            continue;
        }
        let needs: Few<bool> = inputs.iter().map(|&id| id >= bottom && relevant(id)).collect();
        let mut cotangents: Few<Option<C>> = mine
            .map(|id| if keep(id) { slots[of(id)].clone() } else { slots[of(id)].take() })
            .collect();
        if !needs.contains(&true) {
            continue;
        }
        cotangents.resize(results as usize, None);
        let at = At { tape, id, results, inputs };
        let found = C::pull(&at, &cotangents, &needs);
        assert!(
            found.len() == at.inputs.len(),
            "{}: its rule returns {} cotangents for {} inputs (use `None` for one without a derivative)",
            tape.at(id).op_name(),
            found.len(),
            at.inputs.len()
        );
        drop(cotangents); // so that what was handed on has one owner and is added to in place
        for ((&input, needed), cotangent) in zip(zip(&at.inputs, needs), found) {
            if let (true, Some(cotangent)) = (needed, cotangent) {
                let cotangent = cotangent.sum_to(tape.at(input));
                let slot = &mut slots[of(input)];
                *slot = Some(match slot.take() {
                    Some(sum) => sum.plus(cotangent),
                    None => cotangent,
                });
            }
        }
    }
}

/// The gradients of all leaves above `root`, as tensors.
pub(super) fn backward<T: Float>(root: Var<'_, T>, seed: Tensor<T>) -> Gradients<T> {
    let (tape, top) = (root.tape, root.id);
    let mut slots = T::with_spares(|spares| spares.cotangents.pop()).flatten().unwrap_or_default();
    slots.resize_with(top as usize + 1, || None);
    slots[top as usize] = Some(seed);
    tape.with_recording(false, || {
        sweep(tape, top, 0, &mut slots, |id| tape.node(id).is_tracked(), |_| false);
    });
    let gradients = Gradients::collect(tape, &mut slots);
    slots.clear();
    T::with_spares(|spares| spares.cotangents.push(slots));
    gradients
}

/// The cotangents of `wrt`, as variables, given those of `outputs`; `None` where nothing arrives.
pub(crate) fn recorded<'t, T: Float>(
    outputs: &[Var<'t, T>],
    seeds: &[Option<Var<'t, T>>],
    wrt: &[Var<'t, T>],
) -> Vec<Option<Var<'t, T>>> {
    let top = outputs.iter().map(|y| y.id).max();
    let bottom = wrt.iter().map(|x| x.id).min();
    let (Some(top), Some(bottom)) = (top, bottom) else { return Vec::new() };
    let tape = wrt[0].tape;
    if top < bottom {
        return vec![None; wrt.len()];
    }
    // What depends on `wrt`: the only nodes that a cotangent has to pass through.
    let mut relevant = vec![false; (top - bottom + 1) as usize];
    let mut kept = relevant.clone();
    // Through a constant nothing was tracked: what arrives there would be a part of the truth.
    for x in wrt.iter().filter(|x| x.id <= top && x.is_tracked()) {
        let of = |id: u32| (id - bottom) as usize;
        (relevant[of(x.id)], kept[of(x.id)]) = (true, true);
    }
    for id in bottom..=top {
        let node = tape.node(id);
        let depends = |&input: &u32| input >= bottom && relevant[(input - bottom) as usize];
        if node.is_tracked() && node.inputs.iter().any(depends) {
            relevant[(id - bottom) as usize] = true;
        }
    }
    let mut slots: Vec<Option<Var<T>>> = vec![None; relevant.len()];
    for (y, seed) in zip(outputs, seeds) {
        if let (Some(seed), Some(slot)) = (seed, y.id.checked_sub(bottom)) {
            let slot = &mut slots[slot as usize];
            *slot = Some(slot.map_or(*seed, |sum| sum + *seed));
        }
    }
    tape.with_recording(true, || {
        let of = |id: u32| (id - bottom) as usize;
        sweep(tape, top, bottom, &mut slots, |id| relevant[of(id)], |id| kept[of(id)]);
    });
    wrt.iter().map(|x| slots.get((x.id - bottom) as usize).copied().flatten()).collect()
}
