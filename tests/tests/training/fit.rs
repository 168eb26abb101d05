//! What `fit`, `evaluate` and `predict` do, and that they do the same again.

use std::sync::atomic::{AtomicUsize, Ordering};

use gradus::prelude::*;
use gradus_tests::golden::{as_f64, assert_none, differences};

use super::{F64, bits, dataset, normed, points, quiet};

/// Two ways through, joined.
#[derive(Debug, Module)]
struct Own {
    left: Dense<f64>,
    right: Dense<f64>,
    scale: Param<f64>,
}

impl Layer<f64> for Own {
    fn forward<'t>(&self, x: Var<'t, f64>) -> Var<'t, f64> {
        (self.left.forward(x) - self.right.forward(x)) * x.tape().param(&self.scale)
    }
}

#[test]
fn a_model_of_ones_own_trains_by_fit() {
    let model = Own {
        left: Dense::new(1).inputs(2),
        right: Dense::new(1).inputs(2),
        scale: Param::new(Tensor::ones(&[1])),
    };
    let mut model = model.init(1).compile(
        Adam::new(0.05),
        BinaryCrossentropy::from_logits(),
        &[&Accuracy::from_logits()],
    );
    let before = bits(&model.model);
    let data = points(200);
    let history = model.fit(&data, quiet().epochs(30).validation_fraction(0.25)).expect("training");
    let changed = bits(&model.model).iter().zip(&before).filter(|(a, b)| a != b).count();
    assert_eq!(changed, before.len(), "every parameter is trained");
    let loss = history.column("loss");
    assert!(loss[29] < 0.5 * loss[0], "{loss:?}");
    assert!(history.last().and_then(|row| row.get("val_accuracy")) > Some(0.9), "{history}");
}

/// Frozen parameters stay through a whole training.
#[test]
fn frozen_parameters_stay() {
    let mut model = normed();
    let frozen = |path: &str| path.starts_with("dense.") || path.ends_with("gamma");
    model.model.visit_mut(gradus::autograd::Path::root(), &mut |path, param| {
        if frozen(&path.to_string()) {
            param.set_trained(false);
        }
    });
    let values = |model: &Sequential<f64>| -> Vec<(String, Vec<f64>)> {
        model.params().into_iter().map(|(path, param)| (path, as_f64(param.value()))).collect()
    };
    let before = values(&model.model);
    model.fit(&points(20), quiet().epochs(2)).expect("training");
    for ((path, before), (_, after)) in before.iter().zip(values(&model.model)) {
        assert_eq!(*before == after, frozen(path), "{path}");
    }
}

/// The penalty is in every loss, and evaluation changes nothing.
#[test]
fn evaluation_is_in_evaluation_mode_and_has_the_penalty() {
    let model =
        Sequential::new().add(Dense::new(4).kernel_regularizer(L2(0.25))).add(BatchNorm::new());
    let model = model.add(Dropout::new(0.5)).add(Dense::new(1)).build(&[2], 1).expect("a model");
    let mut model = model.compile(Sgd::new(0.01), MeanSquaredError, &[]);
    let data = points(50);
    model.fit(&data, quiet()).expect("training");
    let before = bits(&model.model);
    let scores = model.evaluate(&data).expect("scores");
    assert_eq!(model.evaluate(&data).expect("scores"), scores);
    assert_eq!(bits(&model.model), before);
    let tape = Tape::inference();
    let mse =
        model.model.forward(tape.constant(data.x().clone())).mse(tape.constant(data.y().clone()));
    let expected = (mse + penalty(&model.model, &tape).expect("a penalty")).item();
    assert_none(&differences("loss", &[scores.loss()], &[expected], F64));
    let history = model.fit(&data, quiet().validation(&data)).expect("training");
    let after = model.evaluate(&data).expect("scores");
    assert_eq!(history.column("val_loss"), [after.loss()]);
}

#[test]
fn predict_is_forward() {
    let mut model = normed();
    model.fit(&points(20), quiet()).expect("training");
    // More samples than are predicted at once.
    for n in [1, 7, 2500] {
        let data = points(n);
        let tape = Tape::new();
        let expected = model.model.forward(tape.constant(data.x().clone())).value();
        let found = model.predict(data.x()).expect("predictions");
        assert_eq!(found.shape(), [n, 1]);
        assert_none(&differences("predict", &as_f64(&found), &as_f64(&expected), F64));
    }
}

