//! Elementary functions without branches, calls or tables, so that a loop over
//! a slice vectorises at any instruction level.
//!
//! Every function takes `FMA`, which must be true only inside a function that
//! has the `fma` target feature: `mul_add` is a library call elsewhere. Both
//! settings meet the stated error, but their results may differ by an ulp.
//!
//! Stated errors are the greatest measured at any instruction level, rounded
//! up: over every 7th bit pattern in f32, over 80 000 points a function in f64.
//! Rounding is assumed to be to nearest, with subnormals on. All functions
//! return NaN for NaN. Coefficients come from `fit.py`, beside this file.

mod f32;
mod f64;
mod gamma;

/// `a * b + c`, fused when `FMA`; and a Horner polynomial, lowest power first.
macro_rules! basics {
    ($t:ident) => {
        #[inline(always)]
        fn fma<const FMA: bool>(a: $t, b: $t, c: $t) -> $t {
            if FMA { a.mul_add(b, c) } else { a * b + c }
        }

        #[inline(always)]
        fn poly<const FMA: bool, const N: usize>(x: $t, c: &[$t; N]) -> $t {
            let mut y = c[N - 1];
            let mut i = N - 1;
            while i > 0 {
                i -= 1;
                y = fma::<FMA>(y, x, c[i]);
            }
            y
        }

        /// `|x|` with the sign bit of `s`.
        #[inline(always)]
        fn with_sign(x: $t, s: $t) -> $t {
            const SIGN: $t = -0.0;
            $t::from_bits((x.to_bits() & !SIGN.to_bits()) | (s.to_bits() & SIGN.to_bits()))
        }
    };
}
pub(crate) use basics;

/// The elementary functions of a float type, by the type.
pub trait Math: Copy {
    fn exp<const FMA: bool>(self) -> Self;
    fn exp_m1<const FMA: bool>(self) -> Self;
    fn ln<const FMA: bool>(self) -> Self;
    fn ln_1p<const FMA: bool>(self) -> Self;
    fn tanh<const FMA: bool>(self) -> Self;
    fn sigmoid<const FMA: bool>(self) -> Self;
    fn softplus<const FMA: bool>(self) -> Self;
    fn erf<const FMA: bool>(self) -> Self;
    fn sin<const FMA: bool>(self) -> Self;
    fn cos<const FMA: bool>(self) -> Self;
    fn sqrt<const FMA: bool>(self) -> Self;
    fn abs<const FMA: bool>(self) -> Self;
    /// The library's, one element at a time: right in every corner, and rarely hot.
    fn pow<const FMA: bool>(self, exponent: Self) -> Self;

    fn erfc(self) -> Self;
    fn tan(self) -> Self;
    fn asin(self) -> Self;
    fn acos(self) -> Self;
    fn atan(self) -> Self;
    fn sinh(self) -> Self;
    fn cosh(self) -> Self;
    fn asinh(self) -> Self;
    fn acosh(self) -> Self;
    fn atanh(self) -> Self;
    fn lgamma(self) -> Self;
    fn polygamma(self, n: u32) -> Self;
    fn floor(self) -> Self;
    fn round(self) -> Self;
    fn trunc(self) -> Self;
    fn atan2(self, x: Self) -> Self;
    fn hypot(self, y: Self) -> Self;
    fn fmod(self, divisor: Self) -> Self;
}

/// Functions of the standard library under the same name.
macro_rules! standard {
    ($t:ident: $($unary:ident)*; $($binary:ident)*) => {
        $(#[inline(always)]
        fn $unary(self) -> Self {
            std::primitive::$t::$unary(self)
        })*
        $(#[inline(always)]
        fn $binary(self, other: Self) -> Self {
            std::primitive::$t::$binary(self, other)
        })*
    };
}

macro_rules! math {
    ($t:ident: $($f:ident)*) => {
        impl Math for $t {
            $(#[inline(always)]
            fn $f<const FMA: bool>(self) -> Self {
                self::$t::$f::<FMA>(self)
            })*
            // Beyond their range the reduction is wrong; the library's is right and slow.
            #[inline(always)]
            fn sin<const FMA: bool>(self) -> Self {
                if self.abs() <= self::$t::SIN_COS_MAX { self::$t::sin::<FMA>(self) } else { std::primitive::$t::sin(self) }
            }
            #[inline(always)]
            fn cos<const FMA: bool>(self) -> Self {
                if self.abs() <= self::$t::SIN_COS_MAX { self::$t::cos::<FMA>(self) } else { std::primitive::$t::cos(self) }
            }
            #[inline(always)]
            fn sqrt<const FMA: bool>(self) -> Self {
                std::primitive::$t::sqrt(self)
            }
            #[inline(always)]
            fn abs<const FMA: bool>(self) -> Self {
                std::primitive::$t::abs(self)
            }
            #[inline(always)]
            fn pow<const FMA: bool>(self, exponent: Self) -> Self {
                self.powf(exponent)
            }
            standard!($t: tan asin acos atan sinh cosh floor trunc; atan2 hypot);
            fn erfc(self) -> Self {
                libm::erfc(std::primitive::f64::from(self)) as $t
            }
            fn asinh(self) -> Self {
                libm::asinh(std::primitive::f64::from(self)) as $t
            }
            fn acosh(self) -> Self {
                libm::acosh(std::primitive::f64::from(self)) as $t
            }
            fn atanh(self) -> Self {
                libm::atanh(std::primitive::f64::from(self)) as $t
            }
            fn lgamma(self) -> Self {
                libm::lgamma(std::primitive::f64::from(self)) as $t
            }
            fn polygamma(self, n: u32) -> Self {
                gamma::polygamma(n, std::primitive::f64::from(self)) as $t
            }
            #[inline(always)]
            fn round(self) -> Self {
                self.round_ties_even()
            }
            #[inline(always)]
            fn fmod(self, divisor: Self) -> Self {
                self % divisor
            }
        }
    };
}
math!(f32: exp exp_m1 ln ln_1p tanh sigmoid softplus erf);
math!(f64: exp exp_m1 ln ln_1p tanh sigmoid softplus erf);

#[cfg(test)]
mod tests;
