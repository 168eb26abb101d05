//! The reverse pass: one loop down the list, used in two ways.
//!
//! `backward` carries tensors: rules run with recording off, on a scratch suffix of the tape that is
//! cut off after each node. `recorded` carries variables: the same rules run with recording on, so
//! that the result can be differentiated again. Summing broadcast axes away and adding up what
//! arrives from several uses happen here, once, and never in a rule.

use std::iter::zip;
use std::ops::Range;

use smallvec::SmallVec;

use super::{Gradients, Kind, Node, Tape, Var};
use crate::element::Float;
use crate::op::{Cotangents, Vjp};
use crate::pool::Storage;
use crate::tensor::{Dims, Tensor};

/// The cotangents that have arrived so far, by node.
pub(crate) type Slots<T> = Vec<Option<Tensor<T>>>;

type Few<T> = SmallVec<[T; 6]>;

/// What is carried down the list: tensors or variables.
pub(crate) trait Carried<'t, T: Float>: Clone {
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

/// An operation on the list.
pub(crate) struct At<'t, T: Float> {
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

    /// Runs the rule of the operation, which is out of the list meanwhile: rules push to the list.
    fn rule(&self, cotangents: &[Option<Var<'t, T>>]) -> Cotangents<'t, T> {
        let (tape, id) = (self.tape, self.id as usize);
        let op = match &mut tape.parts.borrow_mut().nodes[id].kind {
            Kind::Op(op, _) => op.take(),
            _ => None,
        };
        let Some(op) = op else {
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
        if let Kind::Op(place, _) = &mut tape.parts.borrow_mut().nodes[id].kind {
            *place = Some(op);
        }
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
    fn pull(at: &At<'t, T>, slots: &mut [Option<Self>]) {
        let tape = at.tape;
        {
            let nodes = &tape.parts.borrow().nodes;
            if let Kind::Op(Some(op), _) = &nodes[at.id as usize].kind
                && op.backward(&mut Backward { nodes, at, slots })
            {
                // What the operation did not look at must not stay: the slots belong to no leaf.
                let mine = slots[at.slot(at.id)..].iter_mut().take(at.results as usize);
                return mine.for_each(|slot| *slot = None);
            }
        }
        let mark = tape.len();
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
        crate::ops::elementwise::accumulate(self, &other);
    }
}

fn sum_to_shape<T: Float>(x: Tensor<T>, shape: &Dims) -> Tensor<T> {
    if *shape == x.shape { x } else { crate::ops::reduce::sum_to(&x, shape) }
}

/// What [`Op::backward`](crate::Op::backward) may look at and give to: tensors.
pub struct Backward<'a, T: Float> {
    nodes: &'a [Node<T>],
    at: &'a At<'a, T>,
    slots: &'a mut [Option<Tensor<T>>],
}

impl<'a, T: Float> Backward<'a, T> {
    /// The number of inputs.
    pub fn inputs(&self) -> usize {
        self.at.inputs.len()
    }

    /// Input number `i`.
    pub fn input(&self, i: usize) -> &'a Tensor<T> {
        &self.nodes[self.at.inputs[i] as usize].value
    }

    /// Result number `o`.
    pub fn output(&self, o: usize) -> &'a Tensor<T> {
        &self.nodes[self.at.id as usize + o].value
    }

    /// Whether somebody needs the cotangent of input `i`.
    pub fn needs(&self, i: usize) -> bool {
        self.at.needs[i]
    }

    /// Whether anything depends on result `o`.
    pub fn has_cotangent(&self, o: usize) -> bool {
        self.slots.get(self.at.slot(self.at.id) + o).is_some_and(Option::is_some)
    }

    /// The cotangent of result `o`, to keep or to change: it can be had once. Zeros if nothing depends
    /// on the result.
    pub fn cotangent(&mut self, o: usize) -> Tensor<T> {
        let slot = self.at.slot(self.at.id) + o;
        match self.slots.get_mut(slot).and_then(Option::take) {
            Some(cotangent) => cotangent,
            None => Tensor::zeros(self.output(o).shape()),
        }
    }

    /// As [`cotangent`](Backward::cotangent), for a result of rank 0: graphs of single numbers spend
    /// their time on moving tensors about, so they do without.
    pub(crate) fn scalar_cotangent(&mut self, o: usize) -> T {
        let slot = self.at.slot(self.at.id) + o;
        match self.slots.get_mut(slot) {
            Some(place @ Some(_)) => {
                let value = place.as_ref().map_or(T::ZERO, |g| g.raw()[0]);
                *place = None;
                value
            }
            _ => T::ZERO,
        }
    }

    /// As [`give`](Backward::give), for an input of rank 0.
    pub(crate) fn give_scalar(&mut self, i: usize, cotangent: T) {
        if !self.at.needs[i] {
            return;
        }
        match &mut self.slots[self.at.slot(self.at.inputs[i])] {
            Some(Tensor { storage: Storage::One([sum]), .. }) => *sum += cotangent,
            Some(sum) => sum.add(Tensor::scalar(cotangent)),
            slot => *slot = Some(Tensor::scalar(cotangent)),
        }
    }

    /// Adds to the cotangent of input `i`. It may have the broadcast shape of the result. Nothing
    /// happens if nobody needs it.
    pub fn give(&mut self, i: usize, cotangent: Tensor<T>) {
        let input = self.at.inputs[i];
        if !self.at.needs[i] {
            return;
        }
        let cotangent = sum_to_shape(cotangent, &self.nodes[input as usize].value.shape);
        match &mut self.slots[self.at.slot(input)] {
            Some(sum) => sum.add(cotangent),
            slot => *slot = Some(cotangent),
        }
    }
}

