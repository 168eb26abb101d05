//! The step on a tape: the bits of the step in place, and the right derivatives with respect to all its inputs.

use gradus::autograd::check::GradCheck;
use gradus::optim::{Optimizer, SgdHyper, UpdateRule};
use gradus::prelude::*;
use gradus_tests::each_rule;

/// Of differences: below that of `gradcheck`, since 1 − β₂ and the root of a small second moment are curved.
const STEP: f64 = 1e-4;

/// The parameters after some steps, as bits.
pub type Bits = Vec<Vec<u64>>;

fn bits<T: Float>(x: &Tensor<T>) -> Vec<u64> {
    x.to_vec().into_iter().map(|x| x.to_f64().to_bits()).collect()
}

/// Parameters after some steps with given gradients: in place, and on a tape.
pub fn compare<R: UpdateRule, T: Float>(
    optimizer: &Optimizer<R, T>,
    start: &[Tensor<T>],
    gradients: &[Vec<Tensor<T>>],
) -> [Bits; 2] {
    let mut model: Vec<Param<T>> = start.iter().cloned().map(Param::new).collect();
    let tape = Tape::new();
    let mut unrolled = optimizer.unrolled(&tape);
    for gradients in gradients {
        let given: Vec<_> = gradients.iter().map(|g| Some(tape.constant(g.clone()))).collect();
        unrolled.apply(&model, &given);
    }
    let taped = model.iter().map(|p| bits(&tape.param(p).value())).collect();
    let mut in_place = optimizer.clone();
    for gradients in gradients {
        let gradients = Gradients::of_params(model.iter().zip(gradients.iter().cloned()));
        in_place.step(&mut model, &gradients);
    }
    let finite = model.iter().all(|p| p.value().to_vec().iter().all(|x| x.is_finite()));
    assert!(finite, "{optimizer:?}");
    [model.iter().map(|p| bits(p.value())).collect(), taped]
}

/// Parameters, and gradients of six steps, in sizes around those of a tile, and a single number.
pub fn drawn<T: Float>() -> (Vec<Tensor<T>>, Vec<Vec<Tensor<T>>>) {
    let mut rng = Rng::new(1);
    let shapes: [&[usize]; 5] = [&[], &[1], &[7, 5], &[64], &[3, 41]];
    let mut draw = || shapes.map(|shape| Tensor::randn(shape, &mut rng)).to_vec();
    let start = draw();
    (start, (0..6).map(|_| draw()).collect())
}

/// Checks the derivatives of two steps with respect to parameters, gradients and hyperparameters, for a parameter
/// at the path `0` and one at `1`. All in one piece: which of them are variables makes no difference, as `slopes.rs`
/// shows.
pub fn check<R: UpdateRule>(name: &str, optimizer: &Optimizer<R, f64>) {
    let mut all = vec![0.5, -1.2, 0.8, 0.4, 0.3, -0.7, -0.4, 0.9];
    let given = all.len();
    all.extend(optimizer.hyper().clone().hyper().into_iter().map(|x| *x));
    let count = all.len() - given;
    let settings = GradCheck { step: STEP, ..GradCheck::default() };
    let report = settings.run(
        |x| {
            let (x, tape) = (x[0], x[0].tape());
            let [p1, p2, g1, g2] = [0, 2, 4, 6].map(|at| x.slice(0, at..at + 2));
            let model = [p1, p2].map(|p| Param::new(p.value()));
            std::iter::zip(&model, [p1, p2]).for_each(|(param, var)| tape.rebind(param, var));
            let mut unrolled = optimizer.unrolled(tape);
            // Also those that are 0: a decay or a momentum of 0 can be raised.
            for place in 0..count {
                let value = x.slice(0, given + place..given + place + 1).sum();
                unrolled = unrolled.with(|h| h.hyper().swap_remove(place), value);
            }
            unrolled.apply(&model, &[Some(g1), Some(g2)]);
            unrolled.apply(&model, &[Some(g2), Some(g1)]);
            // Curved, so that second derivatives do not vanish.
            let weights = tape.constant(Tensor::from([0.7, -1.3]));
            let [a, b] = model.each_ref().map(|param| tape.param(param));
            ((a.powf(2.0) + b.powf(3.0)) * weights).sum()
        },
        &[Tensor::from(all)],
    );
    if let Err(report) = report {
        panic!("{name}: {report}");
    }
}

#[test]
fn the_step_on_a_tape_has_the_bits_of_the_step_in_place() {
    fn check<R: UpdateRule, T: Float>(name: &str, rule: R) {
        let (start, mut gradients) = drawn::<T>();
        // Without a gradient at first: row 26.
        gradients[0][2] = Tensor::zeros(&[7, 5]);
        let [in_place, taped] = compare(&Optimizer::with_rule(rule), &start, &gradients);
        assert!(in_place == taped, "{name}");
    }
    each_rule!(check::<_, f32>);
    each_rule!(check::<_, f64>);
}

#[test]
fn two_steps_have_the_right_derivatives_of_both_orders() {
    each_rule!(|name, rule| check(name, &Optimizer::with_rule(rule)));
}

