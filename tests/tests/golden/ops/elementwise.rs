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
        "rsqrt" => x.rsqrt(),
        "sin" => x.sin(),
        "cos" => x.cos(),
        "tan" => x.tan(),
        "asin" => x.asin(),
        "atan" => x.atan(),
        "sinh" => x.sinh(),
        "asinh" => x.asinh(),
        "atanh" => x.atanh(),
        "lgamma" => x.lgamma(),
        "floor" => x.floor(),
        "round" => x.round(),
        "erf" => x.erf(),
        "erfc" => x.erfc(),
        "abs" => x.abs(),
        "sign" => x.sign(),
        "reciprocal" => x.reciprocal(),
        "square" => x.powf(2.0),
        _ => return None,
    })
}

pub fn activations<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let x = on.var("x");
    Found::y(match on.text("f") {
        "relu" => x.relu(),
        "gelu" if on.text("approximate").is_empty() => x.gelu(),
        "gelu" => x.gelu_tanh(),
        "silu" => x.silu(),
        "elu" => x.elu(on.number("alpha", 1.0)),
        "selu" => x.selu(),
        "hardtanh" => x.clamp(on.number("min_val", -1.0), on.number("max_val", 1.0)),
        "hardswish" => x.hardswish(),
        "relu6" => x.relu6(),
        // PyTorch's is linear above a threshold; the operation itself is exact there, and has none.
        "softplus" => {
            let (beta, threshold) = (on.number("beta", 1.0), on.number("threshold", 20.0));
            let linear = x.value().map(|x| x.to_f64() * beta > threshold);
            on.tape.where_(&linear, x, (x * beta).softplus() / beta)
        }
        "leaky_relu" => x.leaky_relu(on.number("negative_slope", 0.01)),
        "sigmoid" => x.sigmoid(),
        "tanh" => x.tanh(),
        "logsigmoid" => x.log_sigmoid(),
        "mish" => x.mish(),
        "celu" => x.celu(on.number("alpha", 1.0)),
        "softsign" => x.softsign(),
        "glu" => x.glu(-1),
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
        "atan2" => a.atan2(b),
        "logaddexp" => b + (a - b).softplus(),
        _ => return None,
    })
}

pub fn clamp<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (low, high) = (on.number("lo", f64::NEG_INFINITY), on.number("hi", f64::INFINITY));
    Found::y(on.var("x").clamp(low, high))
}

pub fn pow_scalar<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    Found::y(on.var("x").powf(on.number("e", f64::NAN)))
}

pub fn where_<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    Found::y(on.tape.where_(&on.mask("c"), on.var("a"), on.var("b")))
}
