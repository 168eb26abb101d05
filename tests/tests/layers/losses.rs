//! Losses: the golden tables, clipping, wrong shapes.

use gradus::autograd::{ClassOptions, Reduction};
use gradus::prelude::*;
use gradus_tests::golden::{self, Case, as_f64, assert_none, differences};
use gradus_tests::panics::panics;

use super::{F32, F64};

/// The loss of a case: by a [`Loss`], or by the operations of which it is composed, where there is none of that name.
fn loss<'t, T: Float>(table: &str, case: &Case, p: Var<'t, T>, t: Var<'t, T>) -> Var<'t, T> {
    let whole = |loss: &dyn Loss<T>| {
        loss.check(&p.shape(), &t.value()).unwrap_or_else(|why| panic!("{}: {why}", case.name));
        loss.of(p, t)
    };
    let logits = case.flag("from_logits", false);
    let smoothing = case.number("label_smoothing", 0.0);
    let weight = ["weight", "sample_weight"].into_iter().find_map(|name| case.inputs.get(name));
    let weight = weight.map(|weight| p.tape().constant(weight.tensor::<T>()));
    // Keras weighs the losses of samples and divides by their count.
    let weighed = |each: Var<'t, T>| (each * weight.expect("weights")).mean();
    let classes = || t.value().map(|t| t.to_f64() as i64);
    match (if table == "bce" { "BinaryCrossentropy" } else { case.text("loss") }, logits) {
        ("BinaryCrossentropy", false) if weight.is_some() => {
            weighed(p.bce_loss(t, Reduction::None))
        }
        ("BinaryCrossentropy", false) => whole(&BinaryCrossentropy::new()),
        ("BinaryCrossentropy", true) => {
            BinaryCrossentropy::from_logits().of(p, t * (1.0 - smoothing) + smoothing / 2.0)
        }
        ("CategoricalCrossentropy", true) => {
            let options = ClassOptions { label_smoothing: smoothing, ..Default::default() };
            p.soft_cross_entropy(t, options)
        }
        ("CategoricalCrossentropy", false) => {
            let sum = p.sum_axes(&[1]).unsqueeze(1);
            -((p / sum).ln() * t).sum_axes(&[1]).mean()
        }
        ("SparseCategoricalCrossentropy", true) => whole(&SparseCategoricalCrossentropy),
        ("SparseCategoricalCrossentropy", false) => {
            let sum = p.sum_axes(&[1]).unsqueeze(1);
            let options = ClassOptions { reduction: Reduction::None, ..Default::default() };
            weighed((p / sum).ln().nll_loss(&classes(), options))
        }
        ("MeanSquaredError", _) => whole(&MeanSquaredError),
        ("MeanAbsoluteError", _) => weighed(p.l1_loss(t, Reduction::None).mean_axes(&[1])),
        ("Huber", _) => p.huber_loss(t, case.number("delta", f64::NAN), Reduction::Mean),
        ("KLDivergence", _) => p.ln().kl_div(t, false, Reduction::BatchMean),
        ("Hinge", _) => p.hinge_loss(t, Reduction::Mean),
        // PyTorch's takes the log of the rate; Keras' a rate, and adds its epsilon.
        ("Poisson", _) => (p - t * (p + 1e-7).ln()).mean(),
        ("CosineSimilarity", _) => -p.cosine_similarity(t, 1).mean(),
        (other, _) => panic!("{}: no loss {other}: add it", case.name),
    }
}

fn losses<T: Float>(tolerance: f64) {
    let mut wrong = Vec::new();
    for (table, x, target, y) in
        [("keras_losses", "y_pred", "y_true", "loss"), ("bce", "x", "target", "y")]
    {
        for case in &golden::read(table).cases {
            wrong.extend(check::<T>(table, case, [x, target, y], tolerance));
        }
    }
    assert_none(&wrong);
}

/// What is wrong with the loss of a case and its gradient.
fn check<T: Float>(
    table: &str,
    case: &Case,
    [x, target, y]: [&str; 3],
    tolerance: f64,
) -> Vec<String> {
    let tape = Tape::<T>::training(0);
    let p = tape.var(case.inputs[x].tensor());
    let found = loss(table, case, p, tape.constant(case.inputs[target].tensor()));
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
