//! Reading an image between its pixels. Positions are `[x, y]` in pixels, 0 the centre of the first one, always in
//! 64 bits; a position at the centre of a pixel gives that pixel's bits.

use super::simd::{Kernel, dispatch};
use crate::element::Float;

/// What is read outside of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// 0
    #[default]
    Zeros,
    /// The nearest pixel of the border.
    Border,
    /// The image in a mirror, again and again. The mirror stands at the outer edge of the border's pixels, or, with
    /// `align_corners`, at their centres.
    Reflection,
}

/// How an image is read between its pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interpolation {
    /// The mean of the four pixels around, weighted by nearness.
    #[default]
    Bilinear,
    /// The nearest pixel, of two equally near ones that of the even number. The derivative by the position is 0.
    Nearest,
}

impl Padding {
    /// The place that stands for position `x` on an axis of `size` pixels, and its slope by `x`.
    #[inline(always)]
    pub fn place(self, x: f64, size: usize, align_corners: bool) -> [f64; 2] {
        let last = size as f64 - 1.0;
        match self {
            Padding::Zeros => [x, 1.0],
            Padding::Border => clip(x, last),
            Padding::Reflection => {
                let low = if align_corners { 0.0 } else { -0.5 };
                let (span, from) = (last - 2.0 * low, x - low);
                if span == 0.0 {
                    return [0.0, 0.0];
                }
                let turns = (from.abs() / span).floor();
                let rest = from.abs() - turns * span;
                let there = turns % 2.0 == 0.0;
                let [y, slope] = clip(if there { low + rest } else { low + span - rest }, last);
                [y, if there == (from >= 0.0) { slope } else { -slope }]
            }
        }
    }
}

#[inline(always)]
fn clip(x: f64, last: f64) -> [f64; 2] {
    match x {
        x if x <= 0.0 => [0.0, 0.0],
        x if x >= last => [last, 0.0],
        x => [x, 1.0],
    }
}

/// Whether no pixel is near. NaN is near to everything: it must show in the result.
#[inline(always)]
pub(crate) fn far([x, y]: [f64; 2], [h, w]: [usize; 2]) -> bool {
    x <= -1.0 || x >= w as f64 || y <= -1.0 || y >= h as f64
}

/// The up to four pixels around a position.
struct Tap {
    /// The upper left one; it may lie outside, so may the others.
    at: [isize; 2],
    /// How far the position is from it.
    fraction: [f64; 2],
}

impl Tap {
    /// `None` if no pixel is near.
    #[inline(always)]
    fn new(position: [f64; 2], size: [usize; 2]) -> Option<Tap> {
        let [x, y] = position;
        if far(position, size) {
            return None;
        }
        let (left, top) = (x.floor(), y.floor());
        Some(Tap { at: [left as isize, top as isize], fraction: [x - left, y - top] })
    }

    /// The weights of upper left, upper right, lower left and lower right.
    #[inline(always)]
    fn weights<T: Float>(&self) -> [T; 4] {
        let [x, y] = self.fraction;
        [(1.0 - x) * (1.0 - y), x * (1.0 - y), (1.0 - x) * y, x * y].map(T::of)
    }

    /// The places of the four in a plane of pixels, in the order of the weights; `None` outside.
    #[inline(always)]
    fn places(&self, [h, w]: [usize; 2]) -> [Option<usize>; 4] {
        let [x, y] = self.at;
        let mut places = [None; 4];
        for (k, place) in places.iter_mut().enumerate() {
            let (x, y) = (x + (k & 1) as isize, y + (k >> 1) as isize);
            let inside = x >= 0 && y >= 0 && x < w as isize && y < h as isize;
            // Beyond a position at a centre nothing counts, be it infinite.
            let counts =
                (k & 1 == 0 || self.fraction[0] != 0.0) && (k < 2 || self.fraction[1] != 0.0);
            if inside && counts {
                *place = Some(y as usize * w + x as usize);
            }
        }
        places
    }

