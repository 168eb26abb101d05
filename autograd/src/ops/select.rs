//! Whole rows, columns or slices by their numbers along one axis, and what follows from that: steps, flips, rolls,
//! repetitions, padding.

use std::iter::zip;

use crate::element::Float;
use crate::op::{Cotangents, Op, Outputs, Vjp};
use crate::tape::Var;
use crate::tensor::Tensor;
use crate::tensor::layout::axis_at;

/// y[o, k, i] = x[o, index[k], i] along one axis.
#[derive(Debug)]
struct IndexSelect {
    axis: usize,
    index: Box<Tensor<i64>>,
}

/// The counterpart: zeros whose axis has `size` entries, with x[o, k, i] added at [o, index[k], i].
#[derive(Debug)]
struct IndexAdd {
    axis: usize,
    index: Box<Tensor<i64>>,
    size: usize,
}

/// How many runs there are before an axis, and the length of one behind it.
fn around(shape: &[usize], axis: usize) -> [usize; 2] {
    [shape[..axis].iter().product(), shape[axis + 1..].iter().product()]
}

impl<T: Float> Op<T> for IndexSelect {
    fn name(&self) -> &'static str {
        "index_select"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let (x, axis) = (x[0].contiguous(), self.axis);
        let [outer, inner] = around(&x.shape, axis);
        let (n, mut shape) = (x.shape[axis], x.shape);
        shape[axis] = self.index.len();
        let (x, index) = (x.dense(), self.index.contiguous());
        let rows = |outer: usize| index.dense().iter().map(move |&k| outer * n + k as usize);
        [Tensor::build(shape.counted("index_select"), |out| {
            if inner == 1 {
                zip(out, (0..outer).flat_map(rows)).for_each(|(y, row)| *y = x[row]);
            } else if inner > 0 {
                for (out, row) in zip(out.chunks_exact_mut(inner), (0..outer).flat_map(rows)) {
                    out.copy_from_slice(&x[row * inner..][..inner]);
                }
            }
        })]
        .into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let (axis, size) = (self.axis, cx.input(0).shape()[self.axis]);
        let add = || IndexAdd { axis, index: self.index.clone(), size };
        cx.wrt([&|| cx.cotangent().tape().apply(add(), &[cx.cotangent()])])
    }
}

impl<T: Float> Op<T> for IndexAdd {
    fn name(&self) -> &'static str {
        "index_add"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let (x, axis) = (x[0].contiguous(), self.axis);
        let [outer, inner] = around(&x.shape, axis);
        let mut shape = x.shape;
        shape[axis] = self.size;
        let (x, index) = (x.dense(), self.index.contiguous());
        let rows = |o: usize| index.dense().iter().map(move |&k| o * self.size + k as usize);
        [Tensor::build(shape.counted("index_add"), |out| {
            out.fill(T::ZERO);
            if inner > 0 {
                for (x, row) in zip(x.chunks_exact(inner), (0..outer).flat_map(rows)) {
                    zip(&mut out[row * inner..][..inner], x).for_each(|(y, &x)| *y += x);
                }
            }
        })]
        .into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        cx.wrt([&|| cx.cotangent().pick(self.axis, (*self.index).clone())])
    }
}

/// What stands beyond the ends of an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PadMode {
    /// A number.
    Constant(f64),
    /// The elements mirrored at the first and the last, which are not repeated: `c b | a b c | b a`.
    Reflect,
    /// The first and the last element: `a a | a b c | c c`.
    Replicate,
    /// The elements from the other end: `b c | a b c | a b`.
    Circular,
}

