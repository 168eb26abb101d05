//! `Sequential`: building, names, summary, gradients.

use gradus::nn::BuildError;
use gradus::prelude::*;
use gradus_tests::panics::panics;

use super::{check, paths, rand};

#[test]
fn gradients_of_a_model() {
    let model =
        Sequential::new().add(Dense::new(2)).add(BatchNorm::new()).add(Tanh).add(Dense::new(1));
    check(&model.build(&[2], 1).expect("a model"), rand(&[3, 2], 1), Some(7));
}

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

/// Through boxes and models, too, the user's line is named.
#[test]
#[rustfmt::skip]
fn inputs_of_another_shape_in_a_model() {
    let tape = Tape::<f64>::new();
    let x = tape.constant(Tensor::zeros(&[2, 3]));
    let model = Sequential::new().add(Dense::new(5)).build(&[4], 0).expect("a model");
    panics("dense: input [2, 3] does not fit kernel [4, 5] [inputs, units] (3 vs 4)", || model.forward(x));
}

#[test]
#[rustfmt::skip]
fn a_model_that_was_not_built() {
    let tape = Tape::<f64>::new();
    let x = tape.constant(Tensor::zeros(&[2, 3]));
    let model = Sequential::new().add(Dense::new(5));
    panics("dense: the number of inputs is not known: set it with `.inputs(n)`, or build the model (one of your own builds its layers in `Layer::build`)", || model.forward(x));
}

/// A model of one's own says how its layers are built; one that does not is told so where the whole is built.
#[test]
#[rustfmt::skip]
fn a_model_of_ones_own_within_a_sequential() {
    #[derive(Debug, Module)]
    struct Silent { inner: Dense<f64> }
    impl Layer<f64> for Silent {
        #[track_caller]
        fn forward<'t>(&self, x: Var<'t, f64>) -> Var<'t, f64> { self.inner.forward(x) }
    }
    panics("dense: the number of inputs is not known: set it with `.inputs(n)`, or build the model (one of your own builds its layers in `Layer::build`)", || Sequential::new().add(Silent { inner: Dense::new(2) }).build(&[3], 0));

    #[derive(Debug, Module)]
    struct Builds { inner: Dense<f64>, norm: BatchNorm<f64> }
    impl Layer<f64> for Builds {
        fn forward<'t>(&self, x: Var<'t, f64>) -> Var<'t, f64> { self.norm.forward(self.inner.forward(x)) }
        fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
            self.inner.build(input)?;
            self.norm.build(&[2])
        }
    }
    let own = Builds { inner: Dense::new(2), norm: BatchNorm::new() };
    let model = Sequential::new().add(own).build(&[3], 0).expect("a model");
    assert_eq!(paths::<f64>(&model)[..3], ["layer.inner.kernel", "layer.inner.bias", "layer.norm.gamma"]);
    assert_eq!(model.smallest_batch(), 2);
}
