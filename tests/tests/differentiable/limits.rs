//! Where a run of training has no derivative, or none that means anything: said, never made up.

use gradus::optim::{
    Fraction, HypergradientError, Positive, Solver, Unroll, hypergradient, implicit_hypergradient,
};
use gradus::prelude::*;
use gradus_tests::panics::panics;

use super::{WAYS, close, slope};

/// A derivative that overflows, of losses that do not.
#[test]
fn a_derivative_that_is_not_finite() {
    let (lr, w) = (Positive::new(0.1_f64), Param::new(Tensor::scalar(2.0)));
    let sgd = Sgd::new(0.1);
    for way in WAYS {
        let found = hypergradient(
            &lr,
            &w,
            way(1),
            |tape, _| sgd.unrolled(tape).with(|h| &mut h.lr, lr.var(tape)),
            |tape, _| tape.param(&w).powf(2.0),
            // √ of 0 has an infinite slope.
            |tape| (tape.param(&w) - tape.param(&w).detach()).sqrt(),
        );
        assert_eq!(
            found.err().expect("an error").to_string(),
            "the derivative with respect to hyperparameter `log` is -inf, though all losses are finite: unroll fewer \
             steps, differentiate the `last` ones only, or look for a function with an infinite slope (a root of 0)"
        );
    }
}

/// What moves a parameter that the validation loss does not look at is of no use, in any way.
#[test]
fn a_hyperparameter_that_does_not_reach_the_validation_loss() {
    let gain = [Positive::new(1.0)];
    let model = [2.0_f64, 1.0].map(|w| Param::new(Tensor::scalar(w)));
    let sgd = Sgd::new(0.1);
    let run = |unroll| {
        hypergradient(
            &gain,
            &model,
            unroll,
            |tape, _| sgd.unrolled(tape),
            |tape, k| {
                let [a, b] = [0, 1].map(|i| tape.param(&model[i]));
                let scale = if k == 0 { gain[0].var(tape) } else { tape.number(1.0) };
                a.powf(2.0) * scale + b.powf(2.0)
            },
            |tape| tape.param(&model[1]),
        )
        .err()
        .expect("an error")
    };
    for way in WAYS {
        let unused =
            HypergradientError::Unused { path: "hyperparameter `0.log`".into(), last: None };
        assert_eq!(run(way(3)), unused);
    }
    assert_eq!(
        run(Unroll::steps(3).last(2)).to_string(),
        "the validation loss does not depend on hyperparameter `0.log`: bring it onto the tape inside the closures \
         (`.var(tape)` or `tape.param`), in the last 2 steps, the only ones that are differentiated, and do not \
         `detach` it"
    );
}

#[test]
fn a_frozen_hyperparameter_is_left_out_and_so_is_a_weight_that_nothing_uses() {
    let (lr, mut decay) = (Positive::new(0.1_f64), Positive::new(0.1));
    decay.log.set_trained(false);
    let model = [Param::new(Tensor::scalar(2.0)), Param::new(Tensor::scalar(1.0))];
    let sgd = Sgd::new(0.1);
    let hyper = (lr, decay);
    let found = hypergradient(
        &hyper,
        &model,
        Unroll::steps(2),
        |tape, _| sgd.unrolled(tape).with(|h| &mut h.lr, hyper.0.var(tape)),
        |tape, _| tape.param(&model[0]).powf(2.0),
        |tape| tape.param(&model[0]),
    )
    .expect("a hypergradient");
    close(slope(&found, &hyper.0.log), 0.1 * 2.0 * 2.0 * 0.8 * -2.0, 1e-12, "lr");
    assert!(found.gradients.param(&hyper.1.log).is_none());
    close(slope(&found, &model[0]), 0.64, 1e-12, "initial value");
    assert!(found.gradients.param(&model[1]).is_none());
}

/// Away from the minimum the implicit function theorem says nothing; how far away shows.
#[test]
fn what_is_left_to_the_minimum() {
    let (lambda, w) = (Positive::new(0.5), Param::new(Tensor::from([3.0_f64, 1.0])));
    let found = implicit_hypergradient(
        &lambda,
        &w,
        Solver::ConjugateGradient { iterations: 9, tolerance: 1e-12, damping: 0.0 },
        |tape| (tape.param(&w) - 100.0).powf(2.0).sum() * lambda.var(tape),
        |tape| tape.param(&w).sum(),
    )
    .expect("a hypergradient");
    close(found.unsettled, 97.0 + 99.0, 1e-12, "what is left");
}

#[test]
fn a_neumann_series_needs_terms_and_a_rate() {
    let (lambda, w) = (Positive::new(0.5_f64), Param::new(Tensor::scalar(1.0)));
    for (terms, rate) in [(0, 0.1), (3, 0.0), (3, f64::NAN)] {
        let found = implicit_hypergradient(
            &lambda,
            &w,
            Solver::Neumann { terms, rate },
            |tape| tape.param(&w).powf(2.0) * lambda.var(tape),
            |tape| tape.param(&w),
        );
        let message = found.err().expect("an error").to_string();
        assert_eq!(
            message,
            format!("a Neumann series of {terms} terms with rate {rate}: both must be above 0")
        );
    }
}

