//! The elementwise kernel: any number of inputs with any strides, any number of outputs, each
//! written or summed, in one pass.
//!
//! Axes that are contiguous for every operand are merged first. What remains is cut in halves down
//! to a fixed size (so the order of every sum depends on the shape alone, and the halves can run on
//! two threads), and walked in patches: an operand that does not lie in one piece is staged through a
//! small buffer in the first-level cache, so that the loops see plain slices only.

use std::iter::zip;

use smallvec::SmallVec;

use super::reduce::sum_slice;
use super::simd::{Kernel, dispatch};
use crate::element::Float;
use crate::pool::Storage;
use crate::tensor::{Dims, layout::Strides};

/// Elements of one pass through the first-level cache.
const BLOCK: usize = 512;
/// Elements below which work is not cut further.
const GRAIN: usize = 1 << 15;
/// Elements from which a second thread repays its wake-up of 5 to 20 µs.
const PARALLEL: usize = 1 << 17;

/// What is computed at each element.
pub(crate) trait Body<T>: Sync {
    /// All slices have the given length, but for inputs that repeat one number, outputs that are the sum of all
    /// elements, to which it is added, and outputs that are not wanted, which are empty. Must be
    /// `#[inline(always)]`.
    fn run<const FMA: bool>(&self, len: usize, ins: &[&[T]], outs: &mut [&mut [T]]);
}

/// A body behind a pointer. The walks below are compiled once and call it for each patch: compiled
/// into them, every rule would bring a copy of each walk for each instruction set.
pub(crate) type Block<'b, T> = dyn Fn(usize, &[&[T]], &mut [&mut [T]]) + Sync + 'b;

/// As [`Block`], with sums to add to.
pub(crate) type SumBlock<'b, T> = dyn Fn(&[&[T]], &mut [&mut [T]], &mut [f64]) + Sync + 'b;

/// Runs a body with the best instructions of this processor.
pub(crate) fn run<T: Float, B: Body<T>>(body: &B, len: usize, ins: &[&[T]], outs: &mut [&mut [T]]) {
    struct Direct<'k, 'i, 'o, T, B> {
        body: &'k B,
        len: usize,
        ins: &'k [&'i [T]],
        outs: &'k mut [&'o mut [T]],
    }
    impl<T: Float, B: Body<T>> Kernel for Direct<'_, '_, '_, T, B> {
        type Out = ();
        #[inline(always)]
        fn run<const FMA: bool>(self) {
            self.body.run::<FMA>(self.len, self.ins, self.outs);
        }
    }
    dispatch(Direct { body, len, ins, outs });
}

/// An input, read at `strides`.
#[derive(Clone, Copy)]
pub(crate) struct In<'a, T> {
    pub data: &'a [T],
    pub strides: Strides,
}

/// An output, written at `strides`. With `add`, results are added to what is there, and an axis of
/// stride 0 is summed over; without, the strides are those of a row-major tensor. An output without
/// elements, and all strides 0, is not wanted.
pub(crate) struct Out<'a, T> {
    pub data: &'a mut [T],
    pub strides: Strides,
    pub add: bool,
}

type Ins<'a, T> = SmallVec<[In<'a, T>; 8]>;
type Outs<'a, T> = SmallVec<[Out<'a, T>; 4]>;
pub(crate) type Slices<'a, T> = SmallVec<[&'a [T]; 8]>;
pub(crate) type SlicesMut<'a, T> = SmallVec<[&'a mut [T]; 4]>;

/// Whether there is a second thread, and enough to do for it.
pub(crate) fn pays(len: usize) -> bool {
    len >= PARALLEL && rayon::current_num_threads() > 1
}

/// Runs `a` and `b`, on two threads if `parallel`.
pub(crate) fn both(parallel: bool, a: impl FnOnce() + Send, b: impl FnOnce() + Send) {
    if parallel {
        rayon::join(a, b);
    } else {
        a();
        b();
    }
}

