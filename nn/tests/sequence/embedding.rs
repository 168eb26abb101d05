//! Tables of rows, and positions.

use gradus_autograd::{Module, Tape, Tensor};
use gradus_nn::{Embedding, Layer, PositionalEncoding, Sequential};

use super::{checked, message, t};

#[test]
fn gradients_of_rows_add_up_and_padding_gets_none() {
    let layer = Embedding::<f64>::new(4, 2).padding_idx(1).init(1);
    let weight = layer.param("weight").unwrap();
    assert_eq!(weight.value().row(1).to_vec(), [0.0, 0.0]);
    let tape = Tape::new();
    let y = layer.look_up(&tape, &Tensor::from([[0, 1, 3], [3, 1, 3]]));
    let gradients = y.sum().backward();
    assert_eq!(gradients.param(weight).unwrap().to_vec(), [1., 1., 0., 0., 0., 0., 3., 3.]);
}

#[test]
fn derivatives() {
    // The indices are no differentiable input: they are made of zeros, which the differences do not reach.
    let layer = Embedding::<f64>::new(3, 2).init(1);
    let index = Tensor::from([2, 0, 2]);
    checked(&layer, t(&[3, 2], 1), |layer, x| layer.look_up(x.tape(), &index) * x);
    let learned = PositionalEncoding::<f64>::learned(4).width(2).init(1);
    checked(&learned, t(&[2, 3, 2], 1), |layer, x| layer.forward(x));
    checked(&PositionalEncoding::sinusoidal(), t(&[2, 3, 2], 1), |layer, x| layer.forward(x));
}

/// Row 1 of width 4: sin 1, cos 1, sin 0.01, cos 0.01; an odd width ends with a sine.
#[test]
fn sinusoids() {
    let tape = Tape::<f64>::new();
    let of = |width: usize| {
        let x = tape.constant(Tensor::zeros(&[3, width]));
        PositionalEncoding::sinusoidal().forward(x).value().row(1).to_vec()
    };
    assert_eq!(of(4), [1_f64.sin(), 1_f64.cos(), 0.01_f64.sin(), 0.01_f64.cos()]);
    assert_eq!(of(1), [1_f64.sin()]);
}

#[test]
fn in_a_row_of_layers() {
    let model = Sequential::<f32>::new()
        .add(Embedding::new(7, 4))
        .add(PositionalEncoding::learned(5))
        .build(&[5], 1)
        .unwrap();
    let names: Vec<_> = model.params().into_iter().map(|(path, _)| path).collect();
    assert_eq!(names, ["embedding.weight", "positional_encoding.weight"]);
    let tape = Tape::new();
    assert_eq!(model.forward(tape.constant(Tensor::ones(&[2, 3]))).shape()[..], [2, 3, 4]);
}

#[test]
fn messages() {
    let embed = |index: f64| {
        message(move || {
            let tape = Tape::<f64>::new();
            Embedding::new(7, 4).forward(tape.constant(Tensor::from([1.0, index])));
        })
    };
    assert_eq!(embed(7.0), "embedding: index 7 is not a row of the table [7, 4] [size, width]");
    assert_eq!(embed(-1.0), "embedding: index -1 is not a row of the table [7, 4] [size, width]");
    assert_eq!(
        embed(0.5),
        "embedding: the input holds 0.5, which is not a whole number and so no index"
    );
    assert_eq!(
        embed(f64::NAN),
        "embedding: the input holds NaN, which is not a whole number and so no index"
    );
    let long = Sequential::<f32>::new().add(PositionalEncoding::learned(5)).build(&[6, 2], 1);
    assert_eq!(
        long.unwrap_err().to_string(),
        "layer `positional_encoding` cannot take an input of shape [6, 2] (one sample, without the batch axis): it has \
         5 learned positions only"
    );
    let empty = Sequential::<f32>::new().add(Embedding::new(0, 3)).build(&[2], 1);
    assert_eq!(
        empty.unwrap_err().to_string(),
        "layer `embedding`: a table [0, 3] [size, width] has no rows or no columns"
    );
}
