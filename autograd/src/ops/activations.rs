//! Activations beyond those that [`linear`](Var::linear) takes in, and clamping.

use super::elementwise::functions;
use crate::element::Float;
use crate::real::Real;
use crate::rule::rules;
use crate::tape::Var;

/// Klambauer et al. 2017: the fixed point of mean 0 and variance 1.
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
/// √(2/π)
const GELU_RATE: f64 = 0.797_884_560_802_865_4;

/// `y`, a straight line in x; where x is NaN, so is the slope.
#[inline(always)]
fn or_nan<R: Real>(x: R, y: R) -> R {
    R::select(x.equals(x), y, x * f64::NAN)
}

rules! {
    Clamp "clamp" [low: f64, high: f64] (x) = {
        let inside = R::select(R::lit(high).less(x), R::lit(high), or_nan(x, x));
        R::select(x.less(R::lit(low)), R::lit(low), inside)
    };
    Silu "silu" (x) = x * x.sigmoid();
    Mish "mish" (x) by number, = x * x.softplus().tanh();
    GeluTanh "gelu_tanh" (x) = x * (((x * x * x * 0.044_715 + x) * GELU_RATE).tanh() * 0.5 + 0.5);
    LeakyRelu "leaky_relu" [slope: f64] (x) =
        R::select(R::lit(0.0).less(x), x, or_nan(x, x * slope));
    Elu "elu" [scale: f64, alpha: f64, rate: f64] (x) =
        R::select(R::lit(0.0).less(x), x * scale, (x * rate).exp_m1() * alpha * scale);
    HardSigmoid "hardsigmoid" (x) by number, = {
        let line = R::select(R::lit(3.0).less(x), R::lit(1.0), or_nan(x, x / 6.0 + 0.5));
        R::select(x.less(R::lit(-3.0)), R::lit(0.0), line)
    };
    HardSwish "hardswish" (x) by number, = {
        let middle = R::select(R::lit(3.0).less(x), x, x * (x / 6.0 + 0.5));
        R::select(x.less(R::lit(-3.0)), R::lit(0.0), middle)
    };
    Softsign "softsign" (x) by number, = x / (x.abs() + 1.0);
    LogSigmoid "log_sigmoid" (x) by number, = -(-x).softplus();
    Rsqrt "rsqrt" (x) = R::lit(1.0) / x.sqrt();
}

functions! {
    /// x·sigmoid(x), also called swish (Elfwing et al. 2017).
    silu Silu;
    /// x·tanh(softplus(x)) (Misra 2019).
    mish Mish;
    /// GELU in the form with tanh (Hendrycks and Gimpel 2016), within 5e-4 of [`gelu`](Var::gelu): PyTorch's
    /// `approximate='tanh'`.
    gelu_tanh GeluTanh;
    /// max(0, min(1, x/6 + 1/2)); the derivative at ±3 is 1/6.
    hardsigmoid HardSigmoid;
    /// x·hardsigmoid(x) (Howard et al. 2019).
    hardswish HardSwish;
    /// x / (1 + |x|)
    softsign Softsign;
    /// ln sigmoid(x), finite for every finite x.
    log_sigmoid LogSigmoid;
    /// 1/√x
    rsqrt Rsqrt;
}

impl<'t, T: Float> Var<'t, T> {
    /// Not below `low` and not above `high`, either of which may be infinite. The derivative is 1 between
    /// them and at both, as in JAX (PyTorch has 0 at the bounds of `hardtanh`), and 0 outside.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var(Tensor::from([-2.0, 1.0, 5.0]));
    /// let y = x.clamp(-1.0, 1.0);
    /// assert_eq!(y.value().to_vec(), [-1.0, 1.0, 1.0]);
    /// assert_eq!(y.sum().backward()[x].to_vec(), [0.0, 1.0, 0.0]);
    /// ```
    ///
    /// # Panics
    /// When `low` is above `high`, or one of them is NaN.
    #[track_caller]
    pub fn clamp(self, low: f64, high: f64) -> Var<'t, T> {
        assert!(low <= high, "clamp: the lower bound {low} is not below the upper bound {high}");
        self.unary(Clamp(low, high))
    }

    /// [`clamp`](Var::clamp) under the name that it has as an activation.
    #[track_caller]
    pub fn hardtanh(self) -> Var<'t, T> {
        self.clamp(-1.0, 1.0)
    }

    /// min(max(x, 0), 6); the derivative at 0 and 6 is 1.
    #[track_caller]
    pub fn relu6(self) -> Var<'t, T> {
        self.clamp(0.0, 6.0)
    }

    /// x where it is positive, else `slope`·x; the derivative at 0 is `slope`.
    #[track_caller]
    pub fn leaky_relu(self, slope: f64) -> Var<'t, T> {
        self.unary(LeakyRelu(slope))
    }

    /// x where it is positive, else `alpha`·(e^x − 1) (Clevert et al. 2015); the derivative at 0 is `alpha`.
    #[track_caller]
    pub fn elu(self, alpha: f64) -> Var<'t, T> {
        self.unary(Elu(1.0, alpha, 1.0))
    }

    /// The self-normalising one (Klambauer et al. 2017): 1.0507·elu(x) with α = 1.6733.
    #[track_caller]
    pub fn selu(self) -> Var<'t, T> {
        self.unary(Elu(SELU_SCALE, SELU_ALPHA, 1.0))
    }

    /// x where it is positive, else `alpha`·(e^(x/`alpha`) − 1) (Barron 2017), smooth for every α > 0.
    #[track_caller]
    pub fn celu(self, alpha: f64) -> Var<'t, T> {
        self.unary(Elu(1.0, alpha, 1.0 / alpha))
    }

    /// The first half along an axis times the sigmoid of the second (Dauphin et al. 2016).
    ///
    /// # Panics
    /// When the axis is of odd length.
    #[track_caller]
    pub fn glu(self, axis: isize) -> Var<'t, T> {
        let at = crate::tensor::layout::axis_at("glu", axis, self.rank());
        let n = self.shape()[at];
        assert!(n.is_multiple_of(2), "glu: axis {axis} of {:?} has no two halves", self.shape());
        self.slice(axis, 0..n / 2) * self.slice(axis, n / 2..n).sigmoid()
    }

    /// 1/x
    #[track_caller]
    pub fn reciprocal(self) -> Var<'t, T> {
        self.powf(-1.0)
    }

    /// x^n by repeated multiplication.
    #[track_caller]
    pub fn powi(self, n: i32) -> Var<'t, T> {
        self.unary(super::elementwise::Powi(n))
    }
}