impl<'t, T: Float> Var<'t, T> {
    /// [`index_select`](Var::index_select) of numbers that are known to be there.
    fn pick(self, axis: usize, index: Tensor<i64>) -> Var<'t, T> {
        self.tape().apply(IndexSelect { axis, index: Box::new(index) }, &[self])
    }

    /// As often as the list says and in its order, the slices of the given numbers along an axis: rows of a table,
    /// say. Repeated ones accumulate in the gradient.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f32>::new();
    /// let table = tape.var(Tensor::from([[1., 2.], [3., 4.], [5., 6.]]));
    /// let rows = table.index_select(0, &Tensor::from([2_i64, 0, 2]));
    /// assert_eq!(rows.value().to_vec(), [5., 6., 1., 2., 5., 6.]);
    /// assert_eq!(rows.sum().backward()[table].to_vec(), [1., 1., 0., 0., 2., 2.]);
    /// ```
    ///
    /// # Panics
    /// When a number is outside of the axis, or the index has not one axis.
    #[track_caller]
    pub fn index_select(self, axis: isize, index: &Tensor<i64>) -> Var<'t, T> {
        let at = axis_at("index_select", axis, self.rank());
        expect_numbers("index_select", index, at, &self.shape());
        self.pick(at, index.clone())
    }

    /// This, with slices of `src` added at the given numbers along an axis, as PyTorch's `index_add`.
    ///
    /// # Panics
    /// When a number is outside of the axis, the index has not one axis, or `src` has not as many slices, or
    /// others.
    #[track_caller]
    pub fn index_add(self, axis: isize, index: &Tensor<i64>, src: Var<'t, T>) -> Var<'t, T> {
        let (shape, at) = (self.shape(), axis_at("index_add", axis, self.rank()));
        expect_numbers("index_add", index, at, &shape);
        let mut fits = shape;
        fits[at] = index.len();
        assert!(
            src.shape() == fits,
            "index_add: slices of shape {:?} for {} numbers along axis {at} of {shape:?}: they would be {fits:?}",
            src.shape(),
            index.len()
        );
        let add = IndexAdd { axis: at, index: Box::new(index.clone()), size: shape[at] };
        self + self.tape().apply(add, &[src])
    }

    /// The slices from `start` to before `end` along an axis, each `step` further, as Python's `start:end:step`:
    /// negative places count from the end, `None` is all the way, a negative step goes backwards, and what lies
    /// outside is cut off.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f32>::new();
    /// let x = tape.var(Tensor::arange(6.0));
    /// assert_eq!(x.slice_step(0, Some(1), None, 2).value().to_vec(), [1., 3., 5.]);
    /// assert_eq!(x.slice_step(0, None, Some(-4), -1).value().to_vec(), [5., 4., 3.]);
    /// ```
    ///
    /// # Panics
    /// When the step is 0.
    #[track_caller]
    pub fn slice_step(
        self,
        axis: isize,
        start: Option<isize>,
        end: Option<isize>,
        step: isize,
    ) -> Var<'t, T> {
        assert!(step != 0, "slice_step: a step of 0 never gets to the end");
        let at = axis_at("slice_step", axis, self.rank());
        let n = self.shape()[at] as isize;
        let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
        let place = |place: Option<isize>, default| match place {
            None => default,
            Some(place) if place < 0 => (place + n).clamp(low, high),
            Some(place) => place.clamp(low, high),
        };
        let (first, last) = if step > 0 { (low, high) } else { (high, low) };
        let (start, end) = (place(start, first), place(end, last));
        if step == 1 {
            let start = start as usize;
            return self.slice(axis, start..(end as usize).max(start));
        }
        let inside = |k: &isize| if step > 0 { *k < end } else { *k > end };
        let numbers =
            std::iter::successors(Some(start), |k| k.checked_add(step)).take_while(inside);
        self.pick(at, numbers.map(|k| k as i64).collect::<Vec<_>>().into())
    }

    /// The given axes in reverse.
    #[track_caller]
    pub fn flip(self, axes: &[isize]) -> Var<'t, T> {
        let back = |x: Var<'t, T>, &axis: &isize| x.slice_step(axis, None, None, -1);
        axes.iter().fold(self, back)
    }

    /// Moved by `shift` places along an axis; what goes over the end comes in at the start.
    #[track_caller]
    pub fn roll(self, shift: isize, axis: isize) -> Var<'t, T> {
        let at = axis_at("roll", axis, self.rank());
        let n = self.shape()[at] as isize;
        let from = |k: isize| (k - shift % n.max(1)).rem_euclid(n) as i64;
        self.pick(at, (0..n).map(from).collect::<Vec<_>>().into())
    }

    /// The whole repeated along each axis, as PyTorch's `repeat` and NumPy's `tile`; more counts than axes make
    /// new leading ones.
    ///
    /// # Panics
    /// When there are fewer counts than axes.
    #[track_caller]
    pub fn repeat(self, counts: &[usize]) -> Var<'t, T> {
        let rank = self.rank();
        assert!(
            counts.len() >= rank,
            "repeat: {counts:?} has no count for each axis of {:?}",
            self.shape()
        );
        let new = counts.len() - rank;
        let whole = (0..new).fold(self, |x, _| x.unsqueeze(0));
        zip(0.., counts).fold(whole, |x, (axis, &count)| {
            let n = x.shape()[axis] as i64;
            let again = (0..count).flat_map(|_| 0..n).collect::<Vec<_>>();
            if count == 1 { x } else { x.pick(axis, again.into()) }
        })
    }

    /// Each slice along an axis `count` times in a row.
    #[track_caller]
    pub fn repeat_interleave(self, count: usize, axis: isize) -> Var<'t, T> {
        let at = axis_at("repeat_interleave", axis, self.rank());
        let n = self.shape()[at] as i64;
        let each = (0..n).flat_map(|k| std::iter::repeat_n(k, count)).collect::<Vec<_>>();
        self.pick(at, each.into())
    }

    /// More elements before and after, a pair of counts for each axis, as NumPy's `pad`.
    ///
    /// ```
    /// # use gradus_autograd::{PadMode, Tape, Tensor};
    /// let tape = Tape::<f32>::new();
    /// let x = tape.var(Tensor::from([1., 2., 3.]));
    /// assert_eq!(x.pad(&[(1, 2)], PadMode::Constant(0.)).value().to_vec(), [0., 1., 2., 3., 0., 0.]);
    /// assert_eq!(x.pad(&[(2, 1)], PadMode::Reflect).value().to_vec(), [3., 2., 1., 2., 3., 2.]);
    /// ```
    ///
    /// # Panics
    /// When there is not one pair for each axis, or an axis is too short for the mode: reflected and circular
    /// parts come from the elements that are there.
    #[track_caller]
    pub fn pad(self, counts: &[(usize, usize)], mode: PadMode) -> Var<'t, T> {
        let shape = self.shape();
        assert!(
            counts.len() == shape.len(),
            "pad: {counts:?} are not a pair for each axis of {shape:?}"
        );
        let mut padded = self;
        for (axis, &(before, after)) in counts.iter().enumerate() {
            if (before, after) == (0, 0) {
                continue;
            }
            let n = shape[axis];
            let (most, needs) = match mode {
                PadMode::Constant(x) => {
                    padded = padded.surround(axis, before, after, x);
                    continue;
                }
                PadMode::Reflect => (n.saturating_sub(1), "fewer"),
                PadMode::Circular => (n, "no more"),
                PadMode::Replicate => (if n == 0 { 0 } else { usize::MAX }, "any number"),
            };
            assert!(
                before.max(after) <= most,
                "pad: {before} and {after} elements beside axis {axis} of {shape:?}: {mode:?} takes {needs} than \
                 there are"
            );
            let (n, last) = (n as isize, n as isize - 1);
            let from = |k: isize| match mode {
                PadMode::Circular => k.rem_euclid(n),
                PadMode::Reflect => last - (last - k.abs()).abs(),
                _ => k.clamp(0, last),
            };
            let numbers = (-(before as isize)..n + after as isize).map(|k| from(k) as i64);
            padded = padded.pick(axis, numbers.collect::<Vec<_>>().into());
        }
        padded
    }
}

#[track_caller]
fn expect_numbers(what: &str, index: &Tensor<i64>, axis: usize, shape: &[usize]) {
    assert!(
        index.rank() == 1,
        "{what}: the index is a list of numbers, [n], and not of shape {:?}",
        index.shape()
    );
    let outside = index.to_vec().into_iter().find(|i| !(0..shape[axis] as i64).contains(i));
    if let Some(i) = outside {
        panic!("{what}: index {i} is outside of axis {axis} of {shape:?}");
    }
}
