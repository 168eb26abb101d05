//! Losses: the golden tables, clipping, wrong shapes.

use gradus::prelude::*;
use gradus_tests::golden::{self, Case, Listed, as_f64, assert_none, differences};
use gradus_tests::panics::panics;

use super::{F32, F64};

/// Cases that the losses cannot express: table, cases, reason.
const NOT_YET: &[Listed] = &[
    ("keras_losses", &[1, 3], "no label smoothing yet"),
    ("keras_losses", &[2], "of probabilities; ours takes logits"),
    ("keras_losses", &[5, 7], "no sample weights yet"),
    ("keras_losses", &[8, 9, 10, 11, 12], "no such losses yet"),
    ("bce", &[1], "no weights yet"),
];

fn loss<T: Float>(table: &str, case: &Case) -> Option<Box<dyn Loss<T>>> {
    if case.inputs.keys().any(|name| name.contains("weight"))
        || case.param("label_smoothing").is_some()
    {
        return None;
    }
    Some(match (table, case.text("loss"), case.flag("from_logits", false)) {
        ("bce", ..) | (_, "BinaryCrossentropy", false) => Box::new(BinaryCrossentropy::new()),
        (_, "BinaryCrossentropy", true) => Box::new(BinaryCrossentropy::from_logits()),
        (_, "SparseCategoricalCrossentropy", true) => Box::new(SparseCategoricalCrossentropy),
        (_, "MeanSquaredError", _) => Box::new(MeanSquaredError),
        _ => return None,
    })
}

fn losses<T: Float>(tolerance: f64) {
    let mut wrong = Vec::new();
    for (name, x, target, y) in
        [("keras_losses", "y_pred", "y_true", "loss"), ("bce", "x", "target", "y")]
    {
        for (number, case) in golden::read(name).cases.iter().enumerate() {
            let found =
                loss::<T>(name, case).map(|loss| check(loss, case, [x, target, y], tolerance));
            wrong.extend(golden::run_or_listed(NOT_YET, (name, number), case, found));
        }
    }
    assert_none(&wrong);
}

/// What is wrong with the loss of a case and its gradient.
fn check<T: Float>(
    loss: Box<dyn Loss<T>>,
    case: &Case,
    [x, target, y]: [&str; 3],
    tolerance: f64,
) -> Vec<String> {
    let tape = Tape::<T>::training(0);
    let p = tape.var(case.inputs[x].tensor());
    let t: Tensor<T> = case.inputs[target].tensor();
    loss.check(&p.shape(), &t).unwrap_or_else(|why| panic!("{}: {why}", case.name));
    let found = loss.of(p, tape.constant(t));
    assert_eq!(found.rank(), 0, "{}", case.name);
    let scale = case.cotangents[y].data[0];
    let (fast, recorded) = ((found * scale).backward(), (found * scale).grad(&[p])[0].value());
    let parts = [
        ("loss", as_f64(&found.value()), &case.outputs[y]),
        ("fast gradient", as_f64(&fast[p]), &case.grads[x]),
        ("recorded gradient", as_f64(&recorded), &case.grads[x]),
    ];
    let wrong = parts.map(|(what, found, expected)| {
        differences(&format!("{}: {what}", case.name), &found, &expected.data, tolerance)
    });
    wrong.concat()
}

#[test]
fn losses_as_keras_and_pytorch() {
    losses::<f64>(F64);
    losses::<f32>(F32);
}

#[test]
fn every_listed_case_exists() {
    golden::assert_exist(NOT_YET);
}

/// Keras clips probabilities to [1e-7, 1 − 1e-7]; beyond, the loss is flat.
#[test]
fn binary_crossentropy_clips() {
    let tape = Tape::<f64>::new();
    let p = tape.var(Tensor::from([0.0, 1.0, 1e-9, 1.0 - 1e-9]));
    let t = tape.constant(Tensor::from([1.0, 0.0, 1.0, 0.0]));
    let loss = BinaryCrossentropy::new().of(p, t);
    assert_none(&differences("loss", &[loss.item()], &[-(1e-7_f64.ln())], 1e-8));
    assert_eq!(loss.backward()[p].to_vec(), [0.0; 4]);
    let right = BinaryCrossentropy::new().of(p, tape.constant(Tensor::from([0.0, 1.0, 0.0, 1.0])));
    assert_none(&differences("loss", &[right.item()], &[1e-7], 1e-12));
    let nan = tape.var(Tensor::from([f64::NAN]));
    assert!(BinaryCrossentropy::new().of(nan, tape.constant(Tensor::from([1.0]))).item().is_nan());
    let tape = Tape::<f32>::new();
    let p = tape.var(Tensor::from([0.0_f32, 1.0]));
    let loss = BinaryCrossentropy::new().of(p, tape.constant(Tensor::from([1.0_f32, 0.0])));
    assert!(loss.item().is_finite() && loss.backward()[p].to_vec() == [0.0, 0.0]);
}

#[test]
fn outputs_and_targets_without_samples() {
    let (none, some) = (Tensor::<f64>::scalar(1.0), Tensor::<f64>::zeros(&[3, 1]));
    let why = |what: &str| {
        format!(
            "the {what} a single number, not one for each sample: leave sums and means over samples to the loss"
        )
    };
    let losses: [&dyn Loss<f64>; 2] = [&MeanSquaredError, &BinaryCrossentropy::new()];
    for loss in losses {
        assert_eq!(loss.check(&[], &some), Err(why("model's output is")));
        assert_eq!(loss.check(&[3, 1], &none), Err(why("targets are")));
    }
}

#[test]
#[rustfmt::skip]
fn losses_of_other_shapes_panic_at_the_users_line() {
    let tape = Tape::<f64>::new();
    let (a, b) = (tape.var(Tensor::zeros(&[3, 1])), tape.constant(Tensor::zeros(&[3])));
    panics("binary_crossentropy: predictions [3, 1] and targets [3] differ in shape: reshape the targets to [3, 1]", || BinaryCrossentropy::new().of(a, b));
    panics("bce_with_logits: predictions [3, 1] and targets [3] differ in shape: reshape the targets to [3, 1]", || BinaryCrossentropy::from_logits().of(a, b));
    panics("mse: predictions [3, 1] and targets [3] differ in shape: reshape the targets to [3, 1]", || MeanSquaredError.of(a, b));
    panics("cross_entropy: logits [3] are not [n, classes], or classes [3] are not [n]", || SparseCategoricalCrossentropy.of(b, b));
}
