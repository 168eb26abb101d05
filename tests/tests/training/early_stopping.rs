//! `EarlyStopping`: the golden decisions, and the edges of NUMERICS row 34.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gradus::prelude::*;
use gradus_tests::golden::{self, Case, Listed, assert_none};

use super::{Notes, data, line, weights};

/// Cases of another callback: table, cases, where they are run.
const NOT_YET: &[Listed] = &[("keras_callbacks", &[5, 6], "train/tests/training/callbacks.rs")];

/// A metric that says what it is told to, an entry an epoch.
struct Scripted {
    name: &'static str,
    direction: Direction,
    values: Arc<[f64]>,
    /// How often the metric was started anew: once by `compile`, then once an epoch.
    starts: Arc<AtomicUsize>,
    start: usize,
}

impl Scripted {
    fn new(name: &'static str, direction: Direction, values: &[f64]) -> Self {
        Scripted { name, direction, values: values.into(), starts: Arc::default(), start: 0 }
    }
}

impl Metric<f64> for Scripted {
    fn name(&self) -> &'static str {
        self.name
    }
    fn direction(&self) -> Direction {
        self.direction
    }
    fn update(&mut self, _: &Tensor<f64>, _: &Tensor<f64>) {}
    fn result(&self) -> f64 {
        self.values[self.start - 1]
    }
    fn fresh(&self) -> Box<dyn Metric<f64>> {
        let start = self.starts.fetch_add(1, Ordering::Relaxed);
        Box::new(Scripted {
            start,
            values: self.values.clone(),
            starts: self.starts.clone(),
            ..*self
        })
    }
}

/// What a run looked like from outside.
struct Run {
    /// Epochs that were run.
    epochs: usize,
    /// The epoch whose weights the model has in the end.
    weights_of: usize,
}

/// Trains with a metric that follows a script; weights differ from epoch to epoch.
fn run(metric: Scripted, epochs: usize, callback: impl Callback<f64>) -> Run {
    let mut notes = Notes::default();
    let mut model = line().compile(Sgd::new(1e-3), MeanSquaredError, &[&metric]);
    let options = Fit::new().epochs(epochs).progress(false).callback(&mut notes).callback(callback);
    let history = model.fit(&data(), options).expect("training");
    let last = weights(&model.model);
    let same: Vec<usize> =
        (0..notes.weights.len()).filter(|&epoch| notes.weights[epoch] == last).collect();
    assert_eq!(same.len(), 1, "the weights are those of one epoch: {same:?}");
    Run { epochs: history.epochs().len(), weights_of: same[0] }
}

/// What is wrong with a case; `None` if it is of another callback.
fn golden_case(case: &Case) -> Option<Vec<String>> {
    if case.text("callback") != "EarlyStopping" {
        return None;
    }
    let values = golden::numbers(&case.entry["metric"]);
    let direction = match case.text("mode") {
        "max" => Direction::Max,
        "min" => Direction::Min,
        other => panic!("{}: no direction {other}", case.name),
    };
    let mut stopping = EarlyStopping::monitor("watched")
        .patience(case.number("patience", 0.0) as usize)
        .min_delta(case.number("min_delta", 0.0))
        .restore_best_weights(case.flag("restore_best_weights", false));
    let found = run(Scripted::new("watched", direction, &values), values.len(), &mut stopping);
    let result = &case.entry["result"];
    let stopped = result["stopped_after_epoch"].as_u64().map(|epoch| epoch as usize);
    let expected = |name: &str| golden::number(&result[name]);
    let epochs = stopped.map_or(values.len(), |epoch| epoch + 1);
    let pairs = [
        ("epochs", found.epochs, epochs),
        ("weights_of_epoch", found.weights_of, expected("weights_of_epoch") as usize),
        ("best_epoch", stopping.best_epoch(), expected("best_epoch") as usize),
    ];
    let mut wrong = Vec::new();
    for (what, found, expected) in pairs {
        if found != expected {
            wrong.push(format!("{}: {what}: {found} instead of {expected}", case.name));
        }
    }
    if stopping.stopped_epoch() != stopped {
        wrong.push(format!("{}: stopped_epoch: {:?}", case.name, stopping.stopped_epoch()));
    }
    if stopping.best() != Some(expected("best")) {
        wrong.push(format!("{}: best {:?}", case.name, stopping.best()));
    }
    Some(wrong)
}

