//! Clipping: its values and derivatives, and the same bits in place and on a tape.

use gradus::optim::{Clip, Optimizer, Positive, Unroll, UpdateRule, hypergradient};
use gradus::prelude::*;
use gradus_tests::each_rule;

use super::steps::{self, compare, drawn};

fn all(max: f64) -> [Clip; 3] {
    [Clip::Value(max), Clip::Norm(max), Clip::GlobalNorm(max)]
}

fn on<'t, T: Float>(clip: Clip, c: Var<'t, T>) -> Clip<Var<'t, T>> {
    match clip {
        Clip::Value(_) => Clip::Value(c),
        Clip::Norm(_) => Clip::Norm(c),
        Clip::GlobalNorm(_) => Clip::GlobalNorm(c),
    }
}

#[test]
fn values() {
    let tape = Tape::<f64>::new();
    let given =
        [Some(tape.var(Tensor::from([3.0, -4.0]))), None, Some(tape.var(Tensor::from([12.0])))];
    let values = |clip: Clip| -> Vec<_> {
        let c = |c| tape.constant(Tensor::scalar(c));
        let clip = match clip {
            Clip::Value(x) => Clip::Value(c(x)),
            Clip::Norm(x) => Clip::Norm(c(x)),
            Clip::GlobalNorm(x) => Clip::GlobalNorm(c(x)),
        };
        clip.apply(&given).into_iter().map(|g| g.map(|g| g.value().to_vec())).collect()
    };
    let two = |a: [f64; 2], b: f64| vec![Some(a.to_vec()), None, Some(vec![b])];
    assert_eq!(values(Clip::Value(3.5)), two([3.0, -3.5], 3.5));
    assert_eq!(values(Clip::Norm(6.0)), two([3.0, -4.0], 6.0));
    assert_eq!(values(Clip::GlobalNorm(26.0)), two([3.0, -4.0], 12.0));
    assert_eq!(values(Clip::GlobalNorm(6.5)), two([1.5, -2.0], 6.0));
}

#[test]
fn derivatives_to_order_two_with_respect_to_gradients_and_threshold() {
    for clip in all(1.0) {
        for size in [0.1, 2.0] {
            let given = [Tensor::from([size, -0.7 * size]), Tensor::from([[0.9 * size]])];
            let inputs = [given[0].clone(), given[1].clone(), Tensor::scalar(1.0)];
            let report = gradcheck(
                |x| {
                    let clipped = on(clip, x[2]).apply(&[Some(x[0]), Some(x[1])]);
                    let weights = x[0].tape().constant(Tensor::from([0.3, 1.1]));
                    (clipped[0].unwrap() * weights).sum() + clipped[1].unwrap().sum()
                },
                &inputs,
            );
            report.unwrap_or_else(|error| panic!("{clip:?}, {size}: {error}"));
        }
    }
}

/// The norm of zeros has no slope; nothing is clipped there, and the derivative is 1.
#[test]
fn a_gradient_of_zero() {
    for clip in all(1.0) {
        let tape = Tape::<f64>::new();
        let (g, c) = (tape.var(Tensor::from([0.0, 0.0])), tape.var(Tensor::scalar(1.0)));
        let clipped = on(clip, c).apply(&[Some(g)])[0].unwrap();
        assert_eq!(clipped.value().to_vec(), [0.0, 0.0]);
        assert_eq!(clipped.sum().grad(&[g])[0].value().to_vec(), [1.0, 1.0]);
        assert_eq!(clipped.sum().backward()[g].to_vec(), [1.0, 1.0]);
    }
}

#[test]
fn in_place_and_on_a_tape_the_same_bits() {
    fn check<R: UpdateRule, T: Float>(name: &str, rule: R) {
        let (start, gradients) = drawn::<T>();
        let [plain, _] = compare(&Optimizer::with_rule(rule.clone()), &start, &gradients);
        for clip in all(0.5) {
            let optimizer = Optimizer::with_rule(rule.clone()).clip(clip);
            let [in_place, taped] = compare(&optimizer, &start, &gradients);
            assert!(in_place == taped, "{name}, {clip:?}");
            assert!(in_place != plain, "{name}, {clip:?}: nothing is clipped");
        }
    }
    each_rule!(check::<_, f32>);
    each_rule!(check::<_, f64>);
}

