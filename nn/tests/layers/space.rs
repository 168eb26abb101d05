//! Convolutions, pooling, norms, arrangement.

use gradus_autograd::{Activation::Tanh, Interpolation, Module, Pool, Tape, Tensor};
use gradus_nn::*;

use crate::{check, refuses};

#[test]
fn derivatives() {
    check(Conv1d::new(2, 3).padding(1).stride(2).dilation(2), &[2, 2, 7]);
    check(Conv2d::new(4, [2, 3]).groups(2).same().activation(Tanh), &[1, 2, 3, 4]);
    check(Conv3d::new(2, 2).no_bias(), &[1, 1, 2, 3, 2]);
    check(Conv1d::new(2, 3).causal(), &[1, 2, 4]);
    check(ConvTranspose1d::new(2, 3).stride(2).output_padding(1), &[1, 2, 3]);
    check(ConvTranspose2d::new(2, 2).groups(2).padding(1), &[1, 2, 3, 3]);
    check(MaxPool2d::new(Pool::new(2).stride(1)), &[1, 2, 3, 3]);
    check(AvgPool2d::new(2), &[1, 2, 4, 4]);
    check(AdaptiveAvgPool1d::new([2]), &[1, 2, 5]);
    check(AdaptiveMaxPool2d::new([2, 1]), &[1, 1, 3, 4]);
    check(GlobalAvgPool, &[2, 2, 2, 3]);
    check(GlobalMaxPool, &[2, 2, 3]);
    check(LayerNorm::new(), &[2, 2, 3]);
    check(LayerNorm::new().axes(2).epsilon(0.1), &[2, 2, 3]);
    check(LayerNorm::new().no_affine(), &[2, 4]);
    check(RmsNorm::new(), &[2, 4]);
    check(GroupNorm::new(2), &[2, 4, 3]);
    check(GroupNorm::instance(), &[1, 2, 2, 2]);
    check(PRelu::new(), &[2, 3]);
    check(Residual::new(Dense::new(3).activation(Tanh)), &[2, 3]);
    check(Residual::new(Dense::new(2)).shortcut(Dense::new(2).no_bias()), &[2, 3]);
    check(Upsample::new(2, Interpolation::Bilinear), &[1, 1, 2, 3]);
    check(Reshape::new(&[3, 2]), &[2, 6]);
    check(Flatten, &[2, 3, 2]);
    check(Lambda::new(|x| x.silu()), &[2, 3]);
}

#[test]
fn a_network_of_many_kinds() {
    let model: Sequential = Sequential::new()
        .add(Conv2d::new(4, 3).padding(1))
        .add(BatchNorm::pytorch())
        .add(Activation::Relu)
        .add(MaxPool2d::new(2))
        .add(Residual::new(Conv2d::new(4, 3).same()))
        .add(GroupNorm::new(2))
        .add(Flatten)
        .add(Dense::new(3))
        .build(&[1, 8, 8], 1)
        .unwrap();
    let paths: Vec<String> = model.params().into_iter().map(|(path, _)| path).collect();
    let some = ["conv2d.kernel", "residual.inner.bias", "group_norm.weight", "dense.kernel"];
    assert!(some.iter().all(|path| paths.iter().any(|have| have == path)), "{paths:?}");
    assert_eq!(model.param("dense.kernel").unwrap().value().shape(), [64, 3]);
    let tape = Tape::inference();
    assert_eq!(model.forward(tape.constant(Tensor::zeros(&[5, 1, 8, 8]))).shape()[..], [5, 3]);
}

