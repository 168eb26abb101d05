//! Elementwise functions.

use gradus_autograd::Float;

use super::{Found, On};

pub fn unary<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let x = on.var("x");
    Found::y(match on.text("f") {
        "exp" => x.exp(),
        "log" => x.ln(),
        "log1p" => x.ln_1p(),
        "expm1" => x.exp_m1(),
        "sqrt" => x.sqrt(),
        "rsqrt" => x.powf(-0.5),
        "sin" => x.sin(),
        "cos" => x.cos(),
        "tan" => x.sin() / x.cos(),
        "sinh" => (x.exp() - (-x).exp()) / 2.0,
        "erf" => x.erf(),
        "erfc" => 1.0 - x.erf(),
        "abs" => x.abs(),
        "sign" => x.sign(),
        "reciprocal" => 1.0 / x,
        "square" => x.powf(2.0),
        _ => return None,
    })
}

pub fn activations<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let x = on.var("x");
    let positive = x.value().map(|x| x > T::ZERO);
    let elu = |alpha: f64| on.tape.where_(&positive, x, x.exp_m1() * alpha);
    Found::y(match on.text("f") {
        "relu" => x.relu(),
        "gelu" if on.text("approximate").is_empty() => x.gelu(),
        "gelu" => {
            let inner = (x + x.powf(3.0) * 0.044_715) * (2.0 / std::f64::consts::PI).sqrt();
            x * 0.5 * (1.0 + inner.tanh())
        }
        "silu" => x * x.sigmoid(),
        "elu" => elu(on.number("alpha", 1.0)),
        // Klambauer et al. 2017
        "selu" => elu(1.673_263_242_354_377_2) * 1.050_700_987_355_480_5,
        // PyTorch's is linear above a threshold; the operation itself is exact there, and has none.
        "softplus" => {
            let (beta, threshold) = (on.number("beta", 1.0), on.number("threshold", 20.0));
            let linear = x.value().map(|x| x.to_f64() * beta > threshold);
            on.tape.where_(&linear, x, (x * beta).softplus() / beta)
        }
        "leaky_relu" => on.tape.where_(&positive, x, x * on.number("negative_slope", 0.01)),
        "sigmoid" => x.sigmoid(),
        "tanh" => x.tanh(),
        "logsigmoid" => -(-x).softplus(),
        "mish" => x * x.softplus().tanh(),
        "celu" => {
            let alpha = on.number("alpha", 1.0);
            on.tape.where_(&positive, x, (x / alpha).exp_m1() * alpha)
        }
        "softsign" => x / (1.0 + x.abs()),
        "glu" => {
            let half = x.shape()[1] / 2;
            x.slice(1, 0..half) * x.slice(1, half..2 * half).sigmoid()
        }
        _ => return None,
    })
}

pub fn binary_broadcast<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (a, b) = (on.var("a"), on.var("b"));
    Found::y(match on.text("f") {
        "add" => a + b,
        "sub" => a - b,
        "mul" => a * b,
        "div" => a / b,
        "pow" => a.pow(b),
        "maximum" => a.maximum(b),
        "minimum" => a.minimum(b),
        "logaddexp" => b + (a - b).softplus(),
        _ => return None,
    })
}

pub fn pow_scalar<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    Found::y(on.var("x").powf(on.number("e", f64::NAN)))
}

pub fn where_<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    Found::y(on.tape.where_(&on.mask("c"), on.var("a"), on.var("b")))
}
