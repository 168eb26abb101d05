//! What a tensor can hold: [`Element`], and among those the two [`Float`]s that have gradients.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use crate::kernel::copy;
use crate::kernel::gemm::Product;
use crate::once::Once;
use crate::pool::Pool;
use crate::real::math::Math;
use crate::rule::Kernels;

/// A type that a [`Tensor`](crate::Tensor) can hold: `f32`, `f64`, `i32`, `i64`, `u8`, `bool`.
pub trait Element: Copy + Default + PartialEq + Debug + Display + Send + Sync + 'static {
    /// Runs `f` on this thread's pool of buffers; `None` while the thread is being torn down.
    #[doc(hidden)]
    fn with_pool<R>(f: impl FnOnce(&mut Pool<Self>) -> R) -> Option<R>;

    /// Copies the elements at `strides` in the row-major order of `shape`; compiled in this crate.
    #[doc(hidden)]
    fn copy_strided(shape: &[usize], strides: &[usize], data: &[Self], out: &mut [Self]);

    /// The text of one element in a printed tensor.
    #[doc(hidden)]
    fn text(self, precision: Option<usize>) -> String {
        let _ = precision;
        self.to_string()
    }
}

/// An element type with gradients: `f32` (the default everywhere) or `f64`.
pub trait Float:
    Element
    + Math
    + Once
    + Product
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + Sum
    + approx::AbsDiffEq<Epsilon = Self>
    + approx::RelativeEq
    + approx::UlpsEq
{
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// −∞
    const NEG_INFINITY: Self;

    /// The nearest value of this type.
    fn of(x: f64) -> Self;
    /// The same value in 64 bits; exact.
    fn to_f64(self) -> f64;
    /// Whether it is not a number.
    fn is_nan(self) -> bool;
    /// Whether it is neither infinite nor NaN.
    fn is_finite(self) -> bool;

    /// The one of two kernels that is of this type.
    #[doc(hidden)]
    fn choose<R>(
        single: &'static Kernels<R, f32>,
        double: &'static Kernels<R, f64>,
    ) -> &'static Kernels<R, Self>;

    /// This thread's store of spent tapes, kept for their capacity.
    #[doc(hidden)]
    fn with_spares<R>(f: impl FnOnce(&mut crate::tape::Spares<Self>) -> R) -> Option<R>;
}

macro_rules! element {
    ($t:ty $(, $text:expr)?) => {
        impl Element for $t {
            fn with_pool<R>(f: impl FnOnce(&mut Pool<Self>) -> R) -> Option<R> {
                std::thread_local! {
                    static POOL: std::cell::RefCell<Pool<$t>> =
                        const { std::cell::RefCell::new(Pool::new()) };
                }
                POOL.try_with(|pool| f(&mut pool.borrow_mut())).ok()
            }
            fn copy_strided(shape: &[usize], strides: &[usize], data: &[$t], out: &mut [$t]) {
                copy::strided(shape, strides, data, out);
            }
            $(fn text(self, precision: Option<usize>) -> String {
                let text: fn(f64, Option<usize>) -> String = $text;
                text(f64::from(self), precision)
            })?
        }
    };
}

/// Six significant digits at most, without trailing zeros; very large and small ones in
/// scientific notation.
fn float_text(x: f64, precision: Option<usize>) -> String {
    if let Some(digits) = precision {
        return without_sign_of_zero(format!("{x:.digits$}"));
    }
    if !x.is_finite() || x == 0.0 {
        return without_sign_of_zero(format!("{x}"));
    }
    let magnitude = x.abs().log10().floor() as i32;
    if !(-5..7).contains(&magnitude) {
        return format!("{x:.4e}");
    }
    let text = format!("{x:.*}", (5 - magnitude).max(0) as usize);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Zeros of either sign, and what is rounded to them, look the same: between numbers, `-0` is noise.
fn without_sign_of_zero(text: String) -> String {
    match text.strip_prefix('-') {
        Some(zero) if zero.bytes().all(|c| c == b'0' || c == b'.') => zero.to_owned(),
        _ => text,
    }
}

element!(f32, float_text);
element!(f64, float_text);
element!(i32);
element!(i64);
element!(u8);
element!(bool);

macro_rules! float {
    ($t:ty, $choose:expr) => {
        impl Float for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NEG_INFINITY: Self = <$t>::NEG_INFINITY;

            #[inline(always)]
            fn choose<R>(
                single: &'static Kernels<R, f32>,
                double: &'static Kernels<R, f64>,
            ) -> &'static Kernels<R, Self> {
                $choose(single, double)
            }

            #[inline(always)]
            fn of(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                <$t>::is_nan(self)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                <$t>::is_finite(self)
            }
            fn with_spares<R>(f: impl FnOnce(&mut crate::tape::Spares<Self>) -> R) -> Option<R> {
                std::thread_local! {
                    static SPARES: std::cell::RefCell<crate::tape::Spares<$t>> =
                        const { std::cell::RefCell::new(crate::tape::Spares::new()) };
                }
                SPARES.try_with(|spares| f(&mut spares.borrow_mut())).ok()
            }
        }
    };
}

float!(f32, |single, _| single);
float!(f64, |_, double| double);
