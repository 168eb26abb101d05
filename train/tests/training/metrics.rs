//! Metrics against scikit-learn (`gradus-tests` has Keras' table), and at their edges.

use gradus_autograd::Tensor;
use gradus_train::metrics::*;
use serde_json::Value;

use super::{F64, assert_close, golden, list, tensor};

/// Far from 0, the digits of the targets themselves are lost in scikit-learn's mean.
const FAR: f64 = 1e-9;

/// The metric of a column, with the average that follows its name.
fn metric(name: &str) -> Box<dyn Metric<f64>> {
    let (base, average) = match name.rsplit_once('_') {
        Some((base, "macro")) => (base, Some(Average::Macro)),
        Some((base, "micro")) => (base, Some(Average::Micro)),
        Some((base, "weighted")) => (base, Some(Average::Weighted)),
        _ => (name, None),
    };
    macro_rules! averaged {
        ($metric:ident) => {
            match average {
                Some(average) => Box::new($metric::new().average(average)),
                None => Box::new($metric::new()),
            }
        };
    }
    match base {
        "accuracy" => Box::new(Accuracy::new()),
        "categorical_accuracy" => Box::new(CategoricalAccuracy::new()),
        "top_k_accuracy" => Box::new(TopKAccuracy::new(2)),
        "precision" => averaged!(Precision),
        "recall" => averaged!(Recall),
        "f1" => averaged!(F1),
        "auc" => Box::new(RocAuc::new()),
        "pr_auc" => Box::new(PrAuc::new()),
        "log_loss" => Box::new(LogLoss::new()),
        "matthews_correlation" => Box::new(MatthewsCorrelation::new()),
        "cohen_kappa" => Box::new(CohenKappa::new()),
        "mean_squared_error" => Box::new(MeanSquaredError::new()),
        "root_mean_squared_error" => Box::new(RootMeanSquaredError::new()),
        "mean_absolute_error" => Box::new(MeanAbsoluteError::new()),
        "mean_absolute_percentage_error" => Box::new(MeanAbsolutePercentageError::new()),
        "r2" => Box::new(R2::new()),
        other => panic!("no metric {other}"),
    }
}

/// In two batches, the second by a metric that took up the state of the first.
fn in_two(name: &str, p: &Tensor<f64>, t: &Tensor<f64>) -> f64 {
    let (n, mut first) = (p.shape()[0], metric(name));
    assert!(first.result().is_nan(), "{name}: no batch yet");
    first.update(&p.slice(0, 0..n / 2), &t.slice(0, 0..n / 2));
    let state = first.state().expect("a state");
    let mut second = first.fresh();
    assert!(second.result().is_nan(), "{name}: fresh");
    assert!(second.set_state(&state), "{name}: its own state");
    second.update(&p.slice(0, n / 2..n), &t.slice(0, n / 2..n));
    first.update(&p.slice(0, n / 2..n), &t.slice(0, n / 2..n));
    assert_eq!(first.result().to_bits(), second.result().to_bits(), "{name}");
    second.result()
}

#[test]
fn as_scikit_learn() {
    for case in golden("sklearn_metrics.json")["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let (p, t) = (tensor(&case["predictions"]), tensor(&case["targets"]));
        for (column, expected) in case["results"].as_object().unwrap() {
            let tolerance = if name == "far from 0" { FAR } else { F64 };
            let what = format!("{name}, {column}");
            assert_close(&what, in_two(column, &p, &t), expected.as_f64().unwrap(), tolerance);
        }
        if let Some(rows) = case["confusion"].as_array() {
            let found = ConfusionMatrix::of(&p, &t);
            for (label, row) in rows.iter().enumerate() {
                for (predicted, count) in list(row).into_iter().enumerate() {
                    assert_eq!(found.count(label, predicted) as f64, count, "{name}");
                }
            }
        }
        if let Value::String(report) = &case["report"] {
            assert_eq!(ClassificationReport::of(&p, &t).to_string(), *report, "{name}");
        }
        if case["fpr"].is_array() {
            curves(case, &p, &t);
        }
    }
}

fn curves(case: &Value, p: &Tensor<f64>, t: &Tensor<f64>) {
    let (roc, pr) = (roc_curve(p, t), precision_recall_curve(p, t));
    let same = |what: &str, found: Vec<f64>| {
        let expected = list(&case[what]);
        assert_eq!(found.len(), expected.len(), "{what}");
        found.iter().zip(expected).for_each(|(a, b)| assert_close(what, *a, b, F64));
    };
    same("fpr", roc.iter().map(|point| point.false_positive_rate).collect());
    same("tpr", roc.iter().map(|point| point.true_positive_rate).collect());
    same("pr", pr.iter().map(|point| point.precision).collect());
    same("rc", pr.iter().map(|point| point.recall).collect());
}