#[test]
fn clipped_steps_have_the_right_derivatives_of_both_orders() {
    fn of<R: UpdateRule>(name: &str, rule: R) {
        // Of the gradients there, some elements and one of two norms are above 0.8.
        for clip in all(0.5).into_iter().chain(all(0.8)) {
            let optimizer = Optimizer::with_rule(rule.clone()).clip(clip);
            steps::check(&format!("{name}, {clip:?}"), &optimizer);
        }
    }
    each_rule!(of);
}

/// A threshold as a hyperparameter: plain descent on a slope of 3, clipped to c, moves by lr·c a step.
#[test]
fn the_threshold_can_be_learned() {
    let w = Param::new(Tensor::scalar(5.0_f64));
    let max = Positive::new(0.5);
    let sgd = Sgd::new(0.1);
    let found = hypergradient(
        &max,
        &w,
        Unroll::steps(4),
        |tape, _| sgd.unrolled(tape).clip(Clip::Norm(max.var(tape))),
        |tape, _| tape.param(&w) * 3.0,
        |tape| tape.param(&w),
    )
    .unwrap();
    super::close(found.loss, 5.0 - 4.0 * 0.1 * 0.5, 1e-12, "loss");
    super::close(super::slope(&found, &max.log), -4.0 * 0.1 * 0.5, 1e-12, "slope");
}

/// NUMERICS row 35: a gradient that is not finite is reported, and not spread to all parameters by the norm.
#[test]
fn a_gradient_that_is_not_finite_is_named_and_no_step_is_taken() {
    for clip in all(1.0) {
        let mut model: Vec<Param<f64>> = vec![Param::new(Tensor::scalar(1.0)); 2];
        model[1] = Param::new(Tensor::scalar(2.0));
        let mut sgd = Sgd::new(0.1).clip(clip);
        let gradients = [1.0, f64::NAN].map(Tensor::scalar);
        let gradients = Gradients::of_params(model.iter().zip(gradients));
        let error = sgd.try_step(&mut model, &gradients).unwrap_err();
        assert_eq!(
            error.to_string(),
            "clip: the gradient of `1` is not finite, and scaling by a norm would spread that: no step was taken. \
             Look at the loss, or lower the learning rate"
        );
        assert_eq!(model.iter().map(|p| p.value().item()).collect::<Vec<_>>(), [1.0, 2.0]);
    }
}

/// A gradient that is not finite is named on a tape, too.
#[test]
fn a_gradient_that_is_not_finite_takes_no_step_on_a_tape() {
    let (lr, model) = (Positive::new(0.1), [1.0, 2.0].map(|w| Param::new(Tensor::scalar(w))));
    let sgd = Sgd::new(0.1).clip(Clip::GlobalNorm(1.0));
    let found = hypergradient(
        &lr,
        &model,
        Unroll::steps(3),
        |tape, _| sgd.unrolled(tape).with(|h| &mut h.lr, lr.var(tape)),
        |tape, k| {
            let [a, b] = model.each_ref().map(|p| tape.param(p));
            // √ of 0 at step 1: a finite loss with an infinite slope.
            a + if k == 1 { (b - b.detach()).sqrt() } else { b }
        },
        |tape| tape.param(&model[0]),
    );
    assert_eq!(
        found.err().expect("an error").to_string(),
        "step 1: clip: the gradient of `1` is not finite, and scaling by a norm would spread that: no step was taken. \
         Look at the loss, or lower the learning rate"
    );
}

/// In 32 bits, squares of gradients of 3e19 are infinite: scaled by that norm, all would become 0.
#[test]
fn large_gradients_are_clipped_too() {
    for clip in [Clip::Norm(1.0), Clip::GlobalNorm(1.0)] {
        let mut model = vec![Param::new(Tensor::from([0.0_f32, 0.0]))];
        let gradients = Gradients::of_params([(&model[0], Tensor::from([3e19, 4e19]))]);
        Sgd::new(1.0).clip(clip).step(&mut model, &gradients);
        let found = model[0].value().to_vec();
        assert!((found[0] + 0.6).abs() < 1e-6 && (found[1] + 0.8).abs() < 1e-6, "{found:?}");
    }
}
