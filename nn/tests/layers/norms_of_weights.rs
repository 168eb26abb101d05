//! Weight and spectral norm: the tables of PyTorch (`tests/golden/norms_of_weights.py` made them), derivatives, first
//! values, paths, messages.

use gradus_autograd::check::GradCheck;
use gradus_autograd::{Gradients, Module, Param, Rng, Tape, Tensor};
use gradus_derive::Module;
use gradus_nn::{
    Conv2d, ConvTranspose1d, Dense, Embedding, Flatten, Layer, Lstm, Sequential, SpectralNorm,
    WeightNorm,
};
use serde_json::Value;

/// |found − expected|, relative to max(1, |expected|).
const CLOSE: f64 = 1e-12;

fn cases(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["cases"].as_array().unwrap().clone()
}

fn array(value: &Value) -> Tensor<f64> {
    let list = |name: &str| value[name].as_array().unwrap().iter();
    let shape: Vec<usize> = list("shape").map(|n| n.as_u64().unwrap() as usize).collect();
    Tensor::new(&shape, list("data").map(|x| x.as_f64().unwrap()).collect())
}

#[track_caller]
fn assert_close(what: &str, found: &Tensor<f64>, expected: &Tensor<f64>) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    for (a, b) in std::iter::zip(found.to_vec(), expected.to_vec()) {
        assert!((a - b).abs() <= CLOSE * b.abs().max(1.0), "{what}: {a} instead of {b}");
    }
}

/// A kernel as PyTorch has it in the layout that it has here, and the other way round.
fn turned(kind: &str, kernel: &Tensor<f64>) -> Tensor<f64> {
    if kind == "linear" { kernel.t().contiguous() } else { kernel.clone() }
}

fn set(model: &mut dyn Module<f64>, path: &str, value: Tensor<f64>) {
    let mut found = false;
    model.visit_mut(gradus_autograd::Path::root(), &mut |at, param| {
        if at.to_string() == path {
            param.set(value.clone());
            found = true;
        }
    });
    assert!(found, "no {path}");
}

fn gradient(model: &dyn Module<f64>, gradients: &Gradients<f64>, path: &str) -> Tensor<f64> {
    gradients.param(model.param(path).unwrap()).unwrap().clone()
}

/// Calls `$check` with the layer of a case.
macro_rules! of_kind {
    ($check:ident, $case:expr) => {
        match $case["params"]["kind"].as_str().unwrap() {
            "linear" => $check(Dense::new(4).inputs(3), $case),
            "conv2d" => $check(Conv2d::new(4, [2, 3]).groups(2).channels(2), $case),
            "conv_transpose1d" => $check(ConvTranspose1d::new(2, 2).channels(3), $case),
            kind => panic!("{kind}"),
        }
    };
}

fn weight_norm(layer: impl Layer<f64>, case: &Value) {
    let (name, kind) = (case["name"].as_str().unwrap(), case["params"]["kind"].as_str().unwrap());
    let dim = case["params"]["dim"].as_i64().unwrap() as isize;
    let axis = if kind == "linear" { 1 - dim } else { dim };
    let mut model = WeightNorm::new(layer).axis(axis);
    let input = |name: &str| array(&case["inputs"][name]);
    let flat = |g: Tensor<f64>| g.reshape(&[g.len()]);
    set(&mut model, "kernel", turned(kind, &input("v")));
    set(&mut model, "kernel_g", flat(input("g")));
    set(&mut model, "bias", input("bias"));
    let tape = Tape::training(0);
    let x = tape.var(input("x"));
    let y = model.forward(x);
    assert_close(name, &y.value(), &array(&case["outputs"]["y"]));
    let gradients = (y * tape.constant(array(&case["cotangents"]["y"]))).sum().backward();
    let expected = |name: &str| array(&case["grads"][name]);
    assert_close(name, &gradients[x], &expected("x"));
    let of = |path: &str| gradient(&model, &gradients, path);
    assert_close(name, &of("kernel"), &turned(kind, &expected("v")));
    assert_close(name, &of("kernel_g"), &flat(expected("g")));
    assert_close(name, &of("bias"), &expected("bias"));
}

