//! The golden tables of optimisers: parameters after each step, in both precisions.
//!
//! What is not run is listed below with the reason; a case that is neither run nor listed fails.

use gradus::optim::*;
use gradus_autograd::{Float, Param, Tape, Tensor};
use gradus_tests::golden::{self, Array, Case, Listed, as_f64, assert_none, differences};

/// |found − expected| may be this, times max(1, |expected|), along a trajectory.
const F64: f64 = 1e-9;
const F32: f64 = 1e-3;
/// Keras has a constant of Nadam, 0.96, in 32 bits.
const NADAM: f64 = 1e-8;

const TABLES: [&str; 2] = ["optimizers", "keras_optimizers"];

/// Cases that the optimisers cannot express: table, cases, reason.
const NOT_YET: &[Listed] =
    &[("optimizers", &[20, 21], "no Rprop, ASGD yet"), ("keras_optimizers", &[13], "no Ftrl yet")];

/// Settings that the optimisers have; a case with another one cannot be run.
const KNOWN: &[&str] = &[
    "optimizer",
    "lr",
    "learning_rate",
    "momentum",
    "nesterov",
    "weight_decay",
    "betas",
    "beta_1",
    "beta_2",
    "eps",
    "dampening",
    "amsgrad",
    "alpha",
    "rho",
    "centered",
    "lr_decay",
    "initial_accumulator_value",
    "epsilon",
    "clipvalue",
    "clipnorm",
    "global_clipnorm",
];

/// The optimiser of a case; `None` if there is no such one.
fn optimizer<T: Float>(table: &str, case: &Case) -> Option<Box<dyn Step<T>>> {
    if case.params.keys().any(|name| !KNOWN.contains(&name.as_str())) {
        return None;
    }
    let keras = table == "keras_optimizers";
    let lr = case.number(if keras { "learning_rate" } else { "lr" }, f64::NAN);
    let betas = match case.param("betas") {
        Some(both) => golden::numbers(both),
        None => vec![case.number("beta_1", 0.9), case.number("beta_2", 0.999)],
    };
    let adam = |adam: Adam<T>| -> Box<dyn Step<T>> {
        let adam = adam.betas(betas[0], betas[1]).amsgrad(case.flag("amsgrad", false));
        if keras {
            return Box::new(adam.keras_epsilon().epsilon(case.number("epsilon", f64::NAN)));
        }
        Box::new(adam.epsilon(case.number("eps", 1e-8)))
    };
    let decay = case.param("weight_decay").map(golden::number);
    Some(match case.text("optimizer") {
        "SGD" => {
            let (sgd, momentum) = (Sgd::new(lr), case.number("momentum", 0.0));
            let sgd = if case.flag("nesterov", false) {
                sgd.nesterov(momentum)
            } else {
                sgd.momentum(momentum)
            };
            let sgd = sgd.weight_decay(decay.unwrap_or(0.0));
            let sgd = sgd.dampening(case.number("dampening", 0.0));
            let clip = |name: &str, make: fn(f64) -> Clip| {
                case.param(name).map(|c| make(golden::number(c)))
            };
            let clip = clip("clipvalue", Clip::Value).or(clip("clipnorm", Clip::Norm));
            let clip =
                clip.or(case.param("global_clipnorm").map(|c| Clip::GlobalNorm(golden::number(c))));
            Box::new(match clip {
                Some(clip) => sgd.clip(clip),
                None => sgd,
            })
        }
        // Keras' Adam has a decoupled decay.
        "Adam" if keras && decay.is_some() => {
            adam(AdamW::new(lr).weight_decay(decay.unwrap_or(0.0)))
        }
        "Adam" => adam(Adam::new(lr).weight_decay(decay.unwrap_or(0.0))),
        "AdamW" => adam(match decay {
            Some(decay) => AdamW::new(lr).weight_decay(decay),
            None => AdamW::new(lr),
        }),
        _ => return other(case, keras, lr, [betas[0], betas[1]]),
    })
}

/// The optimiser of a case that is neither descent nor Adam. None of these cases has a decay.
fn other<T: Float>(
    case: &Case,
    keras: bool,
    lr: f64,
    [beta1, beta2]: [f64; 2],
) -> Option<Box<dyn Step<T>>> {
    let name = if keras { "epsilon" } else { "eps" };
    let epsilon = |default: f64| case.number(name, default);
    Some(match case.text("optimizer") {
        "RMSprop" => {
            let rmsprop = if keras { RMSprop::new(lr).keras() } else { RMSprop::new(lr) };
            let RMSpropHyper { rho, epsilon: default, .. } = *rmsprop.hyper();
            let rho = case.number("rho", case.number("alpha", rho));
            let rmsprop = rmsprop.rho(rho).epsilon(epsilon(default));
            let momentum = case.number("momentum", 0.0);
            Box::new(rmsprop.momentum(momentum).centered(case.flag("centered", false)))
        }
        "Adagrad" => {
            let adagrad = if keras { Adagrad::new(lr).keras() } else { Adagrad::new(lr) };
            let start = case.number("initial_accumulator_value", 0.0);
            let adagrad = adagrad.initial_accumulator(start).epsilon(epsilon(1e-10));
            Box::new(adagrad.lr_decay(case.number("lr_decay", 0.0)))
        }
        "Adadelta" => {
            Box::new(Adadelta::new(lr).rho(case.number("rho", 0.9)).epsilon(epsilon(1e-6)))
        }
        "Adamax" => {
            let adamax = if keras { Adamax::new(lr).keras() } else { Adamax::new(lr) };
            Box::new(adamax.betas(beta1, beta2).epsilon(epsilon(1e-8)))
        }
        "NAdam" => Box::new(NAdam::new(lr)),
        "Nadam" => Box::new(NAdam::new(lr).keras().betas(beta1, beta2).epsilon(epsilon(1e-7))),
        "RAdam" => Box::new(RAdam::new(lr)),
        "Lion" => Box::new(Lion::new(lr).betas(beta1, beta2)),
        _ => return None,
    })
}

