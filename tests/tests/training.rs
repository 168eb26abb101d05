//! `fit`, `evaluate`, `predict`: errors, models of one's own, history, determinism, and a real data set.

use gradus::prelude::*;
use gradus_tests::golden::{self, as_f64, differences};
use gradus_tests::panics::panics;

/// |found − expected| may be this, times max(1, |expected|).
const F64: f64 = 1e-12;
/// Test accuracy that the reference model has to reach on a fixed split.
const ACCURATE: f64 = 0.93;

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

fn dataset(x: Tensor<f64>, y: Tensor<f64>) -> Dataset<f64> {
    Dataset::new(x, y).expect("data")
}

/// `n` samples of 2 features and a label 0 or 1.
fn points(n: usize) -> Dataset<f64> {
    let x = Tensor::randn(&[n, 2], &mut Rng::new(4));
    let y =
        Tensor::from_fn(&[n, 1], |at| f64::from(u8::from(x.at(&[at[0], 0]) > x.at(&[at[0], 1]))));
    dataset(x, y)
}

fn labelled(y: Tensor<f64>) -> Dataset<f64> {
    dataset(Tensor::ones(&[y.shape()[0], 2]), y)
}

fn dense(units: usize) -> Dense<f64> {
    Dense::new(units).inputs(2).init(1)
}

fn binary() -> Trainer<Dense<f64>, f64> {
    dense(1).activation(Sigmoid).compile(
        Sgd::new(0.1),
        BinaryCrossentropy::new(),
        &[&Accuracy::new()],
    )
}

fn quiet<'a>() -> Fit<'a, f64> {
    Fit::new().progress(false)
}

fn error<M: Layer<f64>>(
    model: &mut Trainer<M, f64>,
    data: &Dataset<f64>,
    options: Fit<'_, f64>,
) -> String {
    let before = bits(&model.model);
    let error = model.fit(data, options).expect_err("it cannot be trained");
    assert_eq!(bits(&model.model), before, "nothing was trained");
    error.to_string()
}

fn bits<T: Float>(model: &dyn Module<T>) -> Vec<u64> {
    model.params().iter().flat_map(|(_, param)| as_f64(param.value())).map(f64::to_bits).collect()
}

// Errors

#[test]
fn no_data() {
    let none = Dataset::<f64>::new(Tensor::zeros(&[0, 2]), Tensor::zeros(&[0, 1]))
        .expect_err("no samples");
    assert_eq!(none.to_string(), "the data set has no samples");
    let why = binary().predict(&Tensor::zeros(&[0, 2])).expect_err("no samples");
    assert!(matches!(why, TrainError::Empty { .. }));
    assert_eq!(why.to_string(), "the given data has no samples");
}

#[test]
fn batches_of_no_samples() {
    let text = error(&mut binary(), &points(4), quiet().batch_size(0));
    assert_eq!(text, "batches: the batch size is 0; a batch has at least 1 sample");
}

#[test]
fn binary_labels_out_of_range() {
    for (label, word) in [(1.5, "1.5"), (-1.0, "-1"), (2.0, "2")] {
        let bad = labelled(Tensor::from([[0.0], [1.0], [label], [0.0]]));
        let expected = |part: &str| {
            format!(
                "binary_crossentropy: row 2 has the label {word}, which is not within 0 to 1 (in the {part} data)"
            )
        };
        assert_eq!(error(&mut binary(), &bad, quiet()), expected("training"));
        assert_eq!(
            error(&mut binary(), &points(4), quiet().validation(&bad)),
            expected("validation")
        );
        let why = binary().evaluate(&bad).expect_err("a bad label");
        assert!(matches!(why, TrainError::Targets { .. }));
        assert_eq!(why.to_string(), expected("given"));
    }
}

#[test]
fn classes_out_of_range_or_not_whole() {
    let mut model = dense(3).compile(Sgd::new(0.1), SparseCategoricalCrossentropy, &[]);
    for (label, word) in [(3.0, "3"), (-1.0, "-1"), (0.5, "0.5")] {
        let expected = format!(
            "sparse_categorical_crossentropy: row 1 has the label {word}, which is not a whole number from 0 to 2 \
             (in the training data)"
        );
        assert_eq!(error(&mut model, &labelled(Tensor::from([[0.0], [label]])), quiet()), expected);
        assert_eq!(error(&mut model, &labelled(Tensor::from([0.0, label])), quiet()), expected);
    }
    let wide = labelled(Tensor::zeros(&[3, 2]));
    assert_eq!(
        error(&mut model, &wide, quiet()),
        "sparse_categorical_crossentropy: the model's output must be [n, classes] and the targets [n] or [n, 1], but \
         they are [1, 3] and [3, 2] (in the training data)"
    );
}

