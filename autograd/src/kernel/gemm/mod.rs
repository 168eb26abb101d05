//! Matrix products on slices.
//!
//! One register tile does nearly all: a few rows of `a` times two vectors' width of `b`, its sums held
//! in registers while k runs, the operands read where they lie. What differs is how `b` gets there:
//!
//! * its rows are contiguous: `tiles` reads them in place. Copying a small `b` costs more than the
//!   product, and this is what small and thin products live on;
//! * `b` is a transposed matrix, and `a` has few rows: `dots` runs along k instead;
//! * otherwise, or when the product is big: `strips` copies a strip of `b` at a time to the stack, where
//!   it stays in the first cache while all rows of `a` go past.
//!
//! Products that take longer than waking a thread are cut into blocks. The result has the same bits
//! for any number of threads: only rows and columns are cut, never the sums, the kernel is chosen
//! by the shape of the whole, and each kernel takes the sum of an element in an order that depends on k
//! alone, not on where in its block the element is.
#![allow(unsafe_code, reason = "the register tiles of a kernel")]

mod kernels;

use super::lanes::Vectors;
use kernels::{dots, strips, tiles};
use std::mem::size_of;
use std::ops::Add;

/// A strided matrix: element (i, j) is `data[i * rs + j * cs]`.
#[derive(Clone, Copy, Debug)]
pub struct Mat<'a, T> {
    /// Where the elements lie, from element (0, 0) on.
    pub data: &'a [T],
    /// The distance between the rows.
    pub rs: usize,
    /// The distance between the columns.
    pub cs: usize,
}

impl<'a, T> Mat<'a, T> {
    /// The transposed matrix, of the same elements.
    #[inline]
    pub fn t(self) -> Self {
        Mat { data: self.data, rs: self.cs, cs: self.rs }
    }

    /// The matrix without its first rows and columns.
    #[inline]
    fn from(self, i: usize, j: usize) -> Self {
        Mat { data: &self.data[i * self.rs + j * self.cs..], ..self }
    }

    /// Panics unless all of `rows` × `cols` elements are there; both must be 1 or more.
    #[inline]
    fn check(&self, rows: usize, cols: usize) {
        let last = |n: usize, stride: usize| (n - 1).checked_mul(stride);
        let end = last(rows, self.rs).zip(last(cols, self.cs)).and_then(|(i, j)| i.checked_add(j));
        assert!(
            end.is_some_and(|end| end < self.data.len()),
            "a {rows}×{cols} matrix exceeds its slice"
        );
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A type whose matrices can be multiplied: `f32` and `f64`.
pub trait Product: sealed::Sealed + Vectors + Default + Add<Output = Self> {
    /// [`gemm`] of an `[m, k, n]` product, compiled in this crate.
    #[doc(hidden)]
    fn product(shape: [usize; 3], a: Mat<Self>, b: Mat<Self>, c: &mut [Self], accumulate: bool);
}

macro_rules! product {
    ($($t:ty)*) => {$(
        impl Product for $t {
            fn product([m, k, n]: [usize; 3], a: Mat<$t>, b: Mat<$t>, c: &mut [$t], accumulate: bool) {
                gemm(m, k, n, a, b, c, accumulate);
            }
        }
    )*};
}
product!(f32 f64);

/// From this many multiplications on, threads share the work: 4 Mi take about 35 µs with AVX-512. A
/// thread that sleeps takes some 10 µs to rouse, from within the pool; a caller outside of it cannot
/// take back a block that no thread has begun, and may wait 50 µs for it.
const SHARED: usize = 1 << 22;
/// The same for a caller outside of the pool.
const SHARED_FROM_OUTSIDE: usize = 1 << 23;

/// With more bytes than this, `b` does not stay in a core's cache while rows of `a` go past.
const CACHE: usize = 512 << 10;

/// `c = a·b`, or `c += a·b` if `accumulate`, where `a` is m×k, `b` k×n, and `c` m×n with contiguous rows.
///
/// Without `accumulate`, `c` is only written to, and may hold anything. Elements of `c` beyond m·n stay.
///
/// # Panics
/// If a slice is too short for its matrix.
pub fn gemm<T: Product>(
    m: usize,
    k: usize,
    n: usize,
    a: Mat<T>,
    b: Mat<T>,
    c: &mut [T],
    accumulate: bool,
) {
    let size = m.checked_mul(n);
    assert!(size.is_some_and(|size| size <= c.len()), "a {m}×{n} product exceeds its slice");
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if !accumulate {
            c[..m * n].fill(T::default());
        }
        return;
    }
    a.check(m, k);
    b.check(k, n);
    let c = c.as_mut_ptr();
    // A column times a matrix on its left is a row times that matrix transposed: one kernel does
    // both, since a column of c is as contiguous as a row.
    let task = if n == 1 {
        Task { m: 1, k, n: m, a: b.t(), b: a.t(), c, ldc: m, accumulate }
    } else {
        Task { m, k, n, a, b, c, ldc: n, accumulate }
    };
    let kernel = task.kernel();
    // SAFETY: the matrices have been checked, and c is borrowed for as long as this runs.
    unsafe { if task.size() < SHARED { kernel(&task) } else { task.share(kernel) } }
}

/// A product to compute, or a block of one.
///
/// Whoever makes one answers for this: `a` holds m×k elements and `b` k×n, with m, k and n at least 1;
/// and `c` points to m rows of n elements, `ldc` apart, which nothing else uses meanwhile. It is a
/// pointer since blocks of columns interleave in memory, so that slices of them would overlap.
#[derive(Clone, Copy)]
struct Task<'a, T> {
    m: usize,
    k: usize,
    n: usize,
    a: Mat<'a, T>,
    b: Mat<'a, T>,
    c: *mut T,
    ldc: usize,
    accumulate: bool,
}

