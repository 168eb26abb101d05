//! The passes of attention over a batch of matrices: for each, the scores, their mask and softmax, and the products stay
//! in a core's cache. Queries, keys and values are read where they lie, whatever their strides.

use std::iter::zip;
use std::ops::Range;

use super::gemm::Mat;
use super::map::both;
use super::reduce::sum_slice;
use super::simd::{Kernel, dispatch};
use crate::element::Float;
use crate::tensor::{Dims, Tensor};

/// Multiplications from which a second thread repays its wake-up.
const PARALLEL: usize = 1 << 20;

/// The sizes of a call: `outer` × `heads` matrices. Results are stored `[outer, rows, heads, columns]`, so that the
/// heads of a row stand next to each other, as the layer that follows wants them.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub outer: usize,
    pub heads: usize,
    pub queries: usize,
    pub keys: usize,
    pub width: usize,
    pub values: usize,
}

impl Sizes {
    pub fn of<T: Float>(q: &Tensor<T>, k: &Tensor<T>, v: &Tensor<T>) -> Self {
        let batch = &q.shape[..q.rank() - 2];
        let heads = if batch.len() > 1 { batch[batch.len() - 1] } else { 1 };
        let all: usize = batch.iter().product();
        Sizes {
            outer: all.checked_div(heads).unwrap_or(0),
            heads,
            queries: q.shape[q.rank() - 2],
            keys: k.shape[k.rank() - 2],
            width: q.shape[q.rank() - 1],
            values: v.shape[v.rank() - 1],
        }
    }

    pub fn pays(&self) -> bool {
        let Sizes { outer, heads, queries, keys, width, .. } = *self;
        outer > 1
            && outer * heads * queries * keys * width >= PARALLEL
            && rayon::current_num_threads() > 1
    }
}

/// The matrices of a batch as one table `[outer, heads]`, read in place if the strides allow it.
pub(crate) struct Matrices<T: Float>(Tensor<T>);

impl<T: Float> Matrices<T> {
    pub fn of(x: &Tensor<T>, sizes: &Sizes) -> Self {
        let last = &x.shape[x.rank() - 2..];
        Matrices(x.reshape(&[sizes.outer, sizes.heads, last[0], last[1]]))
    }
    fn at(&self, outer: usize, head: usize) -> Mat<'_, T> {
        let Matrices(x) = self;
        let [a, b, rs, cs] = [0, 1, 2, 3].map(|axis| x.strides[axis]);
        Mat { data: &x.raw()[outer * a + head * b..], rs, cs }
    }
}

/// A matrix to its place among the heads.
fn spread<T: Float>(from: &[T], to: &mut [T], columns: usize, heads: usize, head: usize) {
    if columns > 0 {
        let places = to.chunks_exact_mut(columns).skip(head).step_by(heads);
        zip(places, from.chunks_exact(columns)).for_each(|(to, from)| to.copy_from_slice(from));
    }
}

/// Scores to weights, in place: scaled, masked, and softmax along each row. As under `softmax`, a row that sees nothing
/// is 0.
struct Weights<'a, T> {
    scores: &'a mut [T],
    keys: usize,
    scale: T,
    mask: Option<Mat<'a, T>>,
    causal: bool,
}

impl<T: Float> Kernel for Weights<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for (i, row) in self.scores.chunks_exact_mut(self.keys).enumerate() {
            let seen = if self.causal { self.keys.min(i + 1) } else { self.keys };
            let (row, unseen) = row.split_at_mut(seen);
            unseen.fill(T::ZERO);
            match &self.mask {
                None => row.iter_mut().for_each(|x| *x = *x * self.scale),
                Some(mask) if mask.cs == 1 => {
                    let mask = &mask.data[i * mask.rs..][..seen];
                    zip(&mut *row, mask).for_each(|(x, &m)| *x = *x * self.scale + m);
                }
                Some(mask) => {
                    for (j, x) in row.iter_mut().enumerate() {
                        *x = *x * self.scale + mask.data[i * mask.rs + j * mask.cs];
                    }
                }
            }
            let larger = |a: T, b: T| if a > b || a.is_nan() { a } else { b };
            let max = row.iter().copied().fold(T::NEG_INFINITY, larger);
            if max == T::NEG_INFINITY {
                row.fill(T::ZERO);
                continue;
            }
            row.iter_mut().for_each(|x| *x = (*x - max).exp::<FMA>());
            let scale = T::ONE / sum_slice(row);
            row.iter_mut().for_each(|x| *x = *x * scale);
        }
    }
}

/// Cotangents of weights to those of masked scores, in place: p·(g − Σ g·p).
struct Pull<'a, T> {
    p: &'a [T],
    g: &'a mut [T],
    keys: usize,
}

impl<T: Float> Kernel for Pull<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for (g, p) in zip(self.g.chunks_exact_mut(self.keys), self.p.chunks_exact(self.keys)) {
            zip(&mut *g, p).for_each(|(g, &p)| *g = *g * p);
            let sum = sum_slice(g);
            zip(g, p).for_each(|(g, &p)| *g = *g - p * sum);
        }
    }
}

/// The forward pass of some of the samples.
pub(crate) struct Forward<'a, T: Float> {
    pub sizes: Sizes,
    pub scale: T,
    pub causal: bool,
    pub q: &'a Matrices<T>,
    pub k: &'a Matrices<T>,
    pub v: &'a Matrices<T>,
    pub mask: Option<&'a Matrices<T>>,
}