#[test]
fn targets_of_another_shape() {
    let expected = |loss: &str, targets: &str| {
        format!(
            "{loss}: the model's output has shape [1] a sample, the targets {targets} (in the training data)"
        )
    };
    let mut squares = dense(1).compile(Sgd::new(0.1), MeanSquaredError, &[]);
    for (shape, word) in [(&[4][..], "[]"), (&[4, 2], "[2]"), (&[4, 1, 1], "[1, 1]")] {
        let data = labelled(Tensor::zeros(shape));
        assert_eq!(error(&mut squares, &data, quiet()), expected("mean_squared_error", word));
        assert_eq!(error(&mut binary(), &data, quiet()), expected("binary_crossentropy", word));
    }
}

/// A mistake of the program, not of the data's contents: it panics, at the user's line.
#[test]
#[rustfmt::skip]
fn features_of_another_shape() {
    let data = dataset(Tensor::zeros(&[4, 3]), Tensor::zeros(&[4, 1]));
    let mut model = binary();
    panics("linear: input [1, 3] does not fit weight [2, 1] [inputs, outputs] (3 vs 2)", || model.fit(&data, quiet()));
    panics("linear: input [1, 3] does not fit weight [2, 1] [inputs, outputs] (3 vs 2)", || model.evaluate(&data));
    panics("linear: input [4, 3] does not fit weight [2, 1] [inputs, outputs] (3 vs 2)", || model.predict(data.x()));
}

fn normed() -> Trainer<Sequential<f64>, f64> {
    let model = Sequential::new()
        .add(Dense::new(3))
        .add(BatchNorm::new())
        .add(Dense::new(1).activation(Sigmoid));
    model.build(&[2], 1).expect("a model").compile(Sgd::new(0.1), BinaryCrossentropy::new(), &[])
}

#[test]
fn a_small_last_batch_with_batch_norm() {
    let expected = |samples: usize, size: usize| {
        format!(
            "fit: {samples} samples in batches of {size} leave a last batch of 1, but the model needs at least 2 (batch \
             norm has no variance of one value): choose another batch size, or `drop_last(true)`"
        )
    };
    assert_eq!(error(&mut normed(), &points(9), quiet().batch_size(4)), expected(9, 4));
    assert_eq!(error(&mut normed(), &points(4), quiet().batch_size(1)), expected(4, 1));
    assert_eq!(
        error(&mut normed(), &points(4), quiet().batch_size(1).drop_last(true)),
        expected(4, 1)
    );
    assert_eq!(
        error(&mut normed(), &points(1), quiet().batch_size(4).drop_last(true)),
        expected(1, 4)
    );
    // What is held out counts, too.
    assert_eq!(
        error(&mut normed(), &points(10), quiet().batch_size(4).validation_fraction(0.1)),
        expected(9, 4)
    );
    assert!(normed().fit(&points(9), quiet().batch_size(4).drop_last(true)).is_ok());
    assert!(normed().fit(&points(10), quiet().batch_size(4)).is_ok());
    assert!(normed().fit(&points(3), quiet().batch_size(4)).is_ok());
    // Without batch norm one sample is a batch.
    assert!(binary().fit(&points(9), quiet().batch_size(4)).is_ok());
    // A validation set of one sample is evaluated.
    assert!(normed().fit(&points(4), quiet().validation(&points(1))).is_ok());
}

#[test]
fn validation_fractions_out_of_range() {
    for (fraction, word) in
        [(0.0, "0"), (1.0, "1"), (1.5, "1.5"), (-0.5, "-0.5"), (f64::NAN, "NaN")]
    {
        let text = error(&mut binary(), &points(4), quiet().validation_fraction(fraction));
        assert_eq!(text, format!("fit: a validation fraction of {word} is not between 0 and 1"));
    }
    let text = error(&mut binary(), &points(4), quiet().validation_fraction(0.9));
    assert_eq!(text, "fit: a validation fraction of 0.9 of 4 samples leaves one side empty");
}

#[test]
fn a_history_that_cannot_be_written() {
    let history = binary().fit(&points(4), quiet()).expect("training");
    let why = history.write_csv("no such folder/history.csv").expect_err("no folder");
    assert!(matches!(why, TrainError::Write { .. }));
    assert!(why.to_string().starts_with("cannot write no such folder/history.csv: "), "{why}");
}

// Training

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
}

#[test]
fn no_epochs_train_nothing() {
    let mut model = binary();
    let before = bits(&model.model);
    let history = model.fit(&points(4), quiet().epochs(0)).expect("no training");
    assert_eq!(bits(&model.model), before);
    assert!(
        history.epochs().is_empty()
            && history.last().is_none()
            && history.column("loss").is_empty()
    );
    assert_eq!(history.to_string(), "no epochs");
    assert_eq!(history.to_csv(), "epoch\n");
}

