//! What depends on the order of elements: sorting, the largest few, the middle, and where the largest stands.

use std::cmp::Ordering;

use crate::element::Float;
use crate::tape::Var;
use crate::tensor::Tensor;
use crate::tensor::layout::axis_at;

/// NaN is larger than all numbers, as in NumPy and PyTorch.
fn by_size<T: Float>(a: T, b: T) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// For each row along an axis, the first `keep` of its places in order; equals stay as they stand.
fn ranks<T: Float>(x: &Tensor<T>, axis: usize, keep: usize, descending: bool) -> Tensor<i64> {
    let last = x.rank() - 1;
    let rows = x.transpose(axis as isize, -1).contiguous();
    let (n, mut shape) = (rows.shape[last], rows.shape);
    shape[last] = keep;
    let index = Tensor::build(shape, |out| {
        let mut order: Vec<i64> = Vec::with_capacity(n);
        if keep == 0 {
            return;
        }
        for (out, row) in out.chunks_exact_mut(keep).zip(rows.dense().chunks_exact(n)) {
            order.clear();
            order.extend(0..n as i64);
            let at = |k: &i64| row[*k as usize];
            match descending {
                false => order.sort_by(|a, b| by_size(at(a), at(b))),
                true => order.sort_by(|a, b| by_size(at(b), at(a))),
            }
            out.copy_from_slice(&order[..keep]);
        }
    });
    index.transpose(axis as isize, -1)
}

impl<'t, T: Float> Var<'t, T> {
    /// The elements along an axis from the smallest to the largest (the other way if `descending`), and where each
    /// stood. Equals keep their order; NaN is larger than all numbers. The gradient goes back to where an element
    /// came from.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f32>::new();
    /// let x = tape.var(Tensor::from([3., 1., 2.]));
    /// let (sorted, index) = x.sort(0, false);
    /// assert_eq!(sorted.value().to_vec(), [1., 2., 3.]);
    /// assert_eq!(index.to_vec(), [1, 2, 0]);
    /// ```
    ///
    /// # Panics
    /// For a single number.
    #[track_caller]
    pub fn sort(self, axis: isize, descending: bool) -> (Var<'t, T>, Tensor<i64>) {
        let at = axis_at("sort", axis, self.rank());
        self.ranked(at, self.shape()[at], descending)
    }

    /// The `k` largest elements along an axis (the smallest, if not `largest`), in order, and where each stood.
    ///
    /// # Panics
    /// When there are fewer than `k`.
    #[track_caller]
    pub fn topk(self, k: usize, axis: isize, largest: bool) -> (Var<'t, T>, Tensor<i64>) {
        let (shape, at) = (self.shape(), axis_at("topk", axis, self.rank()));
        assert!(k <= shape[at], "topk: axis {axis} of {shape:?} has fewer than {k} elements");
        self.ranked(at, k, largest)
    }

    /// The middle element in order along an axis, which goes away, and where it stood. Of an even number, the lower
    /// one of the two, as in PyTorch.
    ///
    /// # Panics
    /// When the axis is empty.
    #[track_caller]
    pub fn median(self, axis: isize) -> (Var<'t, T>, Tensor<i64>) {
        let (shape, at) = (self.shape(), axis_at("median", axis, self.rank()));
        assert!(shape[at] > 0, "median: axis {axis} of {shape:?} has no elements to choose from");
        // One NaN makes it NaN, wherever in the order the middle is.
        let (sorted, index) = self.sort(axis, false);
        let (middle, last) = ((shape[at] - 1) / 2, shape[at] - 1);
        let nan = sorted.value().slice(at as isize, last..last + 1).map(|x| x.is_nan());
        let pick = |k: usize| index.slice(at as isize, k..k + 1).contiguous();
        let (middle, last) = (pick(middle), pick(last));
        let index =
            Tensor::from_fn(&middle.shape, |k| if nan.at(k) { last.at(k) } else { middle.at(k) });
        let mut shape = index.shape;
        (at..shape.len() - 1).for_each(|axis| shape.swap(axis, axis + 1));
        shape.pop();
        (self.gather(axis, &index).squeeze(axis), index.reshape(&shape))
    }

    #[track_caller]
    fn ranked(self, axis: usize, keep: usize, descending: bool) -> (Var<'t, T>, Tensor<i64>) {
        let index = ranks(&self.value(), axis, keep, descending);
        (self.gather(axis as isize, &index), index)
    }

    /// Where the largest element along an axis stands, which goes away; the first of equals, and the first NaN if
    /// there is one. A whole number: nothing can be differentiated through it.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f32>::new();
    /// let x = tape.var(Tensor::from([[1., 5.], [4., 2.]]));
    /// assert_eq!(x.argmax(1).to_vec(), [1, 0]);
    /// assert_eq!(x.argmin(0).to_vec(), [0, 1]);
    /// ```
    ///
    /// # Panics
    /// When the axis is empty.
    #[track_caller]
    pub fn argmax(self, axis: isize) -> Tensor<i64> {
        self.extreme("argmax", axis, Ordering::Greater)
    }

    /// Where the smallest element along an axis stands; see [`argmax`](Var::argmax).
    ///
    /// # Panics
    /// When the axis is empty.
    #[track_caller]
    pub fn argmin(self, axis: isize) -> Tensor<i64> {
        self.extreme("argmin", axis, Ordering::Less)
    }

    #[track_caller]
    fn extreme(self, what: &str, axis: isize, better: Ordering) -> Tensor<i64> {
        let (shape, at) = (self.shape(), axis_at(what, axis, self.rank()));
        assert!(shape[at] > 0, "{what}: axis {axis} of {shape:?} has no elements to choose from");
        let mut order: crate::Dims = (0..shape.len()).filter(|&other| other != at).collect();
        let kept = order.iter().map(|&axis| shape[axis]).collect();
        order.push(at);
        let rows = self.value().permute(&order).contiguous();
        Tensor::build(kept, |out| {
            for (out, row) in out.iter_mut().zip(rows.dense().chunks_exact(shape[at])) {
                let mut best = 0;
                for (k, x) in row.iter().enumerate() {
                    let wins = x.partial_cmp(&row[best]) == Some(better) || x.is_nan();
                    if wins && !row[best].is_nan() {
                        best = k;
                    }
                }
                *out = best as i64;
            }
        })
    }
}
