//! Where the rows of a convolution begin: the input with zeros around it, and the distances of its taps.

use std::ops::Range;

use super::tiles::{self, Lines, Segment, Target};
use super::{Geometry, product};
use crate::element::Float;
use crate::pool::Storage;

/// Rows of output, each a sum of weights times rows of a source at the distances of the taps.
pub(super) struct Plan {
    channels: usize,
    /// Of the source, without zeros.
    source: [usize; 3],
    /// The place of the source, counted from which the first element of the padded one lies.
    origin: [isize; 3],
    padded: [usize; 3],
    /// The step along a row. Columns of the padded source are sorted by their remainder, so that those of a row of
    /// output are neighbours whatever the stride.
    step: usize,
    /// Of each channel and tap, in the order of the weights.
    offsets: Vec<usize>,
    /// Which taps of the kernel these are.
    taps: Vec<usize>,
    /// Runs of output, and where their sources begin.
    segments: Vec<Segment>,
    /// Elements of a channel of the output.
    out_len: usize,
    /// The step between the columns of a run of output.
    out_step: usize,
}

impl Plan {
    /// Output from input.
    pub(super) fn forward(geometry: &Geometry) -> Self {
        let &Geometry { channels, input, kernel, output, stride, before, dilation, .. } = geometry;
        let taps = std::array::from_fn(|axis| {
            let at = |k: usize| (k, (k * dilation[axis]) as isize - before[axis] as isize);
            (0..kernel[axis]).map(at).collect()
        });
        Plan::new(channels, input, kernel, taps, stride, output, output, [0; 3], [1; 3])
    }

    /// Input from output: of each remainder of a place by the stride, the taps that reach it.
    pub(super) fn phases(geometry: &Geometry) -> Vec<Self> {
        let &Geometry { filters, input, kernel, output, stride, before, dilation, .. } = geometry;
        let mut plans = Vec::new();
        for phase in 0..product(stride) {
            let phase =
                [phase / (stride[1] * stride[2]), phase / stride[2] % stride[1], phase % stride[2]];
            let taps: [Vec<(usize, isize)>; 3] = std::array::from_fn(|axis| {
                let (first, step) = ((phase[axis] + before[axis]) as isize, stride[axis] as isize);
                let reach = |k: usize| (k, first - (k * dilation[axis]) as isize);
                let taps = (0..kernel[axis]).map(reach).filter(|(_, at)| at % step == 0);
                taps.map(|(k, at)| (k, at / step)).collect()
            });
            let size: [usize; 3] = std::array::from_fn(|axis| {
                input[axis].saturating_sub(phase[axis]).div_ceil(stride[axis])
            });
            if taps.iter().all(|taps| !taps.is_empty()) && product(size) > 0 {
                plans.push(Plan::new(
                    filters, output, kernel, taps, [1; 3], size, input, phase, stride,
                ));
            }
        }
        plans
    }

    /// `taps` are their numbers in the kernel and their distances along each axis; `out` and `out_step` are where
    /// the places of an output of the given size stand in `whole`.
    #[allow(clippy::too_many_arguments, reason = "the one place where all of them meet")]
    fn new(
        channels: usize,
        source: [usize; 3],
        kernel: [usize; 3],
        taps: [Vec<(usize, isize)>; 3],
        stride: [usize; 3],
        size: [usize; 3],
        whole: [usize; 3],
        out: [usize; 3],
        out_step: [usize; 3],
    ) -> Self {
        let ends = |axis: usize| {
            let at = || taps[axis].iter().map(|(_, at)| *at);
            (at().min().unwrap_or(0), at().max().unwrap_or(0))
        };
        let origin = std::array::from_fn(|axis| ends(axis).0);
        let padded: [usize; 3] = std::array::from_fn(|axis| {
            let (first, last) = ends(axis);
            size[axis].saturating_sub(1) * stride[axis] + (last - first) as usize + 1
        });
        let step = stride[2];
        let row = padded[2].div_ceil(step) * step;
        let plane = padded[1] * row;
        let mut plan = Plan {
            channels,
            source,
            origin,
            padded,
            step,
            offsets: Vec::new(),
            taps: Vec::new(),
            segments: Vec::new(),
            out_len: product(whole),
            out_step: out_step[2],
        };
        for &(k0, at0) in &taps[0] {
            for &(k1, at1) in &taps[1] {
                for &(k2, _) in &taps[2] {
                    plan.taps.push((k0 * kernel[1] + k1) * kernel[2] + k2);
                    let _ = (at0, at1);
                }
            }
        }
        for channel in 0..channels {
            for &(_, z) in &taps[0] {
                for &(_, y) in &taps[1] {
                    for &(_, x) in &taps[2] {
                        let [z, y, x]: [usize; 3] =
                            [z - ends(0).0, y - ends(1).0, x - ends(2).0].map(|at| at as usize);
                        let column = x % step * (row / step) + x / step;
                        plan.offsets
                            .push(channel * padded[0] * plane + z * plane + y * row + column);
                    }
                }
            }
        }
        for z in 0..size[0] {
            for y in 0..size[1] {
                let from = z * stride[0] * plane + y * stride[1] * row;
                let at = [out[0] + z * out_step[0], out[1] + y * out_step[1]];
                let to = (at[0] * whole[1] + at[1]) * whole[2] + out[2];
                for x in (0..size[2]).step_by(tiles::WIDTH) {
                    let len = tiles::WIDTH.min(size[2] - x);
                    plan.segments.push(Segment { from: from + x, to: to + x * out_step[2], len });
                }
            }
        }
        plan
    }

