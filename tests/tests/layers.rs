//! Layers, `derive(Module)`, initialisers, regularisers and losses.

use gradus::autograd::check::GradCheck;
use gradus::autograd::{Initializer, Path, Regularizer};
use gradus::nn::BuildError;
use gradus::nn::init::fans;
use gradus::prelude::*;
use gradus_tests::golden::{self, as_f64, differences};
use gradus_tests::panics::panics;

/// |found − expected| may be this, times max(1, |expected|).
const F64: f64 = 1e-10;
const F32: f64 = 1e-4;
/// Sample statistics may be off by this part.
const SAMPLE: f64 = 0.02;
/// The excess kurtosis of 60,000 samples may be off by this.
const KURTOSIS: f64 = 0.06;

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

fn rand(shape: &[usize], seed: u64) -> Tensor<f64> {
    Tensor::rand(shape, -1.5, 1.5, &mut Rng::new(seed))
}

fn paths<T: Float>(model: &dyn Module<T>) -> Vec<String> {
    model.params().into_iter().map(|(path, _)| path).collect()
}

// derive(Module)

fn one<T: Float>() -> Param<T> {
    Param::new(Tensor::zeros(&[1]))
}

#[derive(Debug, Module)]
struct Leaf<T: Float> {
    w: Param<T>,
    rate: f64,
    name: String,
}

fn leaf<T: Float>() -> Leaf<T> {
    Leaf { w: one(), rate: 0.5, name: "leaf".into() }
}

/// A list of pairs, one of them of an optional box and another list.
type Deep<T> = Vec<(Option<Box<Leaf<T>>>, Vec<Param<T>>)>;

#[derive(Debug, Module)]
struct Tree<T: Float> {
    list: Vec<Leaf<T>>,
    some: Option<Leaf<T>>,
    none: Option<Leaf<T>>,
    pair: (Leaf<T>, Param<T>),
    array: [Param<T>; 2],
    boxed: Box<Leaf<T>>,
    layer: Box<dyn Layer<T>>,
    #[module(skip)]
    skipped: Vec<std::thread::ThreadId>,
    activation: Activation,
    deep: Deep<T>,
}

fn tree<T: Float>() -> Tree<T> {
    Tree {
        list: vec![leaf(), leaf()],
        some: Some(leaf()),
        none: None,
        pair: (leaf(), one()),
        array: [one(), one()],
        boxed: Box::new(leaf()),
        layer: Box::new(Dense::new(1).inputs(1)),
        skipped: vec![std::thread::current().id()],
        activation: Relu,
        deep: vec![(Some(Box::new(leaf())), vec![one(), one()])],
    }
}

const PATHS: [&str; 13] = [
    "list.0.w",
    "list.1.w",
    "some.w",
    "pair.0.w",
    "pair.1",
    "array.0",
    "array.1",
    "boxed.w",
    "layer.kernel",
    "layer.bias",
    "deep.0.0.w",
    "deep.0.1.0",
    "deep.0.1.1",
];

#[test]
fn paths_through_every_container() {
    let tree = tree::<f64>();
    assert_eq!(paths::<f64>(&tree), PATHS);
    assert_eq!(paths::<f32>(&self::tree::<f32>()), PATHS);
    assert_eq!((tree.skipped.len(), tree.activation), (1, Relu));
    assert_eq!((tree.list[0].rate, tree.list[0].name.as_str()), (0.5, "leaf"));
    assert!(
        tree.param("list.1.w").is_some()
            && tree.param("list.2.w").is_none()
            && tree.param("").is_none()
    );
}

#[test]
fn both_visits_go_the_same_way() {
    let mut tree = tree::<f64>();
    let ids: Vec<_> =
        tree.params().iter().map(|(path, param)| (path.clone(), param.id())).collect();
    let mut seen = Vec::new();
    tree.visit_mut(Path::root(), &mut |path, param| seen.push((path.to_string(), param.id())));
    assert_eq!(ids, seen);
    // Below a path of one's own.
    let mut below = Vec::new();
    let root = Path::root();
    tree.visit(root.field("net").item(3), &mut |path, _| below.push(path.to_string()));
    assert_eq!(below[0], "net.3.list.0.w");
}

#[test]
fn a_struct_without_generics_is_a_module_for_its_type() {
    #[derive(Debug, Module)]
    struct Net {
        l1: Dense,
        l2: Dense,
    }
    let net = Net { l1: Dense::new(2).inputs(3), l2: Dense::new(1).inputs(2).no_bias() };
    assert_eq!(paths::<f32>(&net), ["l1.kernel", "l1.bias", "l2.kernel"]);
    #[derive(Debug, Module)]
    struct Wide {
        l1: Dense<f64>,
    }
    assert_eq!(paths::<f64>(&Wide { l1: Dense::new(2).inputs(3) }), ["l1.kernel", "l1.bias"]);
}

