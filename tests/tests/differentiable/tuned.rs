//! Hyperparameters that are trained along with the model.

use gradus::optim::{Optimizer, UpdateRule};
use gradus::prelude::*;

use gradus_tests::each_rule;

use super::close;
use super::groups::each_group;

/// Of numbers of 64 bits after a few steps. The logistic function and its inverse lose some digits.
const TOLERANCE: f64 = 1e-12;

type Model<T> = Vec<Param<T>>;

fn model<T: Float>(len: usize) -> Model<T> {
    let mut rng = Rng::new(1);
    vec![Param::new(Tensor::randn(&[len, 3], &mut rng)), Param::new(Tensor::randn(&[3], &mut rng))]
}

/// Gradients as numbers.
fn gradients<T: Float>(model: &Model<T>, seed: u64) -> Gradients<T> {
    let mut rng = Rng::new(seed);
    let draw = |p: &Param<T>| Tensor::randn(p.value().shape(), &mut rng);
    Gradients::of_params(model.iter().zip(model.iter().map(draw).collect::<Vec<_>>()))
}

/// After some plain steps, a step, and then one with the gradients of another loss: these say how each
/// hyperparameter of the first should have been. Gradient descent with rate 1 shows its gradient; the same step on
/// a tape has it by the reverse pass. A third step is one with the new hyperparameter.
fn check<R: UpdateRule>(name: &str, optimizer: &Optimizer<R, f64>) {
    let mut rule = optimizer.hyper().clone();
    let count = rule.hyper().len();
    for place in 0..count {
        let value = *rule.hyper()[place];
        // 0 has no logarithm.
        if value == 0.0 {
            continue;
        }
        check_field(&format!("{name}, field {place}"), optimizer, value, |h| {
            h.hyper().swap_remove(place)
        });
    }
}

fn check_field<R: UpdateRule>(
    name: &str,
    optimizer: &Optimizer<R, f64>,
    value: f64,
    field: impl Fn(&mut R) -> &mut f64,
) {
    let mut learned = false;
    for plain_steps in [0, 1, 2, 7] {
        let (mut optimizer, mut model) = (optimizer.clone(), model(2));
        for step in 0..plain_steps {
            let gradients = gradients(&model, step);
            optimizer.step(&mut model, &gradients);
        }
        let [first, second, third] = [10, 11, 12].map(|seed| gradients(&model, seed));
        let tape = Tape::new();
        let var = tape.var(Tensor::scalar(value));
        let on = |g: &Gradients<f64>| -> Vec<_> {
            model.iter().map(|p| g.param(p).map(|g| tape.constant(g.clone()))).collect()
        };
        let taped = [&first, &second, &third].map(on);
        let mut unrolled = optimizer.unrolled(&tape).with(&field, var);
        unrolled.apply(&model, &taped[0]);
        let products = model.iter().zip(&taped[1]).map(|(p, g)| (tape.param(p) * g.unwrap()).sum());
        let slope = products.reduce(|a, b| a + b).unwrap().grad(&[var])[0].item();

        let tuned = optimizer.tuned_by(Sgd::new(1.0));
        let mut tuned = if value < 0.5 { tuned.positive(&field) } else { tuned.fraction(&field) };
        tuned.step(&mut model, &first);
        tuned.step(&mut model, &second);
        let found = *field(&mut tuned.hyper().clone());
        let expected = match value < 0.5 {
            true => (value.ln() - value * slope).exp(),
            false => {
                let logit = (value / (1.0 - value)).ln() - value * (1.0 - value) * slope;
                1.0 / (1.0 + (-logit).exp())
            }
        };
        close(found, expected, TOLERANCE, name);
        learned |= (found / value - 1.0).abs() > TOLERANCE;
        // It takes effect with the third step, in the groups that follow it, too.
        unrolled.apply(&model, &taped[1]);
        unrolled.with(&field, tape.number(found)).apply(&model, &taped[2]);
        tuned.step(&mut model, &third);
        for p in &model {
            let [a, b] = [p.value().to_vec(), tape.param(p).value().to_vec()];
            std::iter::zip(a, b).for_each(|(a, b)| close(a, b, TOLERANCE, name));
        }
    }
    // Not by every step: the first is the same for any weight of moments, which are 0 then, RAdam adapts from the sixth
    // on, and of a maximum one side counts.
    assert!(learned, "{name}: nothing was learned");
}