    pub(super) fn padded_len(&self) -> usize {
        let row = self.padded[2].div_ceil(self.step) * self.step;
        self.channels * self.padded[0] * self.padded[1] * row
    }

    /// Calls `f` with the padded source; with the source itself where nothing is around it.
    pub(super) fn with_padded<T: Float, R>(&self, source: &[T], f: impl FnOnce(&[T]) -> R) -> R {
        if self.step == 1 && self.origin == [0; 3] && self.padded == self.source {
            return f(source);
        }
        let mut padded = Storage::stale(self.padded_len());
        let Some(room) = padded.unique() else { unreachable!("just made") };
        let room = &mut room[..self.padded_len()];
        self.pad(source, room);
        f(room)
    }

    /// Copies the source into the middle of zeros.
    pub(super) fn pad<T: Float>(&self, source: &[T], out: &mut [T]) {
        let row = self.padded[2].div_ceil(self.step) * self.step;
        let [depth, height, width] = self.source;
        out.fill(T::ZERO);
        // The part of an axis of the padded source that is in the source.
        let inside = |axis: usize| {
            let first = (-self.origin[axis]).max(0) as usize;
            let last = (self.source[axis] as isize - self.origin[axis]).max(0) as usize;
            first.min(self.padded[axis])
                ..last.min(self.padded[axis]).max(first.min(self.padded[axis]))
        };
        let columns = inside(2);
        let from = |at: usize, axis: usize| (at as isize + self.origin[axis]) as usize;
        for channel in 0..self.channels {
            for z in inside(0) {
                for y in inside(1) {
                    if columns.is_empty() {
                        continue;
                    }
                    let line = ((channel * depth + from(z, 0)) * height + from(y, 1)) * width;
                    let source = &source[line + from(columns.start, 2)..][..columns.len()];
                    let out = &mut out
                        [((channel * self.padded[0] + z) * self.padded[1] + y) * row..][..row];
                    if self.step == 1 {
                        out[columns.clone()].copy_from_slice(source);
                        continue;
                    }
                    for (x, &value) in columns.clone().zip(source) {
                        out[x % self.step * (row / self.step) + x / self.step] = value;
                    }
                }
            }
        }
    }

    /// Weights `[filters, channels, kernel]` as `[channels, filters, taps]`.
    pub(super) fn repacked<T: Float>(
        &self,
        w: &[T],
        filters: usize,
        channels: usize,
        kernel: usize,
    ) -> Vec<T> {
        let mut packed = Vec::with_capacity(channels * filters * self.taps.len());
        for channel in 0..channels {
            for filter in 0..filters {
                let w = &w[(filter * channels + channel) * kernel..][..kernel];
                packed.extend(self.taps.iter().map(|&tap| w[tap]));
            }
        }
        packed
    }

    /// Writes all rows of output, of as many channels as the weights have rows.
    pub(super) fn run<T: Float>(&self, source: &[T], w: &[T], bias: Option<&[T]>, out: &mut [T]) {
        let k = self.offsets.len();
        if out.is_empty() || self.out_len == 0 {
            return;
        }
        let m = out.len() / self.out_len;
        assert!(
            w.len() == m * k && bias.is_none_or(|bias| bias.len() == m),
            "weights of a convolution"
        );
        self.expect_inside(source.len(), out.len());
        let mut lines = Lines {
            m,
            weights: w,
            bias,
            offsets: &self.offsets,
            segments: &self.segments,
            source,
            out: out.as_mut_ptr(),
            channel: self.out_len,
            step: self.out_step,
        };
        lines.run();
    }

    /// Adds to the rows `filters` of the weights `[filters, channels·taps]` the products of `count` padded inputs
    /// with outputs that lie `distance` apart.
    #[allow(clippy::too_many_arguments, reason = "the inside of one function")]
    pub(super) fn dots<T: Float>(
        &self,
        padded: &[T],
        y: &[T],
        distance: usize,
        count: usize,
        filters: Range<usize>,
        target: Target<T>,
        first: usize,
    ) {
        self.expect_inside(padded.len() / count.max(1), usize::MAX);
        let last = (count - 1) * distance + filters.end * self.out_len;
        assert!(last <= y.len(), "outputs of a convolution");
        let job = tiles::Dots {
            offsets: &self.offsets,
            segments: &self.segments,
            x: padded,
            x_distance: self.padded_len(),
            y,
            y_distance: distance,
            channel: self.out_len,
            count,
            filters,
            target,
            first,
        };
        job.run();
    }

    /// All that is read and written lies inside.
    fn expect_inside(&self, source: usize, out: usize) {
        let deepest = self.offsets.iter().max().copied().unwrap_or(0);
        let last = self.segments.iter().map(|s| s.from + s.len).max().unwrap_or(0);
        assert!(self.offsets.is_empty() || deepest + last <= source, "source of a convolution");
        let end = |s: &Segment| s.to + (s.len - 1) * self.out_step;
        assert!(self.segments.iter().all(|s| end(s) < out), "output of a convolution");
    }
}
