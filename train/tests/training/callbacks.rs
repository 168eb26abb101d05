//! Callbacks: decisions as in Keras and PyTorch, averages, a file that grows.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gradus_autograd::{Module, Tensor};
use gradus_data::Dataset;
use gradus_nn::{Dense, losses::MeanSquaredError};
use gradus_optim::Sgd;
use gradus_train::*;
use serde_json::Value;

use super::{F64, Folder, assert_close, golden, list};

/// A metric that says what it is told to, an entry an epoch.
struct Scripted {
    direction: Direction,
    values: Arc<[f64]>,
    /// How often the metric was started anew: once by `compile`, then once an epoch.
    starts: Arc<AtomicUsize>,
    start: usize,
}

impl Scripted {
    fn new(direction: Direction, values: &[f64]) -> Self {
        Scripted { direction, values: values.into(), starts: Arc::default(), start: 0 }
    }
}

impl Metric<f64> for Scripted {
    fn name(&self) -> &'static str {
        "watched"
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
        let (values, starts) = (self.values.clone(), self.starts.clone());
        Box::new(Scripted { start, values, starts, ..*self })
    }
}

pub(super) fn data() -> Dataset<f64> {
    let x = Tensor::from([[1.0], [2.0], [-1.0], [0.5]]);
    Dataset::new(x.clone(), x.map(|x| 3.0 * x - 1.0)).unwrap()
}

pub(super) fn line() -> Dense<f64> {
    Dense::new(1).inputs(1).init(1)
}

pub(super) fn quiet<'a>(epochs: usize) -> Fit<'a, f64> {
    Fit::new().epochs(epochs).batch_size(2).progress(false)
}

/// The rate in each epoch.
fn rates(direction: Direction, metric: &[f64], lr: f64, plateau: ReduceLROnPlateau) -> Vec<f64> {
    let scripted = Scripted::new(direction, metric);
    let mut model = line().compile(Sgd::new(lr), MeanSquaredError, &[&scripted]);
    let history = model.fit(&data(), quiet(metric.len()).callback(plateau)).unwrap();
    history.column("lr")
}

fn number(params: &Value, name: &str, default: f64) -> f64 {
    params[name].as_f64().unwrap_or(default)
}

fn plateau(params: &Value) -> ReduceLROnPlateau {
    ReduceLROnPlateau::monitor("watched")
        .factor(number(params, "factor", 0.1))
        .patience(number(params, "patience", 10.0) as usize)
        .min_delta(number(params, "min_delta", 1e-4))
        .cooldown(number(params, "cooldown", 0.0) as usize)
        .min_lr(number(params, "min_lr", 0.0))
}

#[track_caller]
fn same(name: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (epoch, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let off = (found - expected).abs();
        assert!(off <= F64 * expected, "{name}, epoch {epoch}: {found} is not {expected}");
    }
}

#[test]
fn plateaus_as_keras_and_pytorch() {
    let mut count = 0;
    let keras = golden("keras_callbacks.json");
    for case in keras["cases"].as_array().unwrap() {
        let params = &case["params"];
        if params["callback"] == "ReduceLROnPlateau" {
            assert_eq!(params["mode"], "min");
            let found = rates(Direction::Min, &list(&case["metric"]), 0.1, plateau(params));
            same(case["name"].as_str().unwrap(), &found, &list(&case["result"]["lr_used"]));
            count += 1;
        }
    }
    let torch = golden("lr_schedules.json");
    for case in torch["cases"].as_array().unwrap() {
        let params = &case["params"];
        if params["schedule"] == "ReduceLROnPlateau" {
            let found =
                rates(Direction::Min, &list(&case["metrics"]), 0.1, plateau(params).pytorch());
            same(case["name"].as_str().unwrap(), &found, &list(&case["lr"]));
            count += 1;
        }
    }
    assert_eq!(count, 3);
}

/// Worked out by hand from both definitions.
#[test]
fn a_cooldown_ends_an_epoch_later_in_pytorch() {
    let plateau = || ReduceLROnPlateau::monitor("watched").factor(0.5).patience(1).cooldown(2);
    let found = rates(Direction::Min, &[1.0; 6], 1.0, plateau());
    assert_eq!(found, [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]);
    let found = rates(Direction::Min, &[1.0; 9], 1.0, plateau().pytorch());
    assert_eq!(found, [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]);
}

#[test]
fn in_pytorch_the_threshold_is_a_part_of_the_best() {
    let plateau = || ReduceLROnPlateau::monitor("watched").patience(0).min_delta(0.1).pytorch();
    let close = |found: Vec<f64>, expected: &[f64]| same("threshold", &found, expected);
    close(rates(Direction::Min, &[10.0, 8.9, 8.1, 8.0], 1.0, plateau()), &[1.0, 1.0, 1.0, 0.1]);
    close(rates(Direction::Max, &[10.0, 11.1, 12.0, 13.0], 1.0, plateau()), &[1.0, 1.0, 1.0, 0.1]);
    // A step that is too small is not taken.
    close(rates(Direction::Min, &[1.0; 3], 1e-7, plateau().factor(0.95)), &[1e-7; 3]);
}

