//! Constraints: Keras' formulas, worked out by hand; their derivatives; the layers that take them.

use gradus_autograd::check::gradcheck;
use gradus_autograd::{Constraint, Module, Tape, Tensor};
use gradus_nn::constraints::{MaxNorm, MinMaxNorm, NonNeg, UnitNorm};
use gradus_nn::{
    BatchNorm, Conv1d, ConvTranspose1d, Dense, Embedding, LayerNorm, Lstm, Sequential,
};

/// |found − expected|: the formulas are the same, in another order.
const CLOSE: f64 = 1e-15;

/// Columns of norm 5, 0.5 and 0; one weight is negative.
fn weight() -> Tensor<f64> {
    Tensor::from([[3.0, 0.3, 0.0], [-4.0, 0.4, 0.0]])
}

fn projected(constraint: &dyn Constraint<f64>, weight: Tensor<f64>) -> Vec<f64> {
    let tape = Tape::inference();
    constraint.project(tape.constant(weight)).value().to_vec()
}

#[track_caller]
fn assert_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in std::iter::zip(found, expected) {
        assert!((found - expected).abs() <= CLOSE, "{found} is not {expected}");
    }
}

#[test]
fn formulas() {
    let e = 1e-7;
    let [a, b] = [2.0 / (5.0 + e), 0.5 / (0.5 + e)];
    let columns = [3.0 * a, 0.3 * b, 0.0, -4.0 * a, 0.4 * b, 0.0];
    assert_close(&projected(&MaxNorm::new(2.0), weight()), &columns);

    let [a, b] = [1.0 / (5.0 + e), 1.0 / (0.5 + e)];
    let columns = [3.0 * a, 0.3 * b, 0.0, -4.0 * a, 0.4 * b, 0.0];
    assert_close(&projected(&UnitNorm::new(), weight()), &columns);

    // A quarter of the way from 5 to 2, and from 0.5 to 1.
    let [a, b] = [(0.25 * 2.0 + 0.75 * 5.0) / (5.0 + e), (0.25 + 0.75 * 0.5) / (0.5 + e)];
    let columns = [3.0 * a, 0.3 * b, 0.0, -4.0 * a, 0.4 * b, 0.0];
    assert_close(&projected(&MinMaxNorm::new(1.0, 2.0).rate(0.25), weight()), &columns);

    assert_eq!(projected(&NonNeg, weight()), [3.0, 0.3, 0.0, 0.0, 0.4, 0.0]);
    assert!(projected(&NonNeg, Tensor::from([f64::NAN]))[0].is_nan());
}

#[test]
fn axes_and_epsilon() {
    let rows = [9.09_f64.sqrt(), 16.16_f64.sqrt()].map(|norm| 1.0 / (norm + 1e-7));
    let expected = [3.0 * rows[0], 0.3 * rows[0], 0.0, -4.0 * rows[1], 0.4 * rows[1], 0.0];
    assert_close(&projected(&UnitNorm::new().axes(&[1]), weight()), &expected);
    assert_close(&projected(&UnitNorm::new().axes(&[-1]), weight()), &expected);

    let all = 1.0 / (25.25_f64.sqrt() + 0.5);
    let expected = weight().to_vec().iter().map(|w| w * all).collect::<Vec<_>>();
    for axes in [[0, 1], [1, 0], [-1, -2]] {
        let constraint = MaxNorm::new(1.0).axes(&axes).epsilon(0.5);
        assert_close(&projected(&constraint, weight()), &expected);
    }
    // The filters of a convolution, `[filters, channels, length]`.
    let filters = Tensor::<f64>::from_fn(&[2, 3, 4], |at| (at[0] * 12 + at[1] * 4 + at[2]) as f64);
    let found = projected(&UnitNorm::new().axes(&[1, 2]), filters);
    for filter in found.chunks(12) {
        let square: f64 = filter.iter().map(|w| w * w).sum();
        assert!((square - 1.0).abs() < 1e-7, "{square}");
    }
}

