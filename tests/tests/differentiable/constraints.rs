//! Constraints: every form of a step keeps them, with the same bits and the right derivatives.

use std::fmt::Debug;
use std::iter::zip;
use std::sync::Arc;

use gradus::autograd::Constraint;
use gradus::autograd::check::GradCheck;
use gradus::nn::constraints::{MaxNorm, MinMaxNorm, NonNeg, UnitNorm};
use gradus::optim::{
    Adafactor, HypergradientError, Lamb, Lbfgs, Muon, Optimizer, Positive, ScheduleFreeAdamW,
    Solver, StepError, Tensorwise, Unroll, UpdateRule, hypergradient, implicit_hypergradient,
};
use gradus::prelude::*;
use gradus_tests::each_rule;

use super::{WAYS, close, slope};

/// Of numbers of 64 bits after a few steps.
const TOLERANCE: f64 = 1e-12;
/// Of a norm: ε in 32 bits, and what rounding adds.
const NORM: f64 = 1e-5;

type Model<T> = Vec<Param<T>>;

/// One parameter for each constraint, at first outside of it, and one without.
fn model<T: Float>() -> Model<T> {
    let mut rng = Rng::new(1);
    let mut param = |shape: &[usize], constraint: Option<Arc<dyn Constraint<T>>>| {
        Param::new(Tensor::randn(shape, &mut rng)).constrained(constraint)
    };
    vec![
        param(&[7, 5], Some(Arc::new(NonNeg))),
        param(&[7, 5], Some(Arc::new(MaxNorm::new(1.0)))),
        param(&[3, 41], Some(Arc::new(UnitNorm::new().axes(&[1])))),
        param(&[9], Some(Arc::new(MinMaxNorm::new(0.5, 1.0)))),
        param(&[], Some(Arc::new(NonNeg))),
        param(&[4], None),
    ]
}

fn norms<T: Float>(rows: &[T], length: usize) -> Vec<f64> {
    let square = |row: &[T]| row.iter().map(|x| x.to_f64() * x.to_f64()).sum::<f64>();
    rows.chunks(length).map(|row| square(row).sqrt()).collect()
}

/// Whether all constraints of [`model`] hold.
fn assert_holds<T: Float>(what: &dyn Debug, model: &Model<T>) {
    let [non_neg, columns, rows, all, single, _] = &model[..] else { panic!("six parameters") };
    for p in [non_neg, single] {
        assert!(p.value().to_vec().iter().all(|x| x.to_f64() >= 0.0), "{what:?}: not negative");
    }
    let columns = norms(&columns.value().t().contiguous().to_vec(), 7);
    assert!(columns.iter().all(|norm| *norm <= 1.0 + NORM), "{what:?}: {columns:?}");
    let rows = norms(&rows.value().to_vec(), 41);
    assert!(rows.iter().all(|norm| (norm - 1.0).abs() <= NORM), "{what:?}: {rows:?}");
    let all = norms(&all.value().to_vec(), 9)[0];
    assert!((0.5 - NORM..=1.0 + NORM).contains(&all), "{what:?}: {all}");
}

fn draws<T: Float>(model: &Model<T>, seed: u64) -> Vec<Tensor<T>> {
    let mut rng = Rng::new(seed);
    model.iter().map(|p| Tensor::randn(p.value().shape(), &mut rng)).collect()
}

fn gradients<T: Float>(model: &Model<T>, seed: u64) -> Gradients<T> {
    Gradients::of_params(model.iter().zip(draws(model, seed)))
}

fn bits<T: Float>(x: &Tensor<T>) -> Vec<u64> {
    x.to_vec().into_iter().map(|x| x.to_f64().to_bits()).collect()
}

#[test]
fn a_step_in_place_and_on_a_tape_keeps_them_with_the_same_bits() {
    fn check<R: UpdateRule, T: Float>(name: &str, rule: R) {
        if !rule.takes_constraints() {
            return;
        }
        let (mut in_place, mut model) = (Optimizer::with_rule(rule), model::<T>());
        let (taped, tape) = (model.clone(), Tape::new());
        let mut unrolled = in_place.unrolled(&tape);
        for step in 0..6 {
            let given: Vec<_> =
                draws(&model, step).into_iter().map(|g| Some(tape.constant(g))).collect();
            unrolled.apply(&taped, &given);
            let gradients = gradients(&model, step);
            in_place.step(&mut model, &gradients);
            assert_holds(&name, &model);
            for (a, b) in zip(&model, &taped) {
                assert!(bits(a.value()) == bits(&tape.param(b).value()), "{name}, step {step}");
            }
        }
    }
    each_rule!(check::<_, f32>);
    each_rule!(check::<_, f64>);
}

