//! Callbacks of one's own, and weights that come back.

use gradus::prelude::*;

use super::{Notes, data, line};

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
