//! Vector registers by name, for kernels that hold many accumulators.
//!
//! The vectors are explicit, and not loops over arrays left to the compiler: LLVM stores arrays of
//! that size back to the stack in every turn, which more than halves the speed.
#![allow(unsafe_code, reason = "vector intrinsics and raw pointers of a kernel")]

use std::array::from_fn;
use std::ops::{Add, Mul};

/// A vector register of `LEN` elements.
///
/// # Safety
/// Every method may only run where the processor has the instructions of the type: inside a body
/// called through [`by_level!`]. Pointers need no alignment; they must be good for `LEN` elements, or
/// for those in the mask.
#[allow(clippy::missing_safety_doc, reason = "stated above, once for all of them")]
pub trait Lanes<T>: Copy {
    /// Elements in one register.
    const LEN: usize;
    /// Chooses the first few elements of a register.
    type Mask: Copy;
    /// The mask of the first `n` elements, `n <= LEN`.
    unsafe fn mask(n: usize) -> Self::Mask;
    /// `x` in every element.
    unsafe fn splat(x: T) -> Self;
    /// The elements at `p`.
    unsafe fn load(p: *const T) -> Self;
    /// The masked elements at `p`, and 0 in the others; nothing else is read.
    unsafe fn load_part(p: *const T, mask: Self::Mask) -> Self;
    /// Writes all elements to `p`.
    unsafe fn store(self, p: *mut T);
    /// Writes the masked elements to `p`, and nothing else.
    unsafe fn store_part(self, p: *mut T, mask: Self::Mask);
    /// `self + x`.
    unsafe fn add(self, x: Self) -> Self;
    /// `self * x + y`, with one rounding where the level has fused multiply-add.
    unsafe fn mul_add(self, x: Self, y: Self) -> Self;
    /// The sum of all elements, always in the same order.
    unsafe fn sum(self) -> T;
}

/// A floating-point type with a vector of every level.
pub trait Vectors: Copy + Send + Sync + 'static {
    /// The 64-byte vector.
    type Wide: Lanes<Self>;
    /// The 32-byte vector.
    type Half: Lanes<Self>;
    /// The 16-byte vector.
    type Base: Lanes<Self>;
}

/// The portable vector: small enough an array that compilers keep it in a register.
impl<T: Copy + Default + Add<Output = T> + Mul<Output = T>, const N: usize> Lanes<T> for [T; N] {
    const LEN: usize = N;
    type Mask = usize;
    #[inline(always)]
    unsafe fn mask(n: usize) -> usize {
        n
    }
    #[inline(always)]
    unsafe fn splat(x: T) -> Self {
        [x; N]
    }
    #[inline(always)]
    unsafe fn load(p: *const T) -> Self {
        unsafe { *p.cast() }
    }
    #[inline(always)]
    unsafe fn load_part(p: *const T, mask: usize) -> Self {
        from_fn(|i| if i < mask { unsafe { *p.add(i) } } else { T::default() })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut T) {
        unsafe { *p.cast() = self }
    }
    #[inline(always)]
    unsafe fn store_part(self, p: *mut T, mask: usize) {
        for (i, x) in self.into_iter().enumerate().take(mask) {
            unsafe { *p.add(i) = x }
        }
    }
    #[inline(always)]
    unsafe fn add(self, x: Self) -> Self {
        from_fn(|i| self[i] + x[i])
    }
    #[inline(always)]
    unsafe fn mul_add(self, x: Self, y: Self) -> Self {
        from_fn(|i| self[i] * x[i] + y[i])
    }
    #[inline(always)]
    unsafe fn sum(self) -> T {
        self.into_iter().fold(T::default(), |sum, x| sum + x)
    }
}

