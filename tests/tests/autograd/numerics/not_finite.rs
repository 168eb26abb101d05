//! Rows 11 to 14: dead branches, NaN, arguments far out, constants to the last digit.

use gradus_autograd::{Activation, Tape, Tensor, Var, fused};

use super::{
    FUNCTION, ROUNDING, assert_close, assert_curvatures, assert_slopes, column, same, slopes,
};

#[test]
fn row_11_the_dead_branch_receives_exactly_0() {
    let tape = Tape::<f64>::new();
    let at = [-1.0, 0.0, 4.0];
    let mask = Tensor::from([false, false, true]);
    for dead in [
        (|x: Var<'_, f64>| x.ln()) as for<'t> fn(Var<'t, f64>) -> Var<'t, f64>,
        |x| x.sqrt(),
        |x| 1.0 / x,
        |x| x.powf(-1.5),
        |x| fused!(|x| x.ln() / x)(x),
    ] {
        let x = tape.var(column(&at));
        let y = tape.where_(&mask, dead(x), x * 2.0).sum();
        let (fast, recorded) = (y.backward()[x].to_vec(), y.grad(&[x])[0]);
        assert_eq!(fast[..2], [2.0, 2.0]);
        assert!(fast[2].is_finite());
        assert_close("recorded", &recorded.value().to_vec(), &fast, ROUNDING);
        let second = recorded.sum();
        let (fast, recorded) =
            (second.backward()[x].to_vec(), second.grad(&[x])[0].value().to_vec());
        assert_eq!((fast[..2].to_vec(), recorded[..2].to_vec()), (vec![0.0; 2], vec![0.0; 2]));
        assert!(fast[2].is_finite() && same(recorded[2], fast[2], FUNCTION));
    }
    // Values that are NaN or infinite in the dead branch itself.
    let a = tape.var(column(&[f64::NAN, f64::INFINITY, 1.0]));
    let b = tape.var(column(&[1.0, 1.0, f64::NAN]));
    let y = tape.where_(&mask, a, b).sum();
    assert_eq!(y.backward()[a].to_vec(), [0.0, 0.0, 1.0]);
    assert_eq!(y.grad(&[b])[0].value().to_vec(), [1.0, 1.0, 0.0]);
}

/// A unit that is off passes nothing on, also where what follows has an infinite slope there.
#[test]
fn row_11_a_dead_unit_passes_nothing_on() {
    let tape = Tape::<f64>::new();
    let w = tape.var(Tensor::ones(&[1, 1]));
    for fused in [false, true] {
        let x = tape.var(Tensor::from([[-1.0], [4.0]]));
        let y = if fused { x.linear(w, None, Activation::Relu) } else { x.matmul(w).relu() };
        let y = y.sqrt().sum();
        assert_eq!(y.backward()[x].to_vec(), [0.0, 0.25], "fused: {fused}, fast");
        assert_eq!(y.grad(&[x])[0].value().to_vec(), [0.0, 0.25], "fused: {fused}, recorded");
    }
}

#[test]
fn row_12_nan_in_nan_out() {
    type Unary = for<'t> fn(Var<'t, f64>) -> Var<'t, f64>;
    let all: &[(&str, Unary)] = &[
        ("exp", |x| x.exp()),
        ("exp_m1", |x| x.exp_m1()),
        ("ln", |x| x.ln()),
        ("ln_1p", |x| x.ln_1p()),
        ("sqrt", |x| x.sqrt()),
        ("sin", |x| x.sin()),
        ("cos", |x| x.cos()),
        ("tanh", |x| x.tanh()),
        ("sigmoid", |x| x.sigmoid()),
        ("softplus", |x| x.softplus()),
        ("erf", |x| x.erf()),
        ("abs", |x| x.abs()),
        ("relu", |x| x.relu()),
        ("gelu", |x| x.gelu()),
        ("powf 2", |x| x.powf(2.0)),
        ("powf 2.5", |x| x.powf(2.5)),
        ("square", |x| x * x),
        ("1/x", |x| 1.0 / x),
        ("softmax", |x| x.softmax(0) * x),
        ("log_softmax", |x| x.log_softmax(0)),
        ("max", |x| x.max()),
        ("max_axes", |x| x.max_axes(&[0])),
        ("minimum", |x| x.minimum(x.zeros_like())),
        ("maximum", |x| x.maximum(x.zeros_like())),
    ];
    for (name, f) in all {
        // Among enough others that the vectorised loop meets it, too.
        let mut at = vec![0.5; 37];
        at[20] = f64::NAN;
        let tape = Tape::<f64>::new();
        let x = tape.var(column(&at));
        let value = f(x).value().to_vec();
        let value = value[20.min(value.len() - 1)];
        assert!(value.is_nan(), "{name} of NaN: {value}");
        let [fast, recorded] = slopes(*f, &at);
        assert!(fast[20].is_nan(), "{name}: fast slope {}", fast[20]);
        assert!(recorded[20].is_nan(), "{name}: recorded slope {}", recorded[20]);
    }
    // sign: NaN for NaN, and the derivative 0 that it has everywhere.
    let tape = Tape::<f64>::new();
    let x = tape.var(column(&[f64::NAN, 1.0]));
    assert!(x.sign().value().to_vec()[0].is_nan());
    // The fused layer hides none, either.
    let w = tape.var(Tensor::ones(&[1, 1]));
    for activation in [Activation::Relu, Activation::Sigmoid, Activation::Tanh] {
        let y = x.unsqueeze(1).linear(w, None, activation).sum();
        assert!(y.item().is_nan(), "{activation:?}");
        assert!(y.backward()[x].to_vec()[0].is_nan(), "{activation:?}: fast");
        assert!(y.grad(&[x])[0].value().to_vec()[0].is_nan(), "{activation:?}: recorded");
    }
}

#[test]
fn row_12_nan_in_nan_out_in_f32() {
    for f in [
        (|x: Var<'_, f32>| x.relu()) as for<'t> fn(Var<'t, f32>) -> Var<'t, f32>,
        |x| x.abs(),
        |x| x.tanh(),
        |x| x.sigmoid(),
        |x| x.erf(),
        |x| x.exp(),
        |x| x.ln(),
        |x| x.softplus(),
        |x| x.gelu(),
        |x| x.max(),
    ] {
        let mut at = vec![0.5; 37];
        at[20] = f64::NAN;
        let [fast, recorded] = slopes(f, &at);
        assert!(fast[20].is_nan() && recorded[20].is_nan(), "{} {}", fast[20], recorded[20]);
    }
}

#[test]
fn row_13_far_out_is_finite_and_correct() {
    let at = [1000.0, -1000.0];
    assert_slopes(|x| x.sigmoid(), &at, &[0.0, 0.0]);
    assert_slopes(|x| x.softplus(), &at, &[1.0, 0.0]);
    assert_slopes(|x| -(-x).softplus(), &at, &[0.0, 1.0]);
    assert_slopes(|x| x.log_sigmoid(), &at, &[0.0, 1.0]);
    assert_slopes(|x| x.logsumexp(), &at, &[1.0, 0.0]);
    for f in [
        (|x: Var<'_, f64>| x.sigmoid()) as for<'t> fn(Var<'t, f64>) -> Var<'t, f64>,
        |x| x.softplus(),
        |x| x.tanh(),
        |x| x.erf(),
        |x| -(-x).softplus(),
        |x| x.log_sigmoid(),
        |x| x.logsumexp(),
        |x| x.softmax(0),
        |x| x.silu() - x.relu(),
        |x| x.mish() - x.relu(),
    ] {
        assert_curvatures(f, &at, &[0.0, 0.0]);
    }
    let tape = Tape::<f64>::new();
    let x = tape.var(column(&at));
    assert_eq!(x.sigmoid().value().to_vec(), [1.0, 0.0]);
    assert_eq!(x.softplus().value().to_vec(), [1000.0, 0.0]);
    assert_eq!((-(-x).softplus()).value().to_vec(), [0.0, -1000.0]);
    assert_eq!(x.log_sigmoid().value().to_vec(), [0.0, -1000.0]);
    assert_eq!(x.logsumexp().item(), 1000.0);
    assert_eq!(x.softmax(0).value().to_vec(), [1.0, 0.0]);
    assert_eq!(x.log_softmax(0).value().to_vec(), [0.0, -2000.0]);
    // log softmax: the slope of Σ w·log softmax is w − softmax·Σ w.
    let w = tape.constant(column(&[1.0, 3.0]));
    let y = (x.log_softmax(0) * w).sum();
    assert_eq!(y.backward()[x].to_vec(), [-3.0, 3.0]);
    assert_eq!(y.grad(&[x])[0].value().to_vec(), [-3.0, 3.0]);
    // Binary cross-entropy: right, wrong, wrong, right.
    let z = tape.var(column(&[1000.0, -1000.0, 1000.0, -1000.0]));
    let t = tape.constant(column(&[1.0, 1.0, 0.0, 0.0]));
    let loss = z.bce_with_logits(t);
    assert_eq!(loss.item(), 500.0);
    let expected = [0.0, -0.25, 0.25, 0.0];
    assert_eq!(loss.backward()[z].to_vec(), expected);
    let first = loss.grad(&[z])[0];
    assert_eq!(first.value().to_vec(), expected);
    assert_eq!(first.sum().backward()[z].to_vec(), [0.0; 4]);
    // Cross-entropy of classes.
    let logits = tape.var(Tensor::from([[1000.0, -1000.0], [1000.0, -1000.0]]));
    let loss = logits.cross_entropy(&Tensor::from([0_i64, 1]));
    assert_eq!(loss.item(), 1000.0);
    assert_eq!(loss.backward()[logits].to_vec(), [0.0, 0.0, 0.5, -0.5]);
    assert_eq!(loss.grad(&[logits])[0].value().to_vec(), [0.0, 0.0, 0.5, -0.5]);
    // In f32, where e^100 overflows already.
    let [fast, recorded] = slopes::<f32>(|x| x.softplus() + x.sigmoid(), &[100.0, -200.0]);
    assert_eq!((fast, recorded), (vec![1.0, 0.0], vec![1.0, 0.0]));
}

#[test]
fn row_13_rows_of_minus_infinity_are_defined() {
    const OUT: f64 = f64::NEG_INFINITY;
    let tape = Tape::<f64>::new();
    let x = tape.var(Tensor::from([[OUT, OUT], [OUT, 0.0], [0.0, 0.0]]));
    assert_eq!(x.softmax(1).value().to_vec(), [0.0, 0.0, 0.0, 1.0, 0.5, 0.5]);
    assert_eq!(x.log_softmax(1).value().slice(0, 0..2).to_vec(), [OUT, OUT, OUT, 0.0]);
    let w = tape.constant(Tensor::from([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]));
    let y = (x.softmax(1) * w).sum();
    let expected = [0.0, 0.0, 0.0, 0.0, -0.25, 0.25];
    assert_close("fast", &y.backward()[x].to_vec(), &expected, ROUNDING);
    let first = y.grad(&[x])[0];
    assert_close("recorded", &first.value().to_vec(), &expected, ROUNDING);
    for second in [
        first.powf(2.0).sum().backward()[x].to_vec(),
        first.powf(2.0).sum().grad(&[x])[0].value().to_vec(),
    ] {
        assert!(second.iter().all(|x| x.is_finite()), "{second:?}");
    }
    // Masked scores inside attention: no NaN may reach what made them.
    let scores = tape.var(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    let seen = Tensor::from([[false, false], [true, false]]);
    let masked = tape.where_(&seen, scores, tape.number(OUT)).softmax(1);
    assert_eq!(masked.value().to_vec(), [0.0, 0.0, 1.0, 0.0]);
    let y = (masked * tape.constant(Tensor::from([[1.0, 2.0], [3.0, 4.0]]))).sum();
    assert_eq!(y.backward()[scores].to_vec(), [0.0; 4]);
    assert_eq!(y.grad(&[scores])[0].value().to_vec(), [0.0; 4]);
}

/// To the last digits of double precision, also in the derivative.
#[test]
fn row_14_constants_in_double_precision() {
    let tape = Tape::<f64>::new();
    // 40-digit values, rounded: erf(½), erf′(½) = 2/√π·e^−¼, erf″(½) = −erf′(½).
    let x = tape.var(column(&[0.5]));
    assert_close("erf", &x.erf().value().to_vec(), &[0.520_499_877_813_046_5], ROUNDING);
    assert_slopes(|x| x.erf(), &[0.5], &[0.878_782_578_935_444_8]);
    assert_curvatures(|x| x.erf(), &[0.5], &[-0.878_782_578_935_444_8]);
    // gelu(1) = Φ(1), gelu′(1) = Φ(1) + φ(1), gelu″(1) = φ(1)·(2 − 1).
    let (cdf, density) = (0.841_344_746_068_542_9, 0.241_970_724_519_143_37);
    let x = tape.var(column(&[1.0]));
    assert_close("gelu", &x.gelu().value().to_vec(), &[cdf], ROUNDING);
    assert_slopes(|x| x.gelu(), &[1.0], &[cdf + density]);
    assert_curvatures(|x| x.gelu(), &[1.0], &[density]);
    // silu(1) = σ, σ + σ·(1 − σ), σ·(1−σ)·(2 + 1 − 2σ), with σ = 1/(1 + 1/e).
    let s = 0.731_058_578_630_004_9;
    assert_slopes(|x| x * x.sigmoid(), &[1.0], &[s + s * (1.0 - s)]);
    assert_curvatures(|x| x * x.sigmoid(), &[1.0], &[s * (1.0 - s) * (3.0 - 2.0 * s)]);
}
