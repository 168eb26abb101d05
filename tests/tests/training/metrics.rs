//! Metrics.

use gradus::prelude::*;
use gradus_tests::golden::{self, Case, Listed, assert_none, differences};

use super::F64;

/// Cases of which there is no such metric: table, cases, reason.
const NOT_YET: &[Listed] = &[
    ("keras_metrics", &[3], "no accuracy among the top k yet"),
    ("keras_metrics", &[4, 7], "no metrics of regression yet"),
    ("keras_metrics", &[5, 6], "no precision and recall yet"),
];

/// What is wrong with a case; `None` if there is no such metric.
fn run(case: &Case) -> Option<Vec<String>> {
    // Keras chooses among the three by the shapes when asked for "accuracy".
    let known = ["BinaryAccuracy", "SparseCategoricalAccuracy", "CategoricalAccuracy"];
    if !known.contains(&case.text("metric")) {
        return None;
    }
    let mut metric: Box<dyn Metric<f64>> = Box::new(Accuracy::new());
    let (p, t) = (case.inputs["y_pred"].tensor::<f64>(), case.inputs["y_true"].tensor::<f64>());
    let n = p.shape()[0];
    for rows in [0..n / 2, n / 2..n] {
        metric.update(&p.slice(0, rows.clone()), &t.slice(0, rows));
    }
    assert!(metric.fresh().result().is_nan(), "{}: no batch yet", case.name);
    Some(differences(&case.name, &[metric.result()], &case.outputs["result"].data, F64))
}

#[test]
fn metrics_as_keras() {
    golden::assert_exist(NOT_YET);
    let table = golden::read("keras_metrics");
    let wrong = table.cases.iter().enumerate().flat_map(|(number, case)| {
        golden::run_or_listed(NOT_YET, ("keras_metrics", number), case, run(case))
    });
    assert_none(&wrong.collect::<Vec<_>>());
}

#[test]
fn accuracy_of_logits_and_at_the_threshold() {
    let t = Tensor::<f64>::from([[1.0], [0.0], [1.0], [0.0]]);
    let p = Tensor::from([[0.5], [0.5], [0.1], [-0.1]]);
    let of = |mut metric: Accuracy| {
        metric.update(&p, &t);
        Metric::<f64>::result(&metric)
    };
    // 0.5 is not above 0.5.
    assert_eq!((of(Accuracy::new()), of(Accuracy::from_logits())), (0.5, 0.75));
}