#[test]
fn other_optimisers_keep_them() {
    fn check(what: &str, mut optimizer: impl Step<f64>) {
        let mut model = model();
        for step in 0..4 {
            let gradients = gradients(&model, step);
            optimizer.step(&mut model, &gradients);
        }
        assert_holds(&what, &model);
    }
    let lamb: Lamb<f64> = Lamb::new(0.1);
    let adafactor: Adafactor<f64> = Adafactor::new(0.1);
    let muon: Muon<f64> = Muon::new(0.1);
    let _: &Tensorwise<_, f64> = &lamb;
    check("lamb", lamb);
    check("adafactor", adafactor);
    check("muon", muon);
    check("accumulated", Sgd::new(0.1).accumulate(2));
    check("tuned", Adam::new(0.1).tuned_by(Adam::new(0.1)).positive(|h| &mut h.lr));
}

/// What nothing trains stays where it is.
#[test]
fn frozen_parameters_and_those_without_a_gradient_stay() {
    let constrained = |x: f64| Param::new(Tensor::scalar(x)).constrained(Some(Arc::new(NonNeg)));
    let mut model = vec![constrained(-1.0), constrained(-2.0), constrained(-3.0)];
    model[1].set_trained(false);
    let gradients = Gradients::of_params([(&model[0], Tensor::scalar(1.0))]);
    Sgd::new(0.1).step(&mut model, &gradients);
    let values: Vec<f64> = model.iter().map(|p| p.value().item()).collect();
    assert_eq!(values, [0.0, -2.0, -3.0]);
}

/// By a row: two parameters of two numbers, gradients of both, learning rate and momentum.
#[test]
fn two_steps_have_the_right_derivatives_of_both_orders() {
    let all: [Arc<dyn Constraint<f64>>; 3] =
        [Arc::new(NonNeg), Arc::new(MaxNorm::new(0.9)), Arc::new(UnitNorm::new())];
    for constraint in all {
        let row = [0.5, -1.2, 0.8, 0.4, 0.3, -0.7, -0.4, 0.9, 0.1, 0.6];
        let outcome = GradCheck::default().run(
            |x| {
                let (x, tape) = (x[0], x[0].tape());
                let [p1, p2, g1, g2] = [0, 2, 4, 6].map(|at| x.slice(0, at..at + 2));
                let [lr, momentum] = [8, 9].map(|at| x.slice(0, at..at + 1).sum());
                let model = [p1, p2].map(|p| {
                    let param = Param::new(p.value()).constrained(Some(constraint.clone()));
                    tape.rebind(&param, p);
                    param
                });
                let sgd = Sgd::new(0.1).momentum(0.5).unrolled(tape);
                let mut sgd = sgd.with(|h| &mut h.lr, lr).with(|h| &mut h.momentum, momentum);
                sgd.apply(&model, &[Some(g1), Some(g2)]);
                sgd.apply(&model, &[Some(g2), Some(g1)]);
                let weights = tape.constant(Tensor::from([0.7, -1.3]));
                let [a, b] = model.each_ref().map(|param| tape.param(param));
                ((a.powf(2.0) + b.powf(3.0)) * weights).sum()
            },
            &[Tensor::from(row.to_vec())],
        );
        outcome.unwrap_or_else(|wrong| panic!("{constraint:?}: {wrong}"));
    }
}

/// A point on the unit circle that is drawn to one place, and measured from another.
fn point() -> Param<f64> {
    Param::new(Tensor::from([0.6, -0.3])).constrained(Some(Arc::new(UnitNorm::new())))
}

fn distance<'t>(w: &Param<f64>, tape: &'t Tape<f64>, to: [f64; 2]) -> Var<'t, f64> {
    (tape.param(w) - tape.constant(Tensor::from(to))).powf(2.0).sum()
}

const AIM: [f64; 2] = [0.0, 2.0];
const FROM: [f64; 2] = [1.0, 1.0];

#[test]
fn hypergradients_go_through_the_projection() {
    let in_place = |lr: f64| {
        let (mut w, mut sgd) = (point(), Sgd::new(lr));
        for _ in 0..4 {
            let tape = Tape::new();
            let gradients = distance(&w, &tape, AIM).backward();
            sgd.step(&mut w, &gradients);
        }
        distance(&w, &Tape::new(), FROM).item()
    };
    let (at, step) = (0.05_f64.ln(), 1e-5);
    let difference = (in_place((at + step).exp()) - in_place((at - step).exp())) / (2.0 * step);
    for way in WAYS {
        let (w, lr, sgd) = (point(), Positive::new(0.05), Sgd::new(0.0));
        let found = hypergradient(
            &lr,
            &w,
            way(4),
            |tape, _| sgd.unrolled(tape).with(|h| &mut h.lr, lr.var(tape)),
            |tape, _| distance(&w, tape, AIM),
            |tape| distance(&w, tape, FROM),
        );
        let found = found.expect("a derivative");
        close(found.loss, in_place(0.05), TOLERANCE, "the loss");
        close(slope(&found, &lr.log), difference, 1e-8, "a difference");
    }
}

