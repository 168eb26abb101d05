//! Metrics.

use gradus::prelude::*;
use gradus_tests::golden::{self, Case, assert_none, differences};

use super::F64;

/// What is wrong with a case.
fn run(case: &Case) -> Vec<String> {
    let mut metric: Box<dyn Metric<f64>> = match case.text("metric") {
        "BinaryAccuracy" => Box::new(BinaryAccuracy::new()),
        "SparseCategoricalAccuracy" | "CategoricalAccuracy" => Box::new(CategoricalAccuracy::new()),
        "SparseTopKCategoricalAccuracy" => {
            Box::new(TopKAccuracy::new(case.number("k", 0.0) as usize))
        }
        "MeanSquaredError" => Box::new(metrics::MeanSquaredError::new()),
        "Precision" => Box::new(Precision::new()),
        "Recall" => Box::new(Recall::new()),
        "R2Score" => Box::new(R2::new()),
        other => panic!("{}: no metric {other}", case.name),
    };
    let (p, t) = (case.inputs["y_pred"].tensor::<f64>(), case.inputs["y_true"].tensor::<f64>());
    let n = p.shape()[0];
    for rows in [0..n / 2, n / 2..n] {
        metric.update(&p.slice(0, rows.clone()), &t.slice(0, rows));
    }
    assert!(metric.fresh().result().is_nan(), "{}: no batch yet", case.name);
    differences(&case.name, &[metric.result()], &case.outputs["result"].data, F64)
}

#[test]
fn metrics_as_keras() {
    let table = golden::read("keras_metrics");
    assert_none(&table.cases.iter().flat_map(run).collect::<Vec<_>>());
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
