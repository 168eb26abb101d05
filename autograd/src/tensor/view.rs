//! Views: other ways to read the same buffer. None of them copies, but [`Tensor::contiguous`] and a
//! [`Tensor::reshape`] that strides cannot express.

use std::ops::Range;

use super::layout::{Dims, MAX_RANK, Strides, axis_at};
use super::{Element, Tensor};
use crate::pool::Storage;

impl<T: Element> Tensor<T> {
    /// The same elements in row-major order; free if they stand so already.
    pub fn contiguous(&self) -> Tensor<T> {
        match self.is_contiguous() {
            true => Tensor { strides: self.shape.row_major(), ..self.clone() },
            false => Tensor::build(self.shape, |data| self.copy_to(data)),
        }
    }

    /// As [`contiguous`](Tensor::contiguous), of a tensor that nobody else needs.
    #[inline]
    pub(crate) fn into_contiguous(self) -> Tensor<T> {
        if self.is_contiguous() { self } else { self.contiguous() }
    }

    /// Writes the elements in row-major order.
    pub(crate) fn copy_to(&self, out: &mut [T]) {
        if let Storage::One([x]) = self.storage {
            out.fill(x);
        } else if self.is_contiguous() {
            out.copy_from_slice(&self.raw()[..out.len()]);
        } else {
            let raw = self.raw();
            T::copy_strided(&self.shape, self.strides(), raw, out);
        }
    }

    /// The axes in reverse order: the matrix transpose.
    pub fn t(&self) -> Tensor<T> {
        let reversed: Dims = (0..self.rank()).rev().collect();
        self.reorder(&reversed)
    }

    /// Two axes swapped. Negative axes count from the end.
    #[track_caller]
    pub fn transpose(&self, a: isize, b: isize) -> Tensor<T> {
        let (a, b) = (axis_at("transpose", a, self.rank()), axis_at("transpose", b, self.rank()));
        let mut order: Dims = (0..self.rank()).collect();
        order.swap(a, b);
        self.reorder(&order)
    }

    /// The axes in the given order: axis `i` of the result is axis `order[i]` of this tensor.
    ///
    /// # Panics
    /// When `order` does not name each axis once.
    #[track_caller]
    pub fn permute(&self, order: &[usize]) -> Tensor<T> {
        let mut seen = 0u32;
        order.iter().filter(|&&axis| axis < self.rank()).for_each(|axis| seen |= 1 << axis);
        assert!(
            order.len() == self.rank() && seen.count_ones() as usize == self.rank(),
            "permute: {order:?} does not name each axis of {:?} once",
            self.shape()
        );
        self.reorder(order)
    }

    fn reorder(&self, order: &[usize]) -> Tensor<T> {
        let mut view = self.clone();
        for (to, &from) in order.iter().enumerate() {
            (view.shape[to], view.strides[to]) = (self.shape[from], self.strides[from]);
        }
        view
    }

    /// The elements `range` along one axis.
    ///
    /// ```
    /// # use gradus_autograd::Tensor;
    /// let a = Tensor::<f32>::arange(6.0).reshape(&[2, 3]);
    /// assert_eq!(a.slice(1, 1..3).to_vec(), [1., 2., 4., 5.]);
    /// ```
    ///
    /// # Panics
    /// When the axis or the range is outside of the shape.
    #[track_caller]
    pub fn slice(&self, axis: isize, range: Range<usize>) -> Tensor<T> {
        let at = axis_at("slice", axis, self.rank());
        assert!(
            range.start <= range.end && range.end <= self.shape[at],
            "slice: {range:?} is outside of axis {axis} of {:?}",
            self.shape()
        );
        let mut view = self.clone();
        view.shape[at] = range.end - range.start;
        // An empty slice at the very end must not point behind the buffer.
        view.offset += if view.is_empty() { 0 } else { range.start * self.strides[at] };
        view
    }

    /// One index along the first axis, which goes away: a row of a matrix.
    #[track_caller]
    pub fn row(&self, index: usize) -> Tensor<T> {
        let rows = self.shape().first().copied().unwrap_or(0);
        assert!(index < rows, "row: {index} is outside of shape {:?}", self.shape());
        let mut view = self.slice(0, index..index + 1);
        view.shape = Dims::new(&self.shape[1..]);
        view.strides.rotate_left(1);
        view.strides[MAX_RANK - 1] = 0;
        view
    }

    /// The tensor repeated along axes of size 1 and along new leading axes, by strides of 0.
    ///
    /// # Panics
    /// When a size that is not 1 would have to change.
    #[track_caller]
    pub fn broadcast_to(&self, shape: &[usize]) -> Tensor<T> {
        let shape = Dims::of("broadcast_to", shape);
        let fits = super::layout::broadcast(&self.shape, &shape) == Some(shape);
        assert!(fits, "broadcast_to: {:?} cannot be broadcast to {shape:?}", self.shape());
        let mut strides = [0; MAX_RANK];
        let new = shape.len() - self.rank();
        for axis in 0..self.rank() {
            if self.shape[axis] == shape[new + axis] {
                strides[new + axis] = self.strides[axis];
            }
        }
        Tensor { shape, strides, ..self.clone() }
    }

    /// The same elements under another shape; a view where strides can express it, else a copy.
    ///
    /// # Panics
    /// When the number of elements differs.
    #[track_caller]
    pub fn reshape(&self, shape: &[usize]) -> Tensor<T> {
        let shape = Dims::of("reshape", shape);
        assert!(
            shape.product() == self.len(),
            "reshape: {:?} has {} elements, {shape:?} has {}",
            self.shape(),
            self.len(),
            shape.product()
        );
        if let Some(strides) = self.strides_for(&shape) {
            return Tensor { shape, strides, ..self.clone() };
        }
        Tensor { shape, strides: shape.row_major(), ..self.contiguous() }
    }

    /// The strides that read this tensor under another shape, if there are any: each group of old
    /// axes with the same product as a group of new ones must be contiguous in itself.
    fn strides_for(&self, shape: &Dims) -> Option<Strides> {
        if self.is_contiguous() {
            return Some(shape.row_major());
        }
        let mut strides = shape.row_major();
        let (mut old, mut new) = (0, 0);
        while old < self.rank() {
            let (old_start, new_start) = (old, new);
            let (mut before, mut after) = (self.shape[old], 1);
            old += 1;
            while before != after {
                if after < before {
                    after *= shape.get(new)?;
                    new += 1;
                } else {
                    before *= self.shape.get(old)?;
                    old += 1;
                }
            }
            // Merged old axes (those of size 1 aside) must follow each other without gaps.
            let group: Dims = (old_start..old).filter(|&axis| self.shape[axis] != 1).collect();
            for pair in group.windows(2) {
                if self.strides[pair[0]] != self.strides[pair[1]] * self.shape[pair[1]] {
                    return None;
                }
            }
            let mut step = group.last().map_or(1, |&axis| self.strides[axis]);
            for axis in (new_start..new).rev() {
                strides[axis] = step;
                step *= shape[axis];
            }
        }
        Some(strides)
    }
}
