//! The reverse pass: one loop down the list, used in two ways.
//!
//! `backward` carries tensors: rules run with recording off, on a scratch suffix of the tape that is
//! cut off after each node. `recorded` carries variables: the same rules run with recording on, so
//! that the result can be differentiated again. Summing broadcast axes away and adding up what
//! arrives from several uses happen here, once, and never in a rule.

use std::iter::zip;

use smallvec::SmallVec;

use super::backward::Backward;
use super::{Gradients, Kind, Node, Recorded, Tape, Var};
use crate::element::Float;
use crate::op::{Cotangents, Vjp};
use crate::tensor::layout::broadcast;
use crate::tensor::{Dims, Tensor};

/// The cotangents that have arrived so far, by node.
pub(crate) type Slots<T> = Vec<Option<Tensor<T>>>;

type Few<T> = SmallVec<[T; 6]>;

/// Where a pass goes.
#[derive(Clone, Copy)]
pub(crate) struct Aim<'a> {
    /// The node of the first slot.
    bottom: u32,
    /// For each node from there on. Without, the pass goes to all leaves.
    marks: Option<&'a [Mark]>,
}

#[derive(Clone, Copy, Default)]
struct Mark {
    /// Whether it leads to something that is asked for.
    leads: bool,
    /// Whether it is asked for itself, so that its cotangent stays in its slot.
    stays: bool,
}

impl Aim<'_> {
    #[inline(always)]
    pub(super) fn slot(self, id: u32) -> usize {
        (id - self.bottom) as usize
    }

    /// Whether the cotangent of a node is needed.
    #[inline(always)]
    pub(super) fn needs<T: Float>(self, nodes: &[Node<T>], id: u32) -> bool {
        match self.marks {
            None => nodes[id as usize].is_tracked(),
            Some(marks) => id >= self.bottom && marks[self.slot(id)].leads,
        }
    }

    /// Whether there is something to carry over a node: it is that of an operation, a cotangent has arrived,
    /// and somebody needs one of an input.
    #[inline(always)]
    fn passes<T: Float, C>(self, nodes: &[Node<T>], id: u32, slots: &[Option<C>]) -> bool {
        let node = &nodes[id as usize];
        let Kind::Op(_, results) = node.kind else { return false };
        let mut mine = slots[self.slot(id)..].iter().take(results as usize);
        mine.any(Option::is_some) && node.inputs.iter().any(|&input| self.needs(nodes, input))
    }

    #[inline(always)]
    pub(super) fn stays(self, id: u32) -> bool {
        self.marks.is_some_and(|marks| marks[self.slot(id)].stays)
    }
}

