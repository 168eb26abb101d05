//! `BatchNorm`.

use gradus::autograd::Path;
use gradus::prelude::*;
use gradus_tests::golden::{as_f64, assert_none, differences};
use gradus_tests::panics::panics;

use super::{F64, check, rand};

#[test]
fn gradients_of_batch_norm() {
    for training in [None, Some(7)] {
        check(&BatchNorm::new().channels(2), rand(&[4, 2], 1), training);
        check(&BatchNorm::pytorch().channels(2), rand(&[2, 2, 3], 2), training);
    }
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

/// In evaluation x/√(1 + ε) of the first statistics, 0 and 1; in training these follow by 1 − momentum.
#[test]
fn row_21_momentum_and_epsilon_of_both_frameworks() {
    for (mut layer, epsilon, new) in [
        (BatchNorm::<f64>::new().channels(1), 1e-3_f64, 0.01),
        (BatchNorm::pytorch().channels(1), 1e-5, 0.1),
    ] {
        let x = Tensor::from([[1.0], [1.0]]);
        let tape = Tape::inference();
        let y = layer.forward(tape.constant(x.clone()));
        assert_none(&differences(
            "y",
            &as_f64(&y.value()),
            &[1.0 / (1.0 + epsilon).sqrt(); 2],
            F64,
        ));
        let tape = Tape::training(0);
        let grads = layer.forward(tape.constant(x)).sum().backward();
        Sgd::new(0.0).step(&mut layer, &grads);
        let [mean, var] = statistics(&layer);
        assert_none(&differences("mean", &mean, &[new], F64));
        assert_none(&differences("var", &var, &[1.0 - new], F64));
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

#[test]
fn the_smallest_batch_follows_from_the_positions_of_a_sample() {
    let built = |mut norm: BatchNorm<f64>, input: &[usize]| {
        norm.build(input).expect("a layer");
        norm.smallest_batch()
    };
    for norm in [BatchNorm::new, || BatchNorm::new().channels(3)] {
        assert_eq!(
            [built(norm(), &[3]), built(norm(), &[5, 3]), built(norm(), &[1, 3])],
            [2, 1, 2]
        );
    }
    assert_eq!(
        BatchNorm::<f64>::new().channels(3).clone().smallest_batch(),
        2,
        "not known: the safe side"
    );
}
