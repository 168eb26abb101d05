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

/// Where a reverse pass ends, and what is asked of it.
pub(crate) struct Scope<'a> {
    /// The node of the first slot.
    bottom: u32,
    /// For each node from there on, whether it leads to something that is asked for, and whether it is that
    /// itself and keeps its cotangent. Without: every leaf is asked for.
    asked: Option<(&'a [bool], &'a [bool])>,
}

impl Scope<'_> {
    #[inline]
    fn slot(&self, id: u32) -> usize {
        (id - self.bottom) as usize
    }

    #[inline]
    fn needs<T: Float>(&self, nodes: &[Node<T>], id: u32) -> bool {
        match self.asked {
            None => nodes[id as usize].is_tracked(),
            Some((relevant, _)) => id >= self.bottom && relevant[self.slot(id)],
        }
    }

    fn keeps(&self, id: u32) -> bool {
        self.asked.is_some_and(|(_, kept)| kept[self.slot(id)])
    }
}

/// What is carried down the list: tensors or variables.
pub(crate) trait Carried<'t, T: Float>: Clone {
    /// The fast pass of the operation at a node; whether it has one.
    fn fast(scope: &Scope<'_>, nodes: &[Node<T>], id: u32, slots: &mut [Option<Self>]) -> bool {
        let _ = (scope, nodes, id, slots);
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
    fn fast(scope: &Scope<'_>, nodes: &[Node<T>], id: u32, slots: &mut [Option<Self>]) -> bool {
        let node = &nodes[id as usize];
        let Kind::Op(Some(op), results) = &node.kind else { return false };
        let end = (id + results).min(scope.bottom + slots.len() as u32);
        if scope.asked.is_some() && (id..end).any(|id| scope.keeps(id)) {
            return false; // its slots must stay
        }
        let done = op.backward(&mut Backward { scope, nodes, node, id, slots });
        if done {
            // What the operation did not look at must not stay: the slots belong to no leaf.
            let mine = slots[scope.slot(id)..].iter_mut().take(*results as usize);
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
    scope: &'a Scope<'a>,
    nodes: &'a [Node<T>],
    node: &'a Node<T>,
    id: u32,
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
        self.scope.needs(self.nodes, self.node.inputs[i])
    }

    fn slot(&mut self, o: usize) -> Option<&mut Option<Tensor<T>>> {
        self.slots.get_mut(self.scope.slot(self.id) + o)
    }

    /// Whether anything depends on result `o`.
    pub fn has_cotangent(&self, o: usize) -> bool {
        self.slots.get(self.scope.slot(self.id) + o).is_some_and(Option::is_some)
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
        match &mut self.slots[self.scope.slot(self.node.inputs[i])] {
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
        let cotangent = sum_to_shape(cotangent, &self.input(i).shape);
        match &mut self.slots[self.scope.slot(self.node.inputs[i])] {
            Some(sum) => sum.add(cotangent),
            slot => *slot = Some(cotangent),
        }
    }
}

/// Carries what is in `slots` down the list, from its end on.
fn sweep<'t, T: Float, C: Carried<'t, T>>(
    tape: &'t Tape<T>,
    scope: &Scope<'_>,
    slots: &mut [Option<C>],
) {
    let (bottom, end) = (scope.bottom, scope.bottom + slots.len() as u32);
    let has_released = !tape.parts.borrow().released.is_empty();
    for id in (bottom..end).rev() {
        if has_released {
            tape.leave(id + 1);
            tape.restore_for(id, |first, results| {
                slots[scope.slot(first)..].iter().take(results as usize).any(Option::is_some)
            });
        }
        let at = {
            let nodes = &tape.parts.borrow().nodes;
            let node = &nodes[id as usize];
            let Kind::Op(_, results) = node.kind else { continue };
            let mut mine = slots[scope.slot(id)..].iter().take(results as usize);
            if mine.all(Option::is_none)
                || !node.inputs.iter().any(|&id| scope.needs(nodes, id))
                || C::fast(scope, nodes, id, slots)
            {
                continue;
            }
            let needs = node.inputs.iter().map(|&id| scope.needs(nodes, id)).collect();
            let kept = (id..(id + results).min(end)).map(|id| scope.keeps(id)).collect();
            At { tape, id, results, inputs: node.inputs.clone(), needs, bottom, kept }
        };
        C::pull(&at, slots);
    }
    if has_released {
        tape.leave(bottom);
    }
}

/// The gradients of all leaves above `root`, as tensors.
pub(super) fn backward<T: Float>(root: Var<'_, T>, seed: Tensor<T>) -> Gradients<T> {
    let (tape, top) = (root.tape, root.id);
    let mut slots = T::with_spares(|spares| spares.cotangents.pop()).flatten().unwrap_or_default();
    slots.resize_with(top as usize + 1, || None);
    slots[top as usize] = Some(seed);
    tape.with_recording(false, || sweep(tape, &Scope { bottom: 0, asked: None }, &mut slots));
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
    let of = |id: u32| (id - bottom) as usize;
    // What depends on `wrt`: the only nodes that a cotangent has to pass through.
    let mut relevant = vec![false; of(end)];
    let mut kept = relevant.clone();
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
    sweep(tape, &Scope { bottom, asked: Some((&relevant, &kept)) }, &mut slots);
    let found = |x: &Var<'t, T>| match kept.get(of(x.id)) {
        Some(true) => slots[of(x.id)].clone(),
        _ => None,
    };
    wrt.iter().map(found).collect()
}