/// Runs `body` over slices of the given length, or of one number (see [`Body::run`]).
#[inline]
pub(crate) fn contiguous<T: Float>(
    body: &Block<T>,
    len: usize,
    ins: &[&[T]],
    outs: &mut [&mut [T]],
) {
    // With sums it is always cut, so that their order depends on the length alone.
    match pays(len) || outs.iter().any(|y| y.len() == 1) {
        true => halves(body, len, ins, outs),
        false => body(len, ins, outs),
    }
}

fn halves<T: Float>(body: &Block<T>, len: usize, ins: &[&[T]], outs: &mut [&mut [T]]) {
    if len <= GRAIN {
        return body(len, ins, outs);
    }
    let mid = len / 2;
    let (mut ins_a, mut ins_b) = (Slices::new(), Slices::new());
    for &x in ins {
        let (a, b) = if x.len() == 1 { (x, x) } else { x.split_at(mid) };
        ins_a.push(a);
        ins_b.push(b);
    }
    let mut sums = SmallVec::<[[T; 1]; 8]>::from_elem([T::ZERO], outs.len());
    let (mut outs_a, mut outs_b) = (SlicesMut::new(), SlicesMut::new());
    for (y, sum) in zip(&mut *outs, &mut sums) {
        let (a, b) = match y.len() {
            0 | 1 => (&mut **y, &mut sum[..]),
            _ => y.split_at_mut(mid),
        };
        outs_b.push(if a.is_empty() { &mut [] } else { b });
        outs_a.push(a);
    }
    both(
        pays(len),
        || halves(body, mid, &ins_a, &mut outs_a),
        || halves(body, len - mid, &ins_b, &mut outs_b),
    );
    drop((outs_a, outs_b));
    for (y, [sum]) in zip(outs, &sums) {
        if let [y] = &mut **y {
            *y += *sum;
        }
    }
}

/// Runs `body` over a shape, with operands at any strides.
pub(crate) fn map<T: Float>(body: &Block<T>, shape: &Dims, mut ins: Ins<T>, mut outs: Outs<T>) {
    let len = shape.product();
    if len > 0 {
        let shape = merge(shape, &mut ins, &mut outs);
        walk(body, shape, ins, outs, pays(len));
    }
}

/// Merges neighbouring axes that every operand passes through without a gap, and drops axes of 1.
fn merge<T>(shape: &Dims, ins: &mut Ins<T>, outs: &mut Outs<T>) -> Dims {
    let mut all: SmallVec<[&mut Strides; 16]> = ins
        .iter_mut()
        .map(|x| &mut x.strides)
        .chain(outs.iter_mut().map(|y| &mut y.strides))
        .collect();
    let mut sizes = *shape;
    let mut kept = 0; // axes 0..kept are done; the last of them may still grow
    for axis in 0..shape.len() {
        let size = shape[axis];
        if size == 1 {
            continue;
        }
        let joins = kept > 0 && all.iter().all(|s| s[kept - 1] == s[axis] * size);
        if joins {
            sizes[kept - 1] *= size;
        } else {
            sizes[kept] = size;
            kept += 1;
        }
        all.iter_mut().for_each(|s| s[kept - 1] = s[axis]);
    }
    if kept == 0 {
        (sizes, kept) = (Dims::new(&[1]), 1);
    }
    Dims::new(&sizes[..kept])
}

