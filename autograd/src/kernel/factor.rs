//! Triangular factors of small dense matrices, row by row. (A crate for these would be larger than this one.)

use crate::element::Float;

/// Row-major `p·a = l·u`, both in one square; l has ones on its diagonal.
pub(crate) struct Lu<T> {
    n: usize,
    factors: Vec<T>,
    /// Which row of the matrix each row comes from.
    rows: Vec<usize>,
    /// Whether the exchanges of rows are an odd number.
    odd: bool,
}

/// Gaussian elimination with the largest pivot of a column (Golub and Van Loan, algorithm 3.4.1).
pub(crate) fn lu<T: Float>(a: &[T], n: usize) -> Lu<T> {
    let (mut f, mut rows, mut odd) = (a.to_vec(), (0..n).collect::<Vec<_>>(), false);
    let size = |x: T| if x < T::ZERO { -x } else { x };
    for k in 0..n {
        let larger = |best: usize, i: usize| {
            if size(f[i * n + k]) > size(f[best * n + k]) { i } else { best }
        };
        let pivot = (k..n).fold(k, larger);
        if pivot != k {
            (0..n).for_each(|j| f.swap(k * n + j, pivot * n + j));
            rows.swap(k, pivot);
            odd = !odd;
        }
        let (above, below) = f.split_at_mut((k + 1) * n);
        let pivots = &above[k * n..];
        for row in below.chunks_exact_mut(n) {
            let factor = row[k] / pivots[k];
            row[k] = factor;
            for (x, &p) in row[k + 1..].iter_mut().zip(&pivots[k + 1..]) {
                *x = *x - factor * p;
            }
        }
    }
    Lu { n, factors: f, rows, odd }
}

impl<T: Float> Lu<T> {
    /// Replaces b, row-major `[n, m]`, by a⁻¹·b.
    pub(crate) fn solve(&self, b: &mut [T], m: usize) {
        let (n, f) = (self.n, &self.factors);
        let old = b.to_vec();
        for (i, &from) in self.rows.iter().enumerate() {
            b[i * m..][..m].copy_from_slice(&old[from * m..][..m]);
        }
        let subtract = |b: &mut [T], i: usize, k: usize| {
            let factor = f[i * n + k];
            for j in 0..m {
                b[i * m + j] = b[i * m + j] - factor * b[k * m + j];
            }
        };
        for i in 0..n {
            (0..i).for_each(|k| subtract(b, i, k));
        }
        for i in (0..n).rev() {
            (i + 1..n).for_each(|k| subtract(b, i, k));
            b[i * m..][..m].iter_mut().for_each(|x| *x = *x / f[i * n + i]);
        }
    }

    fn diagonal(&self) -> impl Iterator<Item = T> + '_ {
        (0..self.n).map(|i| self.factors[i * self.n + i])
    }

    pub(crate) fn det(&self) -> T {
        self.diagonal().fold(if self.odd { -T::ONE } else { T::ONE }, |det, x| det * x)
    }

    /// ln|det a|
    pub(crate) fn logdet(&self) -> T {
        self.diagonal().map(|x| (if x < T::ZERO { -x } else { x }).ln::<false>()).sum()
    }
}

/// The lower triangle of l·lᵀ = a, from the lower triangle of a (Golub and Van Loan, algorithm 4.2.1); NaN where
/// there is none.
pub(crate) fn cholesky<T: Float>(a: &[T], n: usize, l: &mut [T]) {
    l.fill(T::ZERO);
    for i in 0..n {
        for j in 0..=i {
            let dot: T = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
            let rest = a[i * n + j] - dot;
            l[i * n + j] = if i == j { rest.sqrt::<false>() } else { rest / l[j * n + j] };
        }
    }
}
