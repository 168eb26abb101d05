//! The windows of pooling, a line of them at a time.

use std::ops::Range;

use crate::element::{Element, Float};
use crate::kernel::map::pays;
use crate::kernel::share::share_parts;
use crate::tensor::Dims;

/// Along each axis, the places of each window and how many it counts as.
#[derive(Clone, Debug)]
pub(super) struct Windows {
    pub axes: Vec<Vec<(Range<usize>, usize)>>,
}

impl Windows {
    /// As many windows as asked for: from ⌊i·n/count⌋ to ⌈(i+1)·n/count⌉.
    #[track_caller]
    pub fn adaptive(what: &str, shape: &[usize], counts: &[usize]) -> Self {
        let axis = |(&n, &count): (&usize, &usize)| {
            assert!(n > 0, "{what}: an axis of {shape:?} is empty");
            let window = |i: usize| {
                let inside = i * n / count..((i + 1) * n).div_ceil(count);
                let weight = inside.len();
                (inside, weight)
            };
            (0..count).map(window).collect()
        };
        Windows { axes: std::iter::zip(shape, counts).map(axis).collect() }
    }

    pub fn shape(&self, of: &Dims) -> Dims {
        let kept = of.len() - self.axes.len();
        of[..kept].iter().copied().chain(self.axes.iter().map(Vec::len)).collect()
    }

    /// How many windows one block of the last axes has.
    pub fn count(&self) -> usize {
        self.axes.iter().map(Vec::len).product()
    }

    /// Calls `f` for each line of windows of one block, with the number of the first, and the line.
    pub fn lines(&self, shape: &Dims, block: usize, mut f: impl FnMut(usize, &Line)) {
        let kept = shape.len() - self.axes.len();
        let mut sizes = [1; 3];
        sizes[3 - self.axes.len()..].copy_from_slice(&shape[kept..]);
        let one = [(0..1, 1)];
        let axis = |axis: usize| match (axis + self.axes.len()).checked_sub(3) {
            Some(axis) => &self.axes[axis][..],
            None => &one,
        };
        let mut line = Line { rows: Vec::new(), weight: 0, windows: axis(2) };
        let mut number = 0;
        for (z, weight_z) in axis(0) {
            for (y, weight_y) in axis(1) {
                line.rows.clear();
                for z in z.clone() {
                    let first = (block * sizes[0] + z) * sizes[1];
                    line.rows.extend(y.clone().map(|y| (first + y) * sizes[2]));
                }
                line.weight = weight_z * weight_y;
                f(number, &line);
                number += line.windows.len();
            }
        }
    }

    /// What `f` makes of each block of the last axes: as many numbers as there are windows, or places.
    pub fn each_block<T: Element>(
        &self,
        shape: &Dims,
        out: &mut [T],
        f: impl Fn(usize, &mut [T]) + Sync,
    ) {
        let blocks: usize = shape[..shape.len() - self.axes.len()].iter().product();
        share_parts(out, out.len() / blocks.max(1), 0, pays(shape.product()), &f);
    }
}

/// Windows side by side.
pub(super) struct Line<'w> {
    /// The first place of each row that they reach over.
    rows: Vec<usize>,
    /// How many rows they count as.
    weight: usize,
    pub windows: &'w [(Range<usize>, usize)],
}

impl Line<'_> {
    /// The places of each window in turn, row by row, and how many they count as.
    pub fn each<T: Float>(
        &self,
    ) -> impl Iterator<Item = (impl Iterator<Item = Range<usize>> + '_, T)> + '_ {
        self.windows.iter().map(|(inside, weight)| {
            let places = |row: &usize| row + inside.start..row + inside.end;
            (self.rows.iter().map(places), T::of((self.weight * weight) as f64))
        })
    }
}