/// The tensors of a list.
fn tensors(value: &serde_json::Value) -> Vec<Array> {
    golden::list(value).iter().map(golden::array).collect()
}

/// Runs a case; `None` if it cannot be expressed, else what is wrong.
fn run<T: Float>(table: &str, case: &Case, tolerance: f64) -> Option<Vec<String>> {
    let mut optimizer = optimizer::<T>(table, case)?;
    let tolerance =
        if case.text("optimizer") == "Nadam" { tolerance.max(NADAM) } else { tolerance };
    let initial = tensors(&case.entry["initial"]);
    let mut model: Vec<Param<T>> = initial.iter().map(|array| Param::new(array.tensor())).collect();
    let (gradients, after) =
        (golden::list(&case.entry["gradients"]), golden::list(&case.entry["after_step"]));
    assert!(!after.is_empty() && gradients.len() == after.len(), "{}: steps", case.name);
    let mut wrong = Vec::new();
    for (step, (gradients, after)) in gradients.iter().zip(after).enumerate() {
        let tape = Tape::<T>::training(0);
        // The gradient of ⟨p, g⟩ is g.
        let parts = model.iter().zip(tensors(gradients));
        let loss = parts.map(|(p, g)| (tape.param(p) * tape.constant(g.tensor())).sum());
        let loss = loss.reduce(|a, b| a + b).expect("parameters");
        optimizer.step(&mut model, &loss.backward());
        for (number, (p, expected)) in model.iter().zip(tensors(after)).enumerate() {
            assert_eq!(p.value().shape(), expected.shape, "{}", case.name);
            let what = format!("{}: step {step}, parameter {number}", case.name);
            wrong.extend(differences(&what, &as_f64(p.value()), &expected.data, tolerance));
        }
    }
    Some(wrong)
}

fn run_all<T: Float>(tolerance: f64) {
    let mut wrong = Vec::new();
    for name in TABLES {
        let table = golden::read(name);
        assert_eq!(table.kind, "optimizer", "{name}");
        assert!(!table.cases.is_empty(), "{name} has no cases");
        for (number, case) in table.cases.iter().enumerate() {
            let found = run::<T>(name, case, tolerance);
            wrong.extend(golden::run_or_listed(NOT_YET, (name, number), case, found));
        }
    }
    assert_none(&wrong);
}

#[test]
fn trajectories_in_f64() {
    run_all::<f64>(F64);
}

#[test]
fn trajectories_in_f32() {
    run_all::<f32>(F32);
}

#[test]
fn every_listed_case_exists() {
    golden::assert_exist(NOT_YET);
}

/// PyTorch scales by max/(norm + 1e-6); here, as in TensorFlow, it is max/norm, so that the norm is the bound.
#[test]
fn clipping_as_pytorch_but_for_its_epsilon() {
    let table = golden::read("grad_clip");
    let mut wrong = Vec::new();
    for case in &table.cases {
        let tape = Tape::<f64>::new();
        let names = ["g0", "g1"];
        let given = names.map(|name| Some(tape.var(case.inputs[name].tensor())));
        let number = |name: &str| tape.number(case.number(name, f64::NAN));
        let clip = match case.text("f") {
            "clip_grad_value_" => Clip::Value(number("clip_value")),
            "clip_grad_norm_" => Clip::GlobalNorm(number("max_norm")),
            other => panic!("{}: {other} is not known", case.name),
        };
        let total = case.entry["total_norm"].as_f64();
        let is_scaled = |total: &f64| case.number("max_norm", f64::NAN) < *total;
        let epsilon = total.filter(is_scaled).map_or(1.0, |total| (total + 1e-6) / total);
        for (name, found) in names.iter().zip(clip.apply(&given)) {
            let expected: Vec<f64> = case.outputs[*name].data.iter().map(|x| x * epsilon).collect();
            let what = format!("{}: {name}", case.name);
            let found = found.expect("a gradient").value().to_vec();
            wrong.extend(differences(&what, &found, &expected, 1e-12));
        }
    }
    assert_eq!(table.cases.len(), 3);
    assert_none(&wrong);
}