/// The loss of an epoch is the mean over samples, not over batches.
#[test]
fn the_loss_is_a_mean_over_samples() {
    let x = Tensor::zeros(&[3, 1]);
    let data = dataset(x, Tensor::from([[1.0], [1.0], [4.0]]));
    let mut model = Dense::new(1).inputs(1).init(1).compile(Sgd::new(0.0), MeanSquaredError, &[]);
    let history = model.fit(&data, quiet().batch_size(2).shuffle(false)).expect("training");
    assert_eq!(history.column("loss"), [(1.0 + 1.0 + 16.0) / 3.0]);
    let history =
        model.fit(&data, quiet().batch_size(2).shuffle(false).drop_last(true)).expect("training");
    assert_eq!(history.column("loss"), [1.0]);
    // The only batch stays, however small.
    let history =
        model.fit(&data, quiet().batch_size(4).shuffle(false).drop_last(true)).expect("training");
    assert_eq!(history.column("loss"), [(1.0 + 1.0 + 16.0) / 3.0]);
}

/// Everything that a training of a wide model leaves behind, as bits.
fn trained(seed: u64) -> (Vec<u64>, String) {
    let mut rng = Rng::new(2);
    let x = Tensor::<f32>::randn(&[600, 300], &mut rng);
    let y = Tensor::from_fn(&[600, 1], |at| (at[0] * 7 % 5) as f32);
    let model = Sequential::new()
        .add(Dense::new(601).activation(Relu))
        .add(BatchNorm::new())
        .add(Dropout::new(0.3));
    let model =
        model.add(Dense::new(523).activation(Tanh).kernel_regularizer(L2(1e-4))).add(Dense::new(5));
    let model = model.build(&[300], 5).expect("a model");
    let mut model =
        model.compile(Adam::new(1e-3), SparseCategoricalCrossentropy, &[&Accuracy::new()]);
    let data = Dataset::new(x, y).expect("data");
    let options =
        Fit::new().epochs(2).batch_size(256).seed(seed).validation_fraction(0.1).progress(false);
    let history = model.fit(&data, options).expect("training");
    assert!(history.last().is_some_and(|row| row.iter().all(|(_, value)| value.is_finite())));
    (bits(&model.model), history.to_csv())
}

#[test]
fn the_same_seed_gives_the_same_bits_with_any_number_of_threads() {
    let first = trained(1);
    assert!(trained(1) == first, "run after run");
    for threads in [1, 2, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        assert!(pool.install(|| trained(1)) == first, "{threads} threads");
    }
    assert!(trained(2).0 != first.0, "the seed is used");
}

/// What is not finite shows in the history, and only there: the run goes on.
#[test]
fn a_run_that_diverges_goes_on() {
    let data = points(8);
    let mut model = super::dense(1).compile(Sgd::new(1e200), MeanSquaredError, &[]);
    let history = model.fit(&data, quiet().epochs(5)).expect("training");
    assert_eq!(history.epochs().len(), 5);
    assert!(history.last().is_some_and(|row| row.loss().is_nan()), "{history}");
}

/// A second call begins at epoch 0: the same orders, and the same draws, unless it has another seed.
#[test]
fn a_second_call_repeats_the_orders() {
    let data = points(20);
    let run = |seeds: [u64; 2]| {
        let mut model = super::binary();
        for seed in seeds {
            let options = quiet().batch_size(4).seed(seed);
            model.fit(&data, options).expect("training");
        }
        bits(&model.model)
    };
    let (again, other) = (run([3, 3]), run([3, 4]));
    assert_eq!(again, run([3, 3]));
    assert_ne!(again, other);
}

/// Notes how much there is on the tape that it runs on.
#[derive(Debug, Module)]
struct Watched {
    dense: Dense<f64>,
    #[module(skip)]
    values: AtomicUsize,
}

impl Layer<f64> for Watched {
    fn forward<'t>(&self, x: Var<'t, f64>) -> Var<'t, f64> {
        let y = self.dense.forward(x);
        self.values.fetch_max(x.tape().len(), Ordering::Relaxed);
        y
    }
}

/// Each part is predicted on a tape of its own: what one needs is free for the next.
#[test]
fn predicting_more_samples_takes_no_more_tape() {
    let watched = Watched { dense: super::dense(3), values: AtomicUsize::new(0) };
    let model = watched.compile(Sgd::new(0.1), MeanSquaredError, &[]);
    let values = |n: usize| {
        let x = points(n).x().clone();
        let y = model.predict(&x).expect("samples");
        assert_eq!(y.shape(), [n, 3]);
        let tape = Tape::inference();
        assert_eq!(y, model.model.dense.forward(tape.constant(x)).value());
        model.model.values.swap(0, Ordering::Relaxed)
    };
    assert_eq!(values(5000), values(10));
}