impl<T: Float> Forward<'_, T> {
    pub fn run(&self, samples: Range<usize>, y: &mut [T], p: &mut [T], parallel: bool) {
        let Sizes { heads, queries, keys, width, values, .. } = self.sizes;
        let [y_size, p_size] = [heads * queries * values, heads * queries * keys];
        if parallel && samples.len() > 1 {
            let mid = samples.len() / 2;
            let (y, y_rest) = y.split_at_mut(mid * y_size);
            let (p, p_rest) = p.split_at_mut(mid * p_size);
            let (first, second) =
                (samples.start..samples.start + mid, samples.start + mid..samples.end);
            return both(
                true,
                || self.run(first, y, p, true),
                || self.run(second, y_rest, p_rest, true),
            );
        }
        let mut block = Tensor::stale(Dims::new(&[queries, values]));
        let block = block.fresh();
        for (at, sample) in samples.enumerate() {
            let y = &mut y[at * y_size..][..y_size];
            for head in 0..heads {
                let p = &mut p[(at * heads + head) * queries * keys..][..queries * keys];
                let (q, k) = (self.q.at(sample, head), self.k.at(sample, head));
                T::product([queries, width, keys], q, k.t(), p, false);
                let mask = self.mask.map(|mask| mask.at(sample, head));
                let (scale, causal) = (self.scale, self.causal);
                dispatch(Weights { scores: p, keys, scale, mask, causal });
                let weights = Mat { data: &*p, rs: keys, cs: 1 };
                T::product([queries, keys, values], weights, self.v.at(sample, head), block, false);
                spread(block, y, values, heads, head);
            }
        }
    }
}

/// The backward pass of some of the samples.
pub(crate) struct Back<'a, T: Float> {
    pub sizes: Sizes,
    pub scale: T,
    pub q: &'a Matrices<T>,
    pub k: &'a Matrices<T>,
    pub v: &'a Matrices<T>,
    pub g: &'a Matrices<T>,
    pub p: &'a [T],
}

/// Where it writes: cotangents of q, k, v, and of the masked scores, if wanted.
pub(crate) struct Places<'a, T> {
    pub q: &'a mut [T],
    pub k: &'a mut [T],
    pub v: &'a mut [T],
    pub scores: &'a mut [T],
}

impl<'a, T> Places<'a, T> {
    fn split(self, sizes: &Sizes, samples: usize) -> (Places<'a, T>, Places<'a, T>) {
        let Sizes { heads, queries, keys, width, values, .. } = *sizes;
        let part = |data: &'a mut [T], size: usize| {
            let mid = if data.is_empty() { 0 } else { samples * heads * size };
            data.split_at_mut(mid)
        };
        let (q, q2) = part(self.q, queries * width);
        let (k, k2) = part(self.k, keys * width);
        let (v, v2) = part(self.v, keys * values);
        let (scores, scores2) = part(self.scores, queries * keys);
        (Places { q, k, v, scores }, Places { q: q2, k: k2, v: v2, scores: scores2 })
    }
}

impl<T: Float> Back<'_, T> {
    pub fn run(&self, samples: Range<usize>, to: Places<'_, T>, parallel: bool) {
        let Sizes { heads, queries, keys, width, values, .. } = self.sizes;
        if parallel && samples.len() > 1 {
            let mid = samples.len() / 2;
            let (a, b) = to.split(&self.sizes, mid);
            let (first, second) =
                (samples.start..samples.start + mid, samples.start + mid..samples.end);
            return both(true, || self.run(first, a, true), || self.run(second, b, true));
        }
        let scratch = |rows: usize, columns: usize| Tensor::stale(Dims::new(&[rows, columns]));
        let (mut ds, mut block) =
            (scratch(queries, keys), scratch(queries.max(keys), width.max(values)));
        let (ds, block) = (ds.fresh(), block.fresh());
        for (at, sample) in samples.enumerate() {
            for head in 0..heads {
                let p = &self.p[(sample * heads + head) * queries * keys..][..queries * keys];
                let [q, k, v, g] = [self.q, self.k, self.v, self.g].map(|x| x.at(sample, head));
                let row_major = |data| Mat { data, rs: keys, cs: 1 };
                if !to.v.is_empty() {
                    T::product([keys, queries, values], row_major(p).t(), g, block, false);
                    let size = heads * keys * values;
                    spread(block, &mut to.v[at * size..][..size], values, heads, head);
                }
                T::product([queries, values, keys], g, v.t(), ds, false);
                dispatch(Pull { p, g: ds, keys });
                if !to.scores.is_empty() {
                    let size = queries * keys;
                    to.scores[(at * heads + head) * size..][..size].copy_from_slice(ds);
                }
                ds.iter_mut().for_each(|x| *x = *x * self.scale);
                if !to.q.is_empty() {
                    T::product([queries, keys, width], row_major(&*ds), k, block, false);
                    let size = heads * queries * width;
                    spread(block, &mut to.q[at * size..][..size], width, heads, head);
                }
                if !to.k.is_empty() {
                    T::product([keys, queries, width], row_major(&*ds).t(), q, block, false);
                    let size = heads * keys * width;
                    spread(block, &mut to.k[at * size..][..size], width, heads, head);
                }
            }
        }
    }
}
