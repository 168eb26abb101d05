//! Matrix products: matrices, batches of them, broadcast batches.

use crate::element::Float;
use crate::kernel::copy::each;
use crate::kernel::gemm::Mat;
use crate::op::{Backward, Cotangents, Op, Outputs, Vjp};
use crate::tape::Var;
use crate::tensor::layout::broadcast;
use crate::tensor::{Dims, Tensor};

/// The last two axes as a matrix for the kernels, whatever the strides.
pub(crate) fn matrix<T: Float>(x: &Tensor<T>) -> Mat<'_, T> {
    let rank = x.rank();
    Mat { data: x.raw(), rs: x.strides[rank - 2], cs: x.strides[rank - 1] }
}

/// c = a·b for matrices, `[m, k] · [k, n]`.
pub(crate) fn product<T: Float>([m, k, n]: [usize; 3], a: Mat<T>, b: Mat<T>) -> Tensor<T> {
    Tensor::build(Dims::new(&[m, n]), |c| T::product([m, k, n], a, b, c, false))
}

/// `[.., m, k] · [.., k, n]`, the leading axes broadcast.
#[derive(Debug)]
struct MatMul;

impl<T: Float> Op<T> for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let [a, b] = x else { unreachable!("matmul has two inputs") };
        if let ([m, k], [_, n]) = (a.shape(), b.shape()) {
            return [product([*m, *k, *n], matrix(a), matrix(b))].into();
        }
        let (rank_a, rank_b) = (a.rank() - 2, b.rank() - 2);
        let (m, k, n) = (a.shape[rank_a], a.shape[rank_a + 1], b.shape[rank_b + 1]);
        let Some(batch) = broadcast(&a.shape[..rank_a], &b.shape[..rank_b]) else {
            unreachable!("checked before the operation is applied")
        };
        let whole = |x: &Tensor<T>| {
            let last = &x.shape[x.rank() - 2..];
            x.broadcast_to(&batch.iter().chain(last).copied().collect::<Dims>())
        };
        let (a, b) = (whole(a), whole(b));
        let shape: Dims = batch.iter().copied().chain([m, n]).collect();
        [Tensor::build(shape, |c| {
            if k == 0 || c.is_empty() {
                return c.fill(T::ZERO);
            }
            let mut offsets = Vec::with_capacity(batch.product());
            each(&batch, b.strides(), |_, at| offsets.push(at));
            each(&batch, a.strides(), |i, at| {
                let (mut a, mut b) = (matrix(&a), matrix(&b));
                (a.data, b.data) = (&a.data[at..], &b.data[offsets[i]..]);
                T::product([m, k, n], a, b, &mut c[i * m * n..][..m * n], false);
            });
        })]
        .into()
    }

    fn backward(&self, cx: &mut Backward<'_, T>) -> bool {
        let (a, b) = (cx.input(0), cx.input(1));
        let ([m, k], [_, n]) = (a.shape(), b.shape()) else { return false };
        let g = cx.cotangent(0);
        if cx.needs(0) {
            cx.give(0, product([*m, *n, *k], matrix(&g), matrix(b).t()));
        }
        if cx.needs(1) {
            cx.give(1, product([*k, *m, *n], matrix(a).t(), matrix(&g)));
        }
        true
    }

    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let (a, b, g) = (cx.input(0), cx.input(1), cx.cotangent());
        cx.wrt([&|| g.matmul(b.transpose(-1, -2)), &|| a.transpose(-1, -2).matmul(g)])
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// The matrix product, as NumPy's `matmul`: `[.., m, k] · [.., k, n]` with leading axes broadcast; a
    /// vector on the left is a row, on the right a column, and its axis goes away.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f32>::new();
    /// let a = tape.var(Tensor::from([[1., 2.], [3., 4.]]));
    /// let v = tape.var(Tensor::from([1., 10.]));
    /// assert_eq!(a.matmul(v).value().to_vec(), [21., 43.]);
    /// ```
    ///
    /// # Panics
    /// When the inner sizes differ, the leading axes do not broadcast, or a side is a single number.
    #[track_caller]
    pub fn matmul(self, other: Var<'t, T>) -> Var<'t, T> {
        let (a, b) = (self.shape(), other.shape());
        assert!(
            !a.is_empty() && !b.is_empty(),
            "matmul: a single number has no matrix product: {a:?} · {b:?}"
        );
        let (left, right) = (a[a.len() - 1], b[b.len().max(2) - 2]);
        assert!(left == right, "matmul: inner sizes differ: {a:?} · {b:?} ({left} vs {right})");
        match (a.len(), b.len()) {
            (1, 1) => (self * other).sum(),
            (1, _) => {
                let y = self.unsqueeze(0).matmul(other);
                let mut shape = y.shape();
                let last = shape.len() - 1;
                shape.swap(last - 1, last);
                y.reshape(&shape[..last])
            }
            (_, 1) => {
                let y = self.matmul(other.unsqueeze(1));
                y.reshape(&y.shape()[..a.len() - 1])
            }
            // One matrix for a whole batch: one product, and one for its gradient.
            (rank, 2) if rank > 2 => {
                let mut shape = a;
                shape[rank - 1] = b[1];
                let shape = shape.counted("matmul");
                let rows: usize = a[..rank - 1].iter().product();
                self.reshape(&[rows, left]).matmul(other).reshape(&shape)
            }
            _ => {
                let Some(mut shape) = broadcast(&a[..a.len() - 2], &b[..b.len() - 2]) else {
                    panic!("matmul: leading axes do not broadcast: {a:?} · {b:?}");
                };
                shape.push(a[a.len() - 2]);
                shape.push(b[b.len() - 1]);
                shape.counted("matmul");
                self.tape().apply(MatMul, &[self, other])
            }
        }
    }
}