/// What is carried down the list: tensors or variables.
pub(crate) trait Carried<'t, T: Float>: Clone {
    /// The fast pass of the operation at a node; whether it has one.
    fn fast(nodes: &[Node<T>], id: u32, aim: Aim, slots: &mut [Option<Self>]) -> bool {
        let _ = (nodes, id, aim, slots);
        false
    }
    /// Works out the cotangents of the inputs of an operation, and adds them to their slots.
    fn pull(at: &At<'_, 't, T>, slots: &mut [Option<Self>]);
    fn shape(&self) -> Dims;
    fn sum_to(self, like: Var<'t, T>) -> Self;
    fn add(&mut self, other: Self);
    /// Its value, which may be on the list.
    fn tensor(&self, nodes: &[Node<T>]) -> Tensor<T>;
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
pub(crate) struct At<'a, 't, T: Float> {
    tape: &'t Tape<T>,
    id: u32,
    results: u32,
    inputs: SmallVec<[u32; 4]>,
    needs: SmallVec<[bool; 8]>,
    aim: Aim<'a>,
}

impl<'a, 't, T: Float> At<'a, 't, T> {
    fn new(tape: &'t Tape<T>, id: u32, aim: Aim<'a>) -> Self {
        let nodes = &tape.parts.borrow().nodes;
        let node = &nodes[id as usize];
        let needs = node.inputs.iter().map(|&input| aim.needs(nodes, input)).collect();
        let results = node.results();
        At { tape, id, results, inputs: node.inputs.clone(), needs, aim }
    }

    /// The cotangents of the results.
    fn cotangents<C: Clone>(&self, slots: &mut [Option<C>]) -> Few<Option<C>> {
        let mine = slots[self.aim.slot(self.id)..].iter_mut().take(self.results as usize);
        let mut all = Few::new();
        for (id, cotangent) in zip(self.id.., mine) {
            all.push(if self.aim.stays(id) { cotangent.clone() } else { cotangent.take() });
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
        // What goes wrong in a rule is seen in what it returns, and told by the name of its operation.
        let _unchecked = super::Restore(&tape.checked, tape.checked.replace(false));
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

    /// Adds what the rule has found to the slots of the inputs that somebody needs, summed over what was
    /// broadcast.
    fn give<C: Carried<'t, T>>(&self, found: &mut [Option<C>], slots: &mut [Option<C>]) {
        for (i, &input) in self.inputs.iter().enumerate().filter(|(i, _)| self.needs[*i]) {
            let Some(cotangent) = found[i].take() else { continue };
            let like = self.tape.at(input);
            let name = || self.tape.at(self.id).op_name();
            expect_summable(&cotangent.shape(), &like.shape(), i, name);
            let cotangent = cotangent.sum_to(like);
            match &mut slots[self.aim.slot(input)] {
                Some(sum) => sum.add(cotangent),
                slot => *slot = Some(cotangent),
            }
        }
    }
}

/// A cotangent has the shape of its input, or one that this broadcasts to: anything else is a mistake of the
/// rule, and would be summed to nonsense.
pub(super) fn expect_summable<N: AsRef<str>>(
    cotangent: &Dims,
    input: &Dims,
    number: usize,
    operation: impl FnOnce() -> N,
) {
    if cotangent != input && broadcast(input, cotangent) != Some(*cotangent) {
        panic!(
            "{}: its rule returns a cotangent of shape {cotangent:?} for input {number} of shape {input:?}",
            operation().as_ref()
        );
    }
}

impl<'t, T: Float> Carried<'t, T> for Var<'t, T> {
    fn pull(at: &At<'_, 't, T>, slots: &mut [Option<Self>]) {
        let mut found = at.rule(&at.cotangents(slots));
        at.give(&mut found, slots);
    }
    fn shape(&self) -> Dims {
        Var::shape(*self)
    }
    fn sum_to(self, like: Var<'t, T>) -> Self {
        self.sum_to_shape_of(like)
    }
    fn add(&mut self, other: Self) {
        *self = *self + other;
    }
    fn tensor(&self, nodes: &[Node<T>]) -> Tensor<T> {
        nodes[self.id as usize].value.clone()
    }
}

impl<'t, T: Float> Carried<'t, T> for Tensor<T> {
    fn fast(nodes: &[Node<T>], id: u32, aim: Aim, slots: &mut [Option<Self>]) -> bool {
        let node = &nodes[id as usize];
        let Kind::Op(Some(op), results) = &node.kind else { return false };
        let done = op.backward(&mut Backward { nodes, node, id, aim, slots });
        if done {
            // What the operation did not look at must not stay, unless it is asked for.
            let mine = slots[aim.slot(id)..].iter_mut().take(*results as usize);
            zip(id.., mine).filter(|(id, _)| !aim.stays(*id)).for_each(|(_, slot)| *slot = None);
        }
        done
    }
    fn pull(at: &At<'_, 't, T>, slots: &mut [Option<Self>]) {
        let (tape, mark) = (at.tape, at.tape.len());
        let cotangents = at.cotangents(slots).into_iter().map(|g| g.map(|g| tape.constant(g)));
        let found = at.rule(&cotangents.collect::<Few<_>>());
        let mut found: Few<Option<Tensor<T>>> =
            found.into_iter().map(|g| g.map(|g| g.value())).collect();
        tape.parts.borrow_mut().nodes.truncate(mark);
        at.give(&mut found, slots);
    }
    fn shape(&self) -> Dims {
        self.shape
    }
    fn sum_to(self, like: Var<'t, T>) -> Self {
        sum_to_shape(self, &like.shape())
    }
    fn add(&mut self, other: Self) {
        crate::ops::fuse::accumulate(self, &other);
    }
    fn tensor(&self, _: &[Node<T>]) -> Tensor<T> {
        self.clone()
    }
}

pub(super) fn sum_to_shape<T: Float>(x: Tensor<T>, shape: &Dims) -> Tensor<T> {
    if *shape == x.shape { x } else { crate::ops::reduce::sum_to(&x, shape) }
}

/// On a checked tape: whether what arrived at the inputs of a node is finite.
#[cold]
#[track_caller]
fn look<'t, T: Float, C: Carried<'t, T>>(
    tape: &'t Tape<T>,
    id: u32,
    aim: Aim,
    slots: &[Option<C>],
) {
    let nodes = &tape.parts.borrow().nodes;
    let node = &nodes[id as usize];
    let name = if let Kind::Op(Some(op), _) = &node.kind { op.name() } else { "operation" };
    let arrived = |(number, &input): (usize, &u32)| {
        let needed = aim.needs(nodes, input);
        let cotangent = if needed { slots[aim.slot(input)].as_ref() } else { None };
        cotangent.map(|cotangent| (number, cotangent.tensor(nodes)))
    };
    let arrived = node.inputs.iter().enumerate().filter_map(arrived);
    tape.expect_finite_cotangents(node, name, arrived);
}

/// Carries what is in `slots` down over a part of the list, from its end on.
#[track_caller]
fn sweep<'t, T: Float, C: Carried<'t, T>>(
    tape: &'t Tape<T>,
    end: u32,
    aim: Aim,
    slots: &mut [Option<C>],
) {
    let has_released = !tape.parts.borrow().released.is_empty();
    for id in (aim.bottom..end).rev() {
        if has_released {
            tape.leave(id + 1);
        }
        if !aim.passes(&tape.parts.borrow().nodes, id, slots) {
            continue;
        }
        if has_released {
            tape.restore_around(id);
        }
        let done = C::fast(&tape.parts.borrow().nodes, id, aim, slots);
        if !done {
            C::pull(&At::new(tape, id, aim), slots);
        }
        if tape.checked.get() {
            look(tape, id, aim, slots);
        }
    }
    if has_released {
        tape.leave(aim.bottom);
    }
}

/// The gradients of all leaves above `root`, as tensors.
#[track_caller]
pub(super) fn backward<T: Float>(root: Var<'_, T>, seed: Tensor<T>) -> Gradients<T> {
    let (tape, end) = (root.tape, root.id + 1);
    let mut slots = T::with_spares(|spares| spares.cotangents.pop()).flatten().unwrap_or_default();
    slots.resize_with(end as usize, || None);
    slots[root.id as usize] = Some(seed);
    tape.with_recording(false, || {
        sweep(tape, end, Aim { bottom: 0, marks: None }, &mut slots);
    });
    let gradients = Gradients::collect(tape, &mut slots);
    slots.clear();
    T::with_spares(|spares| spares.cotangents.push(slots));
    gradients
}

/// The cotangents of `wrt`, given those of `outputs`; `None` where nothing arrives. As variables, recorded
/// if the tape is recording, or as tensors.
#[track_caller]
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
    let mut marks = vec![Mark::default(); (end - bottom) as usize];
    let of = |id: u32| (id - bottom) as usize;
    // Through a constant nothing was tracked: what arrives there would be a part of the truth.
    for x in wrt.iter().filter(|x| x.id < end && x.is_tracked()) {
        marks[of(x.id)] = Mark { leads: true, stays: true };
    }
    for id in bottom..end {
        let node = tape.node(id);
        let depends = |&input: &u32| input >= bottom && marks[of(input)].leads;
        if node.is_tracked() && node.inputs.iter().any(depends) {
            marks[of(id)].leads = true;
        }
    }
    let mut slots: Vec<Option<C>> = vec![None; marks.len()];
    for (y, cotangent) in outputs.iter().filter(|(y, _)| y.id >= bottom) {
        match &mut slots[of(y.id)] {
            Some(sum) => sum.add(cotangent.clone()),
            slot => *slot = Some(cotangent.clone()),
        }
    }
    sweep(tape, end, Aim { bottom, marks: Some(&marks) }, &mut slots);
    let found = |x: &Var<'t, T>| {
        let stays = marks.get(of(x.id)).is_some_and(|mark| mark.stays);
        if stays { slots[of(x.id)].clone() } else { None }
    };
    wrt.iter().map(found).collect()
}