#[test]
fn plateaus_at_their_edges() {
    let watch = || ReduceLROnPlateau::monitor("watched").factor(0.5);
    let min = |metric: &[f64], plateau| rates(Direction::Min, metric, 1.0, plateau);
    // The defaults: ten epochs, and a tenth.
    let mut expected = [1.0; 13];
    (expected[11], expected[12]) = (0.1, 0.1);
    assert_eq!(min(&[1.0; 13], ReduceLROnPlateau::monitor("watched")), expected);
    // NaN is no improvement, also at the beginning; the direction decides.
    assert_eq!(min(&[f64::NAN, 1.0, f64::NAN, 0.5], watch().patience(1)), [1.0, 0.5, 0.5, 0.25]);
    let max = rates(Direction::Max, &[0.1, 0.2, 0.3], 1.0, watch().patience(1));
    assert_eq!(max, [1.0, 1.0, 1.0]);
    let overridden = watch().patience(1).direction(Direction::Min);
    assert_eq!(rates(Direction::Max, &[0.1, 0.2, 0.3], 1.0, overridden), [1.0, 1.0, 0.5]);
    // Better by min_delta alone is not enough.
    assert_eq!(min(&[1.0, 0.5, 0.0], watch().patience(1).min_delta(0.5)), [1.0, 1.0, 0.5]);
    // The least rate.
    assert_eq!(min(&[1.0; 4], watch().patience(1).min_lr(0.4)), [1.0, 1.0, 0.5, 0.4]);
    // Patience 0 is patience 1, as in Keras.
    assert_eq!(min(&[1.0; 3], watch().patience(0)), min(&[1.0; 3], watch().patience(1)));
}

#[test]
#[should_panic(expected = "ReduceLROnPlateau: a factor of 1 is not from 0 to below 1")]
fn a_factor_that_changes_nothing() {
    let _ = ReduceLROnPlateau::monitor("loss").factor(1.0);
}

#[test]
fn a_column_that_is_not_there() {
    let mut model = line().compile(Sgd::new(0.1), MeanSquaredError, &[]);
    let error = model.fit(&data(), quiet(1).callback(ReduceLROnPlateau::monitor("val_loss")));
    let text = "ReduceLROnPlateau: there is no `val_loss` to watch; there are loss";
    assert_eq!(error.unwrap_err().to_string(), text);
}

/// The rate is so high that the loss is infinite soon; the row is there, and what came before.
#[test]
fn nan_ends_training_with_its_batch() {
    let mut steps = 0;
    let mut model = line().compile(Sgd::new(1e200), MeanSquaredError, &[]);
    let count = LambdaCallback::new().batch_end(|_, _, state| steps = state.step);
    let options = quiet(5).callback(TerminateOnNan).callback(count);
    let history = model.fit(&data(), options).unwrap();
    assert_eq!((history.epochs().len(), steps), (1, 2));
    assert!(!history.last().unwrap().loss().is_finite());
}

#[test]
fn an_error_of_a_callback_ends_training_and_the_history_stays() {
    let mut heard = Vec::new();
    let fails = LambdaCallback::new().epoch_end(|epoch, _, state| {
        if epoch == 1 {
            state.fail(TrainError::Option("first".into()));
            state.fail(TrainError::Option("second".into()));
        }
    });
    let hears = LambdaCallback::new().epoch_end(|epoch, _, _| heard.push(epoch));
    let mut model = line().compile(Sgd::new(0.1), MeanSquaredError, &[]);
    let error = model.fit(&data(), quiet(5).callback(fails).callback(hears)).unwrap_err();
    assert_eq!(error.to_string(), "fit: first");
    assert_eq!(heard, [0, 1]);
    assert_eq!(model.history().epochs().len(), 2);
}

#[test]
fn closures_are_called_in_their_places() {
    let calls = std::cell::RefCell::new(Vec::new());
    let note = |text: String| calls.borrow_mut().push(text);
    let lambda = LambdaCallback::new()
        .epoch_begin(|epoch, state| note(format!("begin {epoch}, step {}", state.step)))
        .batch_end(|batch, loss, _| note(format!("batch {batch} {}", loss.is_finite())))
        .epoch_end(|epoch, scores, state| {
            note(format!("end {epoch} {}", scores.get("lr").unwrap()));
            state.stop();
        })
        .train_end(|_| note("over".into()));
    let mut model = line().compile(Sgd::new(0.1), MeanSquaredError, &[]);
    model.fit(&data(), quiet(3).callback(lambda)).unwrap();
    let expected = ["begin 0, step 0", "batch 0 true", "batch 1 true", "end 0 0.1", "over"];
    assert_eq!(*calls.borrow(), expected);
}