/// A model of one parameter after `steps` steps with the gradient 1.
fn after(
    mut optimizer: impl Step<f64>,
    steps: usize,
    change: impl Fn(&mut dyn Step<f64>, usize),
) -> Vec<f64> {
    let mut model = (Param::new(Tensor::from([1.0])), Param::new(Tensor::from([1.0])));
    for step in 0..steps {
        change(&mut optimizer, step);
        let tape = Tape::new();
        let loss = (tape.param(&model.0) + tape.param(&model.1)).sum();
        optimizer.step(&mut model, &loss.backward());
    }
    vec![model.0.value().item(), model.1.value().item()]
}

/// Row 25: the first correction uses t = 1, so that the first step is lr·g/(|g| + ε).
#[test]
fn the_first_step_of_adam_is_the_learning_rate() {
    let first = after(Adam::new(0.25).epsilon(0.0), 1, |_, _| ());
    assert_eq!(differences("p", &first, &[0.75, 0.75], F64), Vec::<String>::new());
}

/// Row 27: L2 in the gradient and decoupled decay are different things.
#[test]
fn adam_and_adamw_decay_differently() {
    // One step of Adam is lr·sign(g) whatever the decay; AdamW takes lr·λ·p more.
    let l2 = after(Adam::new(0.25).epsilon(0.0).weight_decay(0.5), 1, |_, _| ());
    let decoupled = after(AdamW::new(0.25).epsilon(0.0).weight_decay(0.5), 1, |_, _| ());
    assert_eq!(differences("L2", &l2, &[0.75, 0.75], F64), Vec::<String>::new());
    assert_eq!(differences("decoupled", &decoupled, &[0.625, 0.625], F64), Vec::<String>::new());
}

#[test]
fn groups_have_settings_of_their_own_and_the_last_one_wins() {
    let sgd = Sgd::new(0.5)
        .group(|path| path == "1", |h| h.lr = 0.125)
        .group(|path| path == "1", |h| h.lr = 0.25);
    assert_eq!(after(sgd, 1, |_, _| ()), [0.5, 0.75]);
}

/// `set_lr` says that groups keep their ratio to the main one.
#[test]
fn a_group_follows_the_learning_rate_of_the_main_one() {
    let halve =
        |step: &mut dyn Step<f64>, number: usize| step.set_lr(if number == 0 { 0.5 } else { 0.25 });
    let relative = Sgd::new(0.5).group(|path| path == "1", |h| h.lr *= 0.5);
    assert_eq!(after(relative, 2, halve), [0.25, 0.625]);
    let absolute = Sgd::new(0.5).group(|path| path == "1", |h| h.lr = 0.25);
    assert_eq!(after(absolute, 2, halve), [0.25, 0.625]);
}

#[test]
fn a_group_may_have_momentum_where_the_others_have_none() {
    let sgd = Sgd::new(0.25).group(|path| path == "1", |h| h.momentum = 0.5);
    // 1 − ¼·1 − ¼·(½ + 1)
    assert_eq!(after(sgd, 2, |_, _| ()), [0.5, 0.375]);
    let sgd = Sgd::new(0.25).momentum(0.5).group(|path| path == "1", |h| h.momentum = 0.0);
    assert_eq!(after(sgd, 2, |_, _| ()), [0.375, 0.5]);
}

/// Moments are kept by path: another copy of the model goes on with them.
#[test]
fn state_survives_a_copy_of_the_model() {
    let gradient = |model: &Vec<Param<f64>>| {
        let tape = Tape::new();
        tape.param(&model[0]).sum().backward()
    };
    let mut model = vec![Param::new(Tensor::from([1.0]))];
    let mut sgd = Sgd::new(0.25).momentum(0.5);
    let first = gradient(&model);
    sgd.step(&mut model, &first);
    let mut copy = model.clone();
    let second = gradient(&copy);
    sgd.step(&mut copy, &second);
    assert_eq!(copy[0].value().item(), 1.0 - 0.25 - 0.25 * 1.5);
    assert_eq!(model[0].value().item(), 0.75);
}

/// A parameter that the loss does not reach, or that is frozen, stays, and so does its step count.
#[test]
fn parameters_without_a_gradient_stay() {
    let mut model = (
        Param::new(Tensor::from([1.0])),
        Param::new(Tensor::from([1.0])),
        Param::new(Tensor::from([1.0])),
    );
    let mut adam = Adam::new(0.25).epsilon(0.0);
    model.2.set_trained(false);
    for reached in [false, false, true] {
        let tape = Tape::<f64>::new();
        let both = tape.param(&model.0) + tape.param(&model.2);
        let loss = if reached { both + tape.param(&model.1) } else { both };
        adam.step(&mut model, &loss.sum().backward());
    }
    assert!((model.0.value().item() - 0.25).abs() < F64);
    assert!((model.1.value().item() - 0.75).abs() < F64, "its first correction uses t = 1");
    assert_eq!(model.2.value().item(), 1.0);
}