    /// The place of the upper left one if all four are inside.
    #[inline(always)]
    fn interior(&self, [h, w]: [usize; 2]) -> Option<usize> {
        let [x, y] = self.at;
        let inside = x >= 0 && y >= 0 && x + 1 < w as isize && y + 1 < h as isize;
        let between = self.fraction[0] != 0.0 && self.fraction[1] != 0.0;
        (inside && between).then(|| y as usize * w + x as usize)
    }
}

/// out[c, p] = the image `[c, h, w]` at position p, bilinear, 0 outside of it.
pub fn resample<T: Float>(image: &[T], size: [usize; 2], positions: &[[f64; 2]], out: &mut [T]) {
    if !out.is_empty() {
        dispatch(Forward { image, size, positions, out });
    }
}

struct Forward<'a, T> {
    image: &'a [T],
    size: [usize; 2],
    positions: &'a [[f64; 2]],
    out: &'a mut [T],
}

impl<T: Float> Kernel for Forward<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Forward { image, size, positions, out } = self;
        let (pixels, w, count) = (size[0] * size[1], size[1], positions.len());
        for (p, &position) in positions.iter().enumerate() {
            let Some(tap) = Tap::new(position, size) else {
                for y in out[p..].iter_mut().step_by(count) {
                    *y = T::ZERO;
                }
                continue;
            };
            let weights = tap.weights::<T>();
            let planes = image.chunks_exact(pixels);
            if let Some(at) = tap.interior(size) {
                for (y, plane) in out[p..].iter_mut().step_by(count).zip(planes) {
                    let (above, below) = (&plane[at..at + 2], &plane[at + w..at + w + 2]);
                    *y = weights[0] * above[0]
                        + weights[1] * above[1]
                        + weights[2] * below[0]
                        + weights[3] * below[1];
                }
                continue;
            }
            let places = tap.places(size);
            if let (Some(at), [0.0, 0.0]) = (places[0], tap.fraction) {
                for (y, plane) in out[p..].iter_mut().step_by(count).zip(planes) {
                    *y = plane[at];
                }
                continue;
            }
            for (y, plane) in out[p..].iter_mut().step_by(count).zip(planes) {
                *y = T::ZERO;
                for k in 0..4 {
                    if let Some(place) = places[k] {
                        *y += weights[k] * plane[place];
                    }
                }
            }
        }
    }
}

/// The cotangents of [`resample`]: adds to that of the image, and writes that of each position. Either may be empty,
/// if nobody needs it.
pub(crate) fn resample_backward<T: Float>(
    (image, size, positions): (&[T], [usize; 2], &[[f64; 2]]),
    cotangent: &[T],
    d_image: &mut [T],
    d_positions: &mut [[f64; 2]],
) {
    let (pixels, count) = (size[0] * size[1], positions.len());
    for (p, &position) in positions.iter().enumerate() {
        let mut slopes = [0.0; 2];
        if let Some(tap) = Tap::new(position, size) {
            let (weights, places) = (tap.weights::<T>(), tap.places(size));
            // The neighbours of a position at a centre have no weight, yet their part in the slope.
            let around = Tap { fraction: [0.5; 2], ..tap }.places(size);
            let [fx, fy] = tap.fraction;
            for (c, &g) in cotangent.iter().skip(p).step_by(count).enumerate() {
                if !d_image.is_empty() {
                    for k in 0..4 {
                        if let Some(place) = places[k] {
                            d_image[c * pixels + place] += weights[k] * g;
                        }
                    }
                }
                let [a, b, c, d] =
                    around.map(|at| at.map_or(0.0, |at| image[c * pixels + at].to_f64()));
                let g = g.to_f64();
                slopes[0] += g * ((b - a) * (1.0 - fy) + (d - c) * fy);
                slopes[1] += g * ((c - a) * (1.0 - fx) + (d - b) * fx);
            }
        }
        if let Some(d) = d_positions.get_mut(p) {
            *d = slopes;
        }
    }
}
