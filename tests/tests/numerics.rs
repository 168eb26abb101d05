//! The points where frameworks get numbers wrong, one test for each: first and second derivatives,
//! by the fast pass (`backward`) and by the recorded one (`grad`).

use gradus_autograd::check::gradcheck;
use gradus_autograd::{Activation, Float, Rng, Tape, Tensor, Var, fused};

/// Rounding of a handful of operations in f64.
const ROUNDING: f64 = 1e-14;
/// The same where an elementary function with a few ulp of its own takes part.
const FUNCTION: f64 = 1e-13;
/// Links of the chain of row 36.
const CHAIN: usize = 1_000_000;

fn column<T: Float>(x: &[f64]) -> Tensor<T> {
    Tensor::new(&[x.len()], x.iter().map(|&x| T::of(x)).collect())
}

fn numbers<T: Float>(x: &Tensor<T>) -> Vec<f64> {
    x.to_vec().into_iter().map(T::to_f64).collect()
}

fn same(found: f64, expected: f64, tolerance: f64) -> bool {
    found == expected
        || (found.is_nan() && expected.is_nan())
        || (found - expected).abs() <= tolerance * expected.abs().max(1.0)
}

#[track_caller]
fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: {found:?}, expected {expected:?}");
    let close = found.iter().zip(expected).all(|(&a, &b)| same(a, b, tolerance));
    assert!(close, "{what}: {found:?}, expected {expected:?}");
}

/// The derivative of Σ f(x) by both passes.
fn slopes<T: Float>(f: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T>, at: &[f64]) -> [Vec<f64>; 2] {
    let tape = Tape::<T>::new();
    let x = tape.var(column(at));
    let y = f(x).sum();
    [numbers(&y.backward()[x]), numbers(&y.grad(&[x])[0].value())]
}

/// The second derivative of Σ f(x) by both passes; f is elementwise.
fn curvatures<T: Float>(f: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T>, at: &[f64]) -> [Vec<f64>; 2] {
    let tape = Tape::<T>::new();
    let x = tape.var(column(at));
    let first = f(x).sum().grad(&[x])[0].sum();
    if !first.is_tracked() {
        return [vec![0.0; at.len()], vec![0.0; at.len()]];
    }
    let fast = first.backward().get(x).map_or(vec![0.0; at.len()], numbers);
    [fast, numbers(&first.grad(&[x])[0].value())]
}

/// The derivatives of Σ f(a, b) with respect to a and b by both passes.
fn slopes2(
    f: impl for<'t> Fn(Var<'t, f64>, Var<'t, f64>) -> Var<'t, f64>,
    a: &[f64],
    b: &[f64],
) -> [[Vec<f64>; 2]; 2] {
    let tape = Tape::<f64>::new();
    let (a, b) = (tape.var(column(a)), tape.var(column(b)));
    let y = f(a, b).sum();
    let (fast, recorded) = (y.backward(), y.grad(&[a, b]));
    [
        [fast[a].to_vec(), fast[b].to_vec()],
        [recorded[0].value().to_vec(), recorded[1].value().to_vec()],
    ]
}

#[track_caller]
fn assert_slopes(f: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>, at: &[f64], expected: &[f64]) {
    let [fast, recorded] = slopes(f, at);
    assert_close("fast", &fast, expected, FUNCTION);
    assert_close("recorded", &recorded, expected, FUNCTION);
}

#[track_caller]
fn assert_curvatures(
    f: impl for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>,
    at: &[f64],
    expected: &[f64],
) {
    let [fast, recorded] = curvatures(f, at);
    assert_close("fast, second", &fast, expected, FUNCTION);
    assert_close("recorded, second", &recorded, expected, FUNCTION);
}