fn spectral_norm(layer: impl Layer<f64>, case: &Value) {
    let (name, kind) = (case["name"].as_str().unwrap(), case["params"]["kind"].as_str().unwrap());
    let iterations = case["params"]["n_power_iterations"].as_u64().unwrap() as usize;
    let mut model = SpectralNorm::new(layer).power_iterations(iterations);
    let input = |name: &str| array(&case["inputs"][name]);
    set(&mut model, "kernel", turned(kind, &input("weight")));
    set(&mut model, "bias", input("bias"));
    set(&mut model, "kernel_u", input("u"));
    set(&mut model, "kernel_v", input("v"));
    for step in case["steps"].as_array().unwrap() {
        let training = step["training"].as_bool().unwrap();
        let tape = if training { Tape::training(0) } else { Tape::new() };
        let x = tape.var(array(&step["x"]));
        let y = model.forward(x);
        assert_close(name, &y.value(), &array(&step["outputs"]["y"]));
        let gradients = (y * tape.constant(array(&step["cotangents"]["y"]))).sum().backward();
        let expected = |name: &str| array(&step["grads"][name]);
        assert_close(name, &gradients[x], &expected("x"));
        assert_close(name, &gradient(&model, &gradients, "bias"), &expected("bias"));
        let found = gradient(&model, &gradients, "kernel");
        assert_close(name, &found, &turned(kind, &expected("weight")));
        // A forward pass changes no model; what it found goes with the gradients.
        gradients.apply_updates(&mut model);
        for vector in ["u", "v"] {
            let found = model.param(&format!("kernel_{vector}")).unwrap().value();
            assert_close(name, found, &array(&step["outputs"][vector]));
        }
    }
}

#[test]
fn the_tables_of_pytorch() {
    let (weight, spectral) = (cases("weight_norm"), cases("spectral_norm"));
    assert_eq!([weight.len(), spectral.len()], [6, 4]);
    weight.iter().for_each(|case| of_kind!(weight_norm, case));
    spectral.iter().for_each(|case| of_kind!(spectral_norm, case));
}

/// Derivatives by the input and by what is trained, to the second order. In evaluation: in training, u and v move with
/// the weight and are constants to the derivative.
fn check(layer: impl Layer<f64> + 'static, input: &[usize], training: Option<u64>) {
    let model = Sequential::new().add(layer).build(&input[1..], 3).unwrap();
    let params: Vec<&Param<f64>> =
        model.params().into_iter().map(|(_, p)| p).filter(|p| p.is_trained()).collect();
    let mut rng = Rng::new(1);
    let x = Tensor::rand(input, -1.0, 1.0, &mut rng);
    let near = |p: &&Param<f64>| {
        let noise = Tensor::<f64>::rand(p.value().shape(), 0.1, 0.3, &mut rng);
        Tensor::from_fn(p.value().shape(), |at| p.value().at(at) + noise.at(at))
    };
    let inputs: Vec<Tensor<f64>> =
        std::iter::once(x).chain(params.iter().map(near).collect::<Vec<_>>()).collect();
    let outcome = GradCheck { training, ..GradCheck::default() }.run(
        |v| {
            for (param, &value) in params.iter().zip(&v[1..]) {
                v[0].tape().rebind(param, value);
            }
            model.forward(v[0])
        },
        &inputs,
    );
    outcome.unwrap_or_else(|wrong| panic!("{model:?}: {wrong}"));
}

#[test]
fn derivatives_of_both_orders() {
    let conv = || Conv2d::new(2, 2);
    check(WeightNorm::new(Dense::new(3)), &[2, 2], None);
    check(WeightNorm::new(Dense::new(3)), &[2, 2], Some(1));
    check(WeightNorm::new(conv()), &[1, 2, 3, 3], Some(1));
    check(WeightNorm::new(Lstm::new(2)).name("weight_hh_l0"), &[1, 2, 2], Some(1));
    check(SpectralNorm::new(Dense::new(3)), &[2, 2], None);
    check(SpectralNorm::new(conv()), &[1, 2, 3, 3], None);
    check(SpectralNorm::new(ConvTranspose1d::new(2, 2)), &[1, 2, 3], None);
    // One around the other.
    check(WeightNorm::new(SpectralNorm::new(Dense::new(2))), &[2, 2], None);
}

