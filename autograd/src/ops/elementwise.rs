//! Elementwise operations: a table of formulas over [`Real`](crate::Real), whose derivatives follow
//! (`real/dual.rs`).

use super::rule_op::Elementwise;
use crate::element::Float;
use crate::rule::{Rule, rules};
use crate::tape::{Tape, Var};
use crate::tensor::Tensor;

rules! {
    Add "add" (a, b) passes 0 | 1, = a + b;
    Sub "sub" (a, b) passes 0, = a - b;
    Mul "mul" (a, b) = a * b;
    Div "div" (a, b) = a / b;
    Neg "neg" (x) = -x;
    Scale "mul" [c: f64] (x) = x * c;
    Shift "add" [c: f64] (x) passes 0, = x + c;
    Carry "carry" (tangent, slope) = tangent.carry(slope);
    Exp "exp" (x) = x.exp();
    ExpM1 "exp_m1" (x) by number, = x.exp_m1();
    Ln "ln" (x) = x.ln();
    Ln1p "ln_1p" (x) by number, = x.ln_1p();
    Sqrt "sqrt" (x) = x.sqrt();
    Sin "sin" (x) = x.sin();
    Cos "cos" (x) = x.cos();
    Tanh "tanh" (x) = x.tanh();
    Sigmoid "sigmoid" (x) = x.sigmoid();
    Softplus "softplus" (x) = x.softplus();
    Erf "erf" (x) by number, = x.erf();
    Abs "abs" (x) = x.abs();
    Sign "sign" (x) = x.sign();
    Relu "relu" (x) = x.relu();
    Gelu "gelu" (x) = x.gelu();
    Pow "pow" (x, y) = x.pow(y);
    Powi "powi" [n: i32] (x) = x.powi(n);
    Minimum "minimum" (a, b) = a.minimum(b);
    Maximum "maximum" (a, b) = a.maximum(b);
    Less "less" (a, b) = R::select(a.less(b), R::lit(1.0), R::lit(0.0));
    Equals "equals" (a, b) = R::select(a.equals(b), R::lit(1.0), R::lit(0.0));
    Lerp "lerp" [weight: f64] (start, end) by number, = start + (end - start) * weight;
    Where "where" (mask, a, b) = R::select(R::lit(0.5).less(mask), a, b);
}

macro_rules! operator {
    ($trait:ident $method:ident $rule:ident, $x:ident $c:ident => $right:expr, $left:expr) => {
        impl<'t, T: Float> std::ops::$trait for Var<'t, T> {
            type Output = Var<'t, T>;
            #[track_caller]
            fn $method(self, other: Var<'t, T>) -> Var<'t, T> {
                self.binary($rule, other)
            }
        }
        impl<'t, T: Float> std::ops::$trait<f64> for Var<'t, T> {
            type Output = Var<'t, T>;
            #[track_caller]
            fn $method(self, $c: f64) -> Var<'t, T> {
                let $x = self;
                $right
            }
        }
        impl<'t, T: Float> std::ops::$trait<Var<'t, T>> for f64 {
            type Output = Var<'t, T>;
            #[track_caller]
            fn $method(self, $x: Var<'t, T>) -> Var<'t, T> {
                let $c = self;
                $left
            }
        }
    };
}

operator!(Add add Add, x c => x.unary(Shift(c)), x.unary(Shift(c)));
operator!(Sub sub Sub, x c => x.unary(Shift(-c)), x.unary(Neg).unary(Shift(c)));
operator!(Mul mul Mul, x c => x.unary(Scale(c)), x.unary(Scale(c)));
operator!(Div div Div, x c => x / x.tape().number(c), x.tape().number(c) / x);

impl<'t, T: Float> std::ops::Neg for Var<'t, T> {
    type Output = Var<'t, T>;
    #[track_caller]
    fn neg(self) -> Var<'t, T> {
        self.unary(Neg)
    }
}

impl<'t, T: Float> Var<'t, T> {
    #[track_caller]
    pub(super) fn unary(self, rule: impl Rule<1, 1>) -> Var<'t, T> {
        self.tape().apply(Elementwise::<_, 1, 1>(rule), &[self])
    }
    #[track_caller]
    pub(super) fn binary(self, rule: impl Rule<2, 1>, other: Var<'t, T>) -> Var<'t, T> {
        self.tape().apply(Elementwise::<_, 2, 1>(rule), &[self, other])
    }
}

