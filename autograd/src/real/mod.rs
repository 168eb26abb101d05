//! One rule, several readings.
//!
//! An elementwise function or an optimiser's update is written once over [`Real`] and read
//!
//! 1. as a number, [`Num`]: a lane of a loop over slices that the compiler vectorises;
//! 2. as a dual number, [`Dual`]: the derivatives for all inputs in one pass, nothing stored;
//! 3. as a record, [`Sym`]: variables on the tape, when a further derivative is wanted.
//!
//! The derivative of each elementary function stands once, in `dual.rs`; readings 2 and 3 both use
//! it, so there is no second set of rules that could disagree.

#![expect(clippy::needless_range_loop, reason = "as in `dual.rs`")]

pub(crate) mod dual;
pub(crate) mod math;
pub(crate) mod num;
pub(crate) mod sym;

pub use dual::Dual;
pub use num::Num;
pub use sym::Sym;

use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A real number in a rule, whatever it is read as.
///
/// ```
/// use gradus_autograd::Real;
/// fn gauss<R: Real>(x: R) -> R {
///     (-(x * x)).exp()
/// }
/// assert!((gauss(0.5_f64) - (-0.25_f64).exp()).abs() < 1e-15);
/// ```
pub trait Real:
    Copy
    + Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
{
    /// The outcome of a comparison.
    type Mask: Copy;

    /// A constant.
    fn lit(x: f64) -> Self;

    /// e^x
    fn exp(self) -> Self;
    /// e^x − 1, exact near 0.
    fn exp_m1(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// ln(1 + x), exact near 0.
    fn ln_1p(self) -> Self;
    /// √x; derivative at 0: infinite.
    fn sqrt(self) -> Self;
    /// Sine, in radians.
    fn sin(self) -> Self;
    /// Cosine, in radians.
    fn cos(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// 1 / (1 + e^−x)
    fn sigmoid(self) -> Self;
    /// ln(1 + e^x), finite for every finite x.
    fn softplus(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// 1 − erf(x), exact far out.
    fn erfc(self) -> Self;
    /// Tangent, of radians.
    fn tan(self) -> Self;
    /// The angle in −π/2 to π/2 whose sine this is.
    fn asin(self) -> Self;
    /// The angle in 0 to π whose cosine this is.
    fn acos(self) -> Self;
    /// The angle in −π/2 to π/2 whose tangent this is.
    fn atan(self) -> Self;
    /// Hyperbolic sine.
    fn sinh(self) -> Self;
    /// Hyperbolic cosine.
    fn cosh(self) -> Self;
    /// The number whose hyperbolic sine this is.
    fn asinh(self) -> Self;
    /// The number, 0 or larger, whose hyperbolic cosine this is.
    fn acosh(self) -> Self;
    /// The number whose hyperbolic tangent this is.
    fn atanh(self) -> Self;
    /// ln|Γ(x)|
    fn lgamma(self) -> Self;
    /// The derivative of order n + 1 of ln Γ(x); n = 0 is the digamma function.
    fn polygamma(self, n: u32) -> Self;
    /// The next whole number below; derivative 0.
    fn floor(self) -> Self;
    /// The nearest whole number, of two the even one; derivative 0.
    fn round(self) -> Self;
    /// The next whole number towards 0; derivative 0.
    fn trunc(self) -> Self;
    /// The angle of the point (`x`, `self`), −π to π; derivative at the origin: 0.
    fn atan2(self, x: Self) -> Self;
    /// √(x² + y²) without overflow on the way; derivative at the origin: 0.
    fn hypot(self, y: Self) -> Self;
    /// What is left of a division, with the sign of `self`.
    fn fmod(self, divisor: Self) -> Self;
    /// |x|; derivative at 0: 0.
    fn abs(self) -> Self;
    /// −1, 0 or 1 (NaN for NaN); derivative 0.
    fn sign(self) -> Self;
    /// max(x, 0); derivative at 0: 0.
    fn relu(self) -> Self;
    /// x^y; see [`Var::pow`](crate::Var::pow) for its corners.
    fn pow(self, exponent: Self) -> Self;
    /// x^n by repeated multiplication.
    fn powi(self, n: i32) -> Self {
        let (mut base, mut power, mut left) = (self, None, n.unsigned_abs());
        while left > 0 {
            if left & 1 == 1 {
                power = Some(power.map_or(base, |p: Self| p * base));
            }
            left >>= 1;
            if left > 0 {
                base = base * base;
            }
        }
        let power = power.unwrap_or(Self::lit(1.0));
        if n < 0 { Self::lit(1.0) / power } else { power }
    }
    /// The smaller one; NaN if either is. A tie gives each half of the derivative.
    fn minimum(self, other: Self) -> Self;
    /// The larger one; NaN if either is. A tie gives each half of the derivative.
    fn maximum(self, other: Self) -> Self;

    /// Whether `self < other`; false with NaN.
    fn less(self, other: Self) -> Self::Mask;
    /// Whether the two are the same number; false with NaN.
    fn equals(self, other: Self) -> Self::Mask;
    /// `a` where the mask holds, else `b`. The other one has no influence, even if it is NaN or
    /// infinite, nor has its derivative.
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self;

    /// x/2·(1 + erf(x/√2)), the exact form (Hendrycks and Gimpel 2016).
    #[inline(always)]
    fn gelu(self) -> Self {
        self * ((self * std::f64::consts::FRAC_1_SQRT_2).erf() * 0.5 + 0.5)
    }

    /// A tangent (or cotangent) times a slope, where exactly 0 wins over infinity and NaN: nothing
    /// flows where nothing was asked for, and so the branch that `select` did not take gives 0.
    #[doc(hidden)]
    fn carry(self, slope: Self) -> Self;
    /// [`carry`](Real::carry) of several.
    #[doc(hidden)]
    #[inline(always)]
    fn carry_all(tangents: &mut [Self], slope: Self) {
        for i in 0..tangents.len() {
            tangents[i] = tangents[i].carry(slope);
        }
    }
    /// Adds to each tangent another one.
    #[doc(hidden)]
    #[inline(always)]
    fn add_all(tangents: &mut [Self], others: &[Self]) {
        for i in 0..tangents.len() {
            tangents[i] = tangents[i] + others[i];
        }
    }
    /// The tangent of an input that is not being differentiated.
    #[doc(hidden)]
    fn no_tangent() -> Self;
    /// Whether this is known, without looking at data, to be the tangent above.
    #[doc(hidden)]
    #[inline(always)]
    fn is_no_tangent(self) -> bool {
        false
    }
}

/// Numbers on the left of an operator, `1.0 - x`, in a rule that is generic over [`Real`].
pub trait Literal<R>:
    Add<R, Output = R> + Sub<R, Output = R> + Mul<R, Output = R> + Div<R, Output = R>
{
}
impl<L, R> Literal<R> for L where
    L: Add<R, Output = R> + Sub<R, Output = R> + Mul<R, Output = R> + Div<R, Output = R>
{
}

/// The operators of a reading, from its four methods `add`, `sub`, `mul`, `div` and `neg`: between
/// two of them, and with a number on either side.
macro_rules! operators {
    ([$($g:tt)*] $t:ty) => {
        operators!(@each [$($g)*] $t, Add add plus, Sub sub minus, Mul mul times, Div div over);
        impl<$($g)*> std::ops::Neg for $t {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                self.negative()
            }
        }
    };
    (@each $g:tt $t:ty, $($trait:ident $method:ident $with:ident),*) => {
        $(operators!(@one $g $t, $trait $method $with);)*
    };
    (@one [$($g:tt)*] $t:ty, $trait:ident $method:ident $with:ident) => {
        impl<$($g)*> std::ops::$trait for $t {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                self.$with(other)
            }
        }
        impl<$($g)*> std::ops::$trait<f64> for $t {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: f64) -> Self {
                self.$with(<$t as $crate::Real>::lit(other))
            }
        }
        impl<$($g)*> std::ops::$trait<$t> for f64 {
            type Output = $t;
            #[inline(always)]
            fn $method(self, other: $t) -> $t {
                <$t as $crate::Real>::lit(self).$with(other)
            }
        }
    };
}
pub(crate) use operators;