/// Halves the work along the first axis that is longer than 1, then walks each part.
fn walk<T: Float>(body: &Block<T>, shape: Dims, ins: Ins<T>, mut outs: Outs<T>, parallel: bool) {
    let axis = shape.iter().position(|&n| n > 1);
    let (Some(axis), true) = (axis, shape.product() > GRAIN) else {
        return patches(body, &shape, &ins, &mut outs);
    };
    let mid = shape[axis] / 2;
    let (mut first, mut second) = (shape, shape);
    (first[axis], second[axis]) = (mid, shape[axis] - mid);
    let ins_b = ins.iter().map(|x| In { data: &x.data[mid * x.strides[axis]..], ..*x }).collect();
    // An output that the cut axis is summed into gets a second place, added to it at the end.
    let mut places: SmallVec<[Option<Storage<T>>; 4]> =
        outs.iter().map(|y| (y.strides[axis] == 0).then(|| Storage::stale(y.data.len()))).collect();
    let (mut outs_a, mut outs_b): (Outs<T>, Outs<T>) = Default::default();
    for (out, place) in zip(&mut outs, &mut places) {
        let (strides, add) = (out.strides, out.add);
        let (a, b) = match place.as_mut().and_then(Storage::unique) {
            Some(place) => (&mut *out.data, place),
            None => out.data.split_at_mut(mid * strides[axis]),
        };
        if strides[axis] == 0 {
            b.fill(T::ZERO);
        }
        outs_a.push(Out { data: a, strides, add });
        outs_b.push(Out { data: b, strides, add });
    }
    both(
        parallel,
        || walk(body, first, ins, outs_a, parallel),
        || walk(body, second, ins_b, outs_b, parallel),
    );
    for (out, place) in zip(&mut outs, &places) {
        if let Some(place) = place {
            zip(&mut *out.data, place.as_slice()).for_each(|(a, &b)| *a += b);
        }
    }
}

/// A part of the last two axes: `rows` × `cols`, one of them whole or `rows` 1.
struct Patch {
    rows: usize,
    cols: usize,
}

/// The strides of an operand over the last two axes, and its offset over all others.
struct Place {
    row: usize,
    col: usize,
    at: usize,
}

impl Place {
    #[inline(always)]
    fn of(strides: &Strides, rank: usize, outer: &Dims, mut index: usize) -> Self {
        let (mut at, row) = (0, if rank > 1 { strides[rank - 2] } else { 0 });
        for axis in (0..outer.len()).rev() {
            at += index % outer[axis] * strides[axis];
            index /= outer[axis];
        }
        Place { row, col: strides[rank - 1], at }
    }

    /// Whether a patch lies in one piece.
    #[inline(always)]
    fn is_whole(&self, patch: &Patch) -> bool {
        self.col == 1 && (patch.rows == 1 || self.row == patch.cols)
    }
}

/// Walks a shape in patches.
fn patches<T: Float>(body: &Block<T>, shape: &Dims, ins: &[In<T>], outs: &mut [Out<T>]) {
    let rank = shape.len();
    let cols = shape[rank - 1];
    let (rows, outer) = match rank {
        1 => (1, Dims::empty()),
        _ => (shape[rank - 2], Dims::new(&shape[..rank - 2])),
    };
    // Short rows are taken several at once.
    let (high, wide) = ((BLOCK / cols).clamp(1, rows), cols.min(BLOCK));
    let block = high * wide;
    let mut stage = Storage::stale((ins.len() + outs.len()) * block);
    let Some(stage) = stage.unique() else { return };
    let (stage_in, stage_out) = stage.split_at_mut(ins.len() * block);
    let mut staged = [false; 32];
    for index in 0..outer.product() {
        for top in (0..rows).step_by(high) {
            for left in (0..cols).step_by(wide) {
                let patch = Patch { rows: high.min(rows - top), cols: wide.min(cols - left) };
                let len = patch.rows * patch.cols;
                let mut slices = Slices::new();
                for (i, (x, stage)) in zip(ins, stage_in.chunks_exact_mut(block)).enumerate() {
                    let place = Place::of(&x.strides, rank, &outer, index);
                    let from = &x.data[place.at + top * place.row + left * place.col..];
                    if (place.row, place.col) == (0, 0) {
                        slices.push(&from[..1]);
                        continue;
                    }
                    if place.is_whole(&patch) {
                        slices.push(&from[..len]);
                        continue;
                    }
                    // A row that repeats everywhere is staged once, for the highest patch.
                    let fixed = wide == cols && x.strides[..rank - 1].iter().all(|&s| s == 0);
                    if !(fixed && staged[i % 32]) {
                        gather(&place, &patch, from, stage);
                        staged[i % 32] = true;
                    }
                    slices.push(&stage[..len]);
                }
                let mut slices_mut = SlicesMut::new();
                for (y, stage) in zip(&mut *outs, stage_out.chunks_exact_mut(block)) {
                    let place = Place::of(&y.strides, rank, &outer, index);
                    let at = place.at + top * place.row + left * place.col;
                    slices_mut.push(match (y.add, y.data.is_empty()) {
                        (true, _) => &mut stage[..len],
                        (false, true) => &mut [],
                        (false, false) => &mut y.data[at..at + len],
                    });
                }
                body(len, &slices, &mut slices_mut);
                drop(slices_mut);
                for (y, stage) in zip(&mut *outs, stage_out.chunks_exact(block)) {
                    if y.add {
                        let place = Place::of(&y.strides, rank, &outer, index);
                        let at = place.at + top * place.row + left * place.col;
                        scatter(&place, &patch, &stage[..len], &mut y.data[at..]);
                    }
                }
            }
        }
    }
}