#[test]
fn early_stopping_as_keras() {
    golden::assert_exist(NOT_YET);
    let table = golden::read("keras_callbacks");
    assert_eq!(table.kind, "callback");
    let wrong = table.cases.iter().enumerate().flat_map(|(number, case)| {
        golden::run_or_listed(NOT_YET, ("keras_callbacks", number), case, golden_case(case))
    });
    assert_none(&wrong.collect::<Vec<_>>());
}

/// Epochs run, and the best one.
fn stops(direction: Direction, values: &[f64], mut stopping: EarlyStopping<f64>) -> (usize, usize) {
    let found = run(Scripted::new("watched", direction, values), values.len(), &mut stopping);
    match stopping.stopped_epoch() {
        Some(epoch) => assert_eq!(epoch, found.epochs - 1),
        None => assert_eq!(found.epochs, values.len()),
    }
    (found.epochs, stopping.best_epoch())
}

fn watch() -> EarlyStopping<f64> {
    EarlyStopping::monitor("watched")
}

const NAN: f64 = f64::NAN;

#[test]
fn min_delta_follows_the_direction() {
    let rising = [0.0, 0.25, 0.5, 1.5, 1.75, 2.0];
    let falling = rising.map(|x| -x);
    for delta in [1.0, -1.0] {
        let stopping = || watch().patience(3).min_delta(delta);
        // 1.5 is better than 0 by more than 1, and nothing after it.
        assert_eq!(stops(Direction::Max, &rising, stopping()), (6, 3));
        assert_eq!(stops(Direction::Min, &falling, stopping()), (6, 3));
        // Against the direction nothing ever is.
        assert_eq!(stops(Direction::Min, &rising, stopping()), (4, 0));
        assert_eq!(stops(Direction::Max, &falling, stopping()), (4, 0));
    }
    // Better by exactly min_delta is not enough.
    assert_eq!(
        stops(Direction::Max, &[0.0, 0.5, 1.0, 1.5], watch().patience(2).min_delta(1.0)),
        (3, 0)
    );
}

#[test]
fn equal_is_no_improvement() {
    assert_eq!(stops(Direction::Max, &[0.5, 0.5, 0.5, 0.5], watch().patience(2)), (3, 0));
    assert_eq!(stops(Direction::Min, &[0.5, 0.5, 0.5, 0.5], watch().patience(2)), (3, 0));
}

#[test]
fn nan_is_no_improvement() {
    for direction in [Direction::Min, Direction::Max] {
        assert_eq!(
            stops(direction, &[0.5, NAN, NAN, 0.5], watch().patience(2)),
            (3, 0),
            "{direction:?}"
        );
        // A NaN at the start is not the best that there can be.
        assert_eq!(
            stops(direction, &[NAN, 0.5, NAN, NAN, 0.5], watch().patience(2)),
            (4, 1),
            "{direction:?}"
        );
        assert_eq!(stops(direction, &[NAN; 4], watch().patience(2)), (2, 0), "{direction:?}");
    }
}

/// Infinities are numbers.
#[test]
fn infinities_compare() {
    let inf = f64::INFINITY;
    assert_eq!(stops(Direction::Min, &[inf, 1.0, -inf, -inf, 0.0], watch().patience(2)), (5, 2));
    assert_eq!(stops(Direction::Max, &[inf, 1.0, inf, 2.0], watch().patience(2)), (3, 0));
}

