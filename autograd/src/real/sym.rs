//! Reading 3: a record. Each operation becomes a node on the tape; constants are folded, so that no
//! node is made for x·1, x + 0, or a tangent that is known to be 0.

use super::{Real, operators};
use crate::element::Float;
use crate::ops::rule_op::Elementwise;
use crate::rule::Rule;
use crate::tape::Var;

/// A variable on a tape, or a constant that needs none yet.
#[derive(Clone, Copy, Debug)]
pub enum Sym<'t, T: Float> {
    /// A constant.
    Number(f64),
    /// A variable.
    Var(Var<'t, T>),
}

use Sym::Number;

/// The rules that are recorded.
mod rules {
    pub(super) use crate::ops::{elementwise::*, special::*};
}

impl<'t, T: Float> Sym<'t, T> {
    /// As a variable on the tape of `like`.
    pub(crate) fn on_tape_of(self, like: Var<'t, T>) -> Var<'t, T> {
        match self {
            Number(x) => like.tape().number(x),
            Sym::Var(x) => x,
        }
    }

    fn record1<R: Rule<1, 1>>(self, rule: R) -> Self {
        match self {
            Number(x) => Number(rule.eval([x])[0]),
            Sym::Var(x) => Sym::Var(x.tape().apply_or_remember(Elementwise::<R, 1, 1>(rule), [x])),
        }
    }

    fn record2<R: Rule<2, 1>>(self, other: Self, rule: R) -> Self {
        let tape = match (self, other) {
            (Number(a), Number(b)) => return Number(rule.eval([a, b])[0]),
            (Sym::Var(x), _) | (_, Sym::Var(x)) => x,
        };
        let inputs = [self.on_tape_of(tape), other.on_tape_of(tape)];
        Sym::Var(tape.tape().apply_or_remember(Elementwise::<R, 2, 1>(rule), inputs))
    }

    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Number(0.0), x) | (x, Number(0.0)) => x,
            _ => self.record2(other, rules::Add),
        }
    }
    fn minus(self, other: Self) -> Self {
        match (self, other) {
            (x, Number(0.0)) => x,
            _ => self.record2(other, rules::Sub),
        }
    }
    fn times(self, other: Self) -> Self {
        match (self, other) {
            (Number(1.0), x) | (x, Number(1.0)) => x,
            (Number(-1.0), x) | (x, Number(-1.0)) => x.negative(),
            _ => self.record2(other, rules::Mul),
        }
    }
    fn over(self, other: Self) -> Self {
        match (self, other) {
            (x, Number(1.0)) => x,
            _ => self.record2(other, rules::Div),
        }
    }
    fn negative(self) -> Self {
        self.record1(rules::Neg)
    }
}

operators!(['t, T: Float] Sym<'t, T>);

/// Methods that record the rule of the same name.
macro_rules! record {
    ($($unary:ident $rule:ident)*; $($binary:ident $rule2:ident)*) => {
        $(fn $unary(self) -> Self {
            self.record1(rules::$rule)
        })*
        $(fn $binary(self, other: Self) -> Self {
            self.record2(other, rules::$rule2)
        })*
    };
}

impl<'t, T: Float> Real for Sym<'t, T> {
    /// 1 where the comparison holds, else 0.
    type Mask = Self;

    fn lit(x: f64) -> Self {
        Number(x)
    }
    record!(
        exp Exp  exp_m1 ExpM1  ln Ln  ln_1p Ln1p  sqrt Sqrt  sin Sin  cos Cos  tanh Tanh
        sigmoid Sigmoid  softplus Softplus  erf Erf  abs Abs  sign Sign  relu Relu
        erfc Erfc  tan Tan  asin Asin  acos Acos  atan Atan  sinh Sinh  cosh Cosh  asinh Asinh
        acosh Acosh  atanh Atanh  lgamma Lgamma  floor Floor  round Round  trunc Trunc;
        pow Pow  minimum Minimum  maximum Maximum  less Less  equals Equals
        atan2 Atan2  hypot Hypot  fmod Fmod
    );
    fn polygamma(self, n: u32) -> Self {
        self.record1(rules::Polygamma(n))
    }
    fn powi(self, n: i32) -> Self {
        self.record1(rules::Powi(n))
    }
    fn gelu(self) -> Self {
        self.record1(rules::Gelu)
    }
    fn select(mask: Self, a: Self, b: Self) -> Self {
        let like = match (mask, a, b) {
            (Number(m), ..) => return if m == 1.0 { a } else { b },
            (_, Number(x), Number(y)) if x == y => return a,
            (Sym::Var(mask), ..) => mask,
        };
        let inputs = [like, a.on_tape_of(like), b.on_tape_of(like)];
        Sym::Var(like.tape().apply_or_remember(Elementwise::<_, 3, 1>(rules::Where), inputs))
    }
    fn carry(self, slope: Self) -> Self {
        match (self, slope) {
            (Number(0.0), _) | (_, Number(0.0)) => Number(0.0),
            (Number(1.0), x) | (x, Number(1.0)) => x,
            (Number(-1.0), x) | (x, Number(-1.0)) => x.negative(),
            _ => self.record2(slope, rules::Carry),
        }
    }
    // Of slices of any length, so that they are compiled once and not into every rule.
    #[inline(never)]
    fn carry_all(tangents: &mut [Self], slope: Self) {
        tangents.iter_mut().for_each(|tangent| *tangent = tangent.carry(slope));
    }
    #[inline(never)]
    fn add_all(tangents: &mut [Self], others: &[Self]) {
        std::iter::zip(tangents, others).for_each(|(a, &b)| *a = *a + b);
    }
    fn no_tangent() -> Self {
        Number(0.0)
    }
    fn is_no_tangent(self) -> bool {
        matches!(self, Number(0.0))
    }
}
