//! Learning rates over the epochs.

use gradus::optim::{ExponentialDecay, PiecewiseConstant};
use gradus::prelude::*;
use gradus_tests::panics::panics;

use super::{F64, Notes, data, line, weights};

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

/// A group's rate keeps its ratio to the main one at the time it was made, also where a schedule changes the
/// main one before the first step.
#[test]
fn a_group_keeps_its_ratio_under_a_schedule() {
    let sgd = || Sgd::new(0.5).group(|path| path == "bias", |h| h.lr = 0.125);
    let biases = |schedule: fn(usize, f64) -> f64| {
        let mut notes = Notes::default();
        let mut model = Dense::new(1).inputs(1).kernel_initializer(Zeros).init(1);
        model.visit_mut(gradus::autograd::Path::root(), &mut |path, param| {
            param.set_trained(path.to_string() == "bias");
        });
        let options = Fit::new().epochs(2).progress(false);
        let options = options.callback(LearningRateScheduler::new(schedule)).callback(&mut notes);
        model.compile(sgd(), MeanSquaredError, &[]).fit(&data(), options).expect("training");
        notes.weights.iter().map(|weights| weights[1]).collect::<Vec<_>>()
    };
    // The targets' mean is 600: b′ = b + rate·2·(600 − b).
    assert_eq!(biases(|_, lr| lr), [150.0, 262.5]);
    assert_eq!(biases(|_, _| 0.25), [75.0, 140.625]);
    assert_eq!(biases(|epoch, _| [0.25, 0.5][epoch]), [75.0, 206.25]);
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
    panics("piecewise constant: 2 boundaries need 3 rates, not 2", || PiecewiseConstant::new(&[1, 2], &[0.1, 0.2]));
    panics("piecewise constant: boundaries [2, 1] do not ascend", || PiecewiseConstant::new(&[2, 1], &[0.1; 3]));
}
