//! The register tiles of convolutions.
#![allow(unsafe_code, reason = "the register tiles of a kernel")]

use std::array::from_fn;
use std::mem::size_of;
use std::ops::Range;

use crate::element::Float;
use crate::kernel::gemm::Product;
use crate::kernel::lanes::{Lanes, by_level};

/// The most columns of a segment: a vector of 32-bit numbers with AVX-512. Shorter vectors take several turns.
pub(super) const WIDTH: usize = 16;
/// Rows of weights that one tile takes.
pub(super) const ROWS: usize = 8;

/// A run of output, and where its source begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub from: usize,
    pub to: usize,
    pub len: usize,
}

/// `out[i, to + x·step] = bias[i] + Σ_p weights[i, p]·source[from + offsets[p] + x]` for all segments.
///
/// Whoever makes one answers for this: all of that lies inside, and `out` is used by nobody else meanwhile.
pub(super) struct Lines<'a, T> {
    pub m: usize,
    pub weights: &'a [T],
    pub bias: Option<&'a [T]>,
    pub offsets: &'a [usize],
    pub segments: &'a [Segment],
    pub source: &'a [T],
    pub out: *mut T,
    /// The distance of the rows of output.
    pub channel: usize,
    pub step: usize,
}

/// Where the rows of a result begin that several threads write, each to its own.
#[derive(Clone, Copy)]
pub(super) struct Target<T>(pub *mut T);
// SAFETY: whoever writes answers for writing to rows of its own.
unsafe impl<T: Send> Send for Target<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Target<T> {}

/// `target[first + i, p] += Σ y[i, to + x]·x[from + offsets[p] + x]` over all segments of `count` pairs of x and y,
/// for the rows i in `filters`.
pub(super) struct Dots<'a, T> {
    pub offsets: &'a [usize],
    pub segments: &'a [Segment],
    pub x: &'a [T],
    pub x_distance: usize,
    pub y: &'a [T],
    pub y_distance: usize,
    pub channel: usize,
    pub count: usize,
    pub filters: Range<usize>,
    pub target: Target<T>,
    pub first: usize,
}

impl<T: Float> Lines<'_, T> {
    pub(super) fn run(&mut self) {
        // SAFETY: stated above.
        unsafe { lines::<T>(self) }
    }
}

impl<T: Float> Dots<'_, T> {
    pub(super) fn run(&self) {
        // SAFETY: the slices have been checked; rows of the target belong to this thread.
        unsafe { dots::<T>(self) }
    }
}

by_level! {
    /// # Safety
    /// As for [`Lines`].
    unsafe fn lines<T: Product>(job: &Lines<T>) => lines_with
}

by_level! {
    /// # Safety
    /// As for [`Dots`].
    unsafe fn dots<T: Product>(job: &Dots<T>) => dots_with
}

#[inline(always)]
unsafe fn lines_with<T: Product, V: Lanes<T>>(job: &Lines<T>) {
    // Two segments at a time: of one row, or of two short ones. A last one alone goes with an empty one: tiles of
    // another width would have to be compiled for it.
    let (pairs, single) = job.segments.as_chunks::<2>();
    // SAFETY: as stated.
    unsafe {
        for pair in pairs {
            rows::<T, V, 2>(job, pair);
        }
        if let [segment] = single {
            rows::<T, V, 2>(job, &[*segment, Segment { len: 0, ..*segment }]);
        }
    }
}

/// All rows of the segments, some at a time, a vector of columns at a time.
#[inline(always)]
unsafe fn rows<T: Product, V: Lanes<T>, const C: usize>(job: &Lines<T>, segments: &[Segment; C]) {
    let longest = segments.iter().map(|s| s.len).max().unwrap_or(0);
    for x in (0..longest).step_by(V::LEN) {
        let lens: [usize; C] = from_fn(|s| V::LEN.min(segments[s].len.saturating_sub(x)));
        let full = lens.iter().all(|&len| len == V::LEN);
        let mut i = 0;
        // SAFETY: rows i and on are there, as many as the call says.
        unsafe {
            while size_of::<V>() == 64 && i + 8 <= job.m {
                tile_of::<T, V, 8, C>(job, segments, i, x, lens, full);
                i += 8;
            }
            while i + 4 <= job.m {
                tile_of::<T, V, 4, C>(job, segments, i, x, lens, full);
                i += 4;
            }
            while i < job.m {
                tile_of::<T, V, 1, C>(job, segments, i, x, lens, full);
                i += 1;
            }
        }
    }
}

#[inline(always)]
unsafe fn tile_of<T: Product, V: Lanes<T>, const R: usize, const C: usize>(
    job: &Lines<T>,
    segments: &[Segment; C],
    i: usize,
    x: usize,
    lens: [usize; C],
    full: bool,
) {
    // SAFETY: as for `tile`.
    unsafe {
        match full {
            true => tile::<T, V, R, C, false>(job, segments, i, x, lens),
            false => tile::<T, V, R, C, true>(job, segments, i, x, lens),
        }
    }
}

