//! Each layer: derivatives by its input and its parameters to order 2, in inference and in training; state that is taken
//! to another copy; shapes that do not fit.

use std::panic::AssertUnwindSafe;

use gradus_autograd::check::GradCheck;
use gradus_autograd::{Activation::*, Interpolation, Module, Param, Path, Pool, Rng, Tape, Tensor};
use gradus_nn::*;

use super::{panic_of, t};

/// What a layer does with shapes.
enum Shapes {
    /// Two inputs of other shapes, batch axis included, which it does not take: one when it is built, and one when it
    /// runs, built as it is.
    Wrong(&'static [usize], &'static [usize]),
    /// It takes every shape that has a batch axis, and why.
    Any(&'static str),
}
use Shapes::{Any, Wrong};

/// The layer, an input (with its batch axis), and what it does not take.
struct Entry {
    name: &'static str,
    make: fn() -> Box<dyn Layer<f64>>,
    input: Tensor<f64>,
    shapes: Shapes,
}

macro_rules! layers {
    ($($name:ident $layer:expr, $input:expr, $shapes:expr;)*) => {
        fn all() -> Vec<Entry> {
            vec![$(Entry {
                name: stringify!($name),
                make: || Box::new($layer),
                input: $input,
                shapes: $shapes,
            }),*]
        }
    };
}

/// Elementwise, or as many axes as there are.
const EVERY: Shapes = Any("it works on each element, or on all of them");

layers! {
    Activation Tanh, t(&[2, 3], 1), EVERY;
    AdaptiveAvgPool1d AdaptiveAvgPool1d::new([2]), t(&[2, 1, 5], 1), Wrong(&[2, 5], &[]);
    AdaptiveAvgPool2d AdaptiveAvgPool2d::new([2, 1]), t(&[1, 2, 3, 4], 1), Wrong(&[2, 5], &[5]);
    AdaptiveAvgPool3d AdaptiveAvgPool3d::new([1, 2, 1]), t(&[1, 1, 2, 3, 2], 1), Wrong(&[2, 5, 5], &[5, 5]);
    AdaptiveMaxPool1d AdaptiveMaxPool1d::new([2]), t(&[2, 1, 5], 1), Wrong(&[2, 5], &[]);
    AdaptiveMaxPool2d AdaptiveMaxPool2d::new([2, 1]), t(&[1, 2, 3, 4], 1), Wrong(&[2, 5], &[5]);
    AdaptiveMaxPool3d AdaptiveMaxPool3d::new([1, 2, 1]), t(&[1, 1, 2, 3, 2], 1), Wrong(&[2, 5, 5], &[5, 5]);
    AvgPool1d AvgPool1d::new(2), t(&[2, 1, 4], 1), Wrong(&[2, 4], &[1, 1, 1]);
    AvgPool2d AvgPool2d::new(Pool::new(2).stride(1)), t(&[1, 2, 3, 3], 1), Wrong(&[2, 4], &[1, 1, 1, 3]);
    AvgPool3d AvgPool3d::new(2), t(&[1, 1, 2, 2, 4], 1), Wrong(&[2, 4, 4], &[1, 1, 1, 3, 3]);
    BatchNorm BatchNorm::new(), t(&[4, 2], 1), Wrong(&[4], &[4, 3]);
    Conv1d Conv1d::new(2, 3).padding(1).stride(2).dilation(2), t(&[2, 2, 7], 1), Wrong(&[2, 7], &[2, 3, 7]);
    Conv2d Conv2d::new(4, [2, 3]).groups(2).same().activation(Tanh), t(&[1, 2, 3, 4], 1), Wrong(&[1, 3, 3, 4], &[1, 4, 3, 4]);
    Conv3d Conv3d::new(2, 2).no_bias(), t(&[1, 1, 2, 3, 2], 1), Wrong(&[1, 2, 3, 2], &[1, 2, 2, 3, 2]);
    ConvTranspose1d ConvTranspose1d::new(2, 3).stride(2).output_padding(1), t(&[1, 2, 3], 1), Wrong(&[2, 3], &[1, 3, 3]);
    ConvTranspose2d ConvTranspose2d::new(2, 2).groups(2).padding(1), t(&[1, 2, 3, 3], 1), Wrong(&[1, 3, 3, 3], &[1, 4, 3, 3]);
    ConvTranspose3d ConvTranspose3d::new(1, 2), t(&[1, 2, 1, 2, 1], 1), Wrong(&[1, 2, 2, 1], &[1, 1, 1, 2, 1]);
    Dense Dense::new(2).activation(Tanh), t(&[2, 3], 1), Wrong(&[2], &[2, 4]);
    Dropout Dropout::new(0.4), t(&[3, 4], 1), EVERY;
    Embedding Embedding::new(4, 2), Tensor::from([[0.0, 3.0, 1.0], [3.0, 1.0, 2.0]]), Any("its inputs are numbers of rows");
    Flatten Flatten, t(&[2, 3, 2], 1), EVERY;
    GlobalAvgPool GlobalAvgPool, t(&[2, 2, 2, 3], 1), Wrong(&[2, 2], &[2, 2]);
    GlobalMaxPool GlobalMaxPool, t(&[2, 2, 3], 1), Wrong(&[2, 2], &[2, 2]);
    GroupNorm GroupNorm::new(2), t(&[2, 4, 2], 1), Wrong(&[2, 3, 2], &[2, 6, 2]);
    GroupNorm GroupNorm::instance(), t(&[1, 2, 3], 1), Wrong(&[1], &[1, 3, 3]);
    Gru Gru::new(1).bidirectional(), t(&[1, 2, 1], 1), Wrong(&[1, 2], &[1, 2, 2]);
    Lambda Lambda::new(|x| x.silu()), t(&[2, 3], 1), Any("what it takes is the function's affair");
    LayerNorm LayerNorm::new().axes(2), t(&[2, 2, 3], 1), Wrong(&[2, 3], &[2, 3, 3]);
    Lstm Lstm::new(1).layers(2).dropout(0.5), t(&[1, 2, 1], 1), Wrong(&[1, 2], &[1, 2, 2]);
    MaxPool1d MaxPool1d::new(2), t(&[2, 1, 4], 1), Wrong(&[2, 4], &[1, 1, 1]);
    MaxPool2d MaxPool2d::new(Pool::new(2).stride(1)), t(&[1, 2, 3, 3], 1), Wrong(&[2, 4], &[1, 1, 1, 3]);
    MaxPool3d MaxPool3d::new(2), t(&[1, 1, 2, 2, 4], 1), Wrong(&[2, 4, 4], &[1, 1, 1, 3, 3]);
    MultiHeadAttention MultiHeadAttention::new(2, 2).causal().dropout(0.3), t(&[1, 2, 2], 1), Wrong(&[1, 2, 3], &[1, 2, 3]);
    PRelu PRelu::new(), t(&[2, 3, 2], 1), Wrong(&[2], &[2, 4, 2]);
    PositionalEncoding PositionalEncoding::learned(4), t(&[2, 3, 2], 1), Wrong(&[2, 5, 2], &[2, 3, 3]);
    PositionalEncoding PositionalEncoding::sinusoidal(), t(&[2, 3, 2], 1), Wrong(&[2, 3], &[2]);
    Reshape Reshape::new(&[3, 2]), t(&[2, 6], 1), Wrong(&[2, 5], &[2, 5]);
    Residual Residual::new(Dense::new(3).activation(Tanh)), t(&[2, 3], 1), Wrong(&[2], &[2, 4]);
    Residual Residual::new(Dense::new(2)).shortcut(Dense::new(2).no_bias()), t(&[2, 3], 1), Wrong(&[2], &[2, 4]);
    RmsNorm RmsNorm::new(), t(&[2, 4], 1), Wrong(&[2], &[2, 3]);
    Rnn Rnn::new(2).return_sequences(true), t(&[1, 2, 1], 1), Wrong(&[1, 2], &[1, 2, 2]);
    Sequential Sequential::new().add(Dense::new(2)).add(Tanh).add(Dense::new(1)), t(&[2, 3], 1), Wrong(&[2], &[2, 4]);
    SpectralNorm SpectralNorm::new(Dense::new(2)), t(&[2, 3], 1), Wrong(&[2], &[2, 4]);
    TransformerEncoderLayer TransformerEncoderLayer::new(2, 1).feed_forward(2).activation(Gelu).dropout(0.2), t(&[1, 2, 2], 1), Wrong(&[1, 2, 3], &[1, 2, 3]);
    WeightNorm WeightNorm::new(Dense::new(2).activation(Tanh)), t(&[2, 3], 1), Wrong(&[2], &[2, 4]);
    Upsample Upsample::new(2, Interpolation::Bilinear), t(&[1, 1, 2, 3], 1), Wrong(&[1, 2, 3], &[2, 3]);
}

/// Layers whose statistics are constants to a derivative, though their function depends on them: differences by these
/// would not be 0, nor would those in training, where they follow the weight.
const CONSTANT_STATISTICS: [&str; 1] = ["SpectralNorm"];

/// Names of `lib.rs` that are no layers.
const NO_LAYERS: [&str; 8] = [
    // The trait and its error.
    "Layer",
    "BuildError",
    // Generic over the number of axes: they stand above by their names for one, two and three.
    "AdaptiveAvgPool",
    "AdaptiveMaxPool",
    "AvgPool",
    "ConvNd",
    "ConvTransposeNd",
    "MaxPool",
];

#[test]
fn no_layer_is_left_out() {
    let text = include_str!("../../src/lib.rs");
    let uses = text.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
    let names = uses.flat_map(|names| {
        names.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty())
    });
    let names: Vec<&str> = names.filter(|name| name.starts_with(char::is_uppercase)).collect();
    assert!(names.len() > 40, "{names:?}: the names were not found");
    let all = all();
    let known =
        |name: &str| all.iter().any(|entry| entry.name == name) || NO_LAYERS.contains(&name);
    let missing: Vec<_> = names.iter().filter(|name| !known(name)).collect();
    assert!(missing.is_empty(), "without a check: {missing:?}");
    let gone = all.iter().filter(|entry| !names.contains(&entry.name)).map(|entry| entry.name);
    assert_eq!(gone.collect::<Vec<_>>(), [""; 0], "no longer public");
}