/// The order of choice: the gradient, the smallest subgradient of a convex function, continuity.
#[test]
fn row_01_kinks_follow_one_principle() {
    // Convex: 0 is the smallest subgradient of |x| + |x| and of max(x, −x).
    assert_slopes(|x| x.abs() + x.abs(), &[0.0], &[0.0]);
    assert_slopes(|x| x.maximum(-x), &[0.0], &[0.0]);
    // By continuity, infinity allowed: x^½ and ln x from the right.
    assert_slopes(|x| x.powf(0.5), &[0.0], &[f64::INFINITY]);
    assert_slopes(|x| x.ln(), &[0.0], &[f64::INFINITY]);
    // The gradient exists: x·|x| has derivative 2|x|.
    assert_slopes(|x| x * x.abs(), &[0.0, -2.0], &[0.0, 4.0]);
}

#[test]
fn row_02_relu_at_0() {
    let at = [0.0, -0.0, 1.0, -1.0];
    assert_slopes(|x| x.relu(), &at, &[0.0, 0.0, 1.0, 0.0]);
    assert_curvatures(|x| x.relu(), &at, &[0.0; 4]);
    assert_curvatures(|x| x.relu() * x, &at, &[0.0, 0.0, 2.0, 0.0]);
    assert_slopes(|x| fused!(|x| x.relu())(x), &at, &[0.0, 0.0, 1.0, 0.0]);
    // The fused activation: z = x·1 + 0.
    fn dense<'t>(x: Var<'t, f64>) -> Var<'t, f64> {
        let (one, zero) = (Tensor::ones(&[1, 1]), Tensor::zeros(&[1]));
        let (w, b) = (x.tape().constant(one), x.tape().constant(zero));
        x.unsqueeze(1).linear(w, Some(b), Activation::Relu).sum()
    }
    let tape = Tape::new();
    let x = tape.var(column(&at));
    assert_eq!(dense(x).backward()[x].to_vec(), [0.0, 0.0, 1.0, 0.0]);
    assert_eq!(dense(x).grad(&[x])[0].value().to_vec(), [0.0, 0.0, 1.0, 0.0]);
}

#[test]
fn row_03_abs_at_0() {
    let at = [0.0, -0.0, 2.0, -2.0];
    assert_slopes(|x| x.abs(), &at, &[0.0, 0.0, 1.0, -1.0]);
    assert_curvatures(|x| x.abs(), &at, &[0.0; 4]);
    assert_curvatures(|x| x.abs() * x, &at, &[0.0, 0.0, 2.0, -2.0]);
    assert_slopes(|x| x.sign(), &at, &[0.0; 4]);
}

#[test]
fn row_04_ties_over_an_axis_share_evenly() {
    let tape = Tape::<f64>::new();
    let x = tape.var(Tensor::from([[1.0, 1.0, 0.0], [2.0, 2.0, 2.0], [0.0, 5.0, 1.0]]));
    let third = 1.0 / 3.0;
    let expected = [0.5, 0.5, 0.0, third, third, third, 0.0, 1.0, 0.0];
    let y = x.max_axes(&[1]).sum();
    assert_close("fast", &y.backward()[x].to_vec(), &expected, ROUNDING);
    assert_close("recorded", &y.grad(&[x])[0].value().to_vec(), &expected, ROUNDING);
    let all = tape.var(Tensor::from([[3.0, 3.0], [3.0, 3.0]]));
    assert_eq!(all.max().backward()[all].to_vec(), [0.25; 4]);
    // The second derivative of the square of a maximum is that of its winner.
    let z = tape.var(column(&[1.0, 4.0]));
    let m = z.max();
    let first = (m * m).grad(&[z])[0];
    assert_eq!(first.value().to_vec(), [0.0, 8.0]);
    assert_eq!(first.sum().backward()[z].to_vec(), [0.0, 2.0]);
}

#[test]
fn row_05_ties_of_two_share_evenly() {
    let (a, b) = ([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]);
    for [da, db] in slopes2(|a, b| a.maximum(b), &a, &b) {
        assert_eq!((da, db), (vec![0.5, 0.0, 1.0], vec![0.5, 1.0, 0.0]));
    }
    for [da, db] in slopes2(|a, b| a.minimum(b), &a, &b) {
        assert_eq!((da, db), (vec![0.5, 1.0, 0.0], vec![0.5, 0.0, 1.0]));
    }
    // The same variable twice: both halves.
    assert_slopes(|x| x.maximum(x), &[7.0], &[1.0]);
    assert_curvatures(|x| x.maximum(x * 1.0) * x, &[7.0], &[2.0]);
}

