//! Attention over several heads and blocks of a Transformer: derivatives, what it must not see, names, messages.

use gradus_autograd::check::gradcheck;
use gradus_autograd::{Activation, Module, Tape, Tensor};
use gradus_nn::{Layer, MultiHeadAttention, Sequential, TransformerEncoderLayer};

use super::{assert_close, checked, message, t, zeros};

/// Weights of keys that cannot be seen are exactly 0, but sums of other lengths are taken in another order.
const ORDER: f64 = 1e-14;

#[test]
fn derivatives() {
    let layer = MultiHeadAttention::<f64>::new(2, 2).causal().no_bias().init(1);
    checked(&layer, t(&[1, 2, 2], 1), |layer, x| layer.forward(x));
    let apart = MultiHeadAttention::<f64>::new(2, 1).key_value_widths(1, 2).init(1);
    let (key, value) = (t(&[1, 3, 1], 2), t(&[1, 3, 2], 3));
    checked(&apart, t(&[1, 2, 2], 1), |layer, x| {
        let [key, value] = [&key, &value].map(|other| x.tape().constant(other.clone()));
        layer.attend(x, key, value, None)
    });
}

/// By the input only: that of the parameters stands in a table of PyTorch.
#[test]
fn derivatives_of_a_block() {
    let block = TransformerEncoderLayer::<f64>::new(3, 1).feed_forward(2).dropout(0.0);
    let block = block.activation(Activation::Gelu).init(1);
    for block in [block.clone(), block.pre_norm()] {
        gradcheck(|v| block.forward(v[0]).tanh().sum(), &[t(&[1, 2, 3], 1)])
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

/// A block under a mask, in a row of layers, with dropout in training only.
#[test]
fn blocks() {
    let block = || TransformerEncoderLayer::<f64>::new(4, 2).feed_forward(8).causal();
    let model = Sequential::new().add(block()).add(block().pre_norm()).build(&[5, 4], 1).unwrap();
    let names: Vec<_> = model.params().into_iter().map(|(path, _)| path).collect();
    assert_eq!(names.len(), 24);
    assert_eq!(names[12], "transformer_encoder_layer_1.self_attn.in_proj_weight");
    let x = t(&[2, 5, 4], 1);
    let run = |tape: Tape<f64>, x: &Tensor<f64>| model.forward(tape.constant(x.clone())).value();
    let mut changed = x.clone();
    changed.make_mut()[12..20].fill(7.0);
    let (y, z) = (run(Tape::new(), &x), run(Tape::new(), &changed));
    assert_eq!(y.slice(1, 0..3), z.slice(1, 0..3));
    assert!(run(Tape::training(1), &x) != y);
    assert!(run(Tape::training(1), &x) == run(Tape::training(1), &x));
    let tape = Tape::new();
    let seen = Tensor::from_fn(&[2, 1, 1, 5], |at| at[3] < 3);
    let block = TransformerEncoderLayer::<f64>::new(4, 2).feed_forward(8).init(1);
    let masked = |x: &Tensor<f64>| {
        block.forward_masked(tape.constant(x.clone()), Some(tape.attention_mask(&seen))).value()
    };
    let short = block.forward(tape.constant(x.slice(1, 0..3))).value();
    assert_close(
        "without padding",
        &masked(&changed).slice(1, 0..3).slice(0, 1..2),
        &short.slice(0, 1..2),
        ORDER,
    );
    assert_eq!(masked(&changed).slice(1, 0..3), masked(&x).slice(1, 0..3));
    let error = block.clone().build(&[5, 3]).unwrap_err().to_string();
    assert_eq!(
        error,
        "layer `transformer_encoder_layer` cannot take an input of shape [5, 3] (one sample, without the batch axis): it \
         was made for a sequence of width 4, [steps, 4]"
    );
}

/// What comes later does not change what was before.
#[test]
fn causal() {
    let layer = MultiHeadAttention::<f64>::new(4, 2).causal().init(1);
    let tape = Tape::new();
    let x = t(&[2, 5, 4], 1);
    let run = |x: Tensor<f64>| layer.forward(tape.constant(x)).value();
    let mut changed = x.clone();
    changed.make_mut()[12..20].fill(7.0); // the last two steps of the first sequence
    let (y, z) = (run(x.clone()), run(changed));
    assert_eq!(y.slice(1, 0..3), z.slice(1, 0..3));
    assert_eq!(y.slice(0, 1..2), z.slice(0, 1..2));
    assert!(y.slice(1, 3..5) != z.slice(1, 3..5));
    assert_close("a shorter sequence", &run(x.slice(1, 0..3)), &y.slice(1, 0..3), ORDER);
}

/// What stands where the padding is, and how much of it there is, does not matter.
#[test]
fn padding() {
    let layer = MultiHeadAttention::<f64>::new(4, 2).init(1);
    let tape = Tape::new();
    let x = tape.var(t(&[2, 5, 4], 1));
    let seen = Tensor::from_fn(&[2, 1, 1, 5], |at| at[3] < 3 + 2 * at[0]);
    let mask = Some(tape.attention_mask(&seen));
    let y = layer.attend(x, x, x, mask);
    let alone = x.slice(0, 0..1).slice(1, 0..3);
    let found = y.slice(0, 0..1).slice(1, 0..3);
    assert_close("without padding", &layer.forward(alone).value(), &found.value(), ORDER);
    assert_close("in one product", &layer.attend_self(x, mask).value(), &y.value(), ORDER);
    let gradient = found.sum().backward()[x].clone();
    assert_eq!(gradient.slice(0, 0..1).slice(1, 3..5), Tensor::zeros(&[1, 2, 4]));
}

/// Without positions, the order of keys does not matter.
#[test]
fn keys_in_another_order() {
    let layer = MultiHeadAttention::<f64>::new(4, 2).key_value_widths(3, 2).init(1);
    let tape = Tape::new();
    let [q, k, v] =
        [(4, 1), (3, 2), (2, 3)].map(|(width, seed)| tape.constant(t(&[2, 5, width], seed)));
    let y = layer.attend(q, k, v, None);
    let turned = layer.attend(q, k.flip(&[1]), v.flip(&[1]), None);
    assert_close("turned", &turned.value(), &y.value(), ORDER);
}

#[test]
fn names_are_pytorchs() {
    let shapes = |layer: &MultiHeadAttention| -> Vec<(String, Vec<usize>)> {
        let params = layer.params().into_iter();
        params.map(|(path, param)| (path, param.value().shape().to_vec())).collect()
    };
    let of = |path: &str, shape: &[usize]| (path.to_owned(), shape.to_vec());
    let layer = MultiHeadAttention::new(4, 2);
    assert_eq!(
        shapes(&layer),
        [
            of("in_proj_weight", &[12, 4]),
            of("in_proj_bias", &[12]),
            of("out_proj.kernel", &[4, 4]),
            of("out_proj.bias", &[4])
        ]
    );
    assert_eq!(
        shapes(&layer.key_value_widths(3, 2).no_bias()),
        [
            of("q_proj_weight", &[4, 4]),
            of("k_proj_weight", &[4, 3]),
            of("v_proj_weight", &[4, 2]),
            of("out_proj.kernel", &[4, 4])
        ]
    );
}

#[test]
fn messages() {
    assert_eq!(
        message(|| drop(MultiHeadAttention::<f64>::new(6, 4))),
        "multi_head_attention: a width of 6 is not divided among 4 heads without rest"
    );
    let attend = |key: &'static [usize]| {
        message(move || {
            let tape = Tape::<f64>::new();
            let layer = MultiHeadAttention::new(4, 2);
            let key = zeros(&tape, key);
            layer.attend(zeros(&tape, &[1, 2, 4]), key, key, None);
        })
    };
    assert_eq!(
        attend(&[1, 3, 5]),
        "multi_head_attention: keys [1, 3, 5] are not [batch, steps, 4]"
    );
    assert_eq!(
        attend(&[2, 3, 4]),
        "multi_head_attention: queries [1, 2, 4], keys [2, 3, 4] and values [2, 3, 4] differ in batch, or keys and values \
         in steps"
    );
    let built = MultiHeadAttention::<f64>::new(4, 2).build(&[3]).unwrap_err().to_string();
    assert_eq!(
        built,
        "layer `multi_head_attention` cannot take an input of shape [3] (one sample, without the batch axis): it was made \
         for a sequence of width 4, [steps, 4]"
    );
}