/// Built and drawn. Values at which parameters start, ones and zeros, hide mistakes: each is moved away from them.
fn made(entry: &Entry, seed: u64) -> Box<dyn Layer<f64>> {
    let mut layer = (entry.make)();
    layer.build(&entry.input.shape()[1..]).unwrap_or_else(|why| panic!("{}: {why}", entry.name));
    let mut layer = layer.init(seed);
    let mut rng = Rng::new(seed);
    layer.visit_mut(Path::root(), &mut |_, param| {
        let noise = Tensor::<f64>::rand(param.value().shape(), 0.1, 0.5, &mut rng);
        let value = Tensor::from_fn(noise.shape(), |at| param.value().at(at) + noise.at(at));
        param.set(value);
    });
    layer
}

#[test]
fn derivatives() {
    for entry in &all() {
        let layer = made(entry, 3);
        // An embedding reads whole numbers, which the differences would not leave so.
        let by_input = entry.name != "Embedding";
        let constant = CONSTANT_STATISTICS.contains(&entry.name);
        for training in if constant { &[None][..] } else { &[None, Some(5)] } {
            let training = *training;
            let all = layer.params();
            let params: Vec<&Param<f64>> = all.iter().map(|(_, param)| *param).collect();
            // In training, running statistics are written and not read.
            let read =
                |param: &&&Param<f64>| (training.is_none() && !constant) || param.is_trained();
            let params: Vec<&Param<f64>> = params.iter().filter(read).copied().collect();
            let first = by_input.then(|| entry.input.clone());
            let values = params.iter().map(|param| param.value().clone());
            let inputs: Vec<Tensor<f64>> = first.into_iter().chain(values).collect();
            let check = GradCheck { training, ..GradCheck::default() };
            let found = check.run(
                |v| {
                    let tape = v[0].tape();
                    let (x, values) = match by_input {
                        true => (v[0], &v[1..]),
                        false => (tape.constant(entry.input.clone()), v),
                    };
                    params.iter().zip(values).for_each(|(param, &value)| tape.rebind(param, value));
                    layer.forward(x).tanh()
                },
                &inputs,
            );
            found.unwrap_or_else(|wrong| panic!("{}, {training:?}: {wrong}", entry.name));
        }
    }
}

