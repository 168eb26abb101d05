//! The n-dimensional array: a shape, strides and a shared buffer.
//!
//! Here live the array itself, its views, its constructors and its printing. What does *not* live
//! here is arithmetic: numbers are computed on a [`Tape`](crate::Tape), which does the same work
//! with or without recording, so that there is one set of operations and not two.

mod construct;
mod display;
pub(crate) mod layout;
mod literal;
mod view;

pub use construct::{Arange, Rng};
pub use layout::{Dims, MAX_RANK};
pub use literal::Nested;

use std::iter::zip;

use crate::element::{Element, Float};
use crate::pool::Storage;
use layout::Strides;

/// An n-dimensional array of at most [`MAX_RANK`] axes.
///
/// Cloning is O(1): clones and views (transpose, slice, broadcast …) share one buffer, which is
/// copied only when one of several owners writes to it. Buffers come from a pool.
///
/// ```
/// use gradus_autograd::Tensor;
/// let a: Tensor = Tensor::from([[1., 2., 3.], [4., 5., 6.]]);
/// assert_eq!(a.shape(), [2, 3]);
/// assert_eq!(a.t().to_vec(), [1., 4., 2., 5., 3., 6.]);
/// assert_eq!(a.at(&[1, 2]), 6.0);
/// ```
#[derive(Clone)]
pub struct Tensor<T: Element = f32> {
    pub(crate) storage: Storage<T>,
    pub(crate) shape: Dims,
    pub(crate) strides: Strides,
    pub(crate) offset: usize,
}

impl<T: Element> Tensor<T> {
    /// A row-major tensor of stale numbers, to be written by way of [`fresh`](Tensor::fresh).
    #[inline]
    pub(crate) fn stale(shape: Dims) -> Self {
        let storage = Storage::stale(shape.product());
        Tensor { storage, shape, strides: shape.row_major(), offset: 0 }
    }

    /// The elements of a tensor that has just been made.
    #[inline]
    pub(crate) fn fresh(&mut self) -> &mut [T] {
        let len = self.len();
        match self.storage.unique() {
            Some(data) => &mut data[..len],
            None => unreachable!("a fresh buffer has one owner"),
        }
    }

    /// A row-major tensor whose elements `fill` writes; it finds stale numbers, not zeros.
    #[inline]
    pub(crate) fn build(shape: Dims, fill: impl FnOnce(&mut [T])) -> Self {
        let mut tensor = Tensor::stale(shape);
        fill(tensor.fresh());
        tensor
    }

    /// The size of each axis; `[]` for a single number.
    #[inline]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The step, in elements, from one index of an axis to the next.
    pub fn strides(&self) -> &[usize] {
        &self.strides[..self.rank()]
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.shape.product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the elements stand in the buffer in row-major order without gaps.
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        let (steps, row_major) = (&self.strides, self.shape.row_major());
        // Most tensors are: one comparison of whole arrays says so.
        let bits = |(a, b): (&usize, &usize)| a ^ b;
        if zip(steps, &row_major).map(bits).fold(0, |all, bits| all | bits) == 0 {
            return true;
        }
        let fits = |axis: usize| self.shape[axis] == 1 || steps[axis] == row_major[axis];
        (0..self.rank()).all(fits) || self.is_empty()
    }

    /// The elements in row-major order, if they stand so in memory.
    #[inline]
    pub fn as_slice(&self) -> Option<&[T]> {
        self.is_contiguous().then(|| &self.raw()[..self.len()])
    }

    /// The buffer from this tensor's first element on, whatever the strides.
    #[inline(always)]
    pub(crate) fn raw(&self) -> &[T] {
        &self.storage.as_slice()[self.offset..]
    }

    /// The first element; there must be one.
    #[inline(always)]
    pub(crate) fn first(&self) -> T {
        match &self.storage {
            Storage::One([x]) => *x,
            Storage::Many(_) => self.raw()[0],
        }
    }

