//! The state of an optimiser goes into another one, and the bits go on.

use gradus_autograd::{Module, Param, Tape, Tensor};
use gradus_optim::*;

type Model = Vec<Param<f64>>;

fn model() -> Model {
    let values = [Tensor::from([0.5, -1.0, 2.0]), Tensor::scalar(3.0), Tensor::from([[1.0, 0.1]])];
    values.map(Param::new).into()
}

fn step(optimizer: &mut dyn Step<f64>, model: &mut Model, number: u64) {
    let tape = Tape::training(number);
    let terms = model.iter().map(|p| (tape.param(p) - 0.1 * number as f64).powf(2.0).sum());
    let loss = terms.reduce(|a, b| a + b).unwrap();
    optimizer.step(model, &loss.backward());
}

fn bits(model: &Model) -> Vec<u64> {
    model.params().iter().flat_map(|(_, p)| p.value().to_vec()).map(f64::to_bits).collect()
}

/// Ten steps at once, and five, then five in a new optimiser with a copy of the model.
#[track_caller]
fn goes_on(make: impl Fn() -> Box<dyn Step<f64>>) {
    let (mut whole, mut optimizer) = (model(), make());
    (0..10).for_each(|number| step(&mut *optimizer, &mut whole, number));

    let (mut first, mut optimizer) = (model(), make());
    (0..5).for_each(|number| step(&mut *optimizer, &mut first, number));
    let (mut second, mut fresh) = (first.clone(), make());
    fresh.load_state_dict(optimizer.state_dict()).unwrap();
    assert_eq!(fresh.state_dict(), optimizer.state_dict());
    (5..10).for_each(|number| step(&mut *fresh, &mut second, number));
    assert_eq!(bits(&second), bits(&whole));
    assert_eq!(fresh.lr().to_bits(), make_lr(&make, &mut model()));
}

/// The learning rate after ten steps.
fn make_lr(make: &impl Fn() -> Box<dyn Step<f64>>, model: &mut Model) -> u64 {
    let mut optimizer = make();
    (0..10).for_each(|number| step(&mut *optimizer, model, number));
    optimizer.lr().to_bits()
}

#[test]
fn of_every_rule() {
    goes_on(|| Box::new(Sgd::new(0.01)));
    goes_on(|| Box::new(Sgd::new(0.01).momentum(0.9)));
    goes_on(|| Box::new(Adam::new(0.01).clip(Clip::GlobalNorm(0.5))));
    goes_on(|| Box::new(AdamW::new(0.01)));
    goes_on(|| Box::new(Adam::new(0.01).amsgrad(true)));
    goes_on(|| Box::new(RMSprop::new(0.01).centered(true).momentum(0.9)));
    goes_on(|| Box::new(Adagrad::new(0.1).keras()));
    goes_on(|| Box::new(Adadelta::new(1.0)));
    goes_on(|| Box::new(Adamax::new(0.01)));
    goes_on(|| Box::new(NAdam::new(0.01)));
    goes_on(|| Box::new(RAdam::new(0.01)));
    goes_on(|| Box::new(Lion::new(0.01)));
    goes_on(|| Box::new(ScheduleFreeAdamW::new(0.01).warmup(7)));
    goes_on(|| Box::new(Lamb::new(0.01)));
    goes_on(|| Box::new(Adafactor::new(0.01)));
    goes_on(|| Box::new(Muon::new(0.01)));
    goes_on(|| Box::new(Adam::new(0.01).accumulate(3)));
}

#[test]
fn of_groups_and_of_a_schedule_that_changed_the_rate() {
    goes_on(|| {
        let mut adam = Adam::new(0.01).group(|path| path == "1", |h| h.lr = 0.1);
        adam.set_lr(0.02);
        Box::new(adam)
    });
}

#[test]
fn of_hyperparameters_that_are_trained() {
    goes_on(|| {
        let outer = Adam::new(0.05).tuned_by(Sgd::new(1e-3)).positive(|h| &mut h.lr);
        Box::new(Adam::new(0.01).tuned_by(outer).positive(|h| &mut h.lr).fraction(|h| &mut h.beta1))
    });
}

#[test]
fn of_another_optimiser_is_refused_and_changes_nothing() {
    let mut adam = Adam::<f64>::new(0.01);
    step(&mut adam, &mut model(), 0);
    let before = adam.state_dict();
    let mut sgd = Sgd::new(0.5).momentum(0.9);
    step(&mut sgd, &mut model(), 0);
    let error = adam.load_state_dict(sgd.state_dict()).unwrap_err();
    assert_eq!(error.to_string(), "the entry `hyper` has shape [3], not [5]");
    let mut less = before.clone();
    less.take("moment.1.2").unwrap();
    let error = adam.load_state_dict(less).unwrap_err();
    assert_eq!(error, StateError::Missing { name: "moment.1.2".into() });
    let mut more = before.clone();
    more.insert("moment.2.2", 1.0);
    let error = adam.load_state_dict(more).unwrap_err();
    assert_eq!(error.to_string(), "the entry `moment.2.2` belongs to nothing");
    let mut wrong = before.clone();
    wrong.insert("moment.1.2", 1.0_f32);
    let error = adam.load_state_dict(wrong).unwrap_err();
    assert_eq!(error.to_string(), "the entry `moment.1.2` is of f32, not of f64");
    let mut wrong = before.clone();
    wrong.insert("moment.1.2", 1.0);
    let error = adam.load_state_dict(wrong).unwrap_err();
    assert_eq!(error.to_string(), "the entry `moment.1.2` has shape [], not [1, 2]");
    assert_eq!(adam.state_dict(), before);

    let tuned = || Adam::new(0.01).tuned_by(Sgd::new(1e-3)).positive(|h| &mut h.lr);
    let mut one = tuned();
    step(&mut one, &mut model(), 0);
    let (before, mut wrong) = (one.state_dict(), one.state_dict());
    wrong.take("base.tangent.0.1").unwrap();
    let error = one.load_state_dict(wrong).unwrap_err();
    assert_eq!(error.to_string(), "there is no entry `base.tangent.0.1`");
    assert_eq!(one.state_dict(), before);
}
