//! The three kernels of a matrix product: loops over register tiles.
#![allow(unsafe_code, reason = "the register tiles of a kernel")]

use super::super::lanes::{Lanes, by_level};
use super::{Mat, Product, Task};
use std::array::from_fn;
use std::mem::{MaybeUninit, size_of};

/// The depth of a strip: 256 rows of two AVX-512 vectors are 32 KiB, which leaves the first cache
/// room for the rows of `a`.
const DEPTH: usize = 256;

by_level! {
    /// The product of any `a` and a `b` with contiguous rows, in tiles of a few rows by a few vectors.
    ///
    /// # Safety
    /// As for [`Task`]; and `b.cs == 1`.
    pub(super) unsafe fn tiles<T: Product>(t: &Task<T>) => tiles_with
}

by_level! {
    /// The product of any two matrices, by copies of strips of `b`.
    ///
    /// # Safety
    /// As for [`Task`].
    pub(super) unsafe fn strips<T: Product>(t: &Task<T>) => strips_with
}

by_level! {
    /// The product of an `a` with contiguous rows and a `b` with contiguous columns.
    ///
    /// # Safety
    /// As for [`Task`]; and `a.cs == 1`, `b.rs == 1`.
    pub(super) unsafe fn dots<T: Product>(t: &Task<T>) => dots_with
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
                // A call, since inlined it would be compiled a second time.
                tiles(&Task { k, n, a, b, c, accumulate, ..*t });
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
