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

use super::lanes::{Lanes, Vectors, by_level};
use std::array::from_fn;
use std::mem::{MaybeUninit, size_of};
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

/// The depth of a strip: 256 rows of two AVX-512 vectors are 32 KiB, which leaves the first cache
/// room for the rows of `a`.
const DEPTH: usize = 256;

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

by_level! {
    /// The product of any `a` and a `b` with contiguous rows, in tiles of a few rows by a few vectors.
    ///
    /// # Safety
    /// As for [`Task`]; and `b.cs == 1`.
    unsafe fn tiles<T: Product>(t: &Task<T>) => tiles_with
}

by_level! {
    /// The product of any two matrices, by copies of strips of `b`.
    ///
    /// # Safety
    /// As for [`Task`].
    unsafe fn strips<T: Product>(t: &Task<T>) => strips_with
}

by_level! {
    /// The product of an `a` with contiguous rows and a `b` with contiguous columns.
    ///
    /// # Safety
    /// As for [`Task`]; and `a.cs == 1`, `b.rs == 1`.
    unsafe fn dots<T: Product>(t: &Task<T>) => dots_with
}

/// [`tiles`] with one type of vector. Every tile but the last few of a row has 8 sums or more: fewer
/// would wait for each other, as a fused multiply-add takes 4 cycles, and 2 begin in each.
#[inline(always)]
unsafe fn tiles_with<T: Product, V: Lanes<T>>(t: &Task<T>) {
    let mut i = 0;
    // SAFETY: rows i and on are there, as many as the call says.
    unsafe {
        // Only AVX-512 has the registers for 8 rows of 2.
        while size_of::<V>() == 64 && i + 8 <= t.m {
            tile_rows::<T, V, 8, 2>(t, i);
            i += 8;
        }
        while i + 4 <= t.m {
            tile_rows::<T, V, 4, 2>(t, i);
            i += 4;
        }
        if i + 2 <= t.m {
            tile_rows::<T, V, 2, 4>(t, i);
            i += 2;
        }
        if i < t.m {
            tile_rows::<T, V, 1, 8>(t, i);
        }
    }
}

/// Rows i to i + R of the product, in tiles C vectors wide and then narrower.
#[inline(always)]
unsafe fn tile_rows<T: Product, V: Lanes<T>, const R: usize, const C: usize>(
    t: &Task<T>,
    i: usize,
) {
    let mut j = 0;
    // SAFETY: columns j and on are there, as many as the call says.
    unsafe {
        while j + C * V::LEN <= t.n {
            tile::<T, V, R, C, false>(t, i, j);
            j += C * V::LEN;
        }
        while j + V::LEN <= t.n {
            tile::<T, V, R, 1, false>(t, i, j);
            j += V::LEN;
        }
        if j < t.n {
            tile::<T, V, R, 1, true>(t, i, j);
        }
    }
}

/// The tile of R rows and C vectors at (i, j); if `PART`, only the columns that are left.
#[inline(always)]
unsafe fn tile<T: Product, V: Lanes<T>, const R: usize, const C: usize, const PART: bool>(
    t: &Task<T>,
    i: usize,
    j: usize,
) {
    // SAFETY: all elements are within their matrices, or masked out.
    unsafe {
        let mask = V::mask(if PART { t.n - j } else { V::LEN });
        let load = |p: *const T| if PART { V::load_part(p, mask) } else { V::load(p) };
        let mut sums = [[V::splat(T::default()); C]; R];
        let (mut a, mut b) = (t.a.data.as_ptr().add(i * t.a.rs), t.b.data.as_ptr().add(j));
        for _ in 0..t.k {
            let row: [V; C] = from_fn(|s| load(b.add(s * V::LEN)));
            outer(|r| V::splat(*a.add(r * t.a.rs)), row, &mut sums);
            // Wrapping: the last step may leave the slice.
            a = a.wrapping_add(t.a.cs);
            b = b.wrapping_add(t.b.rs);
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (s, sum) in sums.into_iter().enumerate() {
                let c = t.c.add((i + r) * t.ldc + j + s * V::LEN);
                let sum = if t.accumulate { load(c).add(sum) } else { sum };
                if PART { sum.store_part(c, mask) } else { sum.store(c) }
            }
        }
    }
}