fn values(model: &dyn Module<f64>, path: &str) -> Vec<f64> {
    model.param(path).unwrap().value().to_vec()
}

#[test]
fn the_first_weight_is_what_the_layer_has_drawn() {
    let x = Tensor::<f64>::rand(&[4, 3], -1.0, 1.0, &mut Rng::new(1));
    let of = |model: &dyn Layer<f64>| {
        let tape = Tape::new();
        model.forward(tape.constant(x.clone())).value()
    };
    for seed in [1, 2] {
        let plain = Dense::new(2).inputs(3).init(seed);
        // Made before the values and after them, built in a row, cloned, drawn a second time.
        let norm = || WeightNorm::new(Dense::new(2).inputs(3));
        let row = Sequential::new().add(WeightNorm::new(Dense::new(2))).build(&[3], 0).unwrap();
        let named = Sequential::new().add(Dense::new(2)).build(&[3], seed).unwrap();
        assert_close("before", &of(&norm().init(seed)), &of(&plain));
        assert_close("after", &of(&WeightNorm::new(plain.clone())), &of(&plain));
        assert_close("clone", &of(&norm().init(5).clone().init(seed)), &of(&plain));
        assert_close("row", &of(&row.init(seed)), &of(&named));
    }
    // With a unit that is all of one length.
    let model = WeightNorm::new(Dense::new(1).inputs(2)).init(1);
    let length = values(&model, "kernel").iter().map(|w| w * w).sum::<f64>().sqrt();
    assert_eq!(values(&model, "kernel_g"), [length]);
    assert!(!model.param("kernel_g").unwrap().awaits_values());
    assert!(norm_awaits(&WeightNorm::new(Dense::new(1).inputs(2))));
}

fn norm_awaits(model: &dyn Module<f32>) -> bool {
    model.param("kernel_g").unwrap().awaits_values()
}

/// The largest singular value by Gram's matrix: its largest eigenvalue, by many squarings.
fn largest_singular_value(rows: &[Vec<f64>]) -> f64 {
    let n = rows.len();
    let mut x = vec![1.0; n];
    let mut value = 0.0;
    for _ in 0..2000 {
        let mut y: Vec<f64> = vec![0.0; n];
        for (i, row) in rows.iter().enumerate() {
            for (j, other) in rows.iter().enumerate() {
                y[i] += row.iter().zip(other).map(|(a, b)| a * b).sum::<f64>() * x[j];
            }
        }
        value = y.iter().map(|y| y * y).sum::<f64>().sqrt();
        x = y.iter().map(|y| y / value).collect();
    }
    value.sqrt()
}

#[test]
fn training_brings_the_spectral_norm_to_1() {
    let mut model = SpectralNorm::new(Conv2d::<f64>::new(5, 3).channels(2)).init(3);
    let rows = |model: &dyn Module<f64>| -> Vec<Vec<f64>> {
        values(model, "kernel").chunks(18).map(<[f64]>::to_vec).collect()
    };
    let sigma = largest_singular_value(&rows(&model));
    // One place of an image of the kernel's size is the kernel's product with it.
    let x = Tensor::rand(&[1, 2, 3, 3], -1.0, 1.0, &mut Rng::new(1));
    let expected: Vec<f64> = rows(&model)
        .iter()
        .map(|row| row.iter().zip(x.to_vec()).map(|(w, x)| w * x).sum::<f64>() / sigma)
        .collect();
    // Before the first step, fifteen iterations have come near to it, in evaluation, too.
    let tape = Tape::new();
    let y = model.forward(tape.constant(x.clone())).value().to_vec();
    let scale = expected.iter().fold(0.0, |scale: f64, y| scale.max(y.abs()));
    let worst = y.iter().zip(&expected).fold(0.0, |worst: f64, (a, b)| worst.max((a - b).abs()));
    assert!(worst < 1e-3 * scale, "{worst} of {scale}");
    let mut error = f64::INFINITY;
    for step in 0..40 {
        let tape = Tape::training(0);
        let y = model.forward(tape.constant(x.clone()));
        let of = |(a, b): (f64, &f64)| (a - b).abs();
        let now = y.value().to_vec().into_iter().zip(&expected).map(of).fold(0.0, f64::max);
        assert!(now <= error + 1e-12, "step {step}: {now} after {error}");
        error = now;
        y.sum().backward().apply_updates(&mut model);
    }
    assert!(error < 1e-6, "{error}");
    let length = |path| values(&model, path).iter().map(|u| u * u).sum::<f64>().sqrt();
    assert!((length("kernel_u") - 1.0).abs() < 1e-12 && (length("kernel_v") - 1.0).abs() < 1e-12);
}