pub(super) fn weights(model: &dyn Module<f64>) -> Vec<f64> {
    model.params().iter().flat_map(|(_, p)| p.value().to_vec()).collect()
}

/// By the formula, from the weights after each step.
#[test]
fn moving_averages() {
    const DECAY: f64 = 0.75;
    let (mut after, mut before_end) = (Vec::new(), Vec::new());
    let mut ema = Ema::new(DECAY);
    let notes = LambdaCallback::new()
        .batch_end(|_, _, state| after.push(weights(state.model)))
        .train_end(|state| before_end = weights(state.model));
    let mut model = line().compile(Sgd::new(0.1), MeanSquaredError, &[]);
    model.fit(&data(), quiet(3).callback(notes).callback(&mut ema)).unwrap();
    let mut expected = after[0].clone();
    for step in &after[1..] {
        expected
            .iter_mut()
            .zip(step)
            .for_each(|(mean, w)| *mean = DECAY * *mean + (1.0 - DECAY) * w);
    }
    assert_eq!(before_end, after[5]);
    let found = weights(&model.model);
    found.iter().zip(&expected).for_each(|(a, b)| assert_close("average", *a, *b, F64));
    let kept: Vec<f64> = ema.average().iter().flat_map(|average| average.to_vec()).collect();
    assert_eq!(kept, found);
}

/// The validation sees the averages; training does not.
#[test]
fn averages_stand_in_for_the_weights_while_validating() {
    let run = |ema: Option<Ema<f64>>| {
        let data = data();
        let mut model = line().compile(Sgd::new(0.1), MeanSquaredError, &[]);
        let mut options = quiet(3).validation(&data);
        if let Some(ema) = ema {
            options = options.callback(ema);
        }
        let history = model.fit(&data, options).unwrap();
        (history, weights(&model.model), model.evaluate(&data).unwrap().loss())
    };
    let ema = || Ema::new(0.5).validate(true);
    let ((plain, end, _), (averaged, kept, _)) = (run(None), run(Some(ema().overwrite(false))));
    assert_eq!((plain.column("loss"), end), (averaged.column("loss"), kept));
    assert_ne!(plain.column("val_loss"), averaged.column("val_loss"));
    let (history, _, loss) = run(Some(ema()));
    assert_eq!(history.last().unwrap().get("val_loss"), Some(loss));
}

#[test]
fn the_history_as_a_file_that_grows() {
    let folder = Folder::new("csv");
    let path = folder.join("logs/history.csv");
    let mut lengths = Vec::new();
    let read = || fs::read_to_string(&path).unwrap();
    let grows = LambdaCallback::new().epoch_end(|_, _, _| lengths.push(read().lines().count()));
    let mut model = line().compile(Sgd::new(0.1), MeanSquaredError, &[]);
    let options = quiet(3).callback(CsvLogger::new(&path)).callback(grows);
    let history = model.fit(&data(), options).unwrap();
    assert_eq!((read(), &lengths[..]), (history.to_csv(), &[2, 3, 4][..]));

    let more = model.fit(&data(), quiet(2).callback(CsvLogger::new(&path).append(true))).unwrap();
    let rows = more.to_csv().split_once('\n').unwrap().1.to_owned();
    assert_eq!(read(), history.to_csv() + &rows);
    // A row that was cut off by a crash, and a header.
    for cut in ["7,0.12", "7"] {
        fs::write(&path, history.to_csv() + cut).unwrap();
        let last = quiet(2).callback(CsvLogger::new(&path).append(true));
        let more = model.fit(&data(), last).unwrap();
        assert_eq!(read(), history.to_csv() + more.to_csv().split_once('\n').unwrap().1);
    }
    fs::write(&path, "epoch,lo").unwrap();
    let more = model.fit(&data(), quiet(2).callback(CsvLogger::new(&path).append(true))).unwrap();
    assert_eq!(read(), more.to_csv());
    fs::write(&path, "a letter").unwrap();
    let error =
        model.fit(&data(), quiet(2).callback(CsvLogger::new(&path).append(true))).unwrap_err();
    assert!(error.to_string().ends_with("it is no history, and is left alone: name another"));
    assert_eq!(read(), "a letter");
    fs::write(&path, history.to_csv()).unwrap();
    let before = read();
    let data = data();
    let others = quiet(1).validation(&data).callback(CsvLogger::new(&path).append(true));
    let error = model.fit(&data, others).unwrap_err();
    let text = "its columns are epoch,loss,lr, those of this run epoch,loss,val_loss,lr";
    assert!(error.to_string().ends_with(text), "{error}");
    assert_eq!(read(), before);
    model.fit(&data, quiet(1).callback(CsvLogger::new(&path))).unwrap();
    assert_eq!(read().lines().count(), 2);

    let error =
        model.fit(&data, quiet(1).callback(CsvLogger::new(path.join("x.csv")))).unwrap_err();
    assert!(matches!(error, TrainError::Write { .. }), "{error}");
}
