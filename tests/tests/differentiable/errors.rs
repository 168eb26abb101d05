//! What is wrong is named, with the step and with what to do.

use gradus::optim::{Positive, Solver, Unroll, hypergradient, implicit_hypergradient};
use gradus::prelude::*;
use gradus_tests::panics::panics;

struct Case {
    lr: Positive<f64>,
    w: Param<f64>,
    sgd: Sgd<f64>,
}

fn case(lr: f64) -> Case {
    Case { lr: Positive::new(lr), w: Param::new(Tensor::from([3.0, 1.0])), sgd: Sgd::new(0.0) }
}

impl Case {
    fn run(
        &self,
        unroll: Unroll,
        train: impl for<'t> Fn(&'t Tape<f64>, Var<'t, f64>, usize) -> Var<'t, f64>,
        validate: impl for<'t> Fn(&'t Tape<f64>, Var<'t, f64>) -> Var<'t, f64>,
        uses_lr: bool,
    ) -> String {
        hypergradient(
            &self.lr,
            &self.w,
            unroll,
            |tape, _| match uses_lr {
                true => self.sgd.unrolled(tape).with(|h| &mut h.lr, self.lr.var(tape)),
                false => Sgd::new(0.1).unrolled(tape),
            },
            |tape, k| train(tape, tape.param(&self.w), k),
            |tape| validate(tape, tape.param(&self.w)),
        )
        .err()
        .expect("an error")
        .to_string()
    }
}

#[test]
fn each_mistake_is_named() {
    let case = case(0.1);
    for unroll in [Unroll::steps(3), Unroll::steps(3).checkpointed(), Unroll::steps(3).forward()] {
        assert_eq!(
            case.run(unroll, |_, w, _| w.powf(2.0), |_, w| w.sum(), true),
            "the training loss at step 0 has shape [2], not a single number: reduce it with `mean()` or `sum()`"
        );
        assert_eq!(
            case.run(unroll, |_, w, _| w.powf(2.0).sum(), |_, w| w, true),
            "the validation loss has shape [2], not a single number: reduce it with `mean()` or `sum()`"
        );
        assert_eq!(
            case.run(
                unroll,
                |_, w, k| w.sum() / if k == 2 { 0.0 } else { 1.0 },
                |_, w| w.sum(),
                true
            ),
            "the training loss at step 2 is inf: start from a lower learning rate, clip the gradients, or unroll \
             fewer steps"
        );
        assert_eq!(
            case.run(unroll, |_, w, _| w.powf(2.0).sum(), |_, w| w.sum(), false),
            "the validation loss does not depend on hyperparameter `log`: bring it onto the tape inside the closures \
             (`.var(tape)` or `tape.param`), at every step, and do not `detach` it"
        );
        assert_eq!(
            case.run(unroll, |_, w, _| w.detach().sum(), |_, w| w.sum(), true),
            "the training loss at step 0 depends on no trained parameter of the model: compute it with `tape.param` \
             or `model.forward` on the tape that the closure is given"
        );
    }
    assert_eq!(
        case.run(Unroll::steps(0), |_, w, _| w.sum(), |_, w| w.sum(), true),
        "a run of 0 steps has no derivative: ask for at least one, `Unroll::steps(1)`"
    );
    assert_eq!(
        case.run(Unroll::steps(3).last(0), |_, w, _| w.sum(), |_, w| w.sum(), true),
        "differentiating the last 0 steps: ask for at least one, `Unroll::last(1)`"
    );
}

#[test]
fn a_run_that_diverges_says_at_which_step() {
    let case = case(1e30);
    assert_eq!(
        case.run(Unroll::steps(9), |_, w, _| w.powf(2.0).sum(), |_, w| w.sum(), true),
        "the training loss at step 6 is inf: start from a lower learning rate, clip the gradients, or unroll fewer \
         steps"
    );
}

#[test]
fn initial_weights_need_the_whole_run_in_reverse() {
    let w = Param::<f64>::new(Tensor::scalar(2.0));
    let sgd = Sgd::new(0.1);
    let run = |unroll| {
        hypergradient(
            &w,
            &w,
            unroll,
            |tape, _| sgd.unrolled(tape),
            |tape, _| tape.param(&w).powf(2.0),
            |tape| tape.param(&w),
        )
    };
    let found = run(Unroll::steps(3)).expect("a hypergradient");
    assert!(
        (found.gradients.param(&w).expect("a gradient").item() - 0.8_f64.powi(3)).abs() < 1e-15
    );
    for unroll in [Unroll::steps(3).forward(), Unroll::steps(3).last(2)] {
        let message = run(unroll).err().expect("an error").to_string();
        assert_eq!(
            message,
            "the hyperparameter is a parameter of the model itself: its initial value is differentiated by \
             `hypergradient`, in reverse (without `forward()`) and through all steps (without `last()`)"
        );
    }
}

