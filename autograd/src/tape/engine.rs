//! The reverse pass: one loop down the list, used in two ways.
//!
//! `backward` carries tensors: rules run with recording off, on a scratch suffix of the tape that is
//! cut off after each node. `recorded` carries variables: the same rules run with recording on, so
//! that the result can be differentiated again. Summing broadcast axes away and adding up what
//! arrives from several uses happen here, once, and never in a rule.

use std::iter::zip;

use smallvec::SmallVec;

use super::{Gradients, Kind, Node, Recorded, Tape, Var};
use crate::element::Float;
use crate::op::{Cotangents, Vjp};
use crate::pool::Storage;
use crate::tensor::{Dims, Tensor};

/// The cotangents that have arrived so far, by node.
pub(crate) type Slots<T> = Vec<Option<Tensor<T>>>;

type Few<T> = SmallVec<[T; 6]>;

/// What is carried down the list: tensors or variables.
trait Carried<'t, T: Float>: Clone {
    /// The fast pass of the operation at a node; whether it has one. The first slot is node 0's.
    fn fast(nodes: &[Node<T>], id: u32, slots: &mut [Option<Self>]) -> bool {
        let _ = (nodes, id, slots);
        false
    }
    /// Works out the cotangents of the inputs of an operation, and adds them to their slots.
    fn pull(at: &At<'t, T>, slots: &mut [Option<Self>]);
    fn sum_to(self, like: Var<'t, T>) -> Self;
    fn add(&mut self, other: Self);

    /// Adds a cotangent to a slot; summed over what was broadcast from the shape of `like`.
    fn give(self, slot: &mut Option<Self>, like: Var<'t, T>) {
        let cotangent = self.sum_to(like);
        match slot {
            Some(sum) => sum.add(cotangent),
            None => *slot = Some(cotangent),
        }
    }
}

/// An operation that is out of the list while its rule runs, since rules push to the list. It goes
/// back also when the rule panics.
struct Taken<'t, T: Float> {
    tape: &'t Tape<T>,
    id: u32,
    op: Option<Recorded<T>>,
}

impl<T: Float> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        if let Some(Node { kind: Kind::Op(place, _), .. }) =
            self.tape.parts.borrow_mut().nodes.get_mut(self.id as usize)
        {
            *place = self.op.take();
        }
    }
}

/// An operation on the list.
struct At<'t, T: Float> {
    tape: &'t Tape<T>,
    id: u32,
    results: u32,
    inputs: SmallVec<[u32; 4]>,
    needs: SmallVec<[bool; 8]>,
    /// The node of the first slot.
    bottom: u32,
    /// For each result, whether its cotangent stays in its slot.
    kept: SmallVec<[bool; 8]>,
}

impl<'t, T: Float> At<'t, T> {
    fn slot(&self, id: u32) -> usize {
        (id - self.bottom) as usize
    }

    /// The cotangents of the results.
    fn cotangents<C: Clone>(&self, slots: &mut [Option<C>]) -> Few<Option<C>> {
        let mine =
            self.slot(self.id)..(self.slot(self.id) + self.results as usize).min(slots.len());
        let mut all = Few::new();
        for (cotangent, &kept) in zip(&mut slots[mine], &self.kept) {
            all.push(if kept { cotangent.clone() } else { cotangent.take() });
        }
        all.resize(self.results as usize, None);
        all
    }

    /// Runs the rule of the operation.
    fn rule(&self, cotangents: &[Option<Var<'t, T>>]) -> Cotangents<'t, T> {
        let tape = self.tape;
        let op = match &mut tape.parts.borrow_mut().nodes[self.id as usize].kind {
            Kind::Op(op, _) => op.take(),
            _ => None,
        };
        let taken = Taken { tape, id: self.id, op };
        let Some(op) = &taken.op else {
            panic!("a rule differentiates itself: build its cotangents from its inputs' values");
        };
        let inputs: Few<Var<T>> = self.inputs.iter().map(|&id| tape.at(id)).collect();
        let outputs: Few<Var<T>> =
            (self.id..self.id + self.results).map(|id| tape.at(id)).collect();
        let cx = Vjp { inputs: &inputs, outputs: &outputs, cotangents, needs: &self.needs };
        let found = op.vjp(&cx);
        assert!(
            found.len() == inputs.len(),
            "{}: its rule returns {} cotangents for {} inputs (use `None` for one without a derivative)",
            op.name(),
            found.len(),
            inputs.len()
        );
        found
    }

    /// The inputs that somebody needs, each with its number.
    fn needed(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        let all = self.inputs.iter().copied().enumerate();
        all.filter(|(i, _)| self.needs[*i])
    }
}

impl<'t, T: Float> Carried<'t, T> for Var<'t, T> {
    fn pull(at: &At<'t, T>, slots: &mut [Option<Self>]) {
        let mut found = at.rule(&at.cotangents(slots));
        for (i, input) in at.needed() {
            if let Some(cotangent) = found[i].take() {
                cotangent.give(&mut slots[at.slot(input)], at.tape.at(input));
            }
        }
    }
    fn sum_to(self, like: Var<'t, T>) -> Self {
        self.sum_to_shape_of(like)
    }
    fn add(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl<'t, T: Float> Carried<'t, T> for Tensor<T> {
    fn fast(nodes: &[Node<T>], id: u32, slots: &mut [Option<Self>]) -> bool {
        let node = &nodes[id as usize];
        let Kind::Op(Some(op), results) = &node.kind else { return false };
        let done = op.backward(&mut Backward { nodes, node, id, slots });
        if done {
            // What the operation did not look at must not stay: the slots belong to no leaf.
            let mine = slots[id as usize..].iter_mut().take(*results as usize);
            mine.for_each(|slot| *slot = None);
        }
        done
    }
    fn pull(at: &At<'t, T>, slots: &mut [Option<Self>]) {
        let (tape, mark) = (at.tape, at.tape.len());
        let cotangents = at.cotangents(slots).into_iter().map(|g| g.map(|g| tape.constant(g)));
        let found = at.rule(&cotangents.collect::<Few<_>>());
        let mut found: Few<Option<Tensor<T>>> =
            found.into_iter().map(|g| g.map(|g| g.value())).collect();
        tape.parts.borrow_mut().nodes.truncate(mark);
        for (i, input) in at.needed() {
            if let Some(cotangent) = found[i].take() {
                cotangent.give(&mut slots[at.slot(input)], tape.at(input));
            }
        }
    }
    fn sum_to(self, like: Var<'t, T>) -> Self {
        sum_to_shape(self, &like.shape())
    }
    fn add(&mut self, other: Self) {
        crate::ops::fuse::accumulate(self, &other);
    }
}

fn sum_to_shape<T: Float>(x: Tensor<T>, shape: &Dims) -> Tensor<T> {
    if *shape == x.shape { x } else { crate::ops::reduce::sum_to(&x, shape) }
}

/// What [`Op::backward`](crate::Op::backward) may look at and give to: tensors.
pub struct Backward<'a, T: Float> {
    nodes: &'a [Node<T>],
    node: &'a Node<T>,
    id: u32,
    /// One for each node.
    slots: &'a mut [Option<Tensor<T>>],
}

impl<'a, T: Float> Backward<'a, T> {
    /// The number of inputs.
    pub fn inputs(&self) -> usize {
        self.node.inputs.len()
    }

    #[inline]
    fn input_node(&self, i: usize) -> &'a Node<T> {
        &self.nodes[self.node.inputs[i] as usize]
    }

    /// Input number `i`.
    #[inline]
    pub fn input(&self, i: usize) -> &'a Tensor<T> {
        &self.input_node(i).value
    }

