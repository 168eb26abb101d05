//! The golden tables of training: losses, weights and running statistics along whole runs.

use gradus::prelude::*;
use gradus_tests::golden::{self, Array, Case, as_f64, assert_none, differences};

/// |found − expected| may be this, times max(1, |expected|), along a trajectory.
const F64: f64 = 1e-9;
/// In single precision, in which some dozens of steps add up their roundings.
const F32: f64 = 1e-4;

/// Gives parameters the values of a table.
fn set<T: Float>(model: &mut dyn Module<T>, values: &[(&str, Tensor<T>)]) {
    let mut given = 0;
    model.visit_mut(gradus_autograd::Path::root(), &mut |path, param| {
        let path = path.to_string();
        if let Some((_, value)) = values.iter().find(|(name, _)| *name == path) {
            param.set(value.clone());
            given += 1;
        }
    });
    assert_eq!(
        given,
        values.len(),
        "not all of {:?} are parameters",
        values.iter().map(|v| v.0).collect::<Vec<_>>()
    );
}

fn value<T: Float>(model: &dyn Module<T>, path: &str) -> Vec<f64> {
    as_f64(model.param(path).unwrap_or_else(|| panic!("no parameter {path}")).value())
}

/// A table, of which all cases are run.
fn each_case(name: &str, run: impl Fn(&Case) -> Vec<String>) {
    let table = golden::read(name);
    assert_eq!(table.kind, "training", "{name}");
    assert!(!table.cases.is_empty(), "{name} has no cases");
    let wrong: Vec<String> = table.cases.iter().flat_map(run).collect();
    assert_none(&wrong);
}

fn least_squares<T: Float>(tolerance: f64) {
    each_case("least_squares_training", |case| {
        let input = |name: &str| case.inputs[name].tensor::<T>();
        let mut model = (Param::new(input("w0")), Param::new(input("b0")));
        let lr = case.number("lr", f64::NAN);
        let mut optimizer: Box<dyn Step<T>> = match case.text("optimizer") {
            "SGD" => Box::new(Sgd::new(lr).momentum(case.number("momentum", 0.0))),
            "Adam" => Box::new(Adam::new(lr)),
            other => panic!("{}: no optimiser {other}: add it", case.name),
        };
        let mut wrong = Vec::new();
        for (step, expected) in golden::list(&case.entry["steps"]).iter().enumerate() {
            let tape = Tape::<T>::training(0);
            let (w, b) = (tape.param(&model.0), tape.param(&model.1));
            let loss = (tape.constant(input("x")).matmul(w) + b).mse(tape.constant(input("y")));
            optimizer.step(&mut model, &loss.backward());
            for (name, found) in [
                ("loss", vec![loss.item().to_f64()]),
                ("w", as_f64(model.0.value())),
                ("b", as_f64(model.1.value())),
            ] {
                let what = format!("{}: step {step}: {name}", case.name);
                wrong.extend(differences(
                    &what,
                    &found,
                    &golden::array(&expected[name]).data,
                    tolerance,
                ));
            }
        }
        wrong
    });
}