/// A model of one's own.
#[derive(Clone, Debug, Module)]
struct Net {
    l1: WeightNorm<Dense<f64>, f64>,
    l2: SpectralNorm<Dense<f64>, f64>,
}

#[test]
fn paths() {
    let net = Net {
        l1: WeightNorm::new(Dense::new(2).inputs(3)),
        l2: SpectralNorm::new(Dense::new(1).inputs(2)),
    };
    let names = |model: &dyn Module<f64>| -> Vec<String> {
        model.params().into_iter().map(|(path, _)| path).collect()
    };
    let expected = [
        "l1.kernel",
        "l1.bias",
        "l1.kernel_g",
        "l2.kernel",
        "l2.bias",
        "l2.kernel_u",
        "l2.kernel_v",
    ];
    assert_eq!(names(&net), expected);
    let net = net.init(1);
    assert!(net.params().iter().all(|(_, param)| !param.awaits_values()));
    let tape = Tape::new();
    let gradients = net.l2.forward(net.l1.forward(tape.constant(Tensor::ones(&[2, 3])))).sum();
    let gradients = gradients.backward();
    let trained: Vec<_> = net.params().into_iter().filter(|(_, p)| p.is_trained()).collect();
    assert!(trained.iter().all(|(_, param)| gradients.param(param).is_some()));
    assert_eq!(trained.len(), 5);

    let model = Sequential::<f64>::new()
        .add(
            WeightNorm::new(WeightNorm::new(Lstm::new(2)).name("weight_hh_l0"))
                .name("weight_ih_l0"),
        )
        .add(WeightNorm::new(Dense::new(1)))
        .build(&[4, 3], 0);
    let names = names(&model.unwrap());
    let expected = [
        "lstm.weight_ih_l0",
        "lstm.weight_hh_l0",
        "lstm.bias_ih_l0",
        "lstm.bias_hh_l0",
        "lstm.weight_hh_l0_g",
        "lstm.weight_ih_l0_g",
        "dense.kernel",
        "dense.bias",
        "dense.kernel_g",
    ];
    assert_eq!(names, expected);
}

#[test]
fn words() {
    use super::refuses;
    refuses(
        WeightNorm::new(Flatten),
        &[2],
        "layer `flatten`: weight_norm finds no parameter `kernel` in it, but []: name one by `.name(..)`",
    );
    refuses(
        SpectralNorm::new(Embedding::new(3, 2)),
        &[2],
        "layer `embedding`: spectral_norm finds no parameter `kernel` in it, but [\"weight\"]: name one by `.name(..)`",
    );
    refuses(
        WeightNorm::new(Dense::new(2)).axis(2),
        &[3],
        "layer `dense`: `kernel` [3, 2] has no axis 2 of outputs: name one by `.axis(..)`",
    );
    refuses(
        SpectralNorm::new(Dense::new(2)).name("bias").axis(0),
        &[3],
        "layer `dense`: `bias` [2] is no matrix and has no spectral norm",
    );
    refuses(WeightNorm::new(Dense::new(0)), &[3], "layer `dense`: it needs at least one unit");
}

#[test]
#[should_panic(
    expected = "weight_norm: the layer `dense` has no parameter `kernel`, or has not been built: set its inputs"
)]
fn a_layer_that_was_not_built() {
    let layer = WeightNorm::new(Dense::<f32>::new(2));
    let tape = Tape::new();
    layer.forward(tape.constant(Tensor::zeros(&[1, 3])));
}

#[test]
#[should_panic(expected = "spectral_norm: 0 power iterations would never find the norm")]
fn no_iterations() {
    let _ = SpectralNorm::new(Dense::<f32>::new(2)).power_iterations(0);
}