#[test]
fn patience_0_stops_at_the_first_epoch_that_is_no_better() {
    assert_eq!(stops(Direction::Max, &[0.1, 0.2, 0.2, 0.9], watch().patience(0)), (3, 1));
    assert_eq!(stops(Direction::Min, &[0.5, 0.6, 0.1], watch().patience(0)), (2, 0));
}

#[test]
fn a_baseline_has_to_be_beaten() {
    let values = [0.1, 0.2, 0.3, 0.9, 0.9];
    assert_eq!(stops(Direction::Max, &values, watch().patience(2)), (5, 3));
    assert_eq!(
        stops(Direction::Max, &[0.1, 0.2, 0.2, 0.9], watch().patience(2).baseline(0.5)),
        (3, 1)
    );
}

#[test]
fn early_epochs_may_be_left_out() {
    let values = [0.9, 0.1, 0.1, 0.5, 0.4, 0.3];
    assert_eq!(stops(Direction::Max, &values, watch().patience(2)), (3, 0));
    assert_eq!(stops(Direction::Max, &values, watch().patience(2).start_from_epoch(2)), (6, 3));
}

#[test]
fn the_direction_may_be_overridden() {
    let values = [0.5, 0.4, 0.3, 0.2];
    assert_eq!(stops(Direction::Max, &values, watch().patience(1)), (2, 0));
    assert_eq!(
        stops(Direction::Max, &values, watch().patience(1).direction(Direction::Min)),
        (4, 3)
    );
}

#[test]
fn the_best_weights_come_back_also_when_training_was_not_cut_short() {
    let values = [0.1, 0.9, 0.3, 0.2];
    for (patience, epochs) in [(1, 3), (2, 4), (100, 4)] {
        for (restore, weights_of) in [(true, 1), (false, epochs - 1)] {
            let stopping = watch().patience(patience).restore_best_weights(restore);
            let found =
                run(Scripted::new("watched", Direction::Max, &values), values.len(), stopping);
            assert_eq!(
                (found.epochs, found.weights_of),
                (epochs, weights_of),
                "patience {patience}, {restore}"
            );
        }
    }
}

/// With nothing but NaN, the first weights are the best there are.
#[test]
fn the_first_weights_come_back_from_a_run_of_nan() {
    let stopping = watch().patience(2).restore_best_weights(true);
    assert_eq!(run(Scripted::new("watched", Direction::Max, &[NAN; 5]), 5, stopping).weights_of, 0);
}

/// A callback that is used again starts anew.
#[test]
fn a_second_run_knows_nothing_of_the_first() {
    let mut stopping = watch().patience(1);
    let metric = |values: &[f64]| Scripted::new("watched", Direction::Max, values);
    assert_eq!(run(metric(&[0.9, 0.8, 0.7]), 3, &mut stopping).epochs, 2);
    assert_eq!(run(metric(&[0.1, 0.2, 0.3]), 3, &mut stopping).epochs, 3);
    assert_eq!((stopping.best(), stopping.stopped_epoch()), (Some(0.3), None));
}

#[test]
fn an_unknown_monitor_is_an_error_before_training() {
    let mut model = line().compile(Sgd::new(1e-3), MeanSquaredError, &[&Accuracy::new()]);
    let before = weights(&model.model);
    let (data, stopping) = (data(), || EarlyStopping::monitor("val_acc"));
    let error = model.fit(&data, Fit::new().callback(stopping())).expect_err("no such column");
    assert!(matches!(error, TrainError::Monitor { .. }));
    assert_eq!(
        error.to_string(),
        "EarlyStopping: there is no `val_acc` to watch; there are loss, accuracy"
    );
    let error = model
        .fit(&data, Fit::new().validation(&data).callback(stopping()))
        .expect_err("no such column");
    let expected = "EarlyStopping: there is no `val_acc` to watch; there are loss, accuracy, val_loss, val_accuracy";
    assert_eq!(error.to_string(), expected);
    assert_eq!(weights(&model.model), before);
}
