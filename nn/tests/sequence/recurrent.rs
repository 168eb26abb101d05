//! Recurrent layers: derivatives, stacks and directions, dropout, names, messages.

use gradus_autograd::{Module, Tape, Tensor};
use gradus_nn::{Gru, Layer, Lstm, Rnn, Sequential};

use super::{checked, message, t, zeros};

#[test]
fn derivatives() {
    let x = || t(&[1, 2, 1], 1);
    checked(&Rnn::<f64>::new(2).return_sequences(true).inputs(1).init(1), x(), |l, x| l.forward(x));
    checked(&Lstm::<f64>::new(1).bidirectional().inputs(1).init(1), x(), |l, x| l.forward(x));
    checked(&Gru::<f64>::new(1).inputs(1).init(1), x(), |l, x| l.forward(x));
    let before = Gru::<f64>::new(1).reset_after(false).no_bias().inputs(1).init(1);
    checked(&before, x(), |l, x| l.forward(x));
}

/// Two layers are one on top of the other; the last output is that of the last step, or, of the way back, of the first.
#[test]
fn stacks_and_directions() {
    let stack = Gru::<f64>::new(3).layers(2).bidirectional().inputs(2).init(1);
    let all = stack.clone().return_sequences(true);
    let tape = Tape::new();
    let x = tape.constant(t(&[4, 5, 2], 1));
    assert_eq!(all.params().len(), 16);
    let (y, h) = stack.forward_with(x, None);
    assert_eq!(all.forward(x).value(), y.value());
    assert_eq!((y.shape()[..].to_vec(), h.shape()[..].to_vec()), (vec![4, 5, 6], vec![4, 4, 3]));
    let last = stack.forward(x).value();
    assert_eq!(last.slice(1, 0..3), y.value().slice(1, 4..5).slice(2, 0..3).reshape(&[4, 3]));
    assert_eq!(last.slice(1, 3..6), y.value().slice(1, 0..1).slice(2, 3..6).reshape(&[4, 3]));
    // Going on from a state is as not having stopped.
    let lstm = Lstm::<f64>::new(3).layers(2).inputs(2).init(2);
    let (whole, _) = lstm.forward_with(x, None);
    let (_, state) = lstm.forward_with(x.slice(1, 0..2), None);
    let (rest, _) = lstm.forward_with(x.slice(1, 2..5), Some(state));
    super::assert_close("the rest", &rest.value(), &whole.value().slice(1, 2..5), 1e-14);
}

/// What comes later does not change what was before.
#[test]
fn causal() {
    let lstm = Lstm::<f64>::new(3).return_sequences(true).inputs(2).init(2);
    let tape = Tape::new();
    let x = t(&[2, 5, 2], 1);
    let run = |x: &Tensor<f64>| lstm.forward(tape.constant(x.clone())).value();
    let mut changed = x.clone();
    changed.make_mut()[8..10].fill(7.0); // the last step of the first sequence
    let (y, z) = (run(&x), run(&changed));
    assert_eq!(y.slice(1, 0..4), z.slice(1, 0..4));
    assert!(y.slice(0, 0..1) != z.slice(0, 0..1));
    assert_eq!(y.slice(0, 1..2), z.slice(0, 1..2));
}

#[test]
fn dropout_stands_between_layers_only() {
    let x = t(&[2, 3, 2], 1);
    let run = |layers: usize, tape: Tape<f64>| {
        let lstm = Lstm::<f64>::new(3).layers(layers).dropout(0.5).inputs(2).init(2);
        lstm.forward(tape.constant(x.clone())).value()
    };
    assert!(run(1, Tape::training(1)) == run(1, Tape::new()));
    assert!(run(2, Tape::training(1)) != run(2, Tape::new()));
    assert!(run(2, Tape::training(1)) == run(2, Tape::training(1)));
}

