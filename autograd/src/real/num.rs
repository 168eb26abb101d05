//! Reading 1: a number, one lane of a vectorised loop.

use super::{Real, operators};
use crate::element::Float;
use crate::real::math::Math;

/// A number of type `T` in a kernel. `FMA` says whether the function that it is compiled into may
/// use fused multiply-add: the type carries it, because `#[inline(always)]` code cannot ask.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Num<T, const FMA: bool>(pub T);

impl<T: Float, const FMA: bool> Num<T, FMA> {
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Num(self.0 + other.0)
    }
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        Num(self.0 - other.0)
    }
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        Num(self.0 * other.0)
    }
    #[inline(always)]
    fn over(self, other: Self) -> Self {
        Num(self.0 / other.0)
    }
    #[inline(always)]
    fn negative(self) -> Self {
        Num(-self.0)
    }
}

operators!([T: Float, const FMA: bool] Num<T, FMA>);

/// Elementary functions that `Math` has under the same name.
macro_rules! forward {
    ($($name:ident)*) => {$(
        #[inline(always)]
        fn $name(self) -> Self {
            Num(self.0.$name::<FMA>())
        }
    )*};
}

/// Those that it takes from a library, one number at a time.
macro_rules! library {
    ($($unary:ident)*; $($binary:ident)*) => {
        $(#[inline(always)]
        fn $unary(self) -> Self {
            Num(self.0.$unary())
        })*
        $(#[inline(always)]
        fn $binary(self, other: Self) -> Self {
            Num(self.0.$binary(other.0))
        })*
    };
}

/// The same functions of a plain number, through [`Num`].
macro_rules! plain {
    ($($unary:ident)*; $($binary:ident)*) => {
        $(fn $unary(self) -> Self {
            Real::$unary(Num::<f64, false>(self)).0
        })*
        $(fn $binary(self, other: Self) -> Self {
            Real::$binary(Num::<f64, false>(self), Num(other)).0
        })*
    };
}

impl<T: Float, const FMA: bool> Real for Num<T, FMA> {
    type Mask = bool;

    #[inline(always)]
    fn lit(x: f64) -> Self {
        Num(T::of(x))
    }
    forward!(exp exp_m1 ln ln_1p sqrt sin cos tanh sigmoid softplus erf abs);
    library!(erfc tan asin acos atan sinh cosh asinh acosh atanh lgamma floor round trunc;
             atan2 hypot fmod);
    #[inline(always)]
    fn polygamma(self, n: u32) -> Self {
        Num(self.0.polygamma(n))
    }

    #[inline(always)]
    fn sign(self) -> Self {
        let x = self.0;
        let positive = if x > T::ZERO { T::ONE } else { x + T::ZERO }; // 0 and NaN stand for themselves
        Num(if x < T::ZERO { -T::ONE } else { positive })
    }
    #[inline(always)]
    fn relu(self) -> Self {
        Num(if self.0 <= T::ZERO { T::ZERO } else { self.0 })
    }
    #[inline(always)]
    fn pow(self, exponent: Self) -> Self {
        Num(self.0.pow::<FMA>(exponent.0))
    }
    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        let (a, b) = (self.0, other.0);
        // a + b is NaN whenever either is, in one instruction.
        let larger = if b <= a { b } else { a + b };
        Num(if a < b { a } else { larger })
    }
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        let (a, b) = (self.0, other.0);
        let smaller = if b >= a { b } else { a + b };
        Num(if a > b { a } else { smaller })
    }
    #[inline(always)]
    fn less(self, other: Self) -> bool {
        self.0 < other.0
    }
    #[inline(always)]
    fn equals(self, other: Self) -> bool {
        self.0 == other.0
    }
    #[inline(always)]
    fn select(mask: bool, a: Self, b: Self) -> Self {
        Num(if mask { a.0 } else { b.0 })
    }
    #[inline(always)]
    fn carry(self, slope: Self) -> Self {
        // Where the tangent is the constant below, the compiler drops the whole term. `|` and not `||`:
        // a jump in a loop keeps it from being vectorised.
        let product = self.0 * slope.0;
        Num(if (self.0 == T::ZERO) | (slope.0 == T::ZERO) { -T::ZERO } else { product })
    }
    #[inline(always)]
    fn no_tangent() -> Self {
        // x + (−0) is x for every x, also −0, so that the compiler may drop it; x + 0 is not.
        Num(-T::ZERO)
    }
}

/// A rule can be evaluated by hand on a plain `f64`.
impl Real for f64 {
    type Mask = bool;

    fn lit(x: f64) -> Self {
        x
    }
    plain!(exp exp_m1 ln ln_1p sqrt sin cos tanh sigmoid softplus erf abs sign relu
           erfc tan asin acos atan sinh cosh asinh acosh atanh lgamma floor round trunc;
           pow minimum maximum carry atan2 hypot fmod);
    fn polygamma(self, n: u32) -> Self {
        Math::polygamma(self, n)
    }
    fn less(self, other: Self) -> bool {
        self < other
    }
    fn equals(self, other: Self) -> bool {
        self == other
    }
    fn select(mask: bool, a: Self, b: Self) -> Self {
        if mask { a } else { b }
    }
    fn no_tangent() -> Self {
        -0.0
    }
}