/// Values that are exact in binary, so that the texts are.
#[test]
fn a_history_as_table_and_as_csv() {
    let data = dataset(Tensor::zeros(&[2, 2]), Tensor::from([[1.0], [0.0]]));
    let model = Dense::new(1).inputs(2).init(1).compile(
        Sgd::new(0.5),
        MeanSquaredError,
        &[&Accuracy::new()],
    );
    let mut model = model;
    let options = quiet().epochs(2).batch_size(2).validation(&data);
    let drop = |epoch: usize, lr: f64| if epoch == 1 { lr / 4.0 } else { lr };
    let history =
        model.fit(&data, options.callback(LearningRateScheduler::new(drop))).expect("training");
    // b: 0 → ½ in one step, where the gradient is 0; ½ is not above the threshold.
    let table = "\
epoch      loss  accuracy  val_loss  val_accuracy        lr
    0    0.5000    0.5000    0.2500        0.5000    5.0e-1
    1    0.2500    0.5000    0.2500        0.5000    1.2e-1";
    assert_eq!(history.to_string(), table);
    let csv = "\
epoch,loss,accuracy,val_loss,val_accuracy,lr
0,0.5,0.5,0.25,0.5,0.5
1,0.25,0.5,0.25,0.5,0.125
";
    assert_eq!(history.to_csv(), csv);
    assert_eq!(history.last().map(ToString::to_string).as_deref(), Some(LAST));
    assert_eq!(history.last().and_then(|row| row.get("nothing")), None);
    assert!(history.column("nothing").is_empty());
}

const LAST: &str = "loss 0.2500  accuracy 0.5000  val_loss 0.2500  val_accuracy 0.5000  lr 0.1250";

// Metrics

/// Cases of which there is no such metric: cases, reason.
const NOT_YET: &[(&[usize], &str)] = &[
    (&[3], "no accuracy among the top k yet"),
    (&[4, 7], "no metrics of regression yet"),
    (&[5, 6], "no precision and recall yet"),
];

#[test]
fn metrics_as_keras() {
    let table = golden::read("keras_metrics");
    let mut wrong = Vec::new();
    for (number, case) in table.cases.iter().enumerate() {
        // Keras chooses among the three by the shapes when asked for "accuracy".
        let known = ["BinaryAccuracy", "SparseCategoricalAccuracy", "CategoricalAccuracy"]
            .contains(&case.text("metric"));
        let listed = NOT_YET.iter().any(|(cases, _)| cases.contains(&number));
        assert_eq!(known, !listed, "{}: run it or list it", case.name);
        if listed {
            continue;
        }
        let mut metric: Box<dyn Metric<f64>> = Box::new(Accuracy::new());
        let (p, t) = (case.inputs["y_pred"].tensor::<f64>(), case.inputs["y_true"].tensor::<f64>());
        let n = p.shape()[0];
        for rows in [0..n / 2, n / 2..n] {
            metric.update(&p.slice(0, rows.clone()), &t.slice(0, rows));
        }
        wrong.extend(differences(
            &case.name,
            &[metric.result()],
            &case.outputs["result"].data,
            F64,
        ));
        assert!(metric.fresh().result().is_nan(), "{}: no batch yet", case.name);
    }
    assert_none(&wrong);
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

// Determinism

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

// Real data

#[test]
fn the_reference_model_on_breast_cancer() {
    let file =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../data-sets/breast_cancer.csv");
    let data: Dataset = Csv::new().skip_lines(1).no_header().read_path(file).expect("the data set");
    let [mut train, mut val, mut test] =
        data.split([0.6, 0.2, 0.2], Split::stratified(0)).expect("a split");
    let scaler = StandardScaler::fit(&train).expect("a scaler");
    for part in [&mut train, &mut val, &mut test] {
        scaler.apply(part).expect("scaling");
    }
    let dense = |units| Dense::new(units).kernel_regularizer(L2(0.01)).bias_regularizer(L1(0.01));
    let mut model = Sequential::new()
        .add(dense(50).kernel_initializer(HeNormal))
        .add(BatchNorm::new())
        .add(Relu)
        .add(Dropout::new(0.5))
        .add(dense(1).kernel_initializer(GlorotNormal).activation(Sigmoid))
        .build(&[30], 0)
        .expect("a model")
        .compile(Adam::new(1e-2), BinaryCrossentropy::new(), &[&Accuracy::new()]);
    let drop = |epoch: usize, lr: f64| if [5, 10, 15].contains(&epoch) { lr * 0.1 } else { lr };
    let options = Fit::new().epochs(20).batch_size(128).validation(&val).progress(false);
    let options = options.callback(LearningRateScheduler::new(drop));
    let options = options.callback(EarlyStopping::monitor("val_accuracy").patience(5));
    let history = model.fit(&train, options).expect("training");
    let accuracy = model.evaluate(&test).expect("scores").get("accuracy").expect("an accuracy");
    assert!(accuracy >= ACCURATE, "{accuracy}\n{history}");
}
