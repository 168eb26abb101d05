//! Other arrangements of the same elements, from those in `shape.rs`, and parts under a mask.

use super::shape::Split;
use crate::element::Float;
use crate::tape::{Tape, Var};
use crate::tensor::layout::axis_at;
use crate::tensor::{Dims, Tensor};

impl<'t, T: Float> Var<'t, T> {
    /// Without an axis of size 1.
    ///
    /// # Panics
    /// When the axis has another size.
    #[track_caller]
    pub fn squeeze(self, axis: isize) -> Var<'t, T> {
        let (shape, at) = (self.shape(), axis_at("squeeze", axis, self.rank()));
        assert!(shape[at] == 1, "squeeze: axis {axis} of {shape:?} has not size 1");
        let others = (0..shape.len()).filter(|&other| other != at).map(|other| shape[other]);
        self.reshape(&others.collect::<Dims>())
    }

    /// The axes from `start` to `end`, both included, as one; `flatten(1, -1)` leaves the samples of a batch apart.
    ///
    /// # Panics
    /// When the first comes after the last.
    #[track_caller]
    pub fn flatten(self, start: isize, end: isize) -> Var<'t, T> {
        let shape = self.shape();
        let rank = shape.len();
        if rank == 0 {
            return self.reshape(&[1]);
        }
        let (first, last) = (axis_at("flatten", start, rank), axis_at("flatten", end, rank));
        assert!(first <= last, "flatten: axis {start} of {shape:?} comes after axis {end}");
        let middle = shape[first..=last].iter().product();
        let ends = |part: &[usize]| part.iter().copied().collect::<Dims>();
        let (before, after) = (ends(&shape[..first]), ends(&shape[last + 1..]));
        let whole = before.iter().copied().chain([middle]).chain(after.iter().copied());
        self.reshape(&whole.collect::<Dims>())
    }

    /// Parts of the given sizes along an axis.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f32>::new();
    /// let x = tape.var(Tensor::from([1., 2., 3.]));
    /// let parts = x.split(&[2, 1], 0);
    /// assert_eq!(parts[1].value().to_vec(), [3.]);
    /// ```
    ///
    /// # Panics
    /// When the sizes do not add up to that of the axis.
    #[track_caller]
    pub fn split(self, sizes: &[usize], axis: isize) -> Vec<Var<'t, T>> {
        let (shape, at) = (self.shape(), axis_at("split", axis, self.rank()));
        assert!(
            sizes.iter().try_fold(0_usize, |sum, &n| sum.checked_add(n)) == Some(shape[at]),
            "split: sizes {sizes:?} do not add up to the {} of axis {axis} of {shape:?}",
            shape[at]
        );
        if sizes.is_empty() {
            return vec![];
        }
        self.tape().apply_all(Split { axis: at, sizes: sizes.into() }, &[self]).to_vec()
    }

    /// At most `count` parts along an axis, all of one size but for the last, which may be smaller, as in PyTorch.
    ///
    /// # Panics
    /// When `count` is 0.
    #[track_caller]
    pub fn chunk(self, count: usize, axis: isize) -> Vec<Var<'t, T>> {
        assert!(count > 0, "chunk: there are no 0 parts");
        let n = self.shape()[axis_at("chunk", axis, self.rank())];
        let size = n.div_ceil(count).max(1);
        let sizes: Vec<usize> = (0..n).step_by(size).map(|start| size.min(n - start)).collect();
        self.split(&sizes, axis)
    }

    /// The lower triangle of matrices `[.., m, n]`, with zeros above diagonal number `offset` (0 the main one,
    /// positive above it).
    ///
    /// # Panics
    /// When there are not two axes.
    #[track_caller]
    pub fn tril(self, offset: isize) -> Var<'t, T> {
        self.triangle("tril", |row, column| column <= row + offset)
    }

    /// The upper triangle of matrices `[.., m, n]`, with zeros below diagonal number `offset`.
    ///
    /// # Panics
    /// When there are not two axes.
    #[track_caller]
    pub fn triu(self, offset: isize) -> Var<'t, T> {
        self.triangle("triu", |row, column| column >= row + offset)
    }

    #[track_caller]
    fn triangle(self, what: &str, keeps: impl Fn(isize, isize) -> bool) -> Var<'t, T> {
        let shape = self.shape();
        let [.., m, n] = shape[..] else { panic!("{what}: {shape:?} is not a matrix [.., m, n]") };
        let mask = Tensor::from_fn(&[m, n], |at| keeps(at[0] as isize, at[1] as isize));
        self.tape().where_(&mask, self, self.tape().number(0.0))
    }

    /// `x` where the mask holds, which broadcasts; nothing flows back from there.
    #[track_caller]
    pub fn masked_fill(self, mask: &Tensor<bool>, x: f64) -> Var<'t, T> {
        self.tape().where_(mask, self.tape().number(x), self)
    }
}

impl<T: Float> Tape<T> {
    /// Parts of one shape side by side along a new axis.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f32>::new();
    /// let (a, b) = (tape.var(Tensor::from([1., 2.])), tape.var(Tensor::from([3., 4.])));
    /// assert_eq!(tape.stack(&[a, b], 0).value(), Tensor::from([[1., 2.], [3., 4.]]));
    /// assert_eq!(tape.stack(&[a, b], -1).value(), Tensor::from([[1., 3.], [2., 4.]]));
    /// ```
    ///
    /// # Panics
    /// Without parts, and when their shapes differ.
    #[track_caller]
    pub fn stack<'t>(&'t self, parts: &[Var<'t, T>], axis: isize) -> Var<'t, T> {
        assert!(!parts.is_empty(), "stack: there are no parts");
        for (i, part) in parts.iter().enumerate() {
            assert!(
                part.shape() == parts[0].shape(),
                "stack: parts 0 and {i} differ in shape: {:?} and {:?}",
                parts[0].shape(),
                part.shape()
            );
        }
        let at = axis_at("stack", axis, parts[0].rank() + 1) as isize;
        let parts: Vec<Var<T>> = parts.iter().map(|part| part.unsqueeze(at)).collect();
        self.concat(&parts, at)
    }
}