/// The vectors of x86-64. The intrinsics are named by what they share: the width and the type.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Lanes, Vectors};
    use std::arch::x86_64::*;

    macro_rules! lanes {
        ($vector:ident, $t:ty, $len:literal, $mask:ty, $make_mask:expr, $sum:expr,
         $splat:ident $load:ident $load_part:ident $store:ident $store_part:ident $add:ident $fma:ident) => {
            impl Lanes<$t> for $vector {
                const LEN: usize = $len;
                type Mask = $mask;
                #[inline(always)]
                unsafe fn mask(n: usize) -> $mask {
                    unsafe { $make_mask(n) }
                }
                #[inline(always)]
                unsafe fn splat(x: $t) -> Self {
                    unsafe { $splat(x) }
                }
                #[inline(always)]
                unsafe fn load(p: *const $t) -> Self {
                    unsafe { $load(p) }
                }
                #[inline(always)]
                unsafe fn load_part(p: *const $t, mask: $mask) -> Self {
                    unsafe { $load_part(p, mask) }
                }
                #[inline(always)]
                unsafe fn store(self, p: *mut $t) {
                    unsafe { $store(p, self) }
                }
                #[inline(always)]
                unsafe fn store_part(self, p: *mut $t, mask: $mask) {
                    unsafe { $store_part(p, mask, self) }
                }
                #[inline(always)]
                unsafe fn add(self, x: Self) -> Self {
                    unsafe { $add(self, x) }
                }
                #[inline(always)]
                unsafe fn mul_add(self, x: Self, y: Self) -> Self {
                    unsafe { $fma(self, x, y) }
                }
                #[inline(always)]
                unsafe fn sum(self) -> $t {
                    unsafe { $sum(self) }
                }
            }
        };
    }

    lanes!(__m512, f32, 16, __mmask16, mask16, _mm512_reduce_add_ps,
        _mm512_set1_ps _mm512_loadu_ps load16 _mm512_storeu_ps _mm512_mask_storeu_ps _mm512_add_ps _mm512_fmadd_ps);
    lanes!(__m512d, f64, 8, __mmask8, mask8, _mm512_reduce_add_pd,
        _mm512_set1_pd _mm512_loadu_pd load8 _mm512_storeu_pd _mm512_mask_storeu_pd _mm512_add_pd _mm512_fmadd_pd);
    lanes!(__m256, f32, 8, __m256i, mask_words, sum_ps,
        _mm256_set1_ps _mm256_loadu_ps _mm256_maskload_ps _mm256_storeu_ps _mm256_maskstore_ps _mm256_add_ps _mm256_fmadd_ps);
    lanes!(__m256d, f64, 4, __m256i, mask_longs, sum_pd,
        _mm256_set1_pd _mm256_loadu_pd _mm256_maskload_pd _mm256_storeu_pd _mm256_maskstore_pd _mm256_add_pd _mm256_fmadd_pd);

    impl Vectors for f32 {
        type Wide = __m512;
        type Half = __m256;
        type Base = [f32; 4];
    }
    impl Vectors for f64 {
        type Wide = __m512d;
        type Half = __m256d;
        type Base = [f64; 2];
    }

    #[inline(always)]
    unsafe fn mask16(n: usize) -> __mmask16 {
        ((1u32 << n) - 1) as __mmask16
    }
    #[inline(always)]
    unsafe fn mask8(n: usize) -> __mmask8 {
        ((1u32 << n) - 1) as __mmask8
    }
    #[inline(always)]
    unsafe fn mask_words(n: usize) -> __m256i {
        unsafe {
            _mm256_cmpgt_epi32(
                _mm256_set1_epi32(n as i32),
                _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
            )
        }
    }
    #[inline(always)]
    unsafe fn mask_longs(n: usize) -> __m256i {
        unsafe { _mm256_cmpgt_epi64(_mm256_set1_epi64x(n as i64), _mm256_setr_epi64x(0, 1, 2, 3)) }
    }
    #[inline(always)]
    unsafe fn load16(p: *const f32, mask: __mmask16) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(mask, p) }
    }
    #[inline(always)]
    unsafe fn load8(p: *const f64, mask: __mmask8) -> __m512d {
        unsafe { _mm512_maskz_loadu_pd(mask, p) }
    }
    #[inline(always)]
    unsafe fn sum_ps(v: __m256) -> f32 {
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }
    #[inline(always)]
    unsafe fn sum_pd(v: __m256d) -> f64 {
        unsafe {
            let two = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd::<1>(v));
            _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod other {
    use super::Vectors;
    impl Vectors for f32 {
        type Wide = [f32; 4];
        type Half = [f32; 4];
        type Base = [f32; 4];
    }
    impl Vectors for f64 {
        type Wide = [f64; 2];
        type Half = [f64; 2];
        type Base = [f64; 2];
    }
}

/// `by_level!(unsafe fn name<T: Bound>(args…) => body)` defines `name`, which runs
/// `body::<T, V>(args…)` compiled for the processor's [`Level`](super::simd::Level), where `V` is the vector of that level.
///
/// `body` must be `#[inline(always)]`, as must all that it calls in its loops: only code inlined
/// into a function with `target_feature` is compiled for those features.
macro_rules! by_level {
    ($(#[$doc:meta])* $vis:vis unsafe fn $name:ident<$t:ident: $bound:path>(
        $($arg:ident: $ty:ty),* $(,)?
    ) $(-> $ret:ty)? => $body:ident) => {
        $(#[$doc])*
        #[inline]
        $vis unsafe fn $name<$t: $bound>($($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,fma")]
            unsafe fn avx512<$t: $bound>($($arg: $ty),*) $(-> $ret)? {
                // SAFETY: the caller of `name` answers for what `body` asks.
                unsafe { $body::<$t, <$t as $crate::kernel::lanes::Vectors>::Wide>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2<$t: $bound>($($arg: $ty),*) $(-> $ret)? {
                // SAFETY: as above.
                unsafe { $body::<$t, <$t as $crate::kernel::lanes::Vectors>::Half>($($arg),*) }
            }
            // SAFETY: as above; and `level` says only what the processor can do.
            unsafe {
                match $crate::kernel::simd::level() {
                    #[cfg(target_arch = "x86_64")]
                    $crate::kernel::simd::Level::Avx512 => avx512::<$t>($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::kernel::simd::Level::Avx2 => avx2::<$t>($($arg),*),
                    _ => $body::<$t, <$t as $crate::kernel::lanes::Vectors>::Base>($($arg),*),
                }
            }
        }
    };
}
pub(crate) use by_level;