/// Adds to the sums of a tile the products of a column of vectors with a row of them.
#[inline(always)]
unsafe fn outer<T, V: Lanes<T>, const R: usize, const C: usize>(
    column: impl Fn(usize) -> V,
    row: [V; C],
    sums: &mut [[V; C]; R],
) {
    for (r, sums) in sums.iter_mut().enumerate() {
        let x = column(r);
        for (sum, y) in sums.iter_mut().zip(row) {
            // SAFETY: the caller's level has the instructions of V.
            *sum = unsafe { x.mul_add(y, *sum) };
        }
    }
}

/// Room for a strip, aligned so that no vector of it straddles two cache lines.
#[repr(align(64))]
struct Strip(MaybeUninit<[u8; DEPTH * 2 * 64]>);

/// [`strips`] with one type of vector.
#[inline(always)]
unsafe fn strips_with<T: Product, V: Lanes<T>>(t: &Task<T>) {
    let mut strip = Strip(MaybeUninit::uninit());
    let copy = strip.0.as_mut_ptr().cast::<T>();
    let width = 2 * V::LEN;
    for p in (0..t.k).step_by(DEPTH) {
        let k = DEPTH.min(t.k - p);
        for j in (0..t.n).step_by(width) {
            let n = width.min(t.n - j);
            let from = t.b.from(p, j);
            // SAFETY: the strip has room for `DEPTH` rows of two vectors, and k rows of n are written.
            unsafe {
                for q in 0..k {
                    for s in 0..n {
                        *copy.add(q * n + s) = *from.data.as_ptr().add(q * from.rs + s * from.cs);
                    }
                }
                let data = std::slice::from_raw_parts(copy, k * n);
                let b = Mat { data, rs: n, cs: 1 };
                let (a, c, accumulate) = (t.a.from(0, p), t.c.add(j), t.accumulate || p > 0);
                tiles_with::<T, V>(&Task { k, n, a, b, c, accumulate, ..*t });
            }
        }
    }
}

/// [`dots`] with one type of vector.
#[inline(always)]
unsafe fn dots_with<T: Product, V: Lanes<T>>(t: &Task<T>) {
    let mut i = 0;
    // SAFETY: rows i and on are there, as many as the call says.
    unsafe {
        while size_of::<V>() == 64 && i + 4 <= t.m {
            dot_rows::<T, V, 4>(t, i);
            i += 4;
        }
        while i + 2 <= t.m {
            dot_rows::<T, V, 2>(t, i);
            i += 2;
        }
        if i < t.m {
            dot_rows::<T, V, 1>(t, i);
        }
    }
}

/// Rows i to i + R of the product, by four columns and then one at a time.
#[inline(always)]
unsafe fn dot_rows<T: Product, V: Lanes<T>, const R: usize>(t: &Task<T>, i: usize) {
    let mut j = 0;
    // SAFETY: columns j and on are there, as many as the call says.
    unsafe {
        while j + 4 <= t.n {
            dot::<T, V, R, 4>(t, i, j);
            j += 4;
        }
        while j < t.n {
            dot::<T, V, R, 1>(t, i, j);
            j += 1;
        }
    }
}

/// The R×C elements at (i, j), each a sum over k of whole vectors, then of a part of one.
#[inline(always)]
unsafe fn dot<T: Product, V: Lanes<T>, const R: usize, const C: usize>(
    t: &Task<T>,
    i: usize,
    j: usize,
) {
    // SAFETY: all elements are within their matrices, or masked out.
    unsafe {
        let (a, b) = (t.a.data.as_ptr().add(i * t.a.rs), t.b.data.as_ptr().add(j * t.b.cs));
        let mut sums = [[V::splat(T::default()); C]; R];
        let whole = t.k - t.k % V::LEN;
        for p in (0..whole).step_by(V::LEN) {
            let row: [V; C] = from_fn(|s| V::load(b.add(s * t.b.cs + p)));
            outer(|r| V::load(a.add(r * t.a.rs + p)), row, &mut sums);
        }
        if whole < t.k {
            // The elements masked out are 0 in both, and add nothing.
            let mask = V::mask(t.k - whole);
            let row: [V; C] = from_fn(|s| V::load_part(b.add(s * t.b.cs + whole), mask));
            outer(|r| V::load_part(a.add(r * t.a.rs + whole), mask), row, &mut sums);
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (s, sum) in sums.into_iter().enumerate() {
                let c = t.c.add((i + r) * t.ldc + j + s);
                *c = if t.accumulate { *c + sum.sum() } else { sum.sum() };
            }
        }
    }
}

#[cfg(test)]
mod tests;