    /// Result number `o`.
    #[inline]
    pub fn output(&self, o: usize) -> &'a Tensor<T> {
        &self.nodes[self.id as usize + o].value
    }

    /// Whether somebody needs the cotangent of input `i`.
    #[inline]
    pub fn needs(&self, i: usize) -> bool {
        self.input_node(i).is_tracked()
    }

    fn slot(&mut self, o: usize) -> Option<&mut Option<Tensor<T>>> {
        self.slots.get_mut(self.id as usize + o)
    }

    /// Whether anything depends on result `o`.
    pub fn has_cotangent(&self, o: usize) -> bool {
        self.slots.get(self.id as usize + o).is_some_and(Option::is_some)
    }

    /// The cotangent of result `o`, to keep or to change: it can be had once. Zeros if nothing depends
    /// on the result.
    pub fn cotangent(&mut self, o: usize) -> Tensor<T> {
        match self.slot(o).and_then(Option::take) {
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
        match &mut self.slots[self.node.inputs[i] as usize] {
            Some(Tensor { storage: Storage::One([sum]), .. }) => *sum += cotangent,
            Some(sum) => sum.add(Tensor::scalar(cotangent)),
            slot => *slot = Some(Tensor::scalar(cotangent)),
        }
    }

    /// Adds to the cotangent of input `i`. It may have the broadcast shape of the result. Nothing
    /// happens if nobody needs it.
    pub fn give(&mut self, i: usize, cotangent: Tensor<T>) {
        let input = self.input_node(i);
        if !input.is_tracked() {
            return;
        }
        let cotangent = sum_to_shape(cotangent, &input.value.shape);
        match &mut self.slots[self.node.inputs[i] as usize] {
            Some(sum) => sum.add(cotangent),
            slot => *slot = Some(cotangent),
        }
    }
}

/// Carries what is in `slots` down from node `top` to where it ends. `relevant` says which nodes lead
/// to something that is asked for; a node that is in `keep` holds on to its cotangent.
fn sweep<'t, T: Float, C: Carried<'t, T>>(
    tape: &'t Tape<T>,
    top: u32,
    bottom: u32,
    slots: &mut [Option<C>],
    relevant: impl Fn(&[Node<T>], u32) -> bool,
    keep: impl Fn(u32) -> bool,
) {
    for id in (bottom..=top).rev() {
        let at = {
            let nodes = &tape.parts.borrow().nodes;
            let node = &nodes[id as usize];
            let Kind::Op(_, results) = node.kind else { continue };
            let first = (id - bottom) as usize;
            let mut mine = slots[first..].iter().take(results as usize);
            if mine.all(Option::is_none) || C::fast(nodes, id, slots) {
                continue;
            }
            let mut needs = SmallVec::new();
            for &id in &node.inputs {
                needs.push(id >= bottom && relevant(nodes, id));
            }
            let mut kept = SmallVec::new();
            for id in id..(id + results).min(top + 1) {
                kept.push(keep(id));
            }
            At { tape, id, results, inputs: node.inputs.clone(), needs, bottom, kept }
        };
        if at.needs.contains(&true) {
            C::pull(&at, slots);
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
        sweep(tape, top, 0, &mut slots, |nodes, id| nodes[id as usize].is_tracked(), |_| false);
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
        sweep(tape, top, bottom, &mut slots, |_, id| relevant[of(id)], |id| kept[of(id)]);
    });
    wrt.iter().map(|x| slots.get((x.id - bottom) as usize).copied().flatten()).collect()
}
