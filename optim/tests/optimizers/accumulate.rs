//! Steps for the gradients of several batches.

use gradus_autograd::{Gradients, Param, Tape, Tensor};
use gradus_optim::*;

use super::{F64, Model, close, drawn, gradients, steps};

fn model() -> Model {
    drawn(&[&[2, 3], &[3]], 1).into_iter().map(Param::new).collect()
}

fn values(model: &Model) -> Vec<f64> {
    model.iter().flat_map(|p| p.value().to_vec()).collect()
}

#[test]
fn as_one_step_with_the_mean() {
    let (mut parts, mut whole) = (model(), model());
    let mut accumulated = Adam::new(0.1).accumulate(3);
    let mut plain = Adam::new(0.1);
    for round in 0..4 {
        let before = values(&parts);
        steps(&mut accumulated, &mut parts, 3 * round..3 * round + 2);
        assert_eq!(values(&parts), before, "no step is due");
        steps(&mut accumulated, &mut parts, 3 * round + 2..3 * round + 3);
        let all: Vec<_> = (0..3).map(|k| gradients(&whole, 3 * round + k)).collect();
        let mean = |at: usize| {
            Tensor::from_fn(all[0][at].shape(), |index| {
                all.iter().map(|g| g[at].at(index)).sum::<f64>() / 3.0
            })
        };
        let means = Gradients::of_params(whole.iter().zip([mean(0), mean(1)]));
        plain.step(&mut whole, &means);
        close(&values(&parts), &values(&whole), F64);
    }
}

#[test]
fn a_gradient_that_is_missing_counts_as_0() {
    let mut model: Model = vec![Param::new(Tensor::scalar(1.0)), Param::new(Tensor::scalar(1.0))];
    let mut sgd = Sgd::new(1.0).accumulate(2);
    for number in [0, 1, 0, 0] {
        let tape = Tape::new();
        let loss = tape.param(&model[number]) * 0.5;
        sgd.step(&mut model, &loss.backward());
    }
    // Halves of the mean of two; the second parameter has no gradient in the second round.
    assert_eq!(values(&model), [1.0 - 0.25 - 0.5, 1.0 - 0.25]);
}

#[test]
fn what_is_accumulated_is_a_part_of_the_state() {
    let make = || Sgd::new(0.1).momentum(0.9).accumulate(3);
    let (mut whole, mut optimizer) = (model(), make());
    steps(&mut optimizer, &mut whole, 0..9);
    for cut in 0..9 {
        let (mut first, mut optimizer) = (model(), make());
        steps(&mut optimizer, &mut first, 0..cut);
        let (mut second, mut fresh) = (first.clone(), make());
        fresh.load_state_dict(optimizer.state_dict()).unwrap();
        assert_eq!(fresh.state_dict(), optimizer.state_dict());
        steps(&mut fresh, &mut second, cut..9);
        assert_eq!(values(&second), values(&whole), "after {cut}");
    }
    let mut optimizer = make();
    steps(&mut optimizer, &mut model(), 0..2);
    let error = Sgd::<f64>::new(0.1).accumulate(2).load_state_dict(optimizer.state_dict());
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "the entry `count` is 2, and a step is due after 2 batches");
}

#[test]
fn a_clipped_step_that_is_refused_begins_anew() {
    let mut model: Model = vec![Param::new(Tensor::scalar(1.0))];
    let mut sgd = Sgd::new(1.0).clip(Clip::GlobalNorm(1.0)).accumulate(2);
    let mut step = |g: f64| {
        let gradients = Gradients::of_params(model.iter().zip([Tensor::scalar(g)]));
        sgd.try_step(&mut model, &gradients).map(|()| model[0].value().item())
    };
    assert_eq!(step(f64::NAN), Ok(1.0));
    assert!(
        step(1.0).unwrap_err().to_string().starts_with("clip: the gradient of `0` is not finite")
    );
    assert_eq!([step(0.5), step(0.5)], [Ok(1.0), Ok(0.5)]);
}

#[test]
#[should_panic(expected = "accumulate: a step needs the gradients of at least one batch, not of 0")]
fn of_no_batch() {
    let _ = Sgd::<f64>::new(0.1).accumulate(0);
}

#[test]
#[should_panic(expected = "step: no gradient belongs to a parameter of this model")]
fn of_a_clone() {
    let mut sgd = Sgd::new(0.1).accumulate(2);
    let (one, mut other) = (model(), model());
    let gradients = Gradients::of_params(one.iter().zip(gradients(&one, 0)));
    sgd.step(&mut other, &gradients);
}
