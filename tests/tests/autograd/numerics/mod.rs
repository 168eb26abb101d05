//! The points where frameworks get numbers wrong, one test for each: first and second derivatives,
//! by the fast pass (`backward`) and by the recorded one (`grad`). `rows.rs` has the table of points and tests.

use gradus_autograd::{Float, Tape, Tensor, Var};

mod graph;
mod kinks;
mod not_finite;
mod rows;
mod statistics;

/// Rounding of a handful of operations in f64.
const ROUNDING: f64 = 1e-14;
/// The same where an elementary function with a few ulp of its own takes part.
const FUNCTION: f64 = 1e-13;

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