/// What two copies give, in inference and in training.
fn results(layer: &dyn Layer<f64>, x: &Tensor<f64>) -> [Tensor<f64>; 2] {
    [Tape::inference(), Tape::training(7)]
        .map(|tape| layer.forward(tape.constant(x.clone())).value())
}

/// The parameters by their names are the whole state, and each has a name of its own.
#[test]
fn state_is_saved_and_loaded() {
    for entry in &all() {
        let (first, mut second) = (made(entry, 1), made(entry, 2));
        let saved: Vec<(String, Tensor<f64>)> =
            first.params().into_iter().map(|(path, param)| (path, param.value().clone())).collect();
        let mut names: Vec<&String> = saved.iter().map(|(path, _)| path).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), saved.len(), "{}: two parameters of one name", entry.name);
        let expected = results(&*first, &entry.input);
        if !saved.is_empty() {
            assert!(results(&*second, &entry.input) != expected, "{}: it starts alike", entry.name);
        }
        second.visit_mut(Path::root(), &mut |path, param| {
            let path = path.to_string();
            let (_, value) = saved.iter().find(|(name, _)| *name == path).unwrap();
            param.set(value.clone());
        });
        assert!(results(&*second, &entry.input) == expected, "{}: not the same bits", entry.name);
    }
}

#[test]
fn shapes_that_do_not_fit_name_the_layer() {
    let mut silent = Vec::new();
    for entry in &all() {
        let kind = (entry.make)().kind();
        let Wrong(built, run) = entry.shapes else {
            if let Any(why) = entry.shapes {
                assert!(!why.is_empty());
            }
            continue;
        };
        let error = (entry.make)().build(&built[1..]).err().map(|error| error.to_string());
        if !error.as_ref().is_some_and(|error| error.starts_with("layer `")) {
            silent.push(format!("{kind}, built for {built:?}: {error:?}"));
        }
        let layer = made(entry, 1);
        let tape = Tape::inference();
        let said = panic_of(AssertUnwindSafe(|| {
            layer.forward(tape.constant(Tensor::zeros(run)));
        }));
        // What holds other layers leaves it to them.
        let inner = match kind {
            "residual" | "sequential" => "dense",
            "transformer_encoder_layer" => "multi_head_attention",
            kind => kind,
        };
        let named = |text: &String| text.starts_with(&format!("{inner}: "));
        if !said.as_ref().is_some_and(named) {
            silent.push(format!("{kind}, run on {run:?}: {said:?}"));
        }
    }
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}
