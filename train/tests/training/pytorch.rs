//! Weights that PyTorch saved: `tests/data/pytorch/make.py` wrote the files.

use gradus_autograd::{Activation::Relu, Module, Tape, Tensor};
use gradus_nn::{BatchNorm, Conv2d, Dense, Flatten, Layer, LayerNorm, Lstm, MaxPool2d, Sequential};
use gradus_train::{Weights, load_safetensors};

/// In 32 bits, and sums taken in another order.
const NEAR: f32 = 1e-6;

fn file(name: &str) -> String {
    format!("{}/tests/data/pytorch/{name}.safetensors", env!("CARGO_MANIFEST_DIR"))
}

fn assert_same_outputs(mut model: Sequential, name: &str, names: &[(&str, &str)]) {
    Weights::load_pytorch(file(name), &model, names).unwrap().apply(&mut model).unwrap();
    let mut values = load_safetensors(file(&format!("{name}_values"))).unwrap();
    let (x, y): (Tensor, Tensor) =
        (values.take_tensor("x").unwrap(), values.take_tensor("y").unwrap());
    let tape = Tape::inference();
    let found = model.forward(tape.constant(x)).value();
    assert_eq!(found.shape(), y.shape());
    for (a, b) in found.to_vec().into_iter().zip(y.to_vec()) {
        assert!((a - b).abs() <= NEAR * b.abs().max(1.0), "{name}: {a} instead of {b}");
    }
}

fn cnn() -> Sequential {
    Sequential::new()
        .add(Conv2d::new(3, 3).padding(1))
        .add(BatchNorm::pytorch())
        .add(Relu)
        .add(MaxPool2d::new(2))
        .add(Conv2d::new(4, 3))
        .add(Relu)
        .add(Flatten)
        .add(LayerNorm::new())
        .add(Dense::new(5))
        .build(&[1, 8, 8], 0)
        .unwrap()
}

const CNN: [(&str, &str); 5] =
    [("conv2d", "0"), ("batch_norm", "1"), ("conv2d_1", "4"), ("layer_norm", "7"), ("dense", "8")];

#[test]
fn the_same_outputs() {
    assert_same_outputs(cnn(), "cnn", &CNN);
    let lstm = Sequential::new().add(Lstm::new(4).layers(2)).add(Dense::new(2));
    assert_same_outputs(lstm.build(&[5, 3], 0).unwrap(), "lstm", &[("dense", "head")]);
}

#[test]
fn names_that_do_not_fit() {
    let load = |model: &dyn Module<f32>, names: &[(&str, &str)]| {
        Weights::load_pytorch(file("cnn"), model, names).unwrap_err().to_string()
    };
    let missing = load(&cnn(), &CNN[..4]);
    assert!(
        missing.ends_with(
            "the entry `dense.weight` is not there; it would be `dense.kernel` of the model"
        ),
        "{missing}"
    );
    let fewer = Sequential::new().add(Conv2d::new(3, 3)).build(&[1, 8, 8], 0).unwrap();
    let extra = load(&fewer, &CNN);
    assert!(extra.ends_with("the entry `1.bias` belongs to nothing"), "{extra}");
}
