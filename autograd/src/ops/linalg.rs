//! Linear algebra of square matrices `[.., n, n]`. A singular matrix gives infinities or NaN, as a division by 0 does.

use crate::element::Float;
use crate::kernel::factor::{cholesky, lu};
use crate::op::{Cotangents, Op, Outputs, Vjp};
use crate::tape::Var;
use crate::tensor::{Dims, Tensor};

/// x with a·x = b, for matrices b `[.., n, m]`.
#[derive(Debug)]
struct Solve;

/// The lower triangle l of l·lᵀ = a.
#[derive(Debug)]
struct Cholesky;

/// ln|det a|, or det a itself.
#[derive(Debug)]
struct Det {
    log: bool,
}

/// Runs `f` for each matrix of a batch, on its elements and those of the result.
fn each<T: Float>(
    a: &Tensor<T>,
    shape: Dims,
    mut f: impl FnMut(usize, &[T], &mut [T]),
) -> Tensor<T> {
    let n = a.shape[a.rank() - 1];
    let a = a.contiguous();
    Tensor::build(shape, |out| {
        let blocks = a.len() / (n * n).max(1);
        let size = out.len() / blocks.max(1);
        for i in 0..blocks {
            f(i, &a.dense()[i * n * n..][..n * n], &mut out[i * size..][..size]);
        }
    })
}

fn batch(shape: &Dims) -> Dims {
    shape[..shape.len() - 2].iter().copied().collect()
}

impl<T: Float> Op<T> for Solve {
    fn name(&self) -> &'static str {
        "solve"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let (a, b) = (x[0], x[1].contiguous());
        let [.., n, m] = b.shape[..] else { unreachable!("checked before") };
        [each(a, b.shape, |i, a, x| {
            x.copy_from_slice(&b.dense()[i * n * m..][..n * m]);
            lu(a, n).solve(x, m);
        })]
        .into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let (a, x) = (cx.input(0), cx.output(0));
        let of_b = a.transpose(-1, -2).solve(cx.cotangent());
        cx.wrt([&|| -of_b.matmul(x.transpose(-1, -2)), &|| of_b])
    }
}

impl<T: Float> Op<T> for Cholesky {
    fn name(&self) -> &'static str {
        "cholesky"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let n = x[0].shape[x[0].rank() - 1];
        [each(x[0], x[0].shape, |_, a, l| cholesky(a, n, l))].into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        // Murray 2016: l⁻ᵀ·Φ(lᵀ·g)·l⁻¹, made symmetric, where Φ takes the lower triangle and half the diagonal.
        let l = cx.output(0);
        let lt = l.transpose(-1, -2);
        cx.wrt([&|| {
            let inner = lt.matmul(cx.cotangent().tril(0));
            let phi = (inner.tril(0) + inner.tril(-1)) * 0.5;
            let half = lt.solve(phi).transpose(-1, -2); // (l⁻ᵀ·Φ)ᵀ
            let whole = lt.solve(half);
            (whole + whole.transpose(-1, -2)) * 0.5
        }])
    }
}

impl<T: Float> Op<T> for Det {
    fn name(&self) -> &'static str {
        if self.log { "logdet" } else { "det" }
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let n = x[0].shape[x[0].rank() - 1];
        let log = self.log;
        let whole = batch(&x[0].shape);
        let empty = if log { T::ZERO } else { T::ONE };
        if n == 0 {
            return [Tensor::full(&whole, empty)].into();
        }
        [each(x[0], whole, |_, a, out| {
            let factors = lu(a, n);
            out[0] = if log { factors.logdet() } else { factors.det() };
        })]
        .into()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        cx.wrt([&|| {
            let g = if self.log { cx.cotangent() } else { cx.cotangent() * cx.output(0) };
            cx.input(0).inverse().transpose(-1, -2) * g.unsqueeze(-1).unsqueeze(-1)
        }])
    }
}

impl<'t, T: Float> Var<'t, T> {
    #[track_caller]
    fn expect_square(self, what: &str) -> usize {
        match self.shape()[..] {
            [.., m, n] if m == n => n,
            _ => panic!("{what}: {:?} is not a square matrix [.., n, n]", self.shape()),
        }
    }

    /// x with `self`·x = b, for a square matrix `[.., n, n]` and b `[.., n, m]`, or a vector `[n]` for one matrix;
    /// leading axes broadcast. By elimination with partial pivots: more exact than the
    /// [`inverse`](Var::inverse), and faster.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let a = tape.var(Tensor::from([[2.0, 0.0], [0.0, 4.0]]));
    /// let b = tape.var(Tensor::from([[2.0], [2.0]]));
    /// assert_eq!(a.solve(b).value().to_vec(), [1.0, 0.5]);
    /// ```
    ///
    /// # Panics
    /// When the matrix is not square, or b has not as many rows.
    #[track_caller]
    pub fn solve(self, b: Var<'t, T>) -> Var<'t, T> {
        let n = self.expect_square("solve");
        if b.rank() == 1 && self.rank() == 2 {
            return self.solve(b.unsqueeze(1)).squeeze(1);
        }
        let (sa, sb) = (self.shape(), b.shape());
        assert!(
            sb.len() >= 2 && sb[sb.len() - 2] == n,
            "solve: a matrix {sa:?} and a right side {sb:?} have not as many rows"
        );
        let Some(lead) = crate::tensor::layout::broadcast(&batch(&sa), &batch(&sb)) else {
            panic!("solve: leading axes do not broadcast: {sa:?} and {sb:?}");
        };
        let whole = |m: usize| lead.iter().copied().chain([n, m]).collect::<Dims>();
        let (a, b) = (self.broadcast_to(&whole(n)), b.broadcast_to(&whole(sb[sb.len() - 1])));
        self.tape().apply(Solve, &[a, b])
    }

    /// The inverse of square matrices `[.., n, n]`. To multiply with it, [`solve`](Var::solve) instead.
    ///
    /// # Panics
    /// When they are not square.
    #[track_caller]
    pub fn inverse(self) -> Var<'t, T> {
        let n = self.expect_square("inverse");
        self.solve(self.tape().constant(Tensor::eye(n)))
    }

    /// The lower triangle l with l·lᵀ = `self`, for symmetric positive definite matrices `[.., n, n]`. Only the
    /// lower triangle is read, and the gradient is symmetric, as in PyTorch. NaN where a matrix is not positive
    /// definite.
    ///
    /// # Panics
    /// When they are not square.
    #[track_caller]
    pub fn cholesky(self) -> Var<'t, T> {
        self.expect_square("cholesky");
        self.tape().apply(Cholesky, &[self])
    }

    /// The determinant of square matrices, `[.., n, n]` → `[..]`. The derivative at a singular matrix is not
    /// finite: it is worked out by the inverse.
    ///
    /// # Panics
    /// When they are not square.
    #[track_caller]
    pub fn det(self) -> Var<'t, T> {
        self.expect_square("det");
        self.tape().apply(Det { log: false }, &[self])
    }

    /// ln|det| of square matrices, `[.., n, n]` → `[..]`, without overflow on the way; −∞ for a singular one.
    ///
    /// # Panics
    /// When they are not square.
    #[track_caller]
    pub fn logdet(self) -> Var<'t, T> {
        self.expect_square("logdet");
        self.tape().apply(Det { log: true }, &[self])
    }
}