/// PyTorch's conventions: kernels stored as [out, in], the running variance unbiased.
fn perceptron_with_batch_norm_as_pytorch<T: Float>(tolerance: f64) {
    each_case("mlp_bn_training", |case| {
        let input = |name: &str| case.inputs[name].tensor::<T>();
        let (l2, l1) = (case.number("l2_kernels", f64::NAN), case.number("l1_biases", f64::NAN));
        let dense = |units| Dense::new(units).kernel_regularizer(L2(l2)).bias_regularizer(L1(l1));
        let norm = BatchNorm::pytorch()
            .momentum(1.0 - case.number("bn_momentum_of_new", f64::NAN))
            .epsilon(case.number("bn_eps", f64::NAN));
        let (x, y) = (input("x"), input("y"));
        let model =
            Sequential::new().add(dense(input("b1").len())).add(norm).add(Relu).add(dense(1));
        let mut model = model.build(&x.shape()[1..], 0).expect("a model");
        let names = [
            ("dense.kernel", "w1"),
            ("dense.bias", "b1"),
            ("batch_norm.gamma", "gamma"),
            ("batch_norm.beta", "beta"),
            ("dense_1.kernel", "w2"),
            ("dense_1.bias", "b2"),
        ];
        let turned = |name: &str, tensor: Tensor<T>| {
            if name.starts_with('w') { tensor.t().contiguous() } else { tensor }
        };
        set(&mut model, &names.map(|(path, name)| (path, turned(name, input(name)))));
        let lr = case.number("lr", f64::NAN);
        let mut optimizer: Box<dyn Step<T>> = match case.text("optimizer") {
            "SGD" => Box::new(Sgd::new(lr).momentum(case.number("momentum", 0.0))),
            "Adam" => Box::new(Adam::new(lr).epsilon(case.number("eps", 1e-8))),
            other => panic!("{}: no optimiser {other}: add it", case.name),
        };

        let data = Dataset::new(x.clone(), y).expect("data");
        let batches = data.batches(case.number("batch", f64::NAN) as usize).expect("batches");
        let mut steps = golden::list(&case.entry["steps"]).iter();
        let mut wrong = Vec::new();
        for epoch in 0..case.number("epochs", f64::NAN) as u64 {
            for batch in batches.epoch(epoch) {
                let tape = Tape::<T>::training(0);
                let logits = model.forward(tape.constant(batch.x));
                let bce = logits.bce_with_logits(tape.constant(batch.y));
                let loss = bce + penalty(&model, &tape).expect("penalties");
                optimizer.step(&mut model, &loss.backward());
                let expected = steps.next().expect("a step");
                for (name, found) in [("bce", bce.item().to_f64()), ("loss", loss.item().to_f64())]
                {
                    let what = format!("{}: epoch {epoch}: {name}", case.name);
                    wrong.extend(differences(
                        &what,
                        &[found],
                        &[golden::number(&expected[name])],
                        tolerance,
                    ));
                }
            }
        }
        assert!(steps.next().is_none(), "{}: more steps", case.name);
        let statistics = [
            ("batch_norm.running_mean", "running_mean"),
            ("batch_norm.running_var", "running_var"),
        ];
        for (path, name) in names.into_iter().chain(statistics) {
            let expected = turned(name, golden::array(&case.entry["final"][name]).tensor());
            wrong.extend(differences(
                &format!("{}: {name}", case.name),
                &value(&model, path),
                &as_f64(&expected),
                tolerance,
            ));
        }
        let tape = Tape::<T>::inference();
        let p = model.forward(tape.constant(x)).sigmoid().value();
        let expected = case.array("eval_probabilities").data;
        wrong.extend(differences(
            &format!("{}: probabilities", case.name),
            &as_f64(&p),
            &expected,
            tolerance,
        ));
        wrong
    });
}

/// Convolutions, the largest of windows, classes.
fn convolutions_as_pytorch<T: Float>(tolerance: f64) {
    each_case("cnn_training", |case| {
        let input = |name: &str| case.inputs[name].tensor::<T>();
        let filters = |name: &str| case.inputs[name].data.len();
        let (x, classes) = (input("x"), case.inputs["y"].whole());
        let model = Sequential::new()
            .add(Conv2d::new(filters("c1"), 3).padding(1))
            .add(Relu)
            .add(MaxPool2d::new(2))
            .add(Conv2d::new(filters("c2"), 3).padding(1))
            .add(Relu)
            .add(Flatten)
            .add(Dense::new(filters("b")));
        let mut model = model.build(&x.shape()[1..], 0).expect("a model");
        let names = [
            ("conv2d.kernel", "k1"),
            ("conv2d.bias", "c1"),
            ("conv2d_1.kernel", "k2"),
            ("conv2d_1.bias", "c2"),
            ("dense.kernel", "w"),
            ("dense.bias", "b"),
        ];
        let turned = |name: &str, tensor: Tensor<T>| {
            if name == "w" { tensor.t().contiguous() } else { tensor }
        };
        set(&mut model, &names.map(|(path, name)| (path, turned(name, input(name)))));
        assert_eq!((case.text("optimizer"), case.text("pool")), ("SGD", "max"), "{}", case.name);
        let lr = case.number("lr", f64::NAN);
        let mut optimizer = Sgd::new(lr).momentum(case.number("momentum", f64::NAN));
        let mut losses = Vec::new();
        for _ in 0..case.number("steps", f64::NAN) as usize {
            let tape = Tape::<T>::training(0);
            let loss = model.forward(tape.constant(x.clone())).cross_entropy(&classes);
            optimizer.step(&mut model, &loss.backward());
            losses.push(loss.item().to_f64());
        }
        let expected = golden::numbers(&case.entry["losses"]);
        let mut wrong =
            differences(&format!("{}: losses", case.name), &losses, &expected, tolerance);
        for (path, name) in names {
            let expected = turned(name, golden::array(&case.entry["final"][name]).tensor());
            let what = format!("{}: {name}", case.name);
            wrong.extend(differences(&what, &value(&model, path), &as_f64(&expected), tolerance));
        }
        wrong
    });
}