#[test]
fn derivatives_of_both_orders() {
    // Away from the kinks, on both sides of each.
    let w = Tensor::from([[1.5, 0.3, -0.9], [-0.7, 0.2, 0.8]]);
    let all: [&dyn Constraint<f64>; 7] = [
        &NonNeg,
        &MaxNorm::new(1.0),
        &MaxNorm::new(1.0).axes(&[1]),
        &UnitNorm::new(),
        &UnitNorm::new().axes(&[0, 1]),
        &MinMaxNorm::new(0.5, 1.0),
        &MinMaxNorm::new(0.5, 1.0).rate(0.3),
    ];
    for constraint in all {
        let found = gradcheck(|v| constraint.project(v[0]), std::slice::from_ref(&w));
        found.unwrap_or_else(|wrong| panic!("{constraint:?}: {wrong}"));
    }
}

#[test]
fn at_zero_slopes_are_finite() {
    let all: [(&dyn Constraint<f64>, f64); 3] =
        [(&NonNeg, 1.0), (&MaxNorm::new(1.0), 0.0), (&UnitNorm::new(), 1e7)];
    for (constraint, slope) in all {
        let tape = Tape::new();
        let w = tape.var(Tensor::zeros(&[2]));
        let first = constraint.project(w).sum().grad(&[w])[0];
        assert_eq!(first.value().to_vec(), [slope; 2], "{constraint:?}");
        // A number or a constant, but no NaN.
        let second = first.sum().try_grad(&[w])[0].map(|g| g.value().to_vec());
        assert!(second.is_none_or(|g| g == [0.0; 2]), "{constraint:?}");
    }
}

fn constrained(model: &dyn Module<f32>) -> Vec<(String, String)> {
    let named = model.params().into_iter();
    let short = |text: String| text.split(' ').next().unwrap_or_default().to_owned();
    named.filter_map(|(path, p)| Some((path, short(format!("{:?}", p.constraint()?))))).collect()
}

#[test]
fn layers_take_them_before_and_after_their_parameters_are_made() {
    let expected = |all: &[(&str, &str)]| -> Vec<(String, String)> {
        all.iter().map(|&(path, what)| (path.into(), what.into())).collect()
    };
    let both = expected(&[("kernel", "UnitNorm"), ("bias", "NonNeg")]);
    let before = Dense::new(2).kernel_constraint(UnitNorm::new()).bias_constraint(NonNeg).inputs(3);
    let after = Dense::new(2).inputs(3).kernel_constraint(UnitNorm::new()).bias_constraint(NonNeg);
    assert_eq!(constrained(&before), both);
    assert_eq!(constrained(&after), both);
    assert_eq!(constrained(&after.clone()), both);
    assert_eq!(constrained(&after.init(1)), both);
    let conv = Conv1d::new(2, 3).kernel_constraint(UnitNorm::new()).bias_constraint(NonNeg);
    assert_eq!(constrained(&conv.channels(2)), both);
    let conv = ConvTranspose1d::new(2, 3).kernel_constraint(UnitNorm::new());
    assert_eq!(constrained(&conv.bias_constraint(NonNeg).channels(2)), both);

    let table = Embedding::new(4, 2).constraint(UnitNorm::new().axes(&[1])).padding_idx(0);
    assert_eq!(constrained(&table), expected(&[("weight", "UnitNorm")]));

    let lstm = Lstm::new(2).inputs(3).kernel_constraint(MaxNorm::new(1.0).axes(&[1]));
    let lstm = lstm.recurrent_constraint(UnitNorm::new()).bias_constraint(NonNeg);
    let all = [
        ("weight_ih_l0", "MaxNorm"),
        ("weight_hh_l0", "UnitNorm"),
        ("bias_ih_l0", "NonNeg"),
        ("bias_hh_l0", "NonNeg"),
    ];
    assert_eq!(constrained(&lstm), expected(&all));
}

/// What no setting of a layer reaches.
#[test]
fn parameters_are_found_by_their_paths() {
    let model = Sequential::new().add(Dense::new(2)).add(BatchNorm::new()).add(LayerNorm::new());
    let model = model.build(&[3], 0).unwrap();
    let scale = |path: &str| path.ends_with("gamma") || path == "layer_norm.weight";
    let found = constrained(&model.constrain(scale, NonNeg));
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["batch_norm.gamma", "layer_norm.weight"]);
}

#[test]
#[should_panic(expected = "MinMaxNorm: no norm is within 2 to 1")]
fn bounds_the_wrong_way_round() {
    MinMaxNorm::new(2.0, 1.0);
}

#[test]
#[should_panic(expected = "MaxNorm: no norm is below a maximum of NaN")]
fn a_bound_that_is_no_number() {
    MaxNorm::new(f64::NAN);
}
