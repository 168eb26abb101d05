//! Callbacks: the golden decisions of `EarlyStopping`, the edges of NUMERICS row 34, schedules, and a
//! callback of one's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gradus::optim::{ExponentialDecay, PiecewiseConstant};
use gradus::prelude::*;
use gradus_tests::golden;

const F64: f64 = 1e-12;

/// Cases of which there is no such callback: cases, reason.
const NOT_YET: &[(&[usize], &str)] = &[(&[5, 6], "no ReduceLROnPlateau yet")];

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

/// Notes the weights and the learning rate of each epoch.
#[derive(Default)]
struct Notes {
    weights: Vec<Vec<f64>>,
    lr: Vec<f64>,
}

fn weights(model: &dyn Module<f64>) -> Vec<f64> {
    model.params().iter().flat_map(|(_, param)| param.value().to_vec()).collect()
}

impl Callback<f64> for Notes {
    fn epoch_end(&mut self, _: usize, _: &Scores, state: &mut State<'_, f64>) {
        self.weights.push(weights(state.model));
        self.lr.push(state.optimizer.lr());
    }
}

fn data() -> Dataset<f64> {
    Dataset::new(Tensor::from([[1.0], [2.0]]), Tensor::from([[500.0], [700.0]])).expect("data")
}

fn line() -> Dense<f64> {
    Dense::new(1).inputs(1).init(1)
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

#[test]
fn early_stopping_as_keras() {
    let table = golden::read("keras_callbacks");
    assert_eq!(table.kind, "callback");
    let mut wrong = Vec::new();
    for (number, case) in table.cases.iter().enumerate() {
        let listed = NOT_YET.iter().any(|(cases, _)| cases.contains(&number));
        assert_eq!(
            case.text("callback") != "EarlyStopping",
            listed,
            "{}: run it or list it",
            case.name
        );
        if listed {
            continue;
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
        let expected = &case.entry["result"];
        let stopped = expected["stopped_after_epoch"].as_u64().map(|epoch| epoch as usize);
        let pairs = [
            ("epochs", found.epochs, stopped.map_or(values.len(), |epoch| epoch + 1)),
            (
                "stopped_epoch",
                stopping.stopped_epoch().unwrap_or(usize::MAX),
                stopped.unwrap_or(usize::MAX),
            ),
            (
                "weights_of_epoch",
                found.weights_of,
                golden::number(&expected["weights_of_epoch"]) as usize,
            ),
            ("best_epoch", stopping.best_epoch(), golden::number(&expected["best_epoch"]) as usize),
        ];
        for (what, found, expected) in pairs {
            if found != expected {
                wrong.push(format!("{}: {what}: {found} instead of {expected}", case.name));
            }
        }
        if stopping.best() != Some(golden::number(&expected["best"])) {
            wrong.push(format!("{}: best {:?}", case.name, stopping.best()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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

/// The rate of each epoch, as the optimiser had it and as the history tells it.
fn rates(callback: impl Callback<f64>) -> Vec<f64> {
    let mut notes = Notes::default();
    let mut model = line().compile(Sgd::new(0.5), MeanSquaredError, &[]);
    let options = Fit::new().epochs(5).progress(false).callback(callback).callback(&mut notes);
    let history = model.fit(&data(), options).expect("training");
    assert_eq!(history.column("lr"), notes.lr);
    notes.lr
}

#[test]
fn learning_rates_by_closure_and_by_object() {
    let halve = |epoch: usize, lr: f64| if [2, 4].contains(&epoch) { lr / 2.0 } else { lr };
    assert_eq!(rates(LearningRateScheduler::new(halve)), [0.5, 0.5, 0.25, 0.25, 0.125]);
    let steps = PiecewiseConstant::new(&[1, 3], &[4.0, 2.0, 1.0]);
    assert_eq!(rates(LearningRateScheduler::new(steps)), [4.0, 2.0, 2.0, 1.0, 1.0]);
    let decay = ExponentialDecay { initial: 1.0, rate: 0.5 };
    let found = rates(LearningRateScheduler::new(decay));
    for (found, expected) in found.iter().zip([1.0, 0.5, 0.25, 0.125, 0.0625]) {
        assert!((found - expected).abs() < F64);
    }
    // A schedule that remembers.
    let mut seen = Vec::new();
    rates(LearningRateScheduler::new(|epoch: usize, lr: f64| {
        seen.push((epoch, lr));
        lr * 2.0
    }));
    assert_eq!(seen, [(0, 0.5), (1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0)]);
}

#[test]
fn a_schedule_is_in_force_in_its_own_epoch() {
    let mut model = line().compile(Sgd::new(0.5), MeanSquaredError, &[]);
    let before = weights(&model.model);
    let options = Fit::new().epochs(3).callback(LearningRateScheduler::new(|_: usize, _: f64| 0.0));
    model.fit(&data(), options.progress(false)).expect("training");
    assert_eq!(weights(&model.model), before);
}

#[test]
#[rustfmt::skip]
fn wrong_schedules_panic() {
    use gradus_tests::panics::panics;
    panics("piecewise constant: 2 boundaries need 3 rates, not 2", || PiecewiseConstant::new(&[1, 2], &[0.1, 0.2]));
    panics("piecewise constant: boundaries [2, 1] do not ascend", || PiecewiseConstant::new(&[2, 1], &[0.1; 3]));
}

/// Ends training by itself, and notes when it was called.
#[derive(Default)]
struct Own {
    calls: Vec<String>,
}

impl Callback<f64> for Own {
    fn train_begin(
        &mut self,
        columns: &[(String, Direction)],
        _: &mut State<'_, f64>,
    ) -> Result<(), TrainError> {
        self.calls.push(format!(
            "train_begin {}",
            columns.iter().map(|c| c.0.as_str()).collect::<Vec<_>>().join(" ")
        ));
        Ok(())
    }
    fn epoch_begin(&mut self, epoch: usize, _: &mut State<'_, f64>) {
        self.calls.push(format!("epoch_begin {epoch}"));
    }
    fn epoch_end(&mut self, epoch: usize, scores: &Scores, state: &mut State<'_, f64>) {
        self.calls.push(format!("epoch_end {epoch} {}", scores.loss().is_finite()));
        if epoch == 1 {
            state.stop();
        }
    }
    fn train_end(&mut self, _: &mut State<'_, f64>) {
        self.calls.push("train_end".into());
    }
}

#[test]
fn a_callback_of_ones_own_stops_training() {
    let mut own = Own::default();
    let mut model = line().compile(Sgd::new(1e-3), MeanSquaredError, &[]);
    let history = model
        .fit(&data(), Fit::new().epochs(10).progress(false).callback(&mut own))
        .expect("training");
    assert_eq!(history.epochs().len(), 2);
    let expected = [
        "train_begin loss",
        "epoch_begin 0",
        "epoch_end 0 true",
        "epoch_begin 1",
        "epoch_end 1 true",
        "train_end",
    ];
    assert_eq!(own.calls, expected);
}

/// All callbacks hear of the epoch after which one of them ends training.
#[test]
fn the_callbacks_after_one_that_stops_are_called() {
    let (mut first, mut last) = (Own::default(), Notes::default());
    let mut model = line().compile(Sgd::new(1e-3), MeanSquaredError, &[]);
    let options = Fit::new().epochs(10).progress(false).callback(&mut first).callback(&mut last);
    model.fit(&data(), options).expect("training");
    assert_eq!(last.lr.len(), 2);
}

/// A callback may change the model; the change is there in the next epoch.
#[test]
fn a_callback_may_change_the_model() {
    struct Reset(Weights<f64>);
    impl Callback<f64> for Reset {
        fn epoch_end(&mut self, _: usize, _: &Scores, state: &mut State<'_, f64>) {
            self.0.restore(state.model);
        }
    }
    let mut model = line().compile(Sgd::new(1e-3), MeanSquaredError, &[]);
    let reset = Reset(Weights::of(&model.model));
    let history =
        model.fit(&data(), Fit::new().epochs(3).progress(false).callback(reset)).expect("training");
    let loss = history.column("loss");
    assert_eq!([loss[0]; 3], loss[..]);
}

#[test]
fn weights_fit_only_the_model_that_they_came_from() {
    let two = || vec![line(), line()];
    let weights = Weights::of(&two());
    weights.restore(&mut two());
    let restores = |mut model: Vec<Dense<f64>>| {
        let restore = std::panic::AssertUnwindSafe(|| weights.restore(&mut model));
        std::panic::catch_unwind(restore).is_ok()
    };
    assert!(!restores(vec![line(), line(), line()]), "a model with more parameters");
    assert!(!restores(vec![Dense::new(2).inputs(1), line()]), "a model with other shapes");
    assert!(!restores(vec![line()]), "a model with fewer parameters");
}