/// R rows and C vectors; if `PART`, only the first columns of each.
#[inline(always)]
unsafe fn tile<T: Product, V: Lanes<T>, const R: usize, const C: usize, const PART: bool>(
    job: &Lines<T>,
    segments: &[Segment; C],
    i: usize,
    x: usize,
    lens: [usize; C],
) {
    // SAFETY: all elements are inside, or masked out.
    unsafe {
        let masks: [V::Mask; C] = from_fn(|s| V::mask(lens[s]));
        let k = job.offsets.len();
        let start = |r: usize| job.bias.map_or(T::default(), |bias| *bias.get_unchecked(i + r));
        let mut sums: [[V; C]; R] = from_fn(|r| [V::splat(start(r)); C]);
        let sources: [*const T; C] =
            from_fn(|s| job.source.as_ptr().wrapping_add(segments[s].from + x));
        let weights = job.weights.as_ptr().add(i * k);
        for (p, &offset) in job.offsets.iter().enumerate() {
            let row: [V; C] = from_fn(|s| {
                let at = sources[s].wrapping_add(offset);
                if PART { V::load_part(at, masks[s]) } else { V::load(at) }
            });
            for (r, sums) in sums.iter_mut().enumerate() {
                let w = V::splat(*weights.add(r * k + p));
                for (sum, y) in sums.iter_mut().zip(row) {
                    *sum = w.mul_add(y, *sum);
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (s, sum) in sums.into_iter().enumerate() {
                let to = (i + r) * job.channel + segments[s].to + x * job.step;
                if job.step == 1 {
                    let to = job.out.wrapping_add(to);
                    if PART {
                        sum.store_part(to, masks[s])
                    } else {
                        sum.store(to)
                    }
                    continue;
                }
                let mut columns = [T::default(); WIDTH];
                sum.store(columns.as_mut_ptr());
                for (c, column) in columns.into_iter().take(lens[s]).enumerate() {
                    *job.out.add(to + c * job.step) = column;
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn dots_with<T: Product, V: Lanes<T>>(job: &Dots<T>) {
    let (k, mut i) = (job.offsets.len(), job.filters.start);
    // SAFETY: rows and taps are there, as many as the call says.
    unsafe {
        while i < job.filters.end {
            // Only AVX-512 has the registers for 4 rows of 4.
            let left = job.filters.end - i;
            let rows = if size_of::<V>() == 64 && left >= 4 { 4 } else { 2.min(left) };
            let mut p = 0;
            while p < k {
                match (rows, p + 4 <= k) {
                    (4, true) => dot::<T, V, 4, 4>(job, i, p),
                    (4, false) => dot::<T, V, 4, 1>(job, i, p),
                    (2, true) if size_of::<V>() < 64 => dot::<T, V, 2, 4>(job, i, p),
                    (_, true) => (i..i + rows).for_each(|i| dot::<T, V, 1, 4>(job, i, p)),
                    (_, false) => (i..i + rows).for_each(|i| dot::<T, V, 1, 1>(job, i, p)),
                }
                p += if p + 4 <= k { 4 } else { 1 };
            }
            i += rows;
        }
    }
}

/// R rows and C taps, each a sum over all columns of all segments.
#[inline(always)]
unsafe fn dot<T: Product, V: Lanes<T>, const R: usize, const C: usize>(
    job: &Dots<T>,
    i: usize,
    p: usize,
) {
    // SAFETY: all elements are inside, or masked out.
    unsafe {
        let mut sums = [[V::splat(T::default()); C]; R];
        for pair in 0..job.count {
            let x = job.x.as_ptr().add(pair * job.x_distance);
            let y = job.y.as_ptr().add(pair * job.y_distance + i * job.channel);
            let taps: [*const T; C] = from_fn(|c| x.wrapping_add(job.offsets[p + c]));
            for segment in job.segments {
                let mut at = 0;
                while at < segment.len {
                    let len = V::LEN.min(segment.len - at);
                    let to = y.wrapping_add(segment.to + at);
                    let from = segment.from + at;
                    if len == V::LEN {
                        let row: [V; C] = from_fn(|c| V::load(taps[c].wrapping_add(from)));
                        let rows: [V; R] = from_fn(|r| V::load(to.wrapping_add(r * job.channel)));
                        outer(rows, row, &mut sums);
                    } else {
                        let mask = V::mask(len);
                        let row: [V; C] =
                            from_fn(|c| V::load_part(taps[c].wrapping_add(from), mask));
                        let rows: [V; R] =
                            from_fn(|r| V::load_part(to.wrapping_add(r * job.channel), mask));
                        outer(rows, row, &mut sums);
                    }
                    at += len;
                }
            }
        }
        let k = job.offsets.len();
        for (r, sums) in sums.into_iter().enumerate() {
            for (c, sum) in sums.into_iter().enumerate() {
                let to = job.target.0.add((job.first + i + r) * k + p + c);
                *to = *to + sum.sum();
            }
        }
    }
}

#[inline(always)]
unsafe fn outer<T, V: Lanes<T>, const R: usize, const C: usize>(
    column: [V; R],
    row: [V; C],
    sums: &mut [[V; C]; R],
) {
    for (x, sums) in column.into_iter().zip(sums) {
        for (y, sum) in row.into_iter().zip(sums) {
            // SAFETY: the caller's level has the instructions of V.
            *sum = unsafe { x.mul_add(y, *sum) };
        }
    }
}
