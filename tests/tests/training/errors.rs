//! What cannot be trained: typed errors, and nothing is changed.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use gradus::prelude::*;
use gradus_tests::panics::{panic_line, panics};

use super::{binary, bits, dataset, dense, labelled, normed, points, quiet};

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
fn no_epochs() {
    let text = error(&mut binary(), &points(4), quiet().epochs(0));
    assert_eq!(text, "fit: the number of epochs is 0; training takes at least 1");
}

#[test]
#[rustfmt::skip]
fn learning_rates_that_make_no_sense() {
    panics("optimizer: a learning rate of -1 is negative or not finite", || Sgd::<f64>::new(-1.0));
    panics("optimizer: a learning rate of NaN is negative or not finite", || Adam::<f64>::new(f64::NAN));
    panics("optimizer: a learning rate of inf is negative or not finite", || AdamW::new::<f64>(f64::INFINITY));
    Sgd::<f64>::new(0.0);
}

/// By a schedule or by a callback, in the first epoch or later; what was trained before it stays.
#[test]
fn learning_rates_that_stop_making_sense() {
    let mut model = binary();
    for (lr, word) in [(-0.5, "-0.5"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let at = move |bad: usize| {
            LearningRateScheduler::new(
                move |epoch: usize, old: f64| if epoch == bad { lr } else { old },
            )
        };
        let expected = |epoch: usize| {
            format!(
                "fit: the learning rate of epoch {epoch} is {word}, which is negative or not finite"
            )
        };
        let options = || quiet().epochs(4).callback(at(0));
        model.optimizer.set_lr(0.1);
        assert_eq!(error(&mut model, &points(4), options()), expected(0));
        model.optimizer.set_lr(0.1);
        let before = bits(&model.model);
        let why = model.fit(&points(4), quiet().epochs(4).callback(at(2))).expect_err("a bad rate");
        assert!(matches!(why, TrainError::LearningRate { epoch: 2, .. }));
        assert_eq!(why.to_string(), expected(2));
        assert_ne!(bits(&model.model), before, "two epochs were trained");
        assert!(bits(&model.model).iter().all(|&bits| f64::from_bits(bits).is_finite()));
    }
}

#[test]
#[rustfmt::skip]
fn columns_of_the_same_name() {
    let twice = |name: &str| format!("compile: the history would have two columns `{name}`: each metric needs a name of its own");
    panics(&twice("accuracy"), || dense(1).compile(Sgd::new(0.1), MeanSquaredError, &[&Accuracy::new(), &Accuracy::from_logits()]));
    for name in ["loss", "lr", "val_loss"] {
        panics(&twice(name), || dense(1).compile(Sgd::new(0.1), MeanSquaredError, &[&Named(name)]));
    }
}

/// A metric of the given name.
struct Named(&'static str);

impl Metric<f64> for Named {
    fn name(&self) -> &'static str {
        self.0
    }
    fn direction(&self) -> Direction {
        Direction::Min
    }
    fn update(&mut self, _: &Tensor<f64>, _: &Tensor<f64>) {}
    fn result(&self) -> f64 {
        0.0
    }
    fn fresh(&self) -> Box<dyn Metric<f64>> {
        Box::new(Named(self.0))
    }
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
    const HINT: &str = ": reshape the targets to [4, 1]";
    let mut squares = dense(1).compile(Sgd::new(0.1), MeanSquaredError, &[]);
    for (shape, word, hint) in
        [(&[4][..], "[]", HINT), (&[4, 2], "[2]", ""), (&[4, 1, 1], "[1, 1]", HINT)]
    {
        let word = &format!("{word}{hint}");
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
    panics("dense: input [1, 3] does not fit kernel [2, 1] [inputs, units] (3 vs 2)", || model.fit(&data, quiet()));
    panics("dense: input [1, 3] does not fit kernel [2, 1] [inputs, units] (3 vs 2)", || model.evaluate(&data));
    panics("dense: input [4, 3] does not fit kernel [2, 1] [inputs, units] (3 vs 2)", || model.predict(data.x()));
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
    // The advice must help: `drop_last` does not where all batches are too small, or the only one is.
    let needs = "but the model needs at least 2 (batch norm has no variance of one value)";
    let all = format!("fit: batches have 1 sample(s), {needs}: set `batch_size` to 2 or more");
    let only = format!("fit: the only batch has 1 sample(s), {needs}: train on more samples");
    for drop_last in [false, true] {
        let options = |size| quiet().batch_size(size).drop_last(drop_last);
        assert_eq!(error(&mut normed(), &points(4), options(1)), all);
        assert_eq!(error(&mut normed(), &points(1), options(4)), only);
    }
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
    // Folders are made, but not below a file.
    let why = history.write_csv("Cargo.toml/history.csv").expect_err("no folder");
    assert!(matches!(why, TrainError::Write { .. }));
    assert!(why.to_string().starts_with("cannot write Cargo.toml/history.csv: "), "{why}");
}

/// Gaps that nobody filled: without an error, all that is trained would be NaN.
#[test]
fn features_that_are_not_finite() {
    let file = "width,height,label\n1,2,0\n3,,1\n5,6,0\n";
    let gaps: Dataset<f64> =
        Csv::new().missing(Missing::Nan).read(file.as_bytes()).expect("a table");
    let expected = |part: &str| {
        format!(
            "x[1, 1] (height) is NaN: not finite; mend or leave out sample 1 (in the {part} data)"
        )
    };
    assert_eq!(error(&mut binary(), &gaps, quiet()), expected("training"));
    assert_eq!(error(&mut binary(), &points(4), quiet().validation(&gaps)), expected("validation"));
    // The sample is named as the user counts, also where it is held out.
    let options = quiet().validation_fraction(0.5);
    assert_eq!(error(&mut binary(), &gaps, options), expected("training"));
    let why = binary().evaluate(&gaps).expect_err("a gap");
    assert!(matches!(why, TrainError::NonFinite { part: "given", .. }));
    assert_eq!(why.to_string(), expected("given"));
    let whole = gaps.complete().expect("complete samples");
    assert!(binary().fit(&whole, quiet()).is_ok());
}

#[test]
fn validation_features_of_another_shape() {
    let wide = dataset(Tensor::zeros(&[4, 3]), Tensor::zeros(&[4, 1]));
    let deep = dataset(Tensor::zeros(&[4, 5, 2]), Tensor::zeros(&[4, 1]));
    for (data, word) in [(&wide, "[3]"), (&deep, "[5, 2]")] {
        assert_eq!(
            error(&mut binary(), &points(4), quiet().validation(data)),
            format!(
                "fit: a sample of the validation data has shape {word}, one of the training data [2]"
            )
        );
    }
}

#[test]
fn parameters_that_nobody_gave_values() {
    let expected = |path: &str| {
        format!(
            "fit: the parameter `{path}` has no values yet: draw them by `.init(seed)`, or give it some"
        )
    };
    let compile = |dense: Dense<f64>| dense.compile(Sgd::new(0.1), MeanSquaredError, &[]);
    let raw = || Dense::new(1).inputs(2);
    assert_eq!(error(&mut compile(raw()), &points(4), quiet()), expected("kernel"));
    // Sizes alone are no values.
    let mut built = Sequential::new().add(Relu).add(Dense::new(1));
    Layer::build(&mut built, &[2]).expect("a model");
    let mut built = built.compile(Sgd::new(0.1), MeanSquaredError, &[]);
    assert_eq!(error(&mut built, &points(4), quiet()), expected("dense.kernel"));
    let why = built.fit(&points(4), quiet()).expect_err("no values");
    assert!(matches!(why, TrainError::NoValues { .. }));
    assert!(compile(raw().init(1)).fit(&points(4), quiet()).is_ok());
    assert!(compile(raw().init(1).clone()).fit(&points(4), quiet()).is_ok());
    let mut by_hand = raw();
    by_hand.visit_mut(gradus::autograd::Path::root(), &mut |_, param| {
        param.set(Tensor::ones(param.value().shape()));
    });
    assert!(compile(by_hand).fit(&points(4), quiet()).is_ok());
}

/// The norm is found wherever it is in a model.
#[test]
fn a_small_batch_for_a_model_of_ones_own() {
    #[derive(Debug, Module)]
    struct Own {
        blocks: Vec<(Dense<f64>, BatchNorm<f64>)>,
    }
    impl Layer<f64> for Own {
        fn forward<'t>(&self, x: Var<'t, f64>) -> Var<'t, f64> {
            self.blocks.iter().fold(x, |x, (dense, norm)| norm.forward(dense.forward(x)))
        }
    }
    let blocks = vec![(Dense::new(1).inputs(2), BatchNorm::new().channels(1))];
    let mut model = Own { blocks }.init(1).compile(Sgd::new(0.1), MeanSquaredError, &[]);
    assert_eq!(
        error(&mut model, &points(9), quiet().batch_size(4)),
        "fit: 9 samples in batches of 4 leave a last batch of 1, but the model needs at least 2 (batch norm has no \
         variance of one value): choose another batch size, or `drop_last(true)`"
    );
    assert!(model.fit(&points(8), quiet().batch_size(4)).is_ok());
}