#[test]
fn structs_without_names_and_with_const_generics() {
    #[derive(Debug, Module)]
    struct Empty;
    #[derive(Debug, Module)]
    struct Pair<T: Float>(Param<T>, Leaf<T>);
    #[derive(Debug, Module)]
    struct Many<M, const N: usize>
    where
        M: std::fmt::Debug,
    {
        all: [M; N],
    }
    assert!(paths::<f32>(&Empty).is_empty());
    assert_eq!(paths::<f64>(&Pair(one(), leaf())), ["0", "1.w"]);
    assert_eq!(paths::<f64>(&Many { all: [leaf::<f64>(), leaf()] }), ["all.0.w", "all.1.w"]);
}

/// A field that is left out does not rename the others.
#[test]
fn a_skipped_field_of_a_tuple_keeps_its_number() {
    #[derive(Debug, Module)]
    struct Pair<T: Float>(#[module(skip)] Option<std::thread::ThreadId>, Param<T>);
    let pair = Pair::<f64>(None, one());
    assert!(pair.0.is_none());
    assert_eq!(paths::<f64>(&pair), ["1"]);
}

#[test]
fn a_raw_identifier_is_a_plain_name() {
    #[derive(Debug, Module)]
    struct Raw<T: Float> {
        r#type: Param<T>,
    }
    assert_eq!(paths::<f64>(&Raw { r#type: one() }), ["type"]);
}

#[test]
fn what_cannot_be_a_module_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/module/*.rs");
}

// Gradients

/// Checks a layer's function to order 2, its trained parameters (and statistics) as variables.
fn check(layer: &impl Layer<f64>, x: Tensor<f64>, training: Option<u64>) {
    let all = layer.params();
    let params: Vec<&Param<f64>> = all
        .iter()
        .map(|(_, param)| *param)
        .filter(|param| training.is_none() || param.is_trained())
        .collect();
    // Away from the first values, which are often at a corner.
    let near = |(seed, param): (usize, &&Param<f64>)| {
        Tensor::rand(param.value().shape(), 0.3, 1.2, &mut Rng::new(seed as u64 + 50))
    };
    let inputs: Vec<Tensor<f64>> =
        std::iter::once(x).chain(params.iter().enumerate().map(near)).collect();
    let check = GradCheck { training, ..GradCheck::default() };
    let outcome = check.run(
        |v| {
            for (param, var) in params.iter().zip(&v[1..]) {
                v[0].tape().rebind(param, *var);
            }
            layer.forward(v[0])
        },
        &inputs,
    );
    outcome.unwrap_or_else(|wrong| panic!("{}: {wrong}", layer.kind()));
}

#[test]
fn gradients_of_dense() {
    for activation in [Identity, Relu, Sigmoid, Tanh, Gelu, Softplus, Softmax] {
        check(&Dense::new(2).inputs(3).activation(activation).init(1), rand(&[2, 3], 1), None);
    }
    check(&Dense::new(2).inputs(3).no_bias().init(1), rand(&[2, 3], 1), None);
    check(&Dense::new(2).inputs(3).activation(Tanh).init(1), rand(&[2, 2, 3], 2), None);
}

#[test]
fn gradients_of_batch_norm() {
    for training in [None, Some(7)] {
        check(&BatchNorm::new().channels(2), rand(&[4, 2], 1), training);
        check(&BatchNorm::pytorch().channels(2), rand(&[2, 2, 3], 2), training);
    }
}

#[test]
fn gradients_of_dropout() {
    for rate in [0.0, 0.4, 1.0] {
        for training in [None, Some(7)] {
            check(&Dropout::new(rate), rand(&[3, 4], 1), training);
        }
    }
}

#[test]
fn gradients_of_a_model() {
    let model =
        Sequential::new().add(Dense::new(2)).add(BatchNorm::new()).add(Tanh).add(Dense::new(1));
    check(&model.build(&[2], 1).expect("a model"), rand(&[3, 2], 1), Some(7));
}

#[test]
fn a_layer_that_is_used_twice_gets_both_gradients() {
    let layer = Dense::<f64>::new(3).inputs(3).init(1);
    let x = rand(&[2, 3], 4);
    let tape = Tape::new();
    let once = layer.forward(tape.constant(x.clone()));
    let twice = layer.forward(once);
    let both = twice.sum().backward();
    let (w, b) = (layer.param("kernel").expect("a kernel"), layer.param("bias").expect("a bias"));
    // The same by two copies.
    let (first, second) = (layer.clone(), layer.clone());
    let tape = Tape::new();
    let grads = second.forward(first.forward(tape.constant(x))).sum().backward();
    for (shared, name) in [(w, "kernel"), (b, "bias")] {
        let parts = [&first, &second]
            .map(|layer| as_f64(grads.param(layer.param(name).expect("it")).expect("it")));
        let sum: Vec<f64> = parts[0].iter().zip(&parts[1]).map(|(a, b)| a + b).collect();
        assert_none(&differences(
            name,
            &as_f64(both.param(shared).expect("a gradient")),
            &sum,
            F64,
        ));
    }
}

#[test]
fn frozen_parameters_get_no_gradient_and_stay() {
    let mut layer = Dense::<f64>::new(2).inputs(3).init(1);
    layer.visit_mut(Path::root(), &mut |path, param| {
        param.set_trained(path.to_string() != "kernel")
    });
    let before: Vec<Vec<f64>> =
        layer.params().iter().map(|(_, param)| as_f64(param.value())).collect();
    let tape = Tape::training(0);
    let grads = layer.forward(tape.constant(rand(&[4, 3], 1))).sum().backward();
    assert!(grads.param(layer.param("kernel").expect("a kernel")).is_none());
    Adam::new(0.1).step(&mut layer, &grads);
    let after: Vec<Vec<f64>> =
        layer.params().iter().map(|(_, param)| as_f64(param.value())).collect();
    assert_eq!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
    assert!(summary(&layer).ends_with("total 8, trained 2, not trained 6"));
}

// Dense, BatchNorm, Dropout

#[test]
fn dense_is_the_product_plus_the_bias() {
    let layer = Dense::<f64>::new(2)
        .inputs(3)
        .kernel_initializer(Constant(0.5))
        .bias_initializer(Constant(-1.0));
    let layer = layer.init(0);
    let tape = Tape::new();
    let y = layer.forward(tape.constant(Tensor::from([[1.0, 2.0, 3.0], [-1.0, 0.0, 1.0]])));
    assert_eq!(y.value().to_vec(), [2.0, 2.0, -1.0, -1.0]);
    let bare = Dense::<f64>::new(2).inputs(3).no_bias().kernel_initializer(Constant(0.5)).init(0);
    assert_eq!(paths::<f64>(&bare), ["kernel"]);
    let y = bare.forward(tape.constant(Tensor::from([[[1.0, 2.0, 3.0]]])));
    assert_eq!((y.shape().to_vec(), y.value().to_vec()), (vec![1, 1, 2], vec![3.0, 3.0]));
}

/// Settings that do not concern first values leave those alone.
#[test]
fn an_activation_may_be_set_after_the_values() {
    let layer = Dense::<f64>::new(2).inputs(3).init(7);
    let values = as_f64(layer.param("kernel").expect("a kernel").value());
    let layer = layer.activation(Relu);
    assert_eq!(as_f64(layer.param("kernel").expect("a kernel").value()), values);
}

fn statistics(layer: &BatchNorm<f64>) -> [Vec<f64>; 2] {
    ["running_mean", "running_var"]
        .map(|name| as_f64(layer.param(name).expect("a statistic").value()))
}

/// Batches whose mean is 2 and 4, whose biased variance is 1 and 4, and unbiased 2 and 8.
const BATCH: [[f64; 2]; 2] = [[1.0, 2.0], [3.0, 6.0]];

#[test]
fn a_forward_pass_changes_no_statistics_and_the_step_does() {
    for (mut layer, old, var) in [
        (BatchNorm::new().channels(2), 0.99, [1.0, 4.0]),
        (BatchNorm::pytorch().channels(2), 0.9, [2.0, 8.0]),
        (BatchNorm::new().momentum(0.5).unbiased(true).channels(2), 0.5, [2.0, 8.0]),
        (BatchNorm::new().channels(2).momentum(0.5), 0.5, [1.0, 4.0]),
    ] {
        let tape = Tape::training(0);
        let loss = layer.forward(tape.constant(Tensor::from(BATCH))).sum();
        assert_eq!(statistics(&layer), [vec![0.0, 0.0], vec![1.0, 1.0]]);
        let grads = loss.backward();
        assert_eq!(statistics(&layer), [vec![0.0, 0.0], vec![1.0, 1.0]]);
        Sgd::new(0.0).step(&mut layer, &grads);
        let follow = |start: f64, new: f64| start * old + (1.0 - old) * new;
        let [mean, running] = statistics(&layer);
        assert_none(&differences("mean", &mean, &[follow(0.0, 2.0), follow(0.0, 4.0)], F64));
        assert_none(&differences("var", &running, &var.map(|v| follow(1.0, v)), F64));
    }
}

#[test]
fn a_layer_that_is_used_twice_follows_both_batches() {
    let mut layer = BatchNorm::<f64>::new().momentum(0.5).channels(2);
    let tape = Tape::training(0);
    let x = tape.constant(Tensor::from(BATCH));
    let loss = layer.forward(x).sum() + layer.forward(x * 2.0).sum();
    Sgd::new(0.0).step(&mut layer, &loss.backward());
    // Of 0: 2 then 4 by half; of 1: 1 then 4.
    assert_eq!(
        statistics(&layer),
        [vec![2.5, 5.0], vec![0.25 + 0.5 + 2.0 - 0.25, 0.25 + 1.0 + 8.0]]
    );
}

#[test]
fn evaluation_uses_the_statistics_and_notes_none() {
    let mut layer = BatchNorm::<f64>::new().epsilon(0.0).channels(2);
    layer.visit_mut(Path::root(), &mut |path, param| {
        let values = match path.to_string().as_str() {
            "gamma" => [2.0, 3.0],
            "beta" => [10.0, 20.0],
            "running_mean" => [1.0, 2.0],
            _ => [4.0, 0.25],
        };
        param.set(Tensor::from(values));
    });
    for tape in [Tape::new(), Tape::inference()] {
        let y = layer.forward(tape.constant(Tensor::from([[3.0, 3.0]])));
        assert_eq!(y.value().to_vec(), [12.0, 26.0], "a single sample will do");
    }
    let before = statistics(&layer);
    let tape = Tape::new();
    let grads = layer.forward(tape.constant(Tensor::from(BATCH))).sum().backward();
    Sgd::new(0.0).step(&mut layer, &grads);
    assert_eq!(statistics(&layer), before);
}

#[test]
fn training_normalises_each_channel() {
    for (layer, shape, others) in [
        (BatchNorm::<f64>::new().channels(3), [5, 4, 3], [0, 1]),
        (BatchNorm::pytorch().channels(4), [5, 4, 3], [0, 2]),
    ] {
        let tape = Tape::training(0);
        let y = layer.forward(tape.constant(rand(&shape, 1)) * 10.0);
        let mean = as_f64(&y.mean_axes(&others).value());
        assert_none(&differences("mean", &mean, &vec![0.0; mean.len()], F64));
        let var = as_f64(&y.var_axes(&others, 0).value());
        // var/(var + ε)
        assert!(var.iter().all(|var| (0.99..1.0).contains(var)), "{var:?}");
    }
}

#[test]
#[rustfmt::skip]
fn a_batch_of_one_has_no_variance() {
    let (layer, tape) = (BatchNorm::<f64>::new().channels(3), Tape::training(0));
    let x = tape.constant(Tensor::zeros(&[1, 3]));
    panics("batch_norm: input [1, 3] has 1 value(s) a channel: in training mode it needs at least 2", || layer.forward(x));
    // With several values a channel, one sample is enough.
    let layer = BatchNorm::<f64>::new().channels(3);
    assert_eq!(layer.forward(tape.constant(rand(&[1, 2, 3], 1))).shape()[..], [1, 2, 3]);
}

const DROPPED: usize = 100_000;

#[test]
fn dropout_in_training_and_evaluation() {
    let x = Tensor::<f64>::ones(&[DROPPED]);
    for rate in [0.1, 0.5, 0.9] {
        let layer = Dropout::new(rate);
        let tape = Tape::training(3);
        let y = layer.forward(tape.constant(x.clone())).value().to_vec();
        let scale = 1.0 / (1.0 - f64::from(rate));
        assert!(y.iter().all(|&y| y == 0.0 || (y / scale - 1.0).abs() < 1e-6), "rate {rate}");
        let kept = y.iter().filter(|&&y| y != 0.0).count() as f64 / DROPPED as f64;
        // Five standard deviations.
        assert!(
            (kept - (1.0 - f64::from(rate))).abs() < 5.0 * 0.5 / (DROPPED as f64).sqrt(),
            "rate {rate}: {kept}"
        );
        let another = layer.forward(tape.constant(x.clone())).value().to_vec();
        assert_ne!(another, y, "each draw has a mask of its own");
        let again = Tape::training(3);
        assert_eq!(
            layer.forward(again.constant(x.clone())).value().to_vec(),
            y,
            "the seed decides"
        );
        for tape in [Tape::new(), Tape::inference()] {
            assert_eq!(layer.forward(tape.constant(x.clone())).value(), x);
        }
    }
    let tape = Tape::training(3);
    assert_eq!(Dropout::new(0.0).forward(tape.constant(x.clone())).value(), x);
    assert_eq!(
        Dropout::new(1.0).forward(tape.constant(x.clone())).value(),
        Tensor::zeros(&[DROPPED])
    );
}

// Initialisers, rows 29 to 31

/// Mean, standard deviation, largest magnitude, excess kurtosis.
fn moments(values: &[f64]) -> [f64; 4] {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let central = |power: i32| values.iter().map(|x| (x - mean).powi(power)).sum::<f64>() / n;
    let (var, largest) = (central(2), values.iter().fold(0.0, |a: f64, x| a.max(x.abs())));
    [mean, var.sqrt(), largest, central(4) / (var * var) - 3.0]
}

fn sample(initializer: &dyn Initializer<f64>, shape: &[usize]) -> [f64; 4] {
    moments(&as_f64(&initializer.sample(shape, &mut Rng::new(5))))
}

#[test]
fn initializers_as_keras() {
    let table = golden::read("keras_initializers");
    assert!(!table.cases.is_empty());
    for case in &table.cases {
        let initializer: &dyn Initializer<f64> = match case.text("initializer") {
            "GlorotUniform" => &GlorotUniform,
            "GlorotNormal" => &GlorotNormal,
            "HeNormal" => &HeNormal,
            "HeUniform" => &HeUniform,
            other => panic!("{}: no initialiser {other}: add it", case.name),
        };
        let shape: Vec<usize> =
            case.list("shape").expect("a shape").iter().map(|&n| n as usize).collect();
        assert_eq!(
            fans(&shape),
            (case.number("fan_in", f64::NAN), case.number("fan_out", f64::NAN)),
            "{}",
            case.name
        );
        let expected = |name: &str| golden::number(&case.entry["statistics"][name]);
        let [mean, std, largest, kurtosis] = sample(initializer, &shape);
        assert!(mean.abs() < SAMPLE * std, "{}: mean {mean}", case.name);
        assert!((std / expected("std") - 1.0).abs() < SAMPLE, "{}: std {std}", case.name);
        assert!(
            (largest / expected("max_abs") - 1.0).abs() < SAMPLE,
            "{}: largest {largest}",
            case.name
        );
        assert!(
            (kurtosis - expected("excess_kurtosis")).abs() < KURTOSIS,
            "{}: kurtosis {kurtosis}",
            case.name
        );
    }
}

#[test]
fn sample_variances() {
    let (glorot, he) = (2.0 / 500.0, 2.0 / 300.0);
    // The standard deviation of a standard normal that is cut at ±2.
    let cut = 0.879_625_661_034_239_8;
    let normal = |mean, std| Normal { mean, std };
    // Name, initialiser, mean, variance, most |x − mean| (0: no bound), excess kurtosis.
    type Expected<'a> = (&'a str, &'a dyn Initializer<f64>, f64, f64, f64, f64);
    let all: &[Expected] = &[
        ("GlorotUniform", &GlorotUniform, 0.0, glorot, (3.0 * glorot).sqrt(), -1.2),
        ("GlorotNormal", &GlorotNormal, 0.0, glorot, 2.0 * glorot.sqrt() / cut, -0.634),
        ("XavierNormal", &XavierNormal, 0.0, glorot, 0.0, 0.0),
        ("HeUniform", &HeUniform, 0.0, he, (3.0 * he).sqrt(), -1.2),
        ("HeNormal", &HeNormal, 0.0, he, 2.0 * he.sqrt() / cut, -0.634),
        ("KaimingNormal", &KaimingNormal, 0.0, he, 0.0, 0.0),
        ("Normal", &normal(0.5, 2.0), 0.5, 4.0, 0.0, 0.0),
        (
            "TruncatedNormal",
            &TruncatedNormal { mean: -1.0, std: 3.0 },
            -1.0,
            (3.0 * cut).powi(2),
            6.0,
            -0.634,
        ),
        ("Uniform", &Uniform { low: -1.0, high: 5.0 }, 2.0, 3.0, 3.0, -1.2),
    ];
    for &(name, initializer, mean, variance, bound, kurtosis) in all {
        let values = as_f64(&initializer.sample(&[300, 200], &mut Rng::new(5)));
        let [m, std, _, k] = moments(&values);
        assert!((m - mean).abs() < SAMPLE * variance.sqrt(), "{name}: mean {m}");
        assert!(
            (std * std / variance - 1.0).abs() < SAMPLE,
            "{name}: variance {}, not {variance}",
            std * std
        );
        assert!((k - kurtosis).abs() < KURTOSIS, "{name}: kurtosis {k}");
        let farthest = values.iter().fold(0.0, |a: f64, x| a.max((x - mean).abs()));
        match bound > 0.0 {
            true => assert!(
                farthest <= bound && farthest > bound * (1.0 - SAMPLE),
                "{name}: {farthest}, {bound}"
            ),
            false => assert!(farthest > 3.5 * variance.sqrt(), "{name}: is not cut"),
        }
    }
    let zeros: Tensor<f64> = Zeros.sample(&[3, 2], &mut Rng::new(5));
    assert_eq!(zeros, Tensor::zeros(&[3, 2]));
    let threes: Tensor<f64> = Constant(3.0).sample(&[3, 2], &mut Rng::new(5));
    assert_eq!(threes, Tensor::full(&[3, 2], 3.0));
}

/// Row 30: from the layout that is stored, `[field.., inputs, outputs]`.
#[test]
fn fans_of_the_stored_layout() {
    assert_eq!(fans(&[300, 200]), (300.0, 200.0));
    assert_eq!(fans(&[3, 5, 64, 128]), (15.0 * 64.0, 15.0 * 128.0));
    assert_eq!(fans(&[7, 2, 3]), (14.0, 21.0));
    assert_eq!(fans(&[9]), (9.0, 9.0));
    assert_eq!(fans(&[]), (1.0, 1.0));
    // Dense stores [inputs, units]: He takes the inputs.
    let layer = Dense::<f64>::new(50).inputs(1000).kernel_initializer(HeNormal).init(1);
    let [_, std, ..] = moments(&as_f64(layer.param("kernel").expect("a kernel").value()));
    assert!((std * std / (2.0 / 1000.0) - 1.0).abs() < SAMPLE, "{std}");
}

fn kernel(model: &dyn Module<f64>, path: &str) -> Vec<f64> {
    as_f64(model.param(path).unwrap_or_else(|| panic!("no {path}")).value())
}

/// Row 31.
#[test]
fn two_layers_never_share_values_and_another_layer_changes_none() {
    let two = || Sequential::<f64>::new().add(Dense::new(8)).add(Dense::new(8));
    let model = two().build(&[8], 3).expect("a model");
    let (first, second) = (kernel(&model, "dense.kernel"), kernel(&model, "dense_1.kernel"));
    assert!(first.iter().all(|x| !second.contains(x)));
    // More layers before, between and behind.
    let more =
        Sequential::new().add(Dropout::new(0.1)).add(Dense::new(8)).add(BatchNorm::new()).add(Relu);
    let more = more.add(Dense::new(8)).add(Dense::new(3)).build(&[8], 3).expect("a model");
    assert_eq!(
        (kernel(&more, "dense.kernel"), kernel(&more, "dense_1.kernel")),
        (first.clone(), second)
    );
    let other = two().build(&[8], 4).expect("a model");
    assert_ne!(kernel(&other, "dense.kernel"), first);
    let same = two().build(&[8], 3).expect("a model");
    assert_eq!(kernel(&same, "dense.kernel"), first);
}

#[test]
fn a_field_more_changes_no_other() {
    #[derive(Debug, Module)]
    struct Two {
        a: Dense<f64>,
        b: Dense<f64>,
    }
    #[derive(Debug, Module)]
    struct Three {
        new: Dense<f64>,
        b: Dense<f64>,
        a: Dense<f64>,
    }
    let dense = || Dense::new(4).inputs(4);
    let two = Two { a: dense(), b: dense() }.init(9);
    let three = Three { new: dense(), b: dense(), a: dense() }.init(9);
    for path in ["a.kernel", "b.kernel"] {
        assert_eq!(kernel(&two, path), kernel(&three, path));
    }
    assert_ne!(kernel(&two, "a.kernel"), kernel(&two, "b.kernel"));
    assert_ne!(kernel(&three, "new.kernel"), kernel(&three, "a.kernel"));
}

// Regularisers, row 28

fn penalised<T: Float>(tolerance: f64) {
    let w = [0.5, -2.0, 0.0, 3.0];
    let sign = [1.0, -1.0, 0.0, 1.0];
    let all: [(&dyn Regularizer<T>, f64, [f64; 4]); 3] = [
        (&L1(0.1), 0.55, sign.map(|s| 0.1 * s)),
        // The gradient is 2λw, not λw.
        (&L2(0.1), 1.325, w.map(|w| 0.2 * w)),
        (&L1L2 { l1: 0.1, l2: 0.1 }, 1.875, [0.2, -0.5, 0.0, 0.7]),
    ];
    for (regularizer, value, gradient) in all {
        let tape = Tape::<T>::new();
        let x = tape.var(Tensor::from(w.map(T::of).to_vec()));
        let y = regularizer.penalty(x);
        assert_eq!(y.rank(), 0);
        assert_none(&differences("value", &as_f64(&y.value()), &[value], tolerance));
        assert_none(&differences("fast", &as_f64(&y.backward()[x]), &gradient, tolerance));
        assert_none(&differences(
            "recorded",
            &as_f64(&y.grad(&[x])[0].value()),
            &gradient,
            tolerance,
        ));
    }
}

#[test]
fn regularizers_and_their_gradients() {
    penalised::<f64>(F64);
    penalised::<f32>(F32);
}

#[test]
fn penalties_add_up_over_the_model() {
    let dense = |units| {
        Dense::<f64>::new(units).kernel_initializer(Constant(2.0)).bias_initializer(Constant(-1.0))
    };
    let model = Sequential::new()
        .add(dense(2).kernel_regularizer(L2(0.5)).bias_regularizer(L1(0.25)))
        .add(dense(3))
        .add(dense(1).kernel_regularizer(L1L2 { l1: 1.0, l2: 0.5 }))
        .build(&[4], 0)
        .expect("a model");
    let tape = Tape::new();
    let sum = penalty(&model, &tape).expect("penalties");
    // 8 weights of 2, 2 biases of −1, 3 weights of 2.
    assert_eq!(sum.item(), 0.5 * 8.0 * 4.0 + 0.25 * 2.0 + 3.0 * 2.0 + 0.5 * 3.0 * 4.0);
    let grads = sum.backward();
    let gradient = |path: &str| grads.param(model.param(path).expect("it")).map(as_f64);
    assert_eq!(gradient("dense.kernel"), Some(vec![2.0; 8]));
    assert_eq!(gradient("dense.bias"), Some(vec![-0.25; 2]));
    assert_eq!(gradient("dense_1.kernel"), None);
    assert_eq!(gradient("dense_2.kernel"), Some(vec![3.0; 3]));
    assert!(penalty(&dense(1).inputs(1), &tape).is_none());
}

// Losses

/// Cases that the losses cannot express: table, cases, reason.
const NOT_YET: &[(&str, &[usize], &str)] = &[
    ("keras_losses", &[1, 3], "no label smoothing yet"),
    ("keras_losses", &[2], "no categorical cross-entropy yet"),
    ("keras_losses", &[5, 7], "no sample weights yet"),
    ("keras_losses", &[8, 9, 10, 11, 12], "no such losses yet"),
    ("bce", &[1], "no weights yet"),
];

fn loss<T: Float>(table: &str, case: &golden::Case) -> Option<Box<dyn Loss<T>>> {
    if case.inputs.keys().any(|name| name.contains("weight"))
        || case.param("label_smoothing").is_some()
    {
        return None;
    }
    Some(match (table, case.text("loss"), case.flag("from_logits", false)) {
        ("bce", ..) | (_, "BinaryCrossentropy", false) => Box::new(BinaryCrossentropy::new()),
        (_, "BinaryCrossentropy", true) => Box::new(BinaryCrossentropy::from_logits()),
        (_, "SparseCategoricalCrossentropy", true) => Box::new(SparseCategoricalCrossentropy),
        (_, "MeanSquaredError", _) => Box::new(MeanSquaredError),
        _ => return None,
    })
}

fn losses<T: Float>(tolerance: f64) {
    let mut wrong = Vec::new();
    for (name, x, target, y) in
        [("keras_losses", "y_pred", "y_true", "loss"), ("bce", "x", "target", "y")]
    {
        for (number, case) in golden::read(name).cases.iter().enumerate() {
            let listed =
                NOT_YET.iter().any(|(table, cases, _)| *table == name && cases.contains(&number));
            let loss = loss::<T>(name, case);
            if loss.is_some() == listed {
                wrong.push(format!("{}: run it or list it", case.name));
            }
            let Some(loss) = loss else { continue };
            let tape = Tape::<T>::training(0);
            let p = tape.var(case.inputs[x].tensor());
            let t: Tensor<T> = case.inputs[target].tensor();
            loss.check(&p.shape(), &t).unwrap_or_else(|why| panic!("{}: {why}", case.name));
            let found = loss.of(p, tape.constant(t));
            assert_eq!(found.rank(), 0, "{}", case.name);
            let scale = case.cotangents[y].data[0];
            let pairs = [
                ("loss", as_f64(&found.value()), &case.outputs[y]),
                ("fast gradient", as_f64(&(found * scale).backward()[p]), &case.grads[x]),
                (
                    "recorded gradient",
                    as_f64(&(found * scale).grad(&[p])[0].value()),
                    &case.grads[x],
                ),
            ];
            for (what, found, expected) in pairs {
                wrong.extend(differences(
                    &format!("{}: {what}", case.name),
                    &found,
                    &expected.data,
                    tolerance,
                ));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn losses_as_keras_and_pytorch() {
    losses::<f64>(F64);
    losses::<f32>(F32);
}

#[test]
fn every_listed_case_exists() {
    for (name, cases, reason) in NOT_YET {
        let table = golden::read(name);
        assert!(cases.iter().all(|number| *number < table.cases.len()), "{name}: {reason}");
    }
}

/// Keras clips probabilities to [1e-7, 1 − 1e-7]; beyond, the loss is flat.
#[test]
fn binary_crossentropy_clips() {
    let tape = Tape::<f64>::new();
    let p = tape.var(Tensor::from([0.0, 1.0, 1e-9, 1.0 - 1e-9]));
    let t = tape.constant(Tensor::from([1.0, 0.0, 1.0, 0.0]));
    let loss = BinaryCrossentropy::new().of(p, t);
    assert_none(&differences("loss", &[loss.item()], &[-(1e-7_f64.ln())], 1e-8));
    assert_eq!(loss.backward()[p].to_vec(), [0.0; 4]);
    let right = BinaryCrossentropy::new().of(p, tape.constant(Tensor::from([0.0, 1.0, 0.0, 1.0])));
    assert_none(&differences("loss", &[right.item()], &[1e-7], 1e-12));
    let nan = tape.var(Tensor::from([f64::NAN]));
    assert!(BinaryCrossentropy::new().of(nan, tape.constant(Tensor::from([1.0]))).item().is_nan());
    let tape = Tape::<f32>::new();
    let p = tape.var(Tensor::from([0.0_f32, 1.0]));
    let loss = BinaryCrossentropy::new().of(p, tape.constant(Tensor::from([1.0_f32, 0.0])));
    assert!(loss.item().is_finite() && loss.backward()[p].to_vec() == [0.0, 0.0]);
}

#[test]
#[rustfmt::skip]
fn losses_of_other_shapes_panic_at_the_users_line() {
    let tape = Tape::<f64>::new();
    let (a, b) = (tape.var(Tensor::zeros(&[3, 1])), tape.constant(Tensor::zeros(&[3])));
    panics("binary_crossentropy: predictions [3, 1] and targets [3] differ in shape", || BinaryCrossentropy::new().of(a, b));
    panics("bce_with_logits: predictions [3, 1] and targets [3] differ in shape", || BinaryCrossentropy::from_logits().of(a, b));
    panics("mse: predictions [3, 1] and targets [3] differ in shape", || MeanSquaredError.of(a, b));
    panics("cross_entropy: logits [3] are not [n, classes], or classes [3] are not [n]", || SparseCategoricalCrossentropy.of(b, b));
}

// Sequential

fn build(model: Sequential<f64>, input: &[usize]) -> String {
    let error = model.build(input, 0).expect_err("it cannot be built");
    error.to_string()
}

#[test]
fn models_that_cannot_be_built() {
    let model = Sequential::<f64>::new;
    assert_eq!(
        build(model().add(Dense::new(2)), &[]),
        "layer `dense` cannot take an input of shape [] (one sample, without the batch axis): it needs at least one \
         feature on the last axis"
    );
    assert_eq!(
        build(model().add(Dense::new(2)).add(Dense::new(2).inputs(3)), &[4]),
        "layer `dense_1` cannot take an input of shape [2] (one sample, without the batch axis): it was made for 3 \
         features"
    );
    assert_eq!(
        build(model().add(Dense::new(2)).add(BatchNorm::new().channels(3)), &[4]),
        "layer `batch_norm` cannot take an input of shape [2] (one sample, without the batch axis): it was made for 3 \
         channels"
    );
    assert_eq!(
        build(model().add(BatchNorm::new().axis(2)), &[4]),
        "layer `batch_norm` cannot take an input of shape [4] (one sample, without the batch axis): it has no axis 2"
    );
    for axis in [0, -2] {
        let text = build(model().add(BatchNorm::new().axis(axis)), &[4]);
        assert!(
            text.ends_with(&format!("it has no axis {axis}")),
            "the batch axis holds no channels: {text}"
        );
    }
    for rate in [-0.1_f32, 1.5, f32::NAN] {
        let text = build(model().add(Relu).add(Dropout::new(0.5)).add(Dropout::new(rate)), &[4]);
        assert_eq!(text, format!("layer `dropout_1`: rate {rate} is not within 0 to 1"));
    }
    let error = model().add(Dense::new(2)).build(&[0], 0).expect_err("no features");
    assert!(
        matches!(error, BuildError::Input { layer, input, .. } if layer == "dense" && input == [0])
    );
}

/// The layer that is named is the one inside.
#[test]
fn an_error_inside_of_a_nested_model_names_the_layer() {
    let inner = Sequential::<f64>::new().add(Dense::new(2)).add(Dense::new(2).inputs(3));
    let text = build(Sequential::new().add(Relu).add(inner), &[4]);
    assert!(text.starts_with("layer `sequential.dense_1` cannot take"), "{text}");
}

#[test]
fn names_of_layers() {
    let inner = Sequential::<f64>::new().add(Dense::new(2)).add(Tanh);
    let model =
        Sequential::new().add(Dense::new(3)).add(Relu).add(Relu).add(inner).add(Dense::new(1));
    let model = model.build(&[4], 0).expect("a model");
    let names: Vec<&str> = model.layers().map(|(name, _)| name).collect();
    assert_eq!(names, ["dense", "relu", "relu_1", "sequential", "dense_1"]);
    let expected =
        ["dense.kernel", "dense.bias", "sequential.dense.kernel", "sequential.dense.bias"];
    assert_eq!(paths::<f64>(&model)[..4], expected);
    assert_eq!(paths::<f64>(&model)[4..], ["dense_1.kernel", "dense_1.bias"]);
}

#[test]
fn a_summary_is_a_table() {
    let model = Sequential::<f32>::new()
        .add(Dense::new(16))
        .add(BatchNorm::new())
        .add(Relu)
        .add(Dropout::new(0.5));
    let model = model.add(Dense::new(1)).build(&[4], 0).expect("a model");
    let expected = "\
parameter                shape    count
───────────────────────────────────────
dense.kernel             [4, 16]     64
dense.bias               [16]        16
batch_norm.gamma         [16]        16
batch_norm.beta          [16]        16
batch_norm.running_mean  [16]        16  not trained
batch_norm.running_var   [16]        16  not trained
dense_1.kernel           [16, 1]     16
dense_1.bias             [1]          1
───────────────────────────────────────
total 161, trained 129, not trained 32";
    assert_eq!(summary(&model), expected);
    assert_eq!(summary::<f32>(&Relu).lines().last(), Some("total 0, trained 0, not trained 0"));
}

// Panics, at the user's line

#[test]
#[rustfmt::skip]
fn layers_that_were_not_built() {
    let tape = Tape::<f64>::new();
    let x = tape.constant(Tensor::zeros(&[2, 3]));
    let (dense, norm) = (Dense::new(2), BatchNorm::new());
    panics("dense: the number of inputs is not known: set it with `.inputs(n)`, or build the model", || dense.forward(x));
    panics("batch_norm: the channels are not known: set them with `.channels(n)`, or build the model", || norm.forward(x));
}

#[test]
#[rustfmt::skip]
fn inputs_of_another_shape() {
    let tape = Tape::<f64>::new();
    let x = tape.constant(Tensor::zeros(&[2, 3]));
    let dense = Dense::new(5).inputs(4);
    panics("linear: input [2, 3] does not fit weight [4, 5] [inputs, outputs] (3 vs 4)", || dense.forward(x));
    let norm = BatchNorm::new().channels(4);
    let training = Tape::<f64>::training(0);
    let y = training.constant(Tensor::zeros(&[2, 3]));
    panics("batch_norm: gamma [4] does not fit axis 1 of [2, 3]", || norm.forward(y));
}

/// Through boxes and models, too, the user's line is named.
#[test]
#[rustfmt::skip]
fn inputs_of_another_shape_in_a_model() {
    let tape = Tape::<f64>::new();
    let x = tape.constant(Tensor::zeros(&[2, 3]));
    let model = Sequential::new().add(Dense::new(5)).build(&[4], 0).expect("a model");
    panics("linear: input [2, 3] does not fit weight [4, 5] [inputs, outputs] (3 vs 4)", || model.forward(x));
}

#[test]
#[rustfmt::skip]
fn a_model_that_was_not_built() {
    let tape = Tape::<f64>::new();
    let x = tape.constant(Tensor::zeros(&[2, 3]));
    let model = Sequential::new().add(Dense::new(5));
    panics("dense: the number of inputs is not known: set it with `.inputs(n)`, or build the model", || model.forward(x));
}
