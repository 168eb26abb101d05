//! The step on a tape: the bits of the step in place, and the right derivatives with respect to all its inputs.

use gradus::optim::{Optimizer, SgdHyper, UpdateRule};
use gradus::prelude::*;

/// Every rule, in every form; with betas that stay below 1 when a difference is taken.
pub fn each_rule<T: Float>(mut run: impl FnMut(&str, &dyn AnyOptimizer<T>)) {
    run("sgd", &Sgd::new(0.1));
    run("sgd with decay", &Sgd::new(0.1).weight_decay(0.03));
    run("momentum", &Sgd::new(0.1).momentum(0.9).weight_decay(0.03));
    run("nesterov", &Sgd::new(0.1).nesterov(0.9));
    run("adam", &Adam::new(0.1).betas(0.8, 0.9));
    run("adam with decay", &Adam::new(0.1).weight_decay(0.03).betas(0.8, 0.95));
    run("adam of keras", &Adam::new(0.1).betas(0.8, 0.9).keras_epsilon().epsilon(0.1));
    run("adam with a floor", &Adam::new(0.1).betas(0.8, 0.9).eps_root(1e-6).epsilon(1e-3));
    run("adamw", &AdamW::new(0.1).betas(0.8, 0.9));
}

/// An optimiser of any rule.
pub trait AnyOptimizer<T: Float> {
    /// Parameters after some steps with given gradients: in place, and on a tape.
    fn compare(&self, start: &[Tensor<T>], gradients: &[Vec<Tensor<T>>]) -> [Vec<Vec<T>>; 2];
    /// Checks the derivatives of two steps with respect to parameters, gradients and hyperparameters.
    fn check(&self, name: &str, p: [f64; 3], g: [[f64; 3]; 2]);
    /// Checks the gradients of the hyperparameters that are trained along.
    fn check_tuned(&self, name: &str);
}

impl<R: UpdateRule, T: Float> AnyOptimizer<T> for Optimizer<R, T> {
    fn compare(&self, start: &[Tensor<T>], gradients: &[Vec<Tensor<T>>]) -> [Vec<Vec<T>>; 2] {
        let mut model: Vec<Param<T>> = start.iter().cloned().map(Param::new).collect();
        let tape = Tape::new();
        let mut unrolled = self.unrolled(&tape);
        for gradients in gradients {
            let given: Vec<_> = gradients.iter().map(|g| Some(tape.constant(g.clone()))).collect();
            unrolled.apply(&model, &given);
        }
        let taped = model.iter().map(|p| tape.param(p).value().to_vec()).collect();
        let mut in_place = self.clone();
        for gradients in gradients {
            let gradients = Gradients::of_params(model.iter().zip(gradients.iter().cloned()));
            in_place.step(&mut model, &gradients);
        }
        [model.iter().map(|p| p.value().to_vec()).collect(), taped]
    }

    fn check_tuned(&self, name: &str) {
        super::tuned::check(name, self.hyper().clone());
    }

    fn check(&self, name: &str, p: [f64; 3], g: [[f64; 3]; 2]) {
        let optimizer = Optimizer::<R, f64>::with_rule(self.hyper().clone());
        let mut rule = self.hyper().clone();
        let mut inputs = vec![Tensor::from(p), Tensor::from(g[0]), Tensor::from(g[1])];
        inputs.extend(rule.hyper().iter().map(|x| Tensor::scalar(**x)));
        let report = gradcheck(
            |x| {
                let tape = x[0].tape();
                let param = Param::new(x[0].value());
                tape.rebind(&param, x[0]);
                let mut unrolled = optimizer.unrolled(tape);
                for (number, value) in x[3..].iter().enumerate() {
                    // A field that is 0 has no influence in this form of the rule.
                    if inputs[3 + number].item() != 0.0 {
                        unrolled = unrolled.with(|h| h.hyper().swap_remove(number), *value);
                    }
                }
                unrolled.apply(&param, &[Some(x[1])]);
                unrolled.apply(&param, &[Some(x[2])]);
                // Curved, so that second derivatives do not vanish.
                let weights = tape.constant(Tensor::from([0.7, -1.3, 0.4]));
                (tape.param(&param).powf(2.0) * weights).sum()
            },
            &inputs,
        );
        if let Err(report) = report {
            panic!("{name}: {report}");
        }
    }
}

#[test]
fn the_step_on_a_tape_has_the_bits_of_the_step_in_place() {
    fn check<T: Float>() {
        each_rule::<T>(|name, optimizer| {
            let mut rng = Rng::new(1);
            // Sizes around those of a tile, and a single number.
            let shapes: [&[usize]; 5] = [&[], &[1], &[7, 5], &[64], &[3, 41]];
            let mut draw = || shapes.map(|shape| Tensor::<T>::randn(shape, &mut rng)).to_vec();
            let start = draw();
            let mut gradients: Vec<_> = (0..6).map(|_| draw()).collect();
            // Without a gradient at first: row 26.
            gradients[0][2] = Tensor::zeros(&[7, 5]);
            let [in_place, taped] = optimizer.compare(&start, &gradients);
            assert!(in_place == taped, "{name}: {in_place:?}\n{taped:?}");
            assert!(in_place.iter().flatten().all(|x| x.is_finite()), "{name}");
        });
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn the_step_has_the_right_derivatives_of_both_orders() {
    each_rule::<f64>(|name, optimizer| {
        optimizer.check(name, [0.5, -1.2, 0.8], [[0.3, -0.7, 1.1], [-0.4, 0.9, 0.6]]);
    });
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