#[test]
fn every_hyperparameter_of_every_rule_is_changed_by_its_gradient() {
    each_rule!(|name, rule| check(name, &Optimizer::with_rule(rule)));
}

/// A group follows where it scales a hyperparameter; what it has of its own stays.
#[test]
fn groups_follow() {
    fn of<R: UpdateRule>(name: &str, rule: R) {
        each_group(name, rule, |name, what, o| check(&format!("{name}: {what}"), &o));
    }
    each_rule!(of);
}

/// An outer rate of 0: the bits of the plain optimiser, while hyperparameters are looked at.
#[test]
fn the_weights_have_the_bits_of_the_plain_step() {
    fn run(optimizer: &mut dyn Step<f32>) -> Vec<Vec<f32>> {
        let mut model = model(101);
        for step in 0..5 {
            let gradients = gradients(&model, step);
            optimizer.step(&mut model, &gradients);
        }
        model.iter().map(|p| p.value().to_vec()).collect()
    }
    // The rate is the exponential of its logarithm, as a number of 32 bits the same.
    let adam = || Adam::new(0.1).weight_decay(0.01);
    let mut tuned =
        adam().tuned_by(Sgd::new(0.0)).positive(|h| &mut h.lr).fraction(|h| &mut h.beta1);
    assert_eq!(run(&mut tuned), run(&mut adam()));
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut model = model::<f32>(100_000);
            let mut adam = Adam::new(0.1).tuned_by(Adam::new(0.1)).positive(|h| &mut h.lr);
            for step in 0..3 {
                let gradients = gradients(&model, step);
                adam.step(&mut model, &gradients);
            }
            (model[0].value().to_vec(), adam.hyper().lr)
        })
    };
    assert!(run(1) == run(2));
}

/// Towers: the learning rate of the learning rate is learned, too. Whatever it starts from, training gets there.
#[test]
fn a_tower_of_optimisers_trains_from_any_rate() {
    for lr in [1e-6, 1e-3, 10.0] {
        let outer = Adam::new(0.5).tuned_by(Sgd::new(1e-3)).positive(|h| &mut h.lr);
        let mut adam = Adam::new(lr).tuned_by(outer).positive(|h| &mut h.lr);
        let mut model = model::<f64>(4);
        let loss = |model: &Model<f64>, tape: &Tape<f64>| {
            let [a, b] = [0, 1].map(|i| tape.param(&model[i]));
            let loss = (a - b - 1.0).powf(2.0).mean();
            (loss.item(), loss.backward())
        };
        for _ in 0..300 {
            let gradients = loss(&model, &Tape::new()).1;
            adam.step(&mut model, &gradients);
        }
        let end = loss(&model, &Tape::new()).0;
        assert!(end < 0.05, "from {lr}: {end}, learning rate {}", adam.hyper().lr);
    }
}

/// A loss that is not finite is not blamed on the hyperparameters.
#[test]
fn a_gradient_that_is_not_finite_changes_no_hyperparameter() {
    let mut model = vec![Param::new(Tensor::scalar(1.0_f64))];
    let mut sgd = Sgd::new(0.1).tuned_by(Sgd::new(1.0)).positive(|h| &mut h.lr);
    for g in [1.0, f64::NAN] {
        let gradients = Gradients::of_params([(&model[0], Tensor::scalar(g))]);
        sgd.step(&mut model, &gradients);
    }
    close(sgd.hyper().lr, 0.1, 1e-15, "lr");
}

#[test]
fn a_schedule_sets_a_rate_that_is_trained() {
    let mut sgd = Sgd::<f64>::new(0.1).tuned_by(Sgd::new(1.0)).positive(|h| &mut h.lr);
    sgd.set_lr(0.01);
    let mut model = vec![Param::new(Tensor::scalar(1.0))];
    for _ in 0..2 {
        let gradients = Gradients::of_params([(&model[0], Tensor::scalar(1.0))]);
        sgd.step(&mut model, &gradients);
    }
    close(sgd.lr(), 0.01 * 0.01_f64.exp(), TOLERANCE, "lr"); // d/d ln lr = −lr·1·1
}

#[test]
#[should_panic(
    expected = "Positive: 0.0 is not within 1e-30 and 1e30: it stands for its logarithm"
)]
fn what_is_0_has_no_logarithm() {
    let _ = Sgd::<f64>::new(0.1).tuned_by(Sgd::new(1.0)).positive(|h| &mut h.weight_decay);
}