#[test]
fn one_hot_targets_are_classes() {
    let p = Tensor::<f64>::from([[0.1, 0.7, 0.2], [0.3, 0.3, 0.4], [0.5, 0.2, 0.3]]);
    let (sparse, hot) =
        (Tensor::from([1.0, 0.0, 0.0]), Tensor::from([[0., 1., 0.], [1., 0., 0.], [1., 0., 0.]]));
    for name in ["f1", "auc", "log_loss", "categorical_accuracy", "cohen_kappa"] {
        let of = |t: &Tensor<f64>| {
            let mut metric = metric(name);
            metric.update(&p, t);
            metric.result()
        };
        assert_eq!(of(&sparse).to_bits(), of(&hot).to_bits(), "{name}");
    }
}

#[test]
fn log_loss_of_logits_is_that_of_their_probabilities_and_stays_finite() {
    let of = |mut metric: LogLoss, p: &Tensor<f64>, t: &Tensor<f64>| {
        metric.update(p, t);
        Metric::<f64>::result(&metric)
    };
    let (z, t) = (Tensor::from([0.3, -1.2, 2.0]), Tensor::from([1.0, 0.0, 0.0]));
    let p = z.map(|z: f64| 1.0 / (1.0 + (-z).exp()));
    assert_close("binary", of(LogLoss::from_logits(), &z, &t), of(LogLoss::new(), &p, &t), F64);
    let far = Tensor::from([[1000.0, -1000.0]]);
    assert_eq!(of(LogLoss::from_logits(), &far, &Tensor::from([1.0])), 2000.0);
    let wrong = of(LogLoss::new(), &Tensor::from([1.0]), &Tensor::from([0.0]));
    assert_close("clipped", wrong, -f64::EPSILON.ln(), F64);
}

#[test]
fn what_is_not_defined_is_nan_or_zero_as_documented() {
    let of = |name: &str, p: &[f64], t: &[f64]| {
        let mut metric = metric(name);
        metric.update(&Tensor::new(&[p.len()], p.to_vec()), &Tensor::new(&[t.len()], t.to_vec()));
        metric.result()
    };
    assert!(of("auc", &[0.2, 0.8], &[1.0, 1.0]).is_nan());
    assert!(of("pr_auc", &[0.2, 0.8], &[0.0, 0.0]).is_nan());
    assert!(of("auc", &[f64::NAN, 0.8], &[0.0, 1.0]).is_nan());
    assert_eq!(of("auc", &[0.5; 4], &[0., 1., 1., 0.]), 0.5);
    assert_eq!(of("precision", &[0.1, 0.2], &[1.0, 1.0]), 0.0);
    assert_eq!(of("recall", &[0.9, 0.8], &[0.0, 0.0]), 0.0);
    assert_eq!(of("f1", &[0.1, 0.2], &[0.0, 0.0]), 0.0);
    assert_eq!(of("matthews_correlation", &[0.9, 0.8], &[0.0, 1.0]), 0.0);
    assert_eq!((of("r2", &[1.0; 2], &[1.0; 2]), of("r2", &[1.0, 2.0], &[1.0; 2])), (1.0, 0.0));
}

#[test]
fn a_state_of_another_metric_is_refused() {
    for name in ["accuracy", "auc", "log_loss", "mean_squared_error", "r2", "f1"] {
        assert!(!metric(name).set_state(&[3.0, 2.0, 1.0]), "{name}");
    }
    assert!(!metric("auc").set_state(&[f64::MAX, f64::MAX]));
}

#[test]
fn a_confusion_matrix_is_a_table() {
    let p = Tensor::<f64>::from([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]]);
    let matrix = ConfusionMatrix::of(&p, &Tensor::from([0.0, 0.0, 1.0]));
    let named = matrix.clone().named(&["benign".into(), "malignant".into()]);
    let table = "true \\ predicted     benign  malignant\n\
                 benign                    1          1\n\
                 malignant                 0          1";
    assert_eq!(named.to_string(), table);
    assert_eq!(
        (matrix.name(1), ConfusionMatrix::default().to_string()),
        ("1".into(), "no samples".into())
    );
}

#[test]
#[should_panic(expected = "f1: the target 3 is none of 3 classes, 0 to 2")]
fn a_target_that_is_no_class() {
    metric("f1").update(&Tensor::zeros(&[1, 3]), &Tensor::from([3.0]));
}

#[test]
#[should_panic(expected = "r2: predictions [2, 1] and targets [3] do not fit each other")]
fn targets_of_another_number() {
    metric("r2").update(&Tensor::zeros(&[2, 1]), &Tensor::zeros(&[3]));
}
