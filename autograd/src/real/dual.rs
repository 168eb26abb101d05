//! Reading 2: a dual number. The derivative of each elementary function stands here, and only here.
//!
//! Loops count, and do without iterators: each of them is compiled for every rule, and iterators take a third longer.
#![expect(clippy::needless_range_loop, reason = "see above")]

use std::f64::consts::FRAC_2_SQRT_PI;

use super::{Real, operators};

/// A value and its derivatives with respect to `N` inputs.
#[derive(Clone, Copy, Debug)]
pub struct Dual<R, const N: usize> {
    /// The value.
    pub value: R,
    /// Its derivative with respect to each input.
    pub tangents: [R; N],
}

impl<R: Real, const N: usize> Dual<R, N> {
    /// Input number `index` of a rule: its derivative with respect to itself is 1.
    #[inline(always)]
    pub fn input(value: R, index: usize) -> Self {
        let mut dual = Dual::constant(value);
        dual.tangents[index] = R::lit(1.0);
        dual
    }

    /// A value that depends on no input.
    #[inline(always)]
    pub fn constant(value: R) -> Self {
        Dual { value, tangents: [R::no_tangent(); N] }
    }

    /// y = f(x), by the chain rule; the slope f′(x) is only worked out if a tangent needs it.
    #[inline(always)]
    fn chain(self, value: R, slope: impl FnOnce() -> R) -> Self {
        let (mut tangents, mut needed) = (self.tangents, false);
        for i in 0..N {
            needed |= !tangents[i].is_no_tangent();
        }
        if needed {
            R::carry_all(&mut tangents, slope());
        }
        Dual { value, tangents }
    }

    /// The sum of two contributions to the tangents of `self`'s value.
    #[inline(always)]
    fn and(mut self, other: Self) -> Self {
        R::add_all(&mut self.tangents, &other.tangents);
        self
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Dual { value: self.value + other.value, tangents: self.tangents }.and(other)
    }
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        let value = self.value - other.value;
        Dual { value, tangents: self.tangents }.and(other.chain(value, || R::lit(-1.0)))
    }
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        self.product(other, self.value * other.value)
    }
    #[inline(always)]
    fn product(self, other: Self, value: R) -> Self {
        self.chain(value, || other.value).and(other.chain(value, || self.value))
    }
    #[inline(always)]
    fn over(self, other: Self) -> Self {
        let value = self.value / other.value;
        self.chain(value, || R::lit(1.0) / other.value)
            .and(other.chain(value, || -(value / other.value)))
    }
    #[inline(always)]
    fn negative(self) -> Self {
        self.chain(-self.value, || R::lit(-1.0))
    }
    /// √(1 − x²), with all digits near ±1.
    #[inline(always)]
    fn leg(x: R) -> R {
        ((R::lit(1.0) - x) * (x + 1.0)).sqrt()
    }
    /// The slope of max(a, b) in a: 1 or 0, one half at a tie, NaN with NaN.
    #[inline(always)]
    fn share(a: R, b: R) -> R {
        let tie = R::select(a.equals(b), R::lit(0.5), R::lit(f64::NAN));
        R::select(b.less(a), R::lit(1.0), R::select(a.less(b), R::lit(0.0), tie))
    }
}

operators!([R: Real, const N: usize] Dual<R, N>);

impl<R: Real, const N: usize> Real for Dual<R, N> {
    type Mask = R::Mask;

