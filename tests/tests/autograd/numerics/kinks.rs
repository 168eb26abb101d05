//! Rows 1 to 10: corners, ties, and what is infinite at 0.

use gradus_autograd::check::gradcheck;
use gradus_autograd::{Activation, Rng, Tape, Tensor, Var, fused};

use super::{
    ROUNDING, assert_close, assert_curvatures, assert_slopes, column, curvatures, slopes2,
};

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

/// The convention is JAX's: a bound still belongs to the inside.
#[test]
fn row_06_clamp_at_its_bounds() {
    let at = [-1.0, 1.0, 0.5, -2.0, 2.0];
    for f in
        [(|x: Var<'_, f64>| x.clamp(-1.0, 1.0)) as for<'t> fn(Var<'t, f64>) -> Var<'t, f64>, |x| {
            x.hardtanh()
        }]
    {
        assert_slopes(f, &at, &[1.0, 1.0, 1.0, 0.0, 0.0]);
        assert_curvatures(f, &at, &[0.0; 5]);
    }
    assert_curvatures(|x| x.clamp(-1.0, 1.0) * x, &at, &[2.0, 2.0, 2.0, 0.0, 0.0]);
}

/// By the operation, and by what it would be composed of.
#[test]
fn row_07_norm_at_0() {
    type Norm = for<'t> fn(Var<'t, f64>) -> Var<'t, f64>;
    let whole: [Norm; 2] = [|x| x.norm(), |x| (x * x).sum().sqrt()];
    for norm in whole {
        let tape = Tape::<f64>::new();
        let x = tape.var(Tensor::zeros(&[3]));
        let y = norm(x);
        assert_eq!(y.item(), 0.0);
        assert_eq!(y.backward()[x].to_vec(), [0.0; 3]);
        assert_eq!(y.grad(&[x])[0].value().to_vec(), [0.0; 3]);
        let x = tape.var(column(&[3.0, -4.0]));
        assert_close("3-4-5", &norm(x).backward()[x].to_vec(), &[0.6, -0.8], ROUNDING);
    }
    // Some rows zero, others not: the zero ones must not spoil the others.
    let rows: [Norm; 2] = [|x| x.norm_axes(2.0, &[1]), |x| (x * x).sum_axes(&[1]).sqrt()];
    for norm in rows {
        let tape = Tape::<f64>::new();
        let x = tape.var(Tensor::from([[0.0, 0.0], [3.0, 4.0]]));
        let y = norm(x).sum();
        assert_close("rows", &y.backward()[x].to_vec(), &[0.0, 0.0, 0.6, 0.8], ROUNDING);
        assert_close("rows", &y.grad(&[x])[0].value().to_vec(), &[0.0, 0.0, 0.6, 0.8], ROUNDING);
    }
    // Other powers, at 0 as well.
    for p in [1.0, 1.5, 3.0, f64::INFINITY] {
        let tape = Tape::<f64>::new();
        let x = tape.var(Tensor::zeros(&[3]));
        let y = x.norm_axes(p, &[0]);
        assert_eq!(y.backward()[x].to_vec(), [0.0; 3], "p {p}");
        assert_eq!(y.grad(&[x])[0].value().to_vec(), [0.0; 3], "p {p}");
    }
}

#[test]
fn row_08_sqrt_at_0_is_not_hidden() {
    assert_slopes(|x| x.sqrt(), &[0.0, 4.0], &[f64::INFINITY, 0.25]);
    assert_curvatures(|x| x.sqrt(), &[4.0], &[-1.0 / 32.0]);
    let [fast, recorded] = curvatures::<f64>(|x| x.sqrt(), &[0.0]);
    assert_eq!((fast[0], recorded[0]), (f64::NEG_INFINITY, f64::NEG_INFINITY));
    // Hidden where that was asked for, and NaN where there is no root.
    let at = [0.0, -0.0, 4.0, -1.0];
    assert_slopes(|x| x.safe_sqrt(), &at, &[0.0, 0.0, 0.25, f64::NAN]);
    assert_curvatures(|x| x.safe_sqrt(), &at, &[0.0, 0.0, -1.0 / 32.0, f64::NAN]);
    let tape = Tape::<f64>::new();
    let values = tape.var(column(&[0.0, 4.0])).safe_sqrt().value();
    assert_eq!(values.to_vec(), [0.0, 2.0]);
    // The same by a mask of the user's.
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

/// No division: one zero leaves the product of the others, two leave nothing.
#[test]
fn row_10_products_with_zeros() {
    for (x, whole, running) in [
        ([2.0, 3.0, 4.0], [12.0, 8.0, 6.0], [1.0 + 3.0 + 12.0, 2.0 + 8.0, 6.0]),
        ([2.0, 0.0, 4.0], [0.0, 8.0, 0.0], [1.0, 2.0 + 8.0, 0.0]),
        ([0.0, 0.0, 4.0], [0.0; 3], [1.0, 0.0, 0.0]),
        ([0.0, 3.0, 4.0], [12.0, 0.0, 0.0], [1.0 + 3.0 + 12.0, 0.0, 0.0]),
    ] {
        assert_slopes(|x| x.prod(), &x, &whole);
        assert_slopes(|x| x.prod_axes(&[0]), &x, &whole);
        assert_slopes(|x| x.cumprod(0), &x, &running);
    }
    // The second derivatives across, which one zero leaves as well: ∂²(x·y·z)/∂x∂y = z.
    let tape = Tape::<f64>::new();
    let x = tape.var(column(&[0.0, 0.0, 4.0]));
    let first = x.prod().grad(&[x])[0];
    let w = tape.constant(column(&[1.0, 10.0, 100.0]));
    let expected = [40.0, 4.0, 0.0];
    assert_close("second", &(first * w).sum().backward()[x].to_vec(), &expected, ROUNDING);
    let recorded = (first * w).sum().grad(&[x])[0].value().to_vec();
    assert_close("second", &recorded, &expected, ROUNDING);
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