#[test]
fn an_output_without_samples() {
    #[derive(Debug, Module)]
    struct Summed {
        dense: Dense<f64>,
    }
    impl Layer<f64> for Summed {
        fn forward<'t>(&self, x: Var<'t, f64>) -> Var<'t, f64> {
            self.dense.forward(x).sum()
        }
    }
    for loss in [true, false] {
        let (summed, sgd) = (Summed { dense: dense(1) }, Sgd::new(0.1));
        let (name, mut model) = match loss {
            true => ("mean_squared_error", summed.compile(sgd, MeanSquaredError, &[])),
            false => ("binary_crossentropy", summed.compile(sgd, BinaryCrossentropy::new(), &[])),
        };
        assert_eq!(
            error(&mut model, &points(4), quiet()),
            format!(
                "{name}: the model's output is a single number, not one for each sample: leave sums and means over \
                 samples to the loss (in the training data)"
            )
        );
    }
}

#[test]
fn gradients_that_cannot_be_clipped() {
    // Outputs of 1e200, squared.
    let x = Tensor::full(&[4, 1], 1e200);
    let model = Dense::new(1).inputs(1).init(1);
    let mut model =
        model.compile(Sgd::new(1e-3).clip(Clip::GlobalNorm(1.0)), MeanSquaredError, &[]);
    let error = model.fit(&dataset(x, Tensor::ones(&[4, 1])), quiet()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "fit, epoch 0: clip: the gradient of `kernel` is not finite, and scaling by a norm would spread that: no step was \
         taken. Look at the loss, or lower the learning rate"
    );
    assert!(model.model.params().iter().all(|(_, p)| p.value().first_non_finite().is_none()));
}