    #[inline(always)]
    fn lit(x: f64) -> Self {
        Dual::constant(R::lit(x))
    }
    #[inline(always)]
    fn exp(self) -> Self {
        let y = self.value.exp();
        self.chain(y, || y)
    }
    #[inline(always)]
    fn exp_m1(self) -> Self {
        let y = self.value.exp_m1();
        self.chain(y, || y + 1.0)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        self.chain(self.value.ln(), || R::lit(1.0) / self.value)
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        self.chain(self.value.ln_1p(), || R::lit(1.0) / (self.value + 1.0))
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        let y = self.value.sqrt();
        self.chain(y, || R::lit(0.5) / y)
    }
    #[inline(always)]
    fn sin(self) -> Self {
        self.chain(self.value.sin(), || self.value.cos())
    }
    #[inline(always)]
    fn cos(self) -> Self {
        self.chain(self.value.cos(), || -self.value.sin())
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        let y = self.value.tanh();
        self.chain(y, || R::lit(1.0) - y * y)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        let y = self.value.sigmoid();
        self.chain(y, || y * (R::lit(1.0) - y))
    }
    #[inline(always)]
    fn softplus(self) -> Self {
        self.chain(self.value.softplus(), || self.value.sigmoid())
    }
    #[inline(always)]
    fn erf(self) -> Self {
        let x = self.value;
        self.chain(x.erf(), || (-(x * x)).exp() * FRAC_2_SQRT_PI)
    }
    #[inline(always)]
    fn erfc(self) -> Self {
        let x = self.value;
        self.chain(x.erfc(), || (-(x * x)).exp() * -FRAC_2_SQRT_PI)
    }
    #[inline(always)]
    fn tan(self) -> Self {
        let y = self.value.tan();
        self.chain(y, || y * y + 1.0)
    }
    #[inline(always)]
    fn asin(self) -> Self {
        self.chain(self.value.asin(), || R::lit(1.0) / Self::leg(self.value))
    }
    #[inline(always)]
    fn acos(self) -> Self {
        self.chain(self.value.acos(), || R::lit(-1.0) / Self::leg(self.value))
    }
    #[inline(always)]
    fn atan(self) -> Self {
        let x = self.value;
        self.chain(x.atan(), || R::lit(1.0) / (x * x + 1.0))
    }
    #[inline(always)]
    fn sinh(self) -> Self {
        self.chain(self.value.sinh(), || self.value.cosh())
    }
    #[inline(always)]
    fn cosh(self) -> Self {
        self.chain(self.value.cosh(), || self.value.sinh())
    }
    #[inline(always)]
    fn asinh(self) -> Self {
        let x = self.value;
        self.chain(x.asinh(), || R::lit(1.0) / x.hypot(R::lit(1.0)))
    }
    #[inline(always)]
    fn acosh(self) -> Self {
        let x = self.value;
        self.chain(x.acosh(), || R::lit(1.0) / ((x - 1.0).sqrt() * (x + 1.0).sqrt()))
    }
    #[inline(always)]
    fn atanh(self) -> Self {
        let x = self.value;
        self.chain(x.atanh(), || R::lit(1.0) / ((R::lit(1.0) - x) * (x + 1.0)))
    }
    #[inline(always)]
    fn lgamma(self) -> Self {
        self.chain(self.value.lgamma(), || self.value.polygamma(0))
    }
    #[inline(always)]
    fn polygamma(self, n: u32) -> Self {
        self.chain(self.value.polygamma(n), || self.value.polygamma(n + 1))
    }
    #[inline(always)]
    fn floor(self) -> Self {
        Dual::constant(self.value.floor())
    }
    #[inline(always)]
    fn round(self) -> Self {
        Dual::constant(self.value.round())
    }
    #[inline(always)]
    fn trunc(self) -> Self {
        Dual::constant(self.value.trunc())
    }
    #[inline(always)]
    fn atan2(self, x: Self) -> Self {
        let (b, a) = (self.value, x.value);
        let angle = b.atan2(a);
        let slope = |side: R| {
            let square = a * a + b * b;
            R::select(square.equals(R::lit(0.0)), R::lit(0.0), side / square)
        };
        self.chain(angle, || slope(a)).and(x.chain(angle, || slope(-b)))
    }
    #[inline(always)]
    fn hypot(self, other: Self) -> Self {
        let y = self.value.hypot(other.value);
        let slope = |side: R| R::select(y.equals(R::lit(0.0)), R::lit(0.0), side / y);
        self.chain(y, || slope(self.value)).and(other.chain(y, || slope(other.value)))
    }
    #[inline(always)]
    fn fmod(self, divisor: Self) -> Self {
        let (a, b) = (self.value, divisor.value);
        let y = a.fmod(b);
        self.chain(y, || R::lit(1.0)).and(divisor.chain(y, || -(a / b).trunc()))
    }
    #[inline(always)]
    fn abs(self) -> Self {
        self.chain(self.value.abs(), || self.value.sign())
    }
    #[inline(always)]
    fn sign(self) -> Self {
        Dual::constant(self.value.sign())
    }
    #[inline(always)]
    fn relu(self) -> Self {
        // −1, 0, 1 and NaN become 0, 0, 1 and NaN.
        self.chain(self.value.relu(), || self.value.sign().relu())
    }
    /// Its slope is worked out whole: through 1/(x·x), that of x⁻² at 0 would be 0 times infinity.
    #[inline(always)]
    fn powi(self, n: i32) -> Self {
        if n == 0 {
            return Self::constant(R::lit(1.0));
        }
        self.chain(self.value.powi(n), || self.value.powi(n - 1) * f64::from(n))
    }
    #[inline(always)]
    fn pow(self, exponent: Self) -> Self {
        let (x, y) = (self.value, exponent.value);
        let zero = R::lit(0.0);
        let power = x.pow(y);
        self.chain(power, || R::select(y.equals(zero), zero, y * x.pow(y - 1.0))).and(
            exponent.chain(power, || {
                // x^y·ln x, which at x = 0 is 0 for y ≥ 0 and −∞ for y < 0.
                let corner = R::select(y.less(zero), R::lit(f64::NEG_INFINITY), zero);
                R::select(x.equals(zero), corner, power * x.ln())
            }),
        )
    }
    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        let (a, b) = (self.value, other.value);
        let y = a.minimum(b);
        self.chain(y, || Self::share(b, a)).and(other.chain(y, || Self::share(a, b)))
    }
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        let (a, b) = (self.value, other.value);
        let y = a.maximum(b);
        self.chain(y, || Self::share(a, b)).and(other.chain(y, || Self::share(b, a)))
    }
    #[inline(always)]
    fn less(self, other: Self) -> R::Mask {
        self.value.less(other.value)
    }
    #[inline(always)]
    fn equals(self, other: Self) -> R::Mask {
        self.value.equals(other.value)
    }
    #[inline(always)]
    fn select(mask: R::Mask, a: Self, b: Self) -> Self {
        let mut chosen = a;
        chosen.value = R::select(mask, a.value, b.value);
        for i in 0..N {
            chosen.tangents[i] = R::select(mask, a.tangents[i], b.tangents[i]);
        }
        chosen
    }
    #[inline(always)]
    fn carry(self, slope: Self) -> Self {
        self.product(slope, self.value.carry(slope.value))
    }
    #[inline(always)]
    fn no_tangent() -> Self {
        Dual::constant(R::no_tangent())
    }
}