#[test]
fn relu_and_starts() {
    let rnn = Rnn::<f64>::new(3).relu().return_sequences(true).inputs(2).init(1);
    let tape = Tape::new();
    let y = rnn.forward(tape.constant(t(&[2, 3, 2], 1))).value();
    assert!(y.to_vec().iter().all(|&y| y >= 0.0) && y.to_vec().iter().any(|&y| y > 1.0 / 3.0));
    let limit = 1.0 / 3_f64.sqrt();
    let within = |x: Tensor<f64>| x.to_vec().iter().all(|x| x.abs() <= limit);
    assert!(rnn.params().iter().all(|(_, param)| within(param.value().clone())));
    let lstm = Lstm::<f64>::new(2).unit_forget_bias().inputs(2).init(1);
    let value = |path: &str| lstm.param(path).unwrap().value().to_vec();
    assert_eq!(value("bias_ih_l0"), [0., 0., 1., 1., 0., 0., 0., 0.]);
    assert_eq!(value("bias_hh_l0"), [0.0; 8]);
}

#[test]
fn names_are_pytorchs() {
    let lstm = Lstm::<f32>::new(4).layers(2).bidirectional().inputs(3);
    let names: Vec<_> = lstm.params().into_iter().map(|(path, _)| path).collect();
    assert_eq!(names[..3], ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0"]);
    assert_eq!(
        names[12..],
        [
            "weight_ih_l1_reverse",
            "weight_hh_l1_reverse",
            "bias_ih_l1_reverse",
            "bias_hh_l1_reverse"
        ]
    );
    let shape = |path: &str| lstm.param(path).unwrap().value().shape().to_vec();
    assert_eq!(shape("weight_ih_l0_reverse"), [16, 3]);
    assert_eq!(shape("weight_ih_l1"), [16, 8]);
}

#[test]
fn messages() {
    assert_eq!(
        message(|| {
            let tape = Tape::<f64>::new();
            Lstm::new(2).forward(zeros(&tape, &[1, 2, 3]));
        }),
        "lstm: the number of inputs is not known: set it with `.inputs(n)`, or build the model (one of your own builds \
         its layers in `Layer::build`)"
    );
    let gru = |shape: &'static [usize]| {
        message(move || {
            let tape = Tape::<f64>::new();
            Gru::new(2).inputs(3).forward(zeros(&tape, shape));
        })
    };
    assert_eq!(gru(&[4, 3]), "gru: input [4, 3] is not [batch, steps, inputs]");
    assert_eq!(
        gru(&[4, 0, 3]),
        "gru: input [4, 0, 3] is not [batch, steps, inputs] with 3 inputs and at least one step"
    );
    assert_eq!(
        message(|| {
            let tape = Tape::<f64>::new();
            let h = zeros(&tape, &[1, 2, 2]);
            Rnn::new(2).layers(2).inputs(3).forward_with(zeros(&tape, &[2, 1, 3]), Some(h));
        }),
        "rnn: initial state [1, 2, 2] does not fit input [2, 1, 3]: expected [2, 2, 2] [layers·directions, batch, units]"
    );
    let built = |lstm: Lstm, input: &[usize]| {
        Sequential::new().add(lstm).build(input, 1).unwrap_err().to_string()
    };
    assert_eq!(
        built(Lstm::new(2), &[3]),
        "layer `lstm` cannot take an input of shape [3] (one sample, without the batch axis): it needs a sequence, \
         [steps, features]"
    );
    assert_eq!(
        built(Lstm::new(2).inputs(4), &[3, 5]),
        "layer `lstm` cannot take an input of shape [3, 5] (one sample, without the batch axis): it was made for 4 features"
    );
    assert_eq!(
        built(Lstm::new(2).dropout(1.5), &[3, 5]),
        "layer `lstm`: dropout 1.5 is not within 0 to 1"
    );
    assert_eq!(
        built(Lstm::new(0), &[3, 5]),
        "layer `lstm`: it needs at least one unit and one layer"
    );
}
