//! Elements by their places, y[k] = x[place[k]], and the counterpart. What drops, repeats or mixes elements without
//! arithmetic and not along one axis is one of these.

use crate::element::Float;
use crate::op::{Cotangents, Op, Outputs, Vjp};
use crate::tape::Var;
use crate::tensor::layout::axis_at;
use crate::tensor::{Dims, Tensor};

/// y[k] = x[place[k]], places in row-major order; 0 where a place is negative.
#[derive(Debug)]
struct Take {
    name: &'static str,
    places: Box<Tensor<i64>>,
}

/// The counterpart: zeros of shape `to`, with x[k] added at place[k].
#[derive(Debug)]
struct Put {
    to: Box<Dims>,
    places: Box<Tensor<i64>>,
}

impl<T: Float> Op<T> for Take {
    fn name(&self) -> &'static str {
        self.name
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let pick = |x: &[T]| {
            self.places.map(|place| usize::try_from(place).map_or(T::ZERO, |place| x[place]))
        };
        [x[0].with_dense(pick)].into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let put = || Put { to: Box::new(cx.input(0).shape()), places: self.places.clone() };
        cx.wrt([&|| cx.cotangent().tape().apply(put(), &[cx.cotangent()])])
    }
}

impl<T: Float> Op<T> for Put {
    fn name(&self) -> &'static str {
        "put"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let add = |x: &[T], out: &mut [T]| {
            out.fill(T::ZERO);
            self.places.with_dense(|places| {
                for (&place, &x) in places.iter().zip(x) {
                    if let Ok(place) = usize::try_from(place) {
                        out[place] += x;
                    }
                }
            });
        };
        [x[0].with_dense(|x| Tensor::build(*self.to, |out| add(x, out)))].into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        cx.wrt([&|| cx.cotangent().take("take", (*self.places).clone())])
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// The elements at the given places of the row-major order, all of which are in this variable; 0 for a
    /// negative one.
    pub(super) fn take(self, name: &'static str, places: Tensor<i64>) -> Var<'t, T> {
        self.tape().apply(Take { name, places: Box::new(places) }, &[self])
    }

    /// The diagonal `[.., m, n]` → `[.., min(m, n)]`, moved by `offset` columns to the right (rows down, if
    /// negative).
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f32>::new();
    /// let x = tape.var(Tensor::from([[1., 2.], [3., 4.]]));
    /// assert_eq!(x.diagonal(0).value().to_vec(), [1., 4.]);
    /// assert_eq!(x.diagonal(1).value().to_vec(), [2.]);
    /// ```
    ///
    /// # Panics
    /// When there are not two axes.
    #[track_caller]
    pub fn diagonal(self, offset: isize) -> Var<'t, T> {
        let shape = self.shape();
        let [batch @ .., m, n] = &shape[..] else {
            panic!("diagonal: {shape:?} is not a matrix [.., m, n]")
        };
        let (m, n) = (*m, *n);
        let (down, right) = (offset.min(0).unsigned_abs(), offset.max(0).unsigned_abs());
        let length = m.saturating_sub(down).min(n.saturating_sub(right));
        let places = batch.iter().copied().chain([length]).collect::<Dims>();
        let mut at = 0;
        let places = Tensor::build(places, |out| {
            out.iter_mut().for_each(|place| {
                let (block, k) = (at / length, at % length);
                *place = (block * m * n + (down + k) * n + right + k) as i64;
                at += 1;
            });
        });
        self.take("diagonal", places)
    }

    /// A matrix with this vector, `[n]`, on its diagonal, and zeros elsewhere; of a matrix, its
    /// [`diagonal`](Var::diagonal).
    ///
    /// # Panics
    /// When there are neither one nor two axes.
    #[track_caller]
    pub fn diag(self) -> Var<'t, T> {
        let shape = self.shape();
        match shape[..] {
            [n] => {
                let place = |at: &[usize]| if at[0] == at[1] { at[0] as i64 } else { -1 };
                self.take("diag", Tensor::from_fn(&[n, n], place))
            }
            [_, _] => self.diagonal(0),
            _ => panic!("diag: {shape:?} is neither a vector nor a matrix"),
        }
    }

    /// The sum of the diagonal, `[.., m, n]` → `[..]`.
    ///
    /// # Panics
    /// When there are not two axes.
    #[track_caller]
    pub fn trace(self) -> Var<'t, T> {
        assert!(self.rank() >= 2, "trace: {:?} is not a matrix [.., m, n]", self.shape());
        self.diagonal(0).sum_axes(&[-1])
    }

    /// The elements where the mask holds, in row-major order, `[count]`.
    ///
    /// # Panics
    /// When the mask has another shape.
    #[track_caller]
    pub fn masked_select(self, mask: &Tensor<bool>) -> Var<'t, T> {
        let shape = self.shape();
        assert!(
            *mask.shape() == *shape,
            "masked_select: a mask of shape {:?} for elements of shape {shape:?}",
            mask.shape()
        );
        let chosen = mask.to_vec().into_iter().enumerate().filter(|(_, chosen)| *chosen);
        let places: Vec<i64> = chosen.map(|(at, _)| at as i64).collect();
        self.take("masked_select", places.into())
    }

    /// This, with `src` written at whole-number indices along one axis, as PyTorch's `scatter`; of elements that
    /// go to the same place, the last one stays, and the others get no gradient.
    ///
    /// # Panics
    /// As [`scatter_add`](Var::scatter_add).
    #[track_caller]
    pub fn scatter(self, axis: isize, index: &Tensor<i64>, src: Var<'t, T>) -> Var<'t, T> {
        let (shape, axis) = (self.shape(), axis_at("scatter", axis, self.rank()));
        super::index::expect_index("scatter", index, axis, &shape, Some(&src.shape()));
        // For each of the places, where in `src` its element comes from.
        let mut from = vec![-1; shape.product()];
        let inside = src.shape().row_major();
        let mut sources = Vec::with_capacity(index.len());
        crate::kernel::copy::each(&index.shape, &inside, |_, at| sources.push(at as i64));
        super::index::each_place(index, axis, &shape, |at, to| from[to] = sources[at]);
        let written = from.iter().map(|&from| from >= 0).collect::<Vec<_>>();
        let places = Tensor::new(&shape, from);
        let (written, src) = (Tensor::new(&shape, written), src.take("scatter", places));
        self.tape().where_(&written, src, self)
    }
}