/// Fans are those of the layout that is stored (row 30 of NUMERICS): the variance of the values.
#[test]
fn kernels_start_by_their_fans() {
    let variance = |x: &Tensor<f64>| {
        let (n, x) = (x.len() as f64, x.to_vec());
        let mean = x.iter().sum::<f64>() / n;
        x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n
    };
    let conv = Conv2d::<f64>::new(64, 3).groups(2).channels(32).kernel_initializer(init::HeNormal);
    let conv = conv.init(1);
    let kernel = conv.param("kernel").unwrap().value();
    assert_eq!(kernel.shape(), [64, 16, 3, 3]);
    let expected = 2.0 / (16.0 * 9.0);
    assert!((variance(kernel) / expected - 1.0).abs() < 0.05, "{}", variance(kernel) / expected);
    let conv = ConvTranspose1d::<f64>::new(64, 5).channels(16).init(1);
    let kernel = conv.param("kernel").unwrap().value();
    assert_eq!(kernel.shape(), [16, 64, 5]);
    let expected = 2.0 / ((16.0 + 64.0) * 5.0);
    assert!((variance(kernel) / expected - 1.0).abs() < 0.05, "{}", variance(kernel) / expected);
    // The same numbers, turned: rows of a dense layer's kernel are those of a convolution's of size 1.
    let dense = Dense::<f64>::new(3).inputs(2).init(5);
    let conv = Conv1d::<f64>::new(3, 1).channels(2).init(5);
    let [dense, conv] =
        [dense.param("kernel"), conv.param("kernel")].map(|p| p.unwrap().value().clone());
    assert_eq!(dense.t().contiguous().to_vec(), conv.to_vec());
}

#[test]
#[rustfmt::skip]
fn words() {
    refuses(Conv2d::new(4, 3), &[3], "layer `conv2d` cannot take an input of shape [3] (one sample, without the batch axis): it takes [channels] and 2 axes behind them");
    refuses(Conv2d::new(4, 3).groups(2), &[3, 8, 8], "layer `conv2d` cannot take an input of shape [3, 8, 8] (one sample, without the batch axis): 3 channels and 4 filters are not shared out evenly over 2 groups");
    refuses(Conv2d::new(4, 3).channels(2), &[3, 8, 8], "layer `conv2d` cannot take an input of shape [3, 8, 8] (one sample, without the batch axis): it was made for 2 channels");
    refuses(Conv1d::new(0, 3), &[3, 8], "layer `conv1d`: 0 filters of size [3] in 1 groups: each is at least 1");
    refuses(ConvTranspose2d::new(4, 3).channels(2), &[3, 8, 8], "layer `conv_transpose2d` cannot take an input of shape [3, 8, 8] (one sample, without the batch axis): it was made for 2 channels");
    refuses(MaxPool2d::new(2), &[8, 8], "layer `max_pool2d` cannot take an input of shape [8, 8] (one sample, without the batch axis): it takes [channels] and 2 axes behind them");
    refuses(LayerNorm::new().axes(2), &[8], "layer `layer_norm` cannot take an input of shape [8] (one sample, without the batch axis): it has not the 2 axes that are to be normalised");
    refuses(LayerNorm::new().shape(&[4]), &[8], "layer `layer_norm` cannot take an input of shape [8] (one sample, without the batch axis): it was made for [4]");
    refuses(GroupNorm::new(3), &[4, 2], "layer `group_norm` cannot take an input of shape [4, 2] (one sample, without the batch axis): its 4 channels are no multiple of 3 groups");
    refuses(Reshape::new(&[3]), &[4], "layer `reshape` cannot take an input of shape [4] (one sample, without the batch axis): it has not as many elements as [3]");
}

#[test]
#[should_panic(
    expected = "conv2d: the number of channels is not known: set it with `.channels(n)`"
)]
fn a_layer_that_was_not_built() {
    let tape = Tape::<f32>::new();
    Conv2d::new(2, 3).forward(tape.var(Tensor::zeros(&[1, 1, 4, 4])));
}

#[test]
#[should_panic(
    expected = "residual: the inner layer makes [1, 2] of [1, 3], and the shortcut [1, 3]"
)]
fn a_shortcut_that_does_not_fit() {
    let tape = Tape::<f32>::new();
    Residual::new(Dense::new(2).inputs(3)).init(1).forward(tape.var(Tensor::zeros(&[1, 3])));
}