/// The line of its `forward` where a model of one's own goes wrong.
static WRONG: AtomicU32 = AtomicU32::new(0);

#[derive(Debug, Module)]
struct Wrong {
    dense: Dense<f64>,
    by: f64,
}

impl Layer<f64> for Wrong {
    fn forward<'t>(&self, x: Var<'t, f64>) -> Var<'t, f64> {
        let (h, by) = (self.dense.forward(x), x.tape().constant(Tensor::full(&[5], self.by)));
        WRONG.store(line!() + 1, Relaxed);
        h * by
    }
}

/// Not at the line of `fit`, nor at one of the library, whoever calls `forward`.
#[test]
fn shapes_that_are_wrong_in_a_model_of_ones_own_are_told_at_its_line() {
    let wrong = || Wrong { dense: Dense::new(3).inputs(2).init(0), by: 2.0 };
    let mut alone = wrong().compile(Sgd::new(0.1), MeanSquaredError, &[]);
    assert_eq!(panic_line(|| alone.fit(&points(4), quiet())), WRONG.load(Relaxed));
    let inside = Sequential::new().add(Residual::new(wrong()));
    let x = Tape::<f64>::new();
    let x = x.var(Tensor::zeros(&[4, 2]));
    assert_eq!(panic_line(|| inside.forward(x)), WRONG.load(Relaxed));
}

/// A `main` that returns an error prints it by `Debug`.
#[test]
fn errors_print_as_their_sentence() {
    let why = binary().fit(&points(4), quiet().epochs(0)).expect_err("no epochs");
    assert_eq!(format!("{why:?}"), "fit: the number of epochs is 0; training takes at least 1");
    let why = Dataset::<f64>::new(Tensor::zeros(&[0, 2]), Tensor::zeros(&[0, 1]));
    assert_eq!(format!("{:?}", why.expect_err("no samples")), "the data set has no samples");
}