#[test]
fn solvers_say_what_is_missing() {
    let (lambda, w) = (Positive::new(0.5), Param::new(Tensor::from([1.0_f64, 2.0])));
    let run = |solver, sign: f64| {
        let found = implicit_hypergradient(
            &lambda,
            &w,
            solver,
            |tape| {
                let scale = tape.constant(Tensor::from([1.0, 30.0]));
                ((tape.param(&w) - 3.0).powf(2.0) * scale).sum() * lambda.var(tape) * sign
            },
            |tape| tape.param(&w).sum(),
        );
        found.err().expect("an error").to_string()
    };
    let cg = |iterations| Solver::ConjugateGradient { iterations, tolerance: 1e-10, damping: 0.0 };
    assert!(run(cg(1), 1.0).starts_with("the solver stopped with a relative residual of "));
    assert!(run(cg(9), -1.0).starts_with("the training loss is not convex here (curvature -"));
    let neumann = Solver::Neumann { terms: 50, rate: 1.0 };
    assert!(run(neumann, 1.0).starts_with("the solver stopped with a relative residual of "));
}

// Each call of `panics` and its closure stand on one line: the line is compared.

#[test]
#[rustfmt::skip]
fn a_step_takes_one_gradient_for_each_trained_parameter() {
    let tape = Tape::<f64>::new();
    let mut model = [1.0, 2.0, 3.0].map(|w| Param::new(Tensor::scalar(w)));
    model[1].set_trained(false);
    let (sgd, g) = (Sgd::new(0.1), Some(tape.number(1.0)));
    panics("apply: 3 gradients for 2 trained parameters", || sgd.unrolled(&tape).apply(&model, &[g; 3]));
    panics("apply: 1 gradients for 2 trained parameters", || sgd.unrolled(&tape).apply(&model, &[g; 1]));
    panics("apply: 0 gradients for 2 trained parameters", || sgd.unrolled(&tape).apply(&model, &[]));
    let untouched = model.iter().all(|p| tape.param(p).value() == *p.value());
    assert!(untouched, "no step is taken");
    sgd.unrolled(&tape).apply(&model, &[g; 2]);
    assert_eq!(model.map(|p| tape.param(&p).item()), [0.9, 2.0, 2.9]);
}

/// To first order, too: a sum would be taken for the loss.
#[test]
#[rustfmt::skip]
fn the_loss_of_a_step_is_one_number() {
    let (tape, w, sgd) = (Tape::<f64>::new(), Param::new(Tensor::from([1.0, 2.0])), Sgd::new(0.1));
    let loss = || tape.param(&w).powf(2.0);
    panics("grad: the variable has shape [2], not a single number: reduce it with `sum()` or `mean()`", || sgd.unrolled(&tape).step(&w, loss()));
    panics("gradients: the loss has shape [2], not a single number: reduce it with `sum()` or `mean()`", || sgd.unrolled(&tape).first_order().step(&w, loss()));
}

#[test]
#[should_panic(expected = "a hyperparameter is a single number, not [2]")]
fn a_hyperparameter_is_one_number() {
    let tape = Tape::<f64>::new();
    let lr = tape.var(Tensor::from([0.1, 0.2]));
    let _ = Sgd::new(0.1).unrolled(&tape).with(|h| &mut h.lr, lr);
}

#[test]
#[should_panic(expected = "not a field that a gradient can be taken for")]
fn a_field_without_a_gradient_is_refused() {
    let tape = Tape::<f64>::new();
    let floor = tape.var(Tensor::scalar(0.1));
    let _ = Adam::new(0.1).unrolled(&tape).with(|h| &mut h.eps_root, floor);
}

#[test]
#[should_panic(expected = "Fraction: 0.0 is not within 1e-6 and 1 - 1e-6: it stands for its logit")]
fn bounds_have_no_logit() {
    gradus::optim::Fraction::<f32>::new(0.0);
}
