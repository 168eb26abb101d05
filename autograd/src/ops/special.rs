//! Elementary and special functions that are seldom hot, and rounding: a library's, one number at a time.

use super::elementwise::functions;
use crate::element::Float;
use crate::rule::rules;
use crate::tape::Var;

rules! {
    Erfc "erfc" (x) by number, = x.erfc();
    Tan "tan" (x) by number, = x.tan();
    Asin "asin" (x) by number, = x.asin();
    Acos "acos" (x) by number, = x.acos();
    Atan "atan" (x) by number, = x.atan();
    Sinh "sinh" (x) by number, = x.sinh();
    Cosh "cosh" (x) by number, = x.cosh();
    Asinh "asinh" (x) by number, = x.asinh();
    Acosh "acosh" (x) by number, = x.acosh();
    Atanh "atanh" (x) by number, = x.atanh();
    Lgamma "lgamma" (x) by number, = x.lgamma();
    Polygamma "polygamma" [n: u32] (x) by number, = x.polygamma(n);
    Floor "floor" (x) by number, = x.floor();
    Round "round" (x) by number, = x.round();
    Trunc "trunc" (x) by number, = x.trunc();
    Atan2 "atan2" (y, x) by number, = y.atan2(x);
    Hypot "hypot" (x, y) by number, = x.hypot(y);
    Fmod "fmod" (a, b) by number, = a.fmod(b);
    SafeSqrt "safe_sqrt" (x) by number, = R::select(x.equals(R::lit(0.0)), R::lit(0.0), x.sqrt());
}

functions! {
    /// √x with a derivative of 0 at 0, where that of [`sqrt`](Var::sqrt) is infinite; NaN below.
    safe_sqrt SafeSqrt;
    /// 1 − erf(x), exact far out, where erf rounds to 1.
    erfc Erfc;
    /// Tangent, of radians.
    tan Tan;
    /// The angle in −π/2 to π/2 whose sine this is. The derivative at ±1 is infinite.
    asin Asin;
    /// The angle in 0 to π whose cosine this is. The derivative at ±1 is infinite.
    acos Acos;
    /// The angle in −π/2 to π/2 whose tangent this is.
    atan Atan;
    /// Hyperbolic sine.
    sinh Sinh;
    /// Hyperbolic cosine.
    cosh Cosh;
    /// The number whose hyperbolic sine this is.
    asinh Asinh;
    /// The number, 0 or larger, whose hyperbolic cosine this is.
    acosh Acosh;
    /// The number whose hyperbolic tangent this is.
    atanh Atanh;
    /// ln|Γ(x)|; its derivative is the digamma function.
    lgamma Lgamma;
    /// The next whole number below; the derivative is 0.
    floor Floor;
    /// The nearest whole number, of two the even one, as in NumPy and PyTorch; the derivative is 0.
    round Round;
    /// The next whole number towards 0; the derivative is 0.
    trunc Trunc;
}

impl<'t, T: Float> Var<'t, T> {
    /// ψ(x), the derivative of ln Γ(x).
    #[track_caller]
    pub fn digamma(self) -> Var<'t, T> {
        self.polygamma(0)
    }

    /// ψ⁽ⁿ⁾(x), the derivative of order n of the digamma function.
    #[track_caller]
    pub fn polygamma(self, n: u32) -> Var<'t, T> {
        self.unary(Polygamma(n))
    }

    /// The next whole number above; the derivative is 0.
    #[track_caller]
    pub fn ceil(self) -> Var<'t, T> {
        -(-self).floor()
    }

    /// The angle of the points (`x`, `self`) in radians, −π to π, with broadcasting. The derivative at the
    /// origin is 0, as in PyTorch.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let (y, x) = (tape.var(Tensor::scalar(1.0)), tape.var(Tensor::scalar(-1.0)));
    /// assert_eq!(y.atan2(x).item(), 0.75 * std::f64::consts::PI);
    /// ```
    #[track_caller]
    pub fn atan2(self, x: Var<'t, T>) -> Var<'t, T> {
        self.binary(Atan2, x)
    }

    /// √(x² + y²) without overflow on the way, with broadcasting. The derivative at the origin is 0.
    #[track_caller]
    pub fn hypot(self, other: Var<'t, T>) -> Var<'t, T> {
        self.binary(Hypot, other)
    }

    /// What is left of the division by `divisor`, with the sign of `self`, as C's `fmod`; with broadcasting.
    #[track_caller]
    pub fn fmod(self, divisor: Var<'t, T>) -> Var<'t, T> {
        self.binary(Fmod, divisor)
    }
}