// SAFETY: threads that share a task only read it; what they write to are blocks of c, each its own.
unsafe impl<T: Sync + Send> Sync for Task<'_, T> {}

impl<T: Product> Task<'_, T> {
    /// How many multiplications it takes.
    #[inline]
    fn size(&self) -> usize {
        self.m.saturating_mul(self.k).saturating_mul(self.n)
    }

    /// The kernel that is fastest for this shape. The limits are measured.
    #[inline]
    fn kernel(&self) -> unsafe fn(&Self) {
        let big = self.m >= 64 && size_of::<T>() * self.k * self.n > CACHE;
        if self.b.cs == 1 && !big {
            tiles
        // A strip costs a copy for each element of b, a dot a sum across a vector for each of c.
        } else if self.b.rs == 1 && self.a.cs == 1 && !big && self.k >= 2 * self.m {
            dots
        } else {
            strips
        }
    }

    /// Runs the kernel on a block of whole columns, or of whole rows, per thread.
    ///
    /// # Safety
    /// As for [`Task`].
    #[cold]
    unsafe fn share(&self, kernel: unsafe fn(&Self)) {
        let inside = rayon::current_thread_index().is_some();
        let few = !inside && self.size() < SHARED_FROM_OUTSIDE;
        let threads = if few { 1 } else { rayon::current_num_threads() };
        // Columns where there are enough for even blocks: then no two threads copy the same strip.
        let by_columns = self.m < 32 || self.n >= 256.max(self.m / 2);
        let (len, unit) = if by_columns { (self.n, 64) } else { (self.m, 8) };
        let step = len.div_ceil(threads).next_multiple_of(unit);
        let block = |part: usize| {
            let (start, len) = (part * step, step.min(len - part * step));
            let (i, j) = if by_columns { (0, start) } else { (start, 0) };
            let (m, n) = if by_columns { (self.m, len) } else { (len, self.n) };
            // SAFETY: the block lies within the task's c, and blocks do not overlap.
            unsafe {
                let c = self.c.add(i * self.ldc + j);
                kernel(&Task { m, n, a: self.a.from(i, 0), b: self.b.from(0, j), c, ..*self })
            }
        };
        // In place: this thread begins at once with the first block, also where it is not one of the
        // pool's, instead of sleeping until two others have woken up.
        let block = &block;
        rayon::in_place_scope(|scope| {
            for part in 1..len.div_ceil(step) {
                scope.spawn(move |_| block(part));
            }
            block(0);
        });
    }
}

#[cfg(test)]
mod tests;
