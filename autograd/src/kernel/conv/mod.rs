//! Convolutions of one to three axes, without a matrix of patches.
//!
//! A row of output is a sum over channels and taps of weights times rows of the input, each a shift away. So the
//! register tile of a matrix product does it all, reading the rows of its right side at any distance from each other
//! (`tiles.rs`), once the input has zeros around it (`plan.rs`). Three products are there, each the derivative of the
//! others:
//!
//! * [`forward`]: output from input and weights;
//! * [`transposed`]: input from output and weights, which is a convolution again, one for each phase of the stride;
//! * [`weight`]: weights from input and output, by dot products along rows.
//!
//! Work is cut by samples, groups and filters, never in a sum: the bits are the same for any number of threads.

mod plan;
mod tiles;

use std::ops::Range;

use super::share::{share, share_parts};
use crate::element::Float;
use crate::pool::Storage;
use plan::Plan;

/// Multiplications from which a second thread repays its wake-up.
const SHARED: usize = 1 << 22;
/// Pixels that one sum of [`weight`] runs over at the least, where there are as many: the sums across vectors at its
/// end take a while.
const PIXELS: usize = 1024;

/// What is convolved with what: three axes, of which the first are 1 where there are fewer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Geometry {
    pub samples: usize,
    pub groups: usize,
    /// Channels of the input in a group.
    pub channels: usize,
    /// Channels of the output in a group.
    pub filters: usize,
    pub input: [usize; 3],
    pub kernel: [usize; 3],
    pub output: [usize; 3],
    pub stride: [usize; 3],
    /// Zeros before the input.
    pub before: [usize; 3],
    pub dilation: [usize; 3],
}

fn product(of: [usize; 3]) -> usize {
    of.iter().product()
}

impl Geometry {
    /// Weights of a filter.
    fn depth(&self) -> usize {
        self.channels * product(self.kernel)
    }

    /// Elements of the input, and of the output, in a group of a sample.
    fn sizes(&self) -> [usize; 2] {
        [self.channels * product(self.input), self.filters * product(self.output)]
    }

    fn multiplications(&self) -> usize {
        let all = [self.samples, self.groups, self.filters, self.depth(), product(self.output)];
        all.into_iter().fold(1, usize::saturating_mul)
    }
}

/// The output, `[samples, groups·filters, ..]`, from the input, the weights `[groups·filters, channels, ..]` and, for
/// each filter, a bias.
pub(crate) fn forward<T: Float>(
    geometry: &Geometry,
    x: &[T],
    w: &[T],
    bias: Option<&[T]>,
    out: &mut [T],
) {
    let &Geometry { groups, filters, .. } = geometry;
    let ([size, size_out], depth) = (geometry.sizes(), geometry.depth());
    let plan = Plan::forward(geometry);
    let parallel = geometry.multiplications() >= SHARED;
    share_parts(out, size_out, 0, parallel, &|unit, out: &mut [T]| {
        let group = unit % groups;
        let weights = &w[group * filters * depth..][..filters * depth];
        let bias = bias.map(|bias| &bias[group * filters..][..filters]);
        plan.with_padded(&x[unit * size..][..size], |source| {
            plan.run(source, weights, bias, out);
        });
    });
}

/// The input, `[samples, groups·channels, ..]`, from an output and the weights: the transpose of [`forward`].
pub(crate) fn transposed<T: Float>(geometry: &Geometry, y: &[T], w: &[T], out: &mut [T]) {
    let &Geometry { groups, filters, channels, .. } = geometry;
    let ([size, size_out], depth) = (geometry.sizes(), geometry.depth());
    let phases = Plan::phases(geometry);
    // Of each phase and group, the weights that it needs: [channels, filters, taps].
    let mut packed = Vec::with_capacity(phases.len() * groups);
    for plan in &phases {
        for group in 0..groups {
            let weights = &w[group * filters * depth..][..filters * depth];
            packed.push(plan.repacked(weights, filters, channels, depth / channels.max(1)));
        }
    }
    let parallel = geometry.multiplications() >= SHARED;
    share_parts(out, size, 0, parallel, &|unit, out: &mut [T]| {
        if product(geometry.stride) != 1 || phases.is_empty() {
            out.fill(T::ZERO); // where no tap reaches, nothing is written
        }
        for (number, plan) in phases.iter().enumerate() {
            let weights = &packed[number * groups + unit % groups];
            plan.with_padded(&y[unit * size_out..][..size_out], |source| {
                plan.run(source, weights, None, out);
            });
        }
    });
}

/// The weights from an input and an output.
pub(crate) fn weight<T: Float>(geometry: &Geometry, x: &[T], y: &[T], out: &mut [T]) {
    let &Geometry { samples, groups, filters, output, .. } = geometry;
    let ([size, size_out], depth) = (geometry.sizes(), geometry.depth());
    let plan = Plan::forward(geometry);
    let pixels = product(output);
    out.fill(T::ZERO);
    if pixels == 0 || samples == 0 || depth == 0 {
        return;
    }
    let together = PIXELS.div_ceil(pixels).min(samples);
    // Rows of the result are cut in whole tiles.
    let rows = filters.min(tiles::ROWS);
    let blocks = filters.div_ceil(rows);
    let parallel = geometry.multiplications() >= SHARED;
    let target = tiles::Target(out.as_mut_ptr());
    share(0..groups * blocks, parallel, &|units: Range<usize>| {
        let mut padded = Storage::<T>::stale(together * plan.padded_len());
        let Some(padded) = padded.unique() else { unreachable!("just made") };
        let mut unit = units.start;
        while unit < units.end {
            let group = unit / blocks;
            let end = units.end.min((group + 1) * blocks);
            let first = unit % blocks * rows;
            let last = filters.min((end - group * blocks) * rows);
            for sample in (0..samples).step_by(together) {
                let count = together.min(samples - sample);
                for i in 0..count {
                    let from = ((sample + i) * groups + group) * size;
                    let to = &mut padded[i * plan.padded_len()..][..plan.padded_len()];
                    plan.pad(&x[from..][..size], to);
                }
                let y = &y[(sample * groups + group) * size_out..];
                plan.dots(
                    padded,
                    y,
                    groups * size_out,
                    count,
                    first..last,
                    target,
                    group * filters,
                );
            }
            unit = end;
        }
    });
}

#[cfg(test)]
mod tests;