/// Carries what is in `slots` down over a part of the list, from its end on. `relevant` says which nodes lead
/// to something that is asked for; a node that is in `keep` holds on to its cotangent.
fn sweep<'t, T: Float, C: Carried<'t, T>>(
    tape: &'t Tape<T>,
    nodes: Range<u32>,
    slots: &mut [Option<C>],
    relevant: impl Fn(&[Node<T>], u32) -> bool,
    keep: impl Fn(u32) -> bool,
) {
    let has_released = !tape.parts.borrow().released.is_empty();
    let (bottom, end) = (nodes.start, nodes.end);
    for id in nodes.rev() {
        if has_released {
            tape.leave(id + 1);
        }
        let at = {
            let nodes = &tape.parts.borrow().nodes;
            let node = &nodes[id as usize];
            let Kind::Op(_, results) = node.kind else { continue };
            let first = (id - bottom) as usize;
            if slots[first..(first + results as usize).min(slots.len())].iter().all(Option::is_none)
            {
                continue;
            }
            let mut needs = SmallVec::new();
            for &id in &node.inputs {
                needs.push(id >= bottom && relevant(nodes, id));
            }
            let mut kept = SmallVec::new();
            for id in id..(id + results).min(end) {
                kept.push(keep(id));
            }
            At { tape, id, results, inputs: node.inputs.clone(), needs, bottom, kept }
        };
        if at.needs.contains(&true) {
            tape.restore(at.inputs.iter().copied().chain(at.id..at.id + at.results));
            C::pull(&at, slots);
        }
    }
    if has_released {
        tape.leave(bottom);
    }
}

/// The gradients of all leaves above `root`, as tensors.
pub(super) fn backward<T: Float>(root: Var<'_, T>, seed: Tensor<T>) -> Gradients<T> {
    let (tape, end) = (root.tape, root.id + 1);
    let mut slots = T::with_spares(|spares| spares.cotangents.pop()).flatten().unwrap_or_default();
    slots.resize_with(end as usize, || None);
    slots[root.id as usize] = Some(seed);
    tape.with_recording(false, || {
        sweep(tape, 0..end, &mut slots, |nodes, id| nodes[id as usize].is_tracked(), |_| false);
    });
    let gradients = Gradients::collect(tape, &mut slots);
    slots.clear();
    T::with_spares(|spares| spares.cotangents.push(slots));
    gradients
}

/// The cotangents of `wrt`, given those of `outputs`; `None` where nothing arrives. As variables, recorded
/// if the tape is recording, or as tensors.
pub(crate) fn pull<'t, T: Float, C: Carried<'t, T>>(
    outputs: &[(Var<'t, T>, C)],
    wrt: &[Var<'t, T>],
) -> Vec<Option<C>> {
    let end = outputs.iter().map(|(y, _)| y.id + 1).max();
    let bottom = wrt.iter().map(|x| x.id).min();
    let (Some(end), Some(bottom)) = (end, bottom) else { return vec![None; wrt.len()] };
    let tape = wrt[0].tape;
    if end <= bottom {
        return vec![None; wrt.len()];
    }
    // What depends on `wrt`: the only nodes that a cotangent has to pass through.
    let mut relevant = vec![false; (end - bottom) as usize];
    let mut kept = relevant.clone();
    let of = |id: u32| (id - bottom) as usize;
    // Through a constant nothing was tracked: what arrives there would be a part of the truth.
    for x in wrt.iter().filter(|x| x.id < end && x.is_tracked()) {
        (relevant[of(x.id)], kept[of(x.id)]) = (true, true);
    }
    for id in bottom..end {
        let node = tape.node(id);
        let depends = |&input: &u32| input >= bottom && relevant[of(input)];
        if node.is_tracked() && node.inputs.iter().any(depends) {
            relevant[of(id)] = true;
        }
    }
    let mut slots: Vec<Option<C>> = vec![None; relevant.len()];
    for (y, cotangent) in outputs.iter().filter(|(y, _)| y.id >= bottom) {
        match &mut slots[of(y.id)] {
            Some(sum) => sum.add(cotangent.clone()),
            slot => *slot = Some(cotangent.clone()),
        }
    }
    sweep(tape, bottom..end, &mut slots, |_, id| relevant[of(id)], |id| kept[of(id)]);
    let found = |x: &Var<'t, T>| {
        if kept.get(of(x.id)) == Some(&true) { slots[of(x.id)].clone() } else { None }
    };
    wrt.iter().map(found).collect()
}