    /// The elements of a tensor that is known to be contiguous.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn dense(&self) -> &[T] {
        debug_assert!(self.is_contiguous());
        &self.raw()[..self.len()]
    }

    /// Calls `f` with the elements in row-major order; copied if they do not stand so.
    #[inline]
    pub(crate) fn with_dense<R>(&self, f: impl FnOnce(&[T]) -> R) -> R {
        if self.is_contiguous() { f(self.dense()) } else { f(self.contiguous().dense()) }
    }

    /// The elements for writing, in row-major order. Copies first if the buffer is shared or strided.
    pub fn make_mut(&mut self) -> &mut [T] {
        let len = self.len();
        if !self.is_contiguous() || self.storage.unique().is_none() {
            let source = std::mem::replace(self, Tensor::scalar(T::default()));
            *self = Tensor::build(source.shape, |data| source.copy_to(data));
        }
        let offset = self.offset;
        match self.storage.unique() {
            Some(data) => &mut data[offset..offset + len],
            None => unreachable!("a fresh buffer has one owner"),
        }
    }

    /// The elements in row-major order.
    pub fn to_vec(&self) -> Vec<T> {
        let mut all = vec![T::default(); self.len()];
        self.copy_to(&mut all);
        all
    }

    /// One element by its index.
    ///
    /// # Panics
    /// When the index has not one number for each axis, or one is out of range.
    #[track_caller]
    pub fn at(&self, index: &[usize]) -> T {
        let inside =
            index.len() == self.rank() && index.iter().zip(self.shape()).all(|(i, n)| i < n);
        assert!(inside, "at: index {index:?} is outside of shape {:?}", self.shape());
        self.raw()[index.iter().zip(self.strides()).map(|(i, s)| i * s).sum::<usize>()]
    }

    /// The number in a tensor of one element, whatever its rank.
    ///
    /// # Panics
    /// When there is not exactly one element.
    #[track_caller]
    pub fn item(&self) -> T {
        assert!(
            self.len() == 1,
            "item: the tensor has {} elements, shape {:?}",
            self.len(),
            self.shape()
        );
        self.raw()[0]
    }

    /// A tensor of the same shape with `f` of each element.
    ///
    /// ```
    /// # use gradus_autograd::Tensor;
    /// let hit = Tensor::from([0.2, 0.9]).map(|p| p > 0.5);
    /// assert_eq!(hit.to_vec(), [false, true]);
    /// ```
    pub fn map<U: Element>(&self, mut f: impl FnMut(T) -> U) -> Tensor<U> {
        self.with_dense(|source| {
            Tensor::build(self.shape, |data| {
                for (y, &x) in data.iter_mut().zip(source) {
                    *y = f(x);
                }
            })
        })
    }
}

impl<T: Float> Tensor<T> {
    /// The same numbers as another precision.
    pub fn cast<U: Float>(&self) -> Tensor<U> {
        self.map(|x| U::of(x.to_f64()))
    }

    /// For each row, the position of its largest number; the first of equals. The last axis goes away.
    ///
    /// ```
    /// # use gradus_autograd::Tensor;
    /// assert_eq!(Tensor::from([[0.1, 0.9], [0.8, 0.2]]).argmax_rows().to_vec(), [1, 0]);
    /// ```
    ///
    /// # Panics
    /// For a single number, and when the last axis is empty.
    #[track_caller]
    pub fn argmax_rows(&self) -> Tensor<i64> {
        let width = self.shape().last().copied().unwrap_or(0);
        assert!(width > 0, "argmax_rows: shape {:?} has no last axis with elements", self.shape());
        let (source, mut shape) = (self.contiguous(), self.shape);
        shape.pop();
        Tensor::build(shape, |out| {
            for (best, row) in out.iter_mut().zip(source.dense().chunks_exact(width)) {
                let first = (0, row[0]);
                let pick = |a: (usize, T), b: (usize, T)| if b.1 > a.1 { b } else { a };
                *best = row.iter().copied().enumerate().fold(first, pick).0 as i64;
            }
        })
    }

    /// The position of the first element that is NaN or infinite, if there is one.
    pub fn first_non_finite(&self) -> Option<usize> {
        self.contiguous().dense().iter().position(|x| !x.is_finite())
    }
}

impl Tensor<bool> {
    /// Whether one of them holds.
    pub fn any(&self) -> bool {
        self.with_dense(|x| x.contains(&true))
    }

    /// Whether all of them hold.
    pub fn all(&self) -> bool {
        self.with_dense(|x| !x.contains(&false))
    }
}

impl<T: Element> PartialEq for Tensor<T> {
    /// Equal shapes and equal elements.
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.contiguous().dense() == other.contiguous().dense()
    }
}

/// Element by element, as for slices; different shapes are never equal.
impl<T: Float> approx::AbsDiffEq for Tensor<T> {
    type Epsilon = T;
    fn default_epsilon() -> T {
        T::default_epsilon()
    }
    fn abs_diff_eq(&self, other: &Self, epsilon: T) -> bool {
        self.all_with(other, |a, b| T::abs_diff_eq(a, b, epsilon))
    }
}

impl<T: Float> approx::RelativeEq for Tensor<T> {
    fn default_max_relative() -> T {
        T::default_max_relative()
    }
    fn relative_eq(&self, other: &Self, epsilon: T, max_relative: T) -> bool {
        self.all_with(other, |a, b| T::relative_eq(a, b, epsilon, max_relative))
    }
}

impl<T: Float> approx::UlpsEq for Tensor<T> {
    fn default_max_ulps() -> u32 {
        T::default_max_ulps()
    }
    fn ulps_eq(&self, other: &Self, epsilon: T, max_ulps: u32) -> bool {
        self.all_with(other, |a, b| T::ulps_eq(a, b, epsilon, max_ulps))
    }
}

impl<T: Float> Tensor<T> {
    fn all_with(&self, other: &Self, test: impl Fn(&T, &T) -> bool) -> bool {
        let (a, b) = (self.contiguous(), other.contiguous());
        self.shape == other.shape && a.dense().iter().zip(b.dense()).all(|(a, b)| test(a, b))
    }
}