/// Elementwise functions of one variable.
macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident $rule:ident;)*) => {
        impl<'t, T: Float> Var<'t, T> {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(self) -> Var<'t, T> {
                self.unary($rule)
            }
        )*}
    };
}
pub(super) use functions;

functions! {
    /// e^x
    exp Exp;
    /// e^x − 1, exact near 0.
    exp_m1 ExpM1;
    /// Natural logarithm.
    ln Ln;
    /// ln(1 + x), exact near 0.
    ln_1p Ln1p;
    /// √x. The derivative at 0 is infinite, and not hidden.
    sqrt Sqrt;
    /// Sine, in radians.
    sin Sin;
    /// Cosine, in radians.
    cos Cos;
    /// Hyperbolic tangent. The derivative, 1 − y², follows from the value y and is 0 where that rounds to ±1.
    tanh Tanh;
    /// 1 / (1 + e^−x); finite derivatives everywhere. The first, y·(1 − y), follows from the value y and is 0
    /// where that rounds to 1.
    sigmoid Sigmoid;
    /// ln(1 + e^x), finite for every finite x, without a threshold.
    softplus Softplus;
    /// The error function.
    erf Erf;
    /// |x|; the derivative at 0 is 0.
    abs Abs;
    /// −1, 0 or 1; NaN for NaN. The derivative is 0.
    sign Sign;
    /// max(x, 0); the derivative at 0 is 0, as in PyTorch and JAX.
    relu Relu;
    /// x/2·(1 + erf(x/√2)): the exact form (Hendrycks and Gimpel 2016), not the one with tanh.
    gelu Gelu;
}

impl<'t, T: Float> Var<'t, T> {
    /// x^y, elementwise with broadcasting.
    ///
    /// Negative x with whole y works. The derivative in x is 0 where y is 0 and 1 where y is 1, also
    /// at x = 0; the derivative in y is 0 where x is 0 and y ≥ 0, as in PyTorch.
    #[track_caller]
    pub fn pow(self, exponent: Var<'t, T>) -> Var<'t, T> {
        self.binary(Pow, exponent)
    }

    /// x^c for a constant. Whole c up to 64 is computed by multiplication.
    #[track_caller]
    pub fn powf(self, c: f64) -> Var<'t, T> {
        match c.fract() == 0.0 && c.abs() <= 64.0 {
            true => self.unary(Powi(c as i32)),
            false => self.pow(self.tape().number(c)),
        }
    }

    /// The smaller of two, elementwise; NaN if either is. At a tie each gets half of the gradient.
    #[track_caller]
    pub fn minimum(self, other: Var<'t, T>) -> Var<'t, T> {
        self.binary(Minimum, other)
    }

    /// A cotangent times a slope; 0 where either is, even if the other is infinite or NaN.
    #[track_caller]
    pub(crate) fn carry(self, slope: Var<'t, T>) -> Var<'t, T> {
        self.binary(Carry, slope)
    }

    /// 1 where two are equal, else 0; without a derivative.
    #[track_caller]
    pub(crate) fn indicator_of(self, other: Var<'t, T>) -> Var<'t, T> {
        self.binary(Equals, other)
    }

    /// start + weight·(end − start), elementwise with broadcasting; `self` is the start.
    #[track_caller]
    pub fn lerp(self, end: Var<'t, T>, weight: f64) -> Var<'t, T> {
        self.binary(Lerp(weight), end)
    }

    /// The larger of two, elementwise; NaN if either is. At a tie each gets half of the gradient.
    #[track_caller]
    pub fn maximum(self, other: Var<'t, T>) -> Var<'t, T> {
        self.binary(Maximum, other)
    }
}

impl<T: Float> Tape<T> {
    /// `a` where `mask` holds, else `b`, elementwise with broadcasting. The one that was not taken
    /// gets a gradient of exactly 0, even where it is infinite or NaN.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var(Tensor::from([0.0, 4.0]));
    /// let y = tape.where_(&x.value().map(|x| x > 0.0), x.ln(), tape.number(-1.0));
    /// assert_eq!(y.sum().backward()[x].to_vec(), [0.0, 0.25]);
    /// ```
    #[track_caller]
    pub fn where_<'t>(&'t self, mask: &Tensor<bool>, a: Var<'t, T>, b: Var<'t, T>) -> Var<'t, T> {
        let mask = self.constant(mask.map(|m| if m { T::ONE } else { T::ZERO }));
        self.apply(Elementwise::<_, 3, 1>(Where), &[mask, a, b])
    }
}