/// A momentum of 0 is a place on the line like any other: p₂ = p − lr·g₁ − lr·(µ·g₁ + g₂).
#[test]
fn a_momentum_of_0_has_a_slope() {
    let tape = Tape::<f64>::new();
    let p = Param::new(Tensor::scalar(1.0));
    let momentum = tape.var(Tensor::scalar(0.0));
    let mut sgd = Sgd::new(0.1).unrolled(&tape).with(|h| &mut h.momentum, momentum);
    for g in [3.0, 5.0] {
        sgd.apply(&p, &[Some(tape.number(g))]);
    }
    let last = tape.param(&p);
    super::close(last.item(), 1.0 - 0.1 * 3.0 - 0.1 * 5.0, 1e-15, "value");
    super::close(last.grad(&[momentum])[0].item(), -0.1 * 3.0, 1e-15, "slope");
}

/// g/(|g| + ε) at 0: first derivative 1/ε, by all readings, and no NaN anywhere.
#[test]
fn adam_at_a_gradient_of_zero_has_the_exact_derivative() {
    for (epsilon, steps) in [(1e-8, 1), (0.1, 1), (0.1, 4)] {
        let adam = Adam::<f64>::new(0.5).epsilon(epsilon);
        let tape = Tape::new();
        let g = tape.var(Tensor::from([0.0, 2.0]));
        let p = Param::new(Tensor::from([1.0, 1.0]));
        let mut unrolled = adam.unrolled(&tape);
        for _ in 0..steps {
            unrolled.apply(&p, &[Some(g)]);
        }
        let slope = tape.param(&p).sum().grad(&[g])[0];
        // All steps have the same gradient: each adds −lr·g/(|g| + ε).
        let expected = -0.5 * f64::from(steps) / epsilon;
        let found = slope.value().to_vec();
        assert!((found[0] / expected - 1.0).abs() < 1e-12, "{found:?}, {expected}");
        let at_2 = -0.5 * f64::from(steps) * epsilon / (2.0 + epsilon).powi(2);
        assert!((found[1] - at_2).abs() < 1e-12, "{found:?}, {at_2}");
        let second = slope.sum().grad(&[g])[0].value().to_vec();
        assert!(second[0] == 0.0 && second[1].is_finite(), "{second:?}");
        // The fast pass agrees.
        assert_eq!(tape.param(&p).sum().backward()[g].to_vec(), found);
    }
}

#[test]
fn with_a_floor_under_the_root_the_derivative_at_zero_is_small() {
    // g/(√(g² + r) + ε) at 0: 1/(√r + ε)
    let adam = Adam::<f64>::new(1.0).eps_root(1e-4).epsilon(1e-8);
    let tape = Tape::new();
    let g = tape.var(Tensor::scalar(0.0));
    let p = Param::new(Tensor::scalar(1.0));
    adam.unrolled(&tape).apply(&p, &[Some(g)]);
    let slope = tape.param(&p).grad(&[g])[0].item();
    assert!((slope + 1.0 / (1e-2 + 1e-8)).abs() < 1e-9, "{slope}");
}

#[test]
fn unrolling_goes_on_with_the_moments_of_the_optimiser() {
    let mut model = Param::<f64>::new(Tensor::from([1.0, -2.0]));
    let mut adam = Adam::new(0.1);
    let gradient =
        |model: &Param<f64>, g: f64| Gradients::of_params([(model, Tensor::from([g, 2.0 * g]))]);
    for g in [0.4, -0.3] {
        let gradients = gradient(&model, g);
        adam.step(&mut model, &gradients);
    }
    let tape = Tape::new();
    let mut unrolled = adam.unrolled(&tape);
    unrolled.apply(&model, &[Some(tape.constant(Tensor::from([0.7, 1.4])))]);
    let taped = tape.param(&model).value().to_vec();
    let last = gradient(&model, 0.7);
    adam.step(&mut model, &last);
    assert_eq!(model.value().to_vec(), taped);
}

#[test]
fn groups_follow_what_they_do_not_change() {
    let model = (Param::<f64>::new(Tensor::scalar(1.0)), Param::new(Tensor::scalar(1.0)));
    let sgd = Sgd::new(0.1).weight_decay(0.5).group(
        |path| path == "1",
        |h: &mut SgdHyper| {
            h.weight_decay = 0.0;
            h.lr *= 0.1;
        },
    );
    let tape = Tape::new();
    let [lr, decay] = [0.2, 0.3].map(|x| tape.var(Tensor::scalar(x)));
    let mut unrolled =
        sgd.unrolled(&tape).with(|h| &mut h.lr, lr).with(|h| &mut h.weight_decay, decay);
    let one = tape.constant(Tensor::scalar(1.0));
    unrolled.apply(&model, &[Some(one), Some(one)]);
    let (a, b) = (tape.param(&model.0), tape.param(&model.1));
    assert!((a.item() - (1.0 - 0.2 * 1.3)).abs() < 1e-15);
    assert!((b.item() - (1.0 - 0.02)).abs() < 1e-15);
    let slopes = (a + b).grad(&[lr, decay]);
    assert!((slopes[0].item() + 1.3 + 0.1).abs() < 1e-15);
    assert!((slopes[1].item() + 0.2).abs() < 1e-15);
}

#[test]
fn the_same_model_goes_on_from_the_updated_values() {
    let model = Dense::<f64>::new(2).inputs(3).init(1);
    let tape = Tape::new();
    let x = tape.constant(Tensor::ones(&[4, 3]));
    let before = model.forward(x);
    let mut sgd = Sgd::new(0.01).unrolled(&tape);
    sgd.step(&model, before.powf(2.0).sum());
    let after = model.forward(x);
    assert!(after.powf(2.0).sum().item() < before.powf(2.0).sum().item());
    // The model itself is unchanged.
    let other = Tape::inference();
    assert_eq!(before.value(), model.forward(other.constant(x.value())).value());
}