/// Keras' conventions, through `compile` and `fit`.
fn fit_as_keras<T: Float>(tolerance: f64) {
    each_case("keras_fit", |case| {
        assert!(case.param("lr_per_epoch").is_none(), "{}: add a schedule", case.name);
        assert!(case.param("class_weight").is_none(), "{}: no class weights yet", case.name);
        let input = |name: &str| case.inputs[name].tensor::<T>();
        let (l2, l1) = (case.number("l2_kernel", f64::NAN), case.number("l1_bias", f64::NAN));
        let dense = |units| Dense::new(units).kernel_regularizer(L2(l2)).bias_regularizer(L1(l1));
        let (x, y) = (input("x"), input("y"));
        let mut layers = Sequential::new().add(dense(input("d1/bias").len()));
        let norm = case.flag("batch_norm", false);
        if norm {
            layers = layers.add(BatchNorm::new());
        }
        let layers = layers.add(Relu).add(dense(1).activation(Sigmoid));
        let mut model = layers.build(&x.shape()[1..], 0).expect("a model");
        let mut names = vec![
            ("dense.kernel", "d1/kernel"),
            ("dense.bias", "d1/bias"),
            ("dense_1.kernel", "d2/kernel"),
            ("dense_1.bias", "d2/bias"),
        ];
        if norm {
            names.push(("batch_norm.gamma", "bn/gamma"));
            names.push(("batch_norm.beta", "bn/beta"));
            names.push(("batch_norm.running_mean", "bn/moving_mean"));
            names.push(("batch_norm.running_var", "bn/moving_variance"));
        }
        assert_eq!(names.len() + 2, case.inputs.len(), "{}: an input is not used", case.name);
        let values: Vec<(&str, Tensor<T>)> =
            names.iter().map(|(path, name)| (*path, input(name))).collect();
        set(&mut model, &values);

        let lr = case.number("learning_rate", f64::NAN);
        let loss = BinaryCrossentropy::new();
        let metrics: &[&dyn Metric<T>] = &[&Accuracy::new()];
        let mut model = match case.text("optimizer") {
            "SGD" => {
                model.compile(Sgd::new(lr).momentum(case.number("momentum", 0.0)), loss, metrics)
            }
            "Adam" => {
                let betas = ["beta_1", "beta_2"].map(|name| case.number(name, f64::NAN));
                let adam = Adam::new(lr).betas(betas[0], betas[1]).keras_epsilon();
                model.compile(adam.epsilon(case.number("epsilon", f64::NAN)), loss, metrics)
            }
            other => panic!("{}: no optimiser {other}: add it", case.name),
        };
        let data = Dataset::new(x.clone(), y).expect("data");
        let mut options = Fit::new()
            .epochs(case.number("epochs", f64::NAN) as usize)
            .batch_size(case.number("batch", f64::NAN) as usize)
            .shuffle(false)
            .progress(false);
        let held_out = case.number("validation_rows_at_end", 0.0);
        if held_out > 0.0 {
            options = options.validation_fraction(held_out / data.len() as f64);
        }
        let history = model.fit(&data, options).expect("training");

        let mut wrong = Vec::new();
        let columns = case.entry["history"].as_object().expect("a history");
        let have: Vec<&str> = history.epochs()[0].iter().map(|(name, _)| name).collect();
        assert_eq!(have.len(), columns.len() + 1, "{}: columns {have:?}, with lr", case.name);
        for (name, expected) in columns {
            let (found, expected) = (history.column(name), golden::numbers(expected));
            wrong.extend(differences(
                &format!("{}: {name}", case.name),
                &found,
                &expected,
                tolerance,
            ));
        }
        for (path, name) in names {
            let expected: Array = golden::array(&case.entry["final"][name]);
            let found = value(&model.model, path);
            wrong.extend(differences(
                &format!("{}: {name}", case.name),
                &found,
                &expected.data,
                tolerance,
            ));
        }
        let found = as_f64(&model.predict(&x).expect("predictions"));
        wrong.extend(differences(
            &format!("{}: predict", case.name),
            &found,
            &case.array("predict").data,
            tolerance,
        ));
        wrong
    });
}

/// Each of them in both precisions.
macro_rules! in_both {
    ($($run:ident)*) => {
        mod in_f64 {
            $(#[test] fn $run() { super::$run::<f64>(super::F64) })*
        }
        mod in_f32 {
            $(#[test] fn $run() { super::$run::<f32>(super::F32) })*
        }
    };
}

in_both! {
    least_squares
    perceptron_with_batch_norm_as_pytorch
    convolutions_as_pytorch
    fit_as_keras
}
