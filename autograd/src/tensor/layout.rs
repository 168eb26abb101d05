//! Shapes and strides: how a position in a tensor becomes a place in its buffer.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// The most axes that a tensor can have.
pub const MAX_RANK: usize = 6;

/// An allocation has at most `isize::MAX` bytes, and an element at most eight.
const MOST_ELEMENTS: usize = isize::MAX as usize / 8;

/// The step, in elements, of each axis; 0 in unused places. How many there are says the shape, so that a
/// tensor is 128 bytes: what is larger is copied by calls, and small graphs do little else than copy.
pub(crate) type Strides = [usize; MAX_RANK];

/// Up to [`MAX_RANK`] numbers, in place: a shape, strides or a list of axes, `Copy` and never on
/// the heap. Reads as a slice.
#[derive(Clone, Copy)]
pub struct Dims {
    at: [usize; MAX_RANK],
    len: u8,
}

impl Dims {
    pub(crate) const fn empty() -> Self {
        Dims { at: [0; MAX_RANK], len: 0 }
    }

    #[track_caller]
    pub(crate) fn new(dims: &[usize]) -> Self {
        assert!(
            dims.len() <= MAX_RANK,
            "a tensor has at most {MAX_RANK} axes, not {}: {dims:?}",
            dims.len()
        );
        let mut all = Dims { at: [0; MAX_RANK], len: dims.len() as u8 };
        all.at[..dims.len()].copy_from_slice(dims);
        all
    }

    /// As [`new`](Dims::new), for a tensor that `what` is to make: [counted](Dims::counted).
    #[track_caller]
    pub(crate) fn of(what: &str, dims: &[usize]) -> Self {
        Dims::new(dims).counted(what)
    }

    /// This shape, which `what` has worked out, if its elements can be counted and each have an address. All
    /// shapes that are larger than those of tensors there are come by here, so that no product of sizes, and
    /// no step, can overflow anywhere else. An axis without elements does not excuse the others, which are
    /// multiplied without it in places.
    #[inline]
    #[track_caller]
    pub(crate) fn counted(self, what: &str) -> Self {
        let count = self.iter().try_fold(1_usize, |count, &n| count.checked_mul(n.max(1)));
        assert!(
            count.is_some_and(|count| count <= MOST_ELEMENTS),
            "{what}: a tensor of shape {self:?} would have more elements than memory has addresses"
        );
        self
    }

    #[track_caller]
    pub(crate) fn push(&mut self, dim: usize) {
        assert!((self.len as usize) < MAX_RANK, "a tensor has at most {MAX_RANK} axes");
        self.at[self.len as usize] = dim;
        self.len += 1;
    }

    pub(crate) fn pop(&mut self) {
        self.len -= 1;
        self.at[self.len as usize] = 0;
    }

    /// How many elements a tensor of this shape has; [counted](Dims::counted) before, so that it is right.
    #[inline(always)]
    pub(crate) fn product(&self) -> usize {
        match **self {
            [] => 1,
            [n] => n,
            [m, n] => m * n,
            ref dims => dims.iter().product(),
        }
    }

    /// The strides of a row-major tensor of this shape.
    #[inline(always)]
    pub(crate) fn row_major(&self) -> Strides {
        match **self {
            [] => [0; MAX_RANK],
            [_] => [1, 0, 0, 0, 0, 0],
            [_, n] => [n, 1, 0, 0, 0, 0],
            ref dims => row_major(dims),
        }
    }
}

#[cold]
fn row_major(dims: &[usize]) -> Strides {
    let (mut strides, mut step) = ([0; MAX_RANK], 1);
    for axis in (0..dims.len()).rev() {
        strides[axis] = step;
        step *= dims[axis];
    }
    strides
}

impl FromIterator<usize> for Dims {
    #[track_caller]
    fn from_iter<I: IntoIterator<Item = usize>>(dims: I) -> Self {
        let mut all = Dims::empty();
        for dim in dims {
            all.push(dim);
        }
        all
    }
}

impl Deref for Dims {
    type Target = [usize];
    #[inline(always)]
    fn deref(&self) -> &[usize] {
        &self.at[..self.len as usize]
    }
}

impl DerefMut for Dims {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [usize] {
        &mut self.at[..self.len as usize]
    }
}

impl PartialEq for Dims {
    #[inline(always)]
    fn eq(&self, other: &Dims) -> bool {
        // Unused places are zero, so that whole arrays compare, without a jump or a call.
        let differ = |(a, b): (&usize, &usize)| a ^ b;
        let bits = std::iter::zip(&self.at, &other.at).map(differ).fold(0, |bits, d| bits | d);
        (self.len == other.len) & (bits == 0)
    }
}

impl fmt::Debug for Dims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// NumPy's rule: aligned at the last axis, sizes are equal or one of them is 1.
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> Option<Dims> {
    let rank = a.len().max(b.len());
    let from_end = |dims: &[usize], axis: usize| match dims.len().checked_sub(rank - axis) {
        Some(at) => dims[at],
        None => 1,
    };
    let mut shape = Dims::empty();
    for axis in 0..rank {
        let (x, y) = (from_end(a, axis), from_end(b, axis));
        shape.push(match (x, y) {
            _ if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            _ => return None,
        });
    }
    Some(shape)
}

/// Axes as the user gives them (negative ones count from the end), as a mask of positions.
///
/// # Panics
/// When an axis is out of range or named twice.
#[track_caller]
pub(crate) fn axes_mask(op: &str, axes: &[isize], rank: usize) -> u32 {
    let mut mask = 0;
    for &axis in axes {
        let bit = 1 << axis_at(op, axis, rank);
        assert!(mask & bit == 0, "{op}: axis {axis} is named twice in {axes:?}");
        mask |= bit;
    }
    mask
}

/// One axis as the user gives it, as a position.
#[track_caller]
pub(crate) fn axis_at(op: &str, axis: isize, rank: usize) -> usize {
    let at = if axis < 0 { axis + rank as isize } else { axis };
    assert!(
        (0..rank as isize).contains(&at),
        "{op}: axis {axis} is out of range for a tensor with {rank} axes"
    );
    at as usize
}