/// A step, then the gradients of another loss: what the learning rate of the first should have been, by the tangents
/// of the tuned optimiser and by the reverse pass.
#[test]
fn a_tuned_learning_rate_is_changed_by_its_gradient() {
    let lr = 0.1;
    let mut model = model::<f64>();
    let adam = Adam::new(lr);
    let [first, second] = [1, 2].map(|seed| draws(&model, seed));
    let tape = Tape::new();
    let var = tape.var(Tensor::scalar(lr));
    let mut unrolled = adam.unrolled(&tape).with(|h| &mut h.lr, var);
    let given: Vec<_> = first.iter().map(|g| Some(tape.constant(g.clone()))).collect();
    unrolled.apply(&model, &given);
    let along = zip(&model, &second).map(|(p, g)| (tape.param(p) * tape.constant(g.clone())).sum());
    let slope = along.reduce(|a, b| a + b).expect("a sum").grad(&[var])[0].item();

    let mut tuned = adam.tuned_by(Sgd::new(1.0)).positive(|h| &mut h.lr);
    for gradients in [first, second] {
        let gradients = Gradients::of_params(model.iter().zip(gradients));
        tuned.step(&mut model, &gradients);
        assert_holds(&"tuned", &model);
    }
    close(tuned.lr(), lr * (-lr * slope).exp(), TOLERANCE, "the learning rate");
    assert!((tuned.lr() / lr - 1.0).abs() > 0.01, "{}", tuned.lr());
}

const REFUSED: &str = "`0` has a constraint, and this optimiser supposes that weights are where its last step has \
                       left them: no step was taken. Train with another one (Adam, Sgd), or without the constraint";

#[test]
fn what_cannot_keep_them_says_so() {
    let mut model = model::<f64>();
    let before: Vec<_> = model.iter().map(|p| bits(p.value())).collect();
    let given = gradients(&model, 1);
    let mut free = ScheduleFreeAdamW::<f64>::new(0.1);
    let error = free.try_step(&mut model, &given).expect_err("an error");
    assert_eq!(error.to_string(), REFUSED);
    let error = Lbfgs::new(1.0).step(&mut model, |tape, model| tape.param(&model[5]).sum());
    assert_eq!(error.expect_err("an error").to_string(), REFUSED);
    assert_eq!(model.iter().map(|p| bits(p.value())).collect::<Vec<_>>(), before);

    let lr = Positive::new(0.1);
    let found = hypergradient(
        &lr,
        &model,
        Unroll::steps(2),
        |tape, _| free.unrolled(tape).with(|h| &mut h.lr, lr.var(tape)),
        |tape, _| tape.param(&model[0]).sum(),
        |tape| tape.param(&model[0]).sum(),
    );
    let refused = StepError::Constrained { path: "0".into() };
    assert_eq!(found.err(), Some(HypergradientError::Step { step: 0, source: refused }));

    let solver = Solver::Neumann { terms: 2, rate: 0.1 };
    let found = implicit_hypergradient(
        &lr,
        &model,
        solver,
        |tape| tape.param(&model[0]).powf(2.0).sum(),
        |tape| tape.param(&model[0]).sum(),
    );
    assert_eq!(found.err(), Some(HypergradientError::Constrained { path: "0".into() }));

    // What is frozen is not trained, and asks for nothing.
    model.iter_mut().take(5).for_each(|p| p.set_trained(false));
    let given = gradients(&model, 1);
    assert_eq!(free.try_step(&mut model, &given), Ok(()));
}

#[test]
#[should_panic(expected = "apply: `0` has a constraint")]
fn on_a_tape_too() {
    let (model, tape) = (model::<f64>(), Tape::new());
    let given: Vec<_> = draws(&model, 1).into_iter().map(|g| Some(tape.constant(g))).collect();
    ScheduleFreeAdamW::<f64>::new(0.1).unrolled(&tape).apply(&model, &given);
}

/// One that forgets an axis.
#[derive(Debug)]
struct Flat;

impl<T: Float> Constraint<T> for Flat {
    fn project<'t>(&self, weight: Var<'t, T>) -> Var<'t, T> {
        weight.sum()
    }
}

#[test]
#[should_panic(expected = "project: Flat makes a value of shape [] of a parameter of shape [2]")]
fn a_projection_keeps_the_shape() {
    let mut w = Param::new(Tensor::<f64>::ones(&[2])).constrained(Some(Arc::new(Flat)));
    let gradients = Gradients::of_params([(&w, Tensor::ones(&[2]))]);
    Sgd::new(0.1).step(&mut w, &gradients);
}