/// There is no norm of its own yet; the composition has the right gradient at 0 all the same.
#[test]
fn row_07_norm_at_0() {
    fn norm<'t>(x: Var<'t, f64>) -> Var<'t, f64> {
        (x * x).sum().sqrt()
    }
    let tape = Tape::<f64>::new();
    let x = tape.var(Tensor::zeros(&[3]));
    let y = norm(x);
    assert_eq!(y.backward()[x].to_vec(), [0.0; 3]);
    assert_eq!(y.grad(&[x])[0].value().to_vec(), [0.0; 3]);
    let x = tape.var(column(&[3.0, -4.0]));
    assert_close("3-4-5", &norm(x).backward()[x].to_vec(), &[0.6, -0.8], ROUNDING);
    // Some rows zero, others not: the zero ones must not spoil the others.
    let x = tape.var(Tensor::from([[0.0, 0.0], [3.0, 4.0]]));
    let rows = (x * x).sum_axes(&[1]).sqrt().sum();
    assert_close("rows", &rows.backward()[x].to_vec(), &[0.0, 0.0, 0.6, 0.8], ROUNDING);
    assert_close("rows", &rows.grad(&[x])[0].value().to_vec(), &[0.0, 0.0, 0.6, 0.8], ROUNDING);
}

#[test]
fn row_08_sqrt_at_0_is_not_hidden() {
    assert_slopes(|x| x.sqrt(), &[0.0, 4.0], &[f64::INFINITY, 0.25]);
    assert_curvatures(|x| x.sqrt(), &[4.0], &[-1.0 / 32.0]);
    let [fast, recorded] = curvatures::<f64>(|x| x.sqrt(), &[0.0]);
    assert_eq!((fast[0], recorded[0]), (f64::NEG_INFINITY, f64::NEG_INFINITY));
    // Hidden by the user, where it was meant to be.
    fn safe<'t>(x: Var<'t, f64>) -> Var<'t, f64> {
        let positive = x.value().map(|x| x > 0.0);
        x.tape().where_(&positive, x.sqrt(), x.tape().number(0.0))
    }
    let tape = Tape::<f64>::new();
    let x = tape.var(column(&[0.0, 4.0]));
    assert_eq!(safe(x).sum().backward()[x].to_vec(), [0.0, 0.25]);
    assert_eq!(safe(x).sum().grad(&[x])[0].value().to_vec(), [0.0, 0.25]);
}

