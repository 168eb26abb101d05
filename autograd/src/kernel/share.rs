//! Work in whole units, on as many threads as there are.

use std::ops::Range;

use super::map::both;

/// Runs `f` on ranges of whole units, in halves on two threads where it pays.
pub(crate) fn share(units: Range<usize>, parallel: bool, f: &(impl Fn(Range<usize>) + Sync)) {
    if !parallel || units.len() < 2 {
        return f(units);
    }
    let middle = units.start + units.len() / 2;
    both(true, || share(units.start..middle, true, f), || share(middle..units.end, true, f));
}

/// As [`share`], each unit with its part of `out`.
pub(crate) fn share_parts<T: Send>(
    out: &mut [T],
    size: usize,
    first: usize,
    parallel: bool,
    f: &(impl Fn(usize, &mut [T]) + Sync),
) {
    let units = out.len() / size.max(1);
    if !parallel || units < 2 {
        return out
            .chunks_exact_mut(size.max(1))
            .enumerate()
            .for_each(|(i, part)| f(first + i, part));
    }
    let middle = units / 2;
    let (a, b) = out.split_at_mut(middle * size);
    both(
        true,
        || share_parts(a, size, first, true, f),
        || share_parts(b, size, first + middle, true, f),
    );
}