/// Reads a patch into one piece.
#[inline(always)]
fn gather<T: Float>(place: &Place, patch: &Patch, from: &[T], to: &mut [T]) {
    for row in 0..patch.rows {
        let to = &mut to[row * patch.cols..][..patch.cols];
        let from = &from[row * place.row..];
        match place.col {
            0 => to.fill(from[0]),
            1 => to.copy_from_slice(&from[..patch.cols]),
            step => zip(to, from.iter().step_by(step)).for_each(|(y, &x)| *y = x),
        }
    }
}

/// Adds a patch, summed over the axes of stride 0.
#[inline(always)]
fn scatter<T: Float>(place: &Place, patch: &Patch, from: &[T], to: &mut [T]) {
    if (place.row, place.col) == (0, 0) {
        to[0] += sum_slice(from);
        return;
    }
    for (row, from) in from.chunks_exact(patch.cols).enumerate() {
        let to = &mut to[row * place.row..];
        match place.col {
            0 => to[0] += sum_slice(from),
            1 => zip(to, from).for_each(|(y, &x)| *y += x),
            step => zip(to.iter_mut().step_by(step), from).for_each(|(y, &x)| *y += x),
        }
    }
}

/// Runs `body` over slices of equal length that it updates in place, cut into halves as all else.
pub(crate) fn in_place<T: Float>(body: &Block<T>, ins: &[&[T]], states: &mut [&mut [T]]) {
    let len = states.first().map_or(0, |state| state.len());
    if !pays(len) || len <= GRAIN {
        return body(len, ins, states);
    }
    let mid = len / 2;
    let (ins_a, ins_b): (Slices<T>, Slices<T>) = ins.iter().map(|x| x.split_at(mid)).unzip();
    let (mut a, mut b): (SlicesMut<T>, SlicesMut<T>) =
        states.iter_mut().map(|s| s.split_at_mut(mid)).unzip();
    rayon::join(|| in_place(body, &ins_a, &mut a), || in_place(body, &ins_b, &mut b));
}

/// As [`in_place`], with sums over all elements, added to `sums`: always cut, so that the order of a sum depends on
/// the length alone.
pub(crate) fn in_place_sums<T: Float>(
    body: &SumBlock<T>,
    ins: &[&[T]],
    states: &mut [&mut [T]],
    sums: &mut [f64],
) {
    let len = states.first().map_or(0, |state| state.len());
    if len <= GRAIN {
        return body(ins, states, sums);
    }
    let mid = len / 2;
    let (ins_a, ins_b): (Slices<T>, Slices<T>) = ins.iter().map(|x| x.split_at(mid)).unzip();
    let (mut a, mut b): (SlicesMut<T>, SlicesMut<T>) =
        states.iter_mut().map(|s| s.split_at_mut(mid)).unzip();
    let mut more = SmallVec::<[f64; 4]>::from_elem(0.0, sums.len());
    both(
        pays(len),
        || in_place_sums(body, &ins_a, &mut a, sums),
        || in_place_sums(body, &ins_b, &mut b, &mut more),
    );
    zip(sums, more).for_each(|(sum, more)| *sum += more);
}