#[test]
fn row_09_pow_in_its_corners() {
    // d/dx at x = 0: y = 0, 1, 2, 3; d/dy at x = 0, y ≥ 0 is 0.
    let (x, y) = ([0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 2.0, 3.0]);
    for [dx, dy] in slopes2(|x, y| x.pow(y), &x, &y) {
        assert_eq!((dx, dy), (vec![0.0, 1.0, 0.0, 0.0], vec![0.0; 4]));
    }
    // Negative x with whole y.
    let tape = Tape::<f64>::new();
    let x = tape.var(column(&[-2.0, -2.0, -2.0, -2.0]));
    let p = x.pow(tape.constant(column(&[0.0, 1.0, 2.0, 3.0])));
    assert_close("values", &p.value().to_vec(), &[1.0, -2.0, 4.0, -8.0], ROUNDING);
    assert_close("fast", &p.sum().backward()[x].to_vec(), &[0.0, 1.0, -4.0, 12.0], ROUNDING);
    let first = p.sum().grad(&[x])[0];
    assert_close("recorded", &first.value().to_vec(), &[0.0, 1.0, -4.0, 12.0], ROUNDING);
    assert_close("second", &first.sum().backward()[x].to_vec(), &[0.0, 0.0, 2.0, -12.0], ROUNDING);
    assert_close(
        "second",
        &first.sum().grad(&[x])[0].value().to_vec(),
        &[0.0, 0.0, 2.0, -12.0],
        ROUNDING,
    );
    // Constant exponents: the same corners.
    for (c, slope, curvature) in
        [(0.0, 0.0, 0.0), (1.0, 1.0, 0.0), (2.0, 0.0, 2.0), (3.0, 0.0, 0.0)]
    {
        assert_slopes(|x| x.powf(c), &[0.0], &[slope]);
        assert_curvatures(|x| x.powf(c), &[0.0], &[curvature]);
    }
    assert_slopes(|x| x.powf(3.0), &[-2.0], &[12.0]);
    assert_slopes(|x| x.powf(-2.0), &[-2.0], &[0.25]);
    assert_curvatures(|x| x.powf(-2.0), &[-2.0], &[0.375]);
    assert_slopes(|x| x.powf(65.0), &[-1.0, 1.0, 0.0], &[65.0, 65.0, 0.0]);
    // Second derivatives of the general form at x = 0, y = 2: 2, and 0 across and in y.
    let (x, y) = (tape.var(column(&[0.0])), tape.var(column(&[2.0])));
    let first = x.pow(y).sum().grad(&[x, y]);
    for (k, expected) in [(0, [2.0, 0.0]), (1, [0.0, 0.0])] {
        let found = first[k].sum().grad(&[x, y]);
        let found: Vec<f64> = found.iter().map(|g| g.item()).collect();
        assert_close("second of pow", &found, &expected, ROUNDING);
    }
}

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
    for f in [
        (|x: Var<'_, f64>| x.sigmoid()) as for<'t> fn(Var<'t, f64>) -> Var<'t, f64>,
        |x| x.softplus(),
        |x| x.tanh(),
        |x| x.erf(),
        |x| -(-x).softplus(),
    ] {
        assert_curvatures(f, &at, &[0.0, 0.0]);
    }
    let tape = Tape::<f64>::new();
    let x = tape.var(column(&at));
    assert_eq!(x.sigmoid().value().to_vec(), [1.0, 0.0]);
    assert_eq!(x.softplus().value().to_vec(), [1000.0, 0.0]);
    assert_eq!((-(-x).softplus()).value().to_vec(), [0.0, -1000.0]);
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

#[test]
fn row_15_repeated_indices_accumulate() {
    let tape = Tape::<f64>::new();
    let x = tape.var(column(&[1.0, 2.0, 3.0]));
    let y = x.gather(0, &Tensor::from([2_i64, 0, 2, 2]));
    let w = tape.constant(column(&[1.0, 10.0, 100.0, 1000.0]));
    let loss = (y * y * w).sum();
    assert_eq!(loss.backward()[x].to_vec(), [20.0, 0.0, 6.0 * 1101.0]);
    let first = loss.grad(&[x])[0];
    assert_eq!(first.value().to_vec(), [20.0, 0.0, 6.0 * 1101.0]);
    assert_eq!(first.sum().backward()[x].to_vec(), [20.0, 0.0, 2202.0]);
    assert_eq!(first.sum().grad(&[x])[0].value().to_vec(), [20.0, 0.0, 2202.0]);
}

#[test]
fn row_16_slices_do_not_shift() {
    // Every choice of tracked parts.
    for tracked in 1..8_u32 {
        let tape = Tape::<f64>::new();
        let make = |i: usize, x: &[f64]| match tracked >> i & 1 {
            1 => tape.var(column(x)),
            _ => tape.constant(column(x)),
        };
        let parts = [make(0, &[1.0]), make(1, &[2.0, 3.0]), make(2, &[4.0, 5.0, 6.0])];
        let w = tape.constant(column(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        let all = tape.concat(&parts, 0);
        let y = (all * all * w).sum();
        let fast = y.backward();
        let expected: [&[f64]; 3] = [&[2.0], &[8.0, 18.0], &[32.0, 50.0, 72.0]];
        for (i, part) in parts.into_iter().enumerate().filter(|(i, _)| tracked >> i & 1 == 1) {
            assert_eq!(fast[part].to_vec(), expected[i], "tracked {tracked:b}, part {i}");
            assert_eq!(
                y.grad(&[part])[0].value().to_vec(),
                expected[i],
                "tracked {tracked:b}, part {i}"
            );
        }
    }
}

#[test]
fn row_17_gradients_have_the_shape_of_the_input() {
    let shapes: &[(&[usize], &[usize])] = &[
        (&[], &[2, 3]),
        (&[1], &[3]),
        (&[2, 1], &[1, 3]),
        (&[1, 1, 1], &[]),
        (&[3], &[0, 3]),
        (&[1], &[0]),
        (&[2, 1], &[2, 0]),
        (&[0, 1], &[0, 4]),
        (&[], &[0]),
        (&[0], &[0]),
    ];
    type Binary = for<'t> fn(Var<'t, f64>, Var<'t, f64>) -> Var<'t, f64>;
    let all: &[Binary] = &[
        |a, b| a + b,
        |a, b| a - b,
        |a, b| a * b,
        |a, b| a / b,
        |a, b| a.maximum(b),
        |a, b| a.pow(b),
    ];
    for (a, b) in shapes {
        for f in all {
            let tape = Tape::<f64>::new();
            let (x, y) = (tape.var(Tensor::full(a, 2.0)), tape.var(Tensor::full(b, 3.0)));
            let z = f(x, y).sum();
            let (fast, recorded) = (z.backward(), z.grad(&[x, y]));
            for (k, (var, shape)) in [(x, a), (y, b)].into_iter().enumerate() {
                assert_eq!(fast[var].shape(), *shape, "{a:?} with {b:?}");
                assert_eq!(&recorded[k].shape()[..], *shape, "{a:?} with {b:?}");
                assert_close(
                    "both passes",
                    &fast[var].to_vec(),
                    &recorded[k].value().to_vec(),
                    ROUNDING,
                );
                if a.contains(&0) || b.contains(&0) {
                    assert!(fast[var].to_vec().iter().all(|&g| g == 0.0), "{a:?} with {b:?}");
                }
            }
        }
    }
}

#[test]
fn row_18_an_input_used_twice() {
    assert_slopes(|x| x + x, &[3.0], &[2.0]);
    assert_slopes(|x| x * x, &[3.0], &[6.0]);
    assert_curvatures(|x| x * x, &[3.0], &[2.0]);
    assert_slopes(|x| x - x, &[3.0], &[0.0]);
    assert_slopes(|x| x / x, &[3.0], &[0.0]);
    assert_slopes(|x| x.pow(x), &[2.0], &[4.0 * (1.0 + 2_f64.ln())]);
    assert_slopes(|x| x.tape().concat(&[x, x], 0), &[3.0], &[2.0]);
    assert_slopes(|x| fused!(|a, b| a * b + a)(x, x), &[3.0], &[7.0]);
    let tape = Tape::<f64>::new();
    let a = tape.var(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    let y = a.matmul(a).sum();
    // Row sums plus column sums.
    assert_eq!(y.backward()[a].to_vec(), [7.0, 11.0, 9.0, 13.0]);
    assert_eq!(y.grad(&[a])[0].value().to_vec(), [7.0, 11.0, 9.0, 13.0]);
}

#[test]
fn row_19_no_gradient_is_told_apart_from_zero() {
    use gradus_autograd::NoGradient;
    let tape = Tape::<f64>::new();
    let (x, unused, fixed) =
        (tape.var(column(&[2.0])), tape.var(column(&[1.0])), tape.constant(column(&[5.0])));
    let middle = x * x;
    let y = (middle * fixed + x.detach()).sum();
    let grads = y.backward();
    assert_eq!(grads[x].to_vec(), [20.0]);
    assert_eq!(grads.get(unused), Err(NoGradient::NotOnPath));
    assert_eq!(grads.get(fixed), Err(NoGradient::Constant));
    assert_eq!(grads.get(middle), Err(NoGradient::NotALeaf));
    assert!(y.try_grad(&[unused])[0].is_none());
    assert_eq!(y.try_grad(&[middle])[0].map(|g| g.value().to_vec()), Some(vec![5.0]));
    let other = Tape::<f64>::new();
    assert_eq!(grads.get(other.var(column(&[1.0]))), Err(NoGradient::OtherTape));
}

/// A rule that hands back fewer cotangents than the operation has inputs.
#[test]
fn row_19_an_operation_without_a_derivative_is_named() {
    use gradus_autograd::{Cotangents, Op, Outputs, Vjp};
    #[derive(Debug)]
    struct Opaque;
    impl Op<f64> for Opaque {
        fn name(&self) -> &'static str {
            "opaque"
        }
        fn forward(&self, x: &[&Tensor<f64>]) -> Outputs<f64> {
            [x[0].map(|x| x * x)].into()
        }
        fn vjp<'t>(&self, _: &Vjp<'_, 't, f64>) -> Cotangents<'t, f64> {
            Cotangents::new()
        }
    }
    let missing = std::panic::catch_unwind(|| {
        let tape = Tape::<f64>::new();
        let x = tape.var(column(&[2.0]));
        // Half of the derivative of x² + x is missing.
        let y = (tape.apply(Opaque, &[x]) + x).sum();
        y.backward()[x].to_vec()
    });
    let message = missing
        .expect_err("a missing gradient, without a word")
        .downcast::<String>()
        .expect("a text");
    assert!(message.contains("opaque"), "{message}");
}

/// A constant has no gradient by either pass: what the tape did not record of it would be missing.
#[test]
fn row_19_constants_have_no_gradient_by_the_recorded_pass() {
    let tape = Tape::<f64>::new();
    let (x, c) = (tape.var(column(&[2.0])), tape.constant(column(&[5.0])));
    // y = x·c + c², but c·c was not recorded: x + 2c cannot be found.
    let y = (x * c + c * c).sum();
    let found = y.try_grad(&[c])[0].map(|g| g.item());
    assert!(found.is_none_or(|g| g == 12.0), "a part of the gradient, {found:?}, without a word");
}

/// Gradients belong to the tape that they were computed on, not to whichever lies at its address.
#[test]
fn row_19_gradients_of_a_tape_that_is_gone() {
    use gradus_autograd::NoGradient;
    let mut tape = Tape::<f64>::new();
    let grads = {
        let x = tape.var(column(&[2.0]));
        (x * x).sum().backward()
    };
    tape = Tape::new();
    let x = tape.var(column(&[7.0]));
    assert_eq!(grads.get(x), Err(NoGradient::OtherTape));
}

#[test]
fn row_20_normalisation_uses_the_biased_variance() {
    let tape = Tape::<f64>::new();
    let x = tape.var(Tensor::from([[1.0], [2.0], [6.0]]));
    let (gamma, beta) = (tape.var(Tensor::ones(&[1])), tape.var(Tensor::zeros(&[1])));
    let [y, mean, var] = x.batch_norm(gamma, beta, 1, 0.0);
    let biased: f64 = (4.0 + 1.0 + 9.0) / 3.0;
    assert_close("mean", &mean.value().to_vec(), &[3.0], ROUNDING);
    assert_close("variance", &var.value().to_vec(), &[biased], ROUNDING);
    let expected = [-2.0, -1.0, 3.0].map(|d| d / biased.sqrt());
    assert_close("y", &y.value().to_vec(), &expected, ROUNDING);
    let values = numbers(&y.value());
    let square = values.iter().map(|y| y * y).sum::<f64>() / 3.0;
    assert!(same(square, 1.0, ROUNDING), "the mean square of what is normalised is {square}");
    // A mean far from 0 does not drown the variance.
    let far = tape.var(Tensor::from([[1e8 + 1.0], [1e8 + 2.0], [1e8 + 6.0]]));
    let [_, _, var] = far.batch_norm(gamma, beta, 1, 0.0);
    assert_close("variance far out", &var.value().to_vec(), &[biased], 1e-7);
}

#[test]
fn row_22_one_value_a_channel_is_an_error() {
    let one = std::panic::catch_unwind(|| {
        let tape = Tape::<f64>::new();
        let x = tape.var(Tensor::from([[1.0, 2.0]]));
        let (gamma, beta) = (tape.var(Tensor::ones(&[2])), tape.var(Tensor::zeros(&[2])));
        x.batch_norm(gamma, beta, 1, 1e-5);
    });
    let message = one.unwrap_err().downcast::<String>().expect("a text");
    assert!(message.contains("batch_norm") && message.contains("[1, 2]"), "{message}");
    // One image of several pixels has several values a channel.
    let tape = Tape::<f64>::new();
    let image = tape.var(Tensor::from([[[1.0, 2.0]]]));
    let (gamma, beta) = (tape.var(Tensor::ones(&[1])), tape.var(Tensor::zeros(&[1])));
    assert!(image.batch_norm(gamma, beta, 1, 1e-5)[0].value().first_non_finite().is_none());
}

#[test]
fn row_23_dropout() {
    const RATE: f32 = 0.25;
    let n = 10_000;
    let tape = Tape::<f64>::training(3);
    let x = tape.var(Tensor::full(&[n], 2.0));
    let y = x.dropout(RATE);
    let values = y.value().to_vec();
    // Inverted: what stays is scaled by 1/(1 − p), exactly.
    assert!(values.iter().all(|&y| y == 0.0 || y == 2.0 / 0.75));
    let dropped = values.iter().filter(|&&y| y == 0.0).count() as f64 / n as f64;
    // Five standard deviations of a share of n draws.
    let deviation = (0.25_f64 * 0.75 / n as f64).sqrt();
    assert!((dropped - 0.25).abs() < 5.0 * deviation, "{dropped} were dropped");
    // The same mask backward, by both passes and again.
    let mask: Vec<f64> = values.iter().map(|y| y / 2.0).collect();
    let z = y.sum();
    assert_eq!(z.backward()[x].to_vec(), mask);
    assert_eq!(z.grad(&[x])[0].value().to_vec(), mask);
    assert_eq!(z.backward()[x].to_vec(), mask);
    // The second derivative of Σ y²/2·… has the mask twice.
    let first = (y * y).sum().grad(&[x])[0];
    let twice: Vec<f64> = mask.iter().map(|m| 2.0 * m * m).collect();
    assert_close("second", &first.sum().backward()[x].to_vec(), &twice, ROUNDING);
    // The next layer draws anew; the same seed draws the same.
    assert_ne!(x.dropout(RATE).value().to_vec(), values);
    let again = Tape::<f64>::training(3);
    assert_eq!(again.var(Tensor::full(&[n], 2.0)).dropout(RATE).value().to_vec(), values);
    assert_ne!(
        Tape::training(4).var(Tensor::full(&[n], 2.0)).dropout(RATE).value().to_vec(),
        values
    );
    // p = 0, p = 1, evaluation.
    assert_eq!(x.dropout(0.0).value(), x.value());
    let none = x.dropout(1.0);
    assert!(none.value().to_vec().iter().all(|&y| y == 0.0));
    assert!(none.sum().backward()[x].to_vec().iter().all(|&g| g == 0.0));
    let evaluation = Tape::<f64>::new();
    let x = evaluation.var(column(&[1.0, 2.0]));
    assert_eq!(x.dropout(0.9).value(), x.value());
}

#[test]
fn row_33_the_divisor_is_named() {
    let tape = Tape::<f64>::new();
    let x = tape.var(column(&[1.0, 2.0, 6.0]));
    assert_close("biased", &[x.var(0).item()], &[14.0 / 3.0], ROUNDING);
    assert_close("unbiased", &[x.var(1).item()], &[7.0], ROUNDING);
    assert_close("slope", &x.var(1).backward()[x].to_vec(), &[-2.0, -1.0, 3.0], ROUNDING);
    // Where n is not larger than the correction there is none.
    let one = tape.var(column(&[4.0]));
    assert!(one.var(1).item().is_nan());
}

/// As the documentation of `var` says.
#[test]
fn row_33_too_few_values_have_no_variance() {
    let tape = Tape::<f64>::new();
    let two = tape.var(column(&[1.0, 2.0]));
    for correction in [2, 3] {
        let found = two.var(correction).item();
        assert!(!found.is_finite(), "2 values, correction {correction}: {found}");
    }
}

#[test]
fn row_33_std_of_a_constant() {
    let tape = Tape::<f64>::new();
    let x = tape.var(column(&[3.0, 3.0, 3.0]));
    for correction in [0, 1] {
        let y = x.var(correction);
        assert_eq!(y.backward()[x].to_vec(), [0.0; 3]);
        let std = y.sqrt();
        assert_eq!(std.item(), 0.0);
        assert_eq!(std.backward()[x].to_vec(), [0.0; 3], "fast");
        assert_eq!(std.grad(&[x])[0].value().to_vec(), [0.0; 3], "recorded");
    }
}

/// Forward, backward and dropped, on the small stack of a test thread.
#[test]
fn row_36_a_million_operations_in_a_chain() {
    let tape = Tape::<f32>::new();
    let x = tape.var(Tensor::scalar(1.0));
    let mut y = x;
    for _ in 0..CHAIN {
        y = y * 0.999_999;
    }
    let expected = 0.999_999_f64.powi(CHAIN as i32);
    // A million roundings of f32, at random: 1000 of them in one direction.
    let drift = 0.1;
    assert!(same(f64::from(y.item()), expected, drift), "{} instead of {expected}", y.item());
    let grads = y.backward();
    assert!(same(f64::from(grads[x].item()), expected, drift), "{}", grads[x].item());
    assert_eq!(y.item(), grads[x].item(), "the same products in both directions");
    let recorded = y.grad(&[x])[0];
    assert_eq!(recorded.item(), grads[x].item());
    drop(grads);
    drop(tape);
}

#[test]
fn row_37_two_backward_passes() {
    let tape = Tape::<f64>::new();
    let x = tape.var(column(&[1.0, -2.0]));
    let w = tape.var(column(&[3.0, 0.5]));
    let h = (x * w).tanh();
    let (y, z) = (h.sum(), (h * h * x).sum());
    let first = y.backward();
    let nodes = tape.len();
    let again = y.backward();
    assert_eq!(tape.len(), nodes, "a fast pass leaves nothing on the tape");
    assert_eq!((first[x].to_vec(), first[w].to_vec()), (again[x].to_vec(), again[w].to_vec()));
    // Another loss of the same tape, and the recorded pass between two fast ones.
    let other = z.backward();
    let recorded = y.grad(&[x, w]);
    assert_close("recorded", &recorded[0].value().to_vec(), &first[x].to_vec(), ROUNDING);
    assert_close("recorded", &recorded[1].value().to_vec(), &first[w].to_vec(), ROUNDING);
    assert_eq!(y.backward()[x].to_vec(), first[x].to_vec());
    assert_eq!(z.backward()[w].to_vec(), other[w].to_vec());
    // The tape grows on after a pass.
    let more = (y + z).backward();
    let sum: Vec<f64> =
        first[x].to_vec().iter().zip(other[x].to_vec()).map(|(a, b)| a + b).collect();
    assert_close("the sum of two losses", &more[x].to_vec(), &sum, ROUNDING);
}

/// What `fused!` writes has the derivatives of its composition in all the corners above.
#[test]
fn rows_hold_inside_fused_rules() {
    let x = Tensor::rand(&[3, 4], -2.0, 2.0, &mut Rng::new(5));
    gradcheck(|v| fused!(|x| x * x.sigmoid() + (x.gelu() - x.erf()).powi(2))(v[0]), &[x]).unwrap();
    assert_slopes(|x| fused!(|x| x.abs() + x.relu())(x), &[0.0], &[0.0]);
    assert_slopes(|x| fused!(|x| x.powi(0) + x.powi(1) + x.powi(2))(x), &[0.0], &[1.0]);
    assert_curvatures(|x| fused!(|x| x.powi(0) + x.powi(1) + x.powi(2))(x), &[0.0], &[2.0]);
    assert_slopes(|x| fused!(|a, b| a.maximum(b))(x, x), &[1.0], &[1.0]);
}
