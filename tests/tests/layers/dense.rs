//! `Dense`.

use gradus::autograd::Path;
use gradus::prelude::*;
use gradus_tests::golden::{as_f64, assert_none, differences};
use gradus_tests::panics::panics;

use super::{F64, check, paths, rand};

#[test]
fn gradients_of_dense() {
    for activation in [Identity, Relu, Sigmoid, Tanh, Gelu, Softplus, Softmax] {
        check(&Dense::new(2).inputs(3).activation(activation).init(1), rand(&[2, 3], 1), None);
    }
    check(&Dense::new(2).inputs(3).no_bias().init(1), rand(&[2, 3], 1), None);
    check(&Dense::new(2).inputs(3).activation(Tanh).init(1), rand(&[2, 2, 3], 2), None);
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

// Panics, at the user's line

#[test]
#[rustfmt::skip]
fn layers_that_were_not_built() {
    let tape = Tape::<f64>::new();
    let x = tape.constant(Tensor::zeros(&[2, 3]));
    let (dense, norm) = (Dense::new(2), BatchNorm::new());
    panics("dense: the number of inputs is not known: set it with `.inputs(n)`, or build the model (one of your own builds its layers in `Layer::build`)", || dense.forward(x));
    panics("batch_norm: the channels are not known: set them with `.channels(n)`, or build the model (one of your own builds its layers in `Layer::build`)", || norm.forward(x));
}

#[test]
#[rustfmt::skip]
fn inputs_of_another_shape() {
    let tape = Tape::<f64>::new();
    let x = tape.constant(Tensor::zeros(&[2, 3]));
    let dense = Dense::new(5).inputs(4);
    panics("dense: input [2, 3] does not fit kernel [4, 5] [inputs, units] (3 vs 4)", || dense.forward(x));
    let norm = BatchNorm::new().channels(4);
    let training = Tape::<f64>::training(0);
    let y = training.constant(Tensor::zeros(&[2, 3]));
    panics("batch_norm: input [2, 3] does not have the 4 channels on axis -1 that the layer was made for", || norm.forward(y));
}