/// However far the parameter goes, on either tape.
fn stay_within<T: Float>() {
    let (mut rate, mut beta) = (Positive::<T>::new(1e-3), Fraction::<T>::new(0.9));
    for far in [-1e4, -20.0, 20.0, 1e4] {
        rate.log.set(Tensor::scalar(T::of(far * 10.0)));
        beta.logit.set(Tensor::scalar(T::of(far)));
        let tape = Tape::new();
        let (rate_var, beta_var) =
            (rate.var(&tape).item().to_f64(), beta.var(&tape).item().to_f64());
        assert!(rate_var > 0.0 && rate_var.is_finite() && rate.value() > 0.0, "{rate_var}");
        assert!(beta_var > 0.0 && beta_var < 1.0, "{beta_var}");
        assert!(beta.value() > 0.0 && beta.value() < 1.0);
        assert!(
            (rate.value() / rate_var).ln().abs() < 1e-4 && (beta.value() - beta_var).abs() < 1e-6
        );
    }
}

#[test]
fn bounded_numbers_stay_within_their_bounds() {
    stay_within::<f32>();
    stay_within::<f64>();
}

/// Steps that are far too long throw hyperparameters to their bounds, and no further.
#[test]
fn a_trained_hyperparameter_stays_within_its_bounds() {
    let mut model = vec![Param::new(Tensor::scalar(1.0_f32))];
    let adam = Adam::new(0.1).tuned_by(Sgd::new(1e9));
    let mut adam =
        adam.positive(|h| &mut h.lr).fraction(|h| &mut h.beta1).fraction(|h| &mut h.beta2);
    for g in [1.0, -1.0, 1.0, -1.0, 1.0] {
        let gradients = Gradients::of_params([(&model[0], Tensor::scalar(g))]);
        adam.step(&mut model, &gradients);
        let hyper = adam.hyper();
        assert!(hyper.lr > 0.0 && hyper.lr < 1e31);
        assert!([hyper.beta1, hyper.beta2].iter().all(|beta| (1e-7..1.0 - 1e-7).contains(beta)));
    }
}

#[test]
fn a_schedule_may_end_at_0() {
    let mut sgd = Sgd::<f64>::new(0.1).tuned_by(Sgd::new(1.0)).positive(|h| &mut h.lr);
    let mut model = vec![Param::new(Tensor::scalar(1.0))];
    let mut after = Vec::new();
    for lr in [0.1, 0.0, 0.0, 0.2] {
        sgd.set_lr(lr);
        let gradients = Gradients::of_params([(&model[0], Tensor::scalar(1.0))]);
        sgd.step(&mut model, &gradients);
        after.push(model[0].value().item());
    }
    assert_eq!(after[0], after[2]);
    close(after[3], after[2] - 0.2, 1e-12, "the last step");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let sgd = Sgd::<f64>::new(0.1).tuned_by(Sgd::new(1.0)).positive(|h| &mut h.lr);
    panics("tuned_by: this hyperparameter is trained already", || sgd.positive(|h| &mut h.lr));
    for c in [-1.0, 0.0, f64::NAN, f64::INFINITY] {
        let text = format!("clip: a threshold of {c} is not above 0 and finite");
        panics(&text, || Sgd::<f32>::new(0.1).clip(Clip::Value(c)));
    }
}

#[test]
fn a_tape_that_records_nothing_has_no_steps() {
    let (tape, sgd) = (Tape::<f64>::inference(), Sgd::new(0.1));
    panics("unrolled: this tape records nothing: use `Tape::training`", || sgd.unrolled(&tape));
}

#[test]
fn a_rate_of_dropout_is_one_number() {
    let tape = Tape::<f64>::training(1);
    let x = tape.var(Tensor::from([1.0, 2.0]));
    panics("concrete_dropout: rate [2] is not a single number", || x.concrete_dropout(x, 0.1));
}

/// A loss that is not finite before any step has been taken is no matter of the learning rate.
#[test]
fn a_loss_that_starts_out_infinite() {
    let (lr, w) = (Positive::new(0.1_f64), Param::new(Tensor::scalar(0.0)));
    let sgd = Sgd::new(0.1);
    let found = hypergradient(
        &lr,
        &w,
        Unroll::steps(2),
        |tape, _| sgd.unrolled(tape).with(|h| &mut h.lr, lr.var(tape)),
        |tape, _| 1.0 / tape.param(&w),
        |tape| tape.param(&w),
    );
    assert_eq!(
        found.err().expect("an error").to_string(),
        "the training loss at step 0 is inf: no step has been taken yet, so look at the data and the initial weights"
    );
}

/// Nor where there are no steps.
#[test]
fn an_infinite_loss_at_what_should_be_a_minimum() {
    let (lambda, w) = (Positive::new(0.5_f64), Param::new(Tensor::scalar(0.0)));
    let found = implicit_hypergradient(
        &lambda,
        &w,
        Solver::Neumann { terms: 2, rate: 0.1 },
        |tape| lambda.var(tape) / tape.param(&w),
        |tape| tape.param(&w),
    );
    assert_eq!(
        found.err().expect("an error").to_string(),
        "the training loss is inf: no step is taken here, so look at the data and the weights"
    );
}
