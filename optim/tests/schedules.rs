//! Schedules against the tables of PyTorch and Keras.

use std::path::Path;

use gradus_optim::*;
use serde_json::Value;

/// Closed forms against PyTorch's recursions.
const CLOSE: f64 = 1e-12;

fn cases(name: &str) -> Vec<Value> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(format!("{name}.json"));
    let table: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    table["cases"].as_array().unwrap().clone()
}

/// The rates of the epochs, and how many of them are as in the table.
fn run(params: &Value) -> Option<(Box<dyn Schedule>, usize)> {
    let number = |name: &str| params[name].as_f64().unwrap_or_else(|| panic!("no {name}"));
    let or = |name: &str, default: f64| params[name].as_f64().unwrap_or(default);
    let count = |name: &str| number(name) as usize;
    let initial = or("base_lr", or("initial_learning_rate", 0.0));
    let list = |name: &str| {
        let all = params[name].as_array().unwrap().iter();
        all.map(|x| x.as_f64().unwrap()).collect::<Vec<f64>>()
    };
    let mut same = usize::MAX;
    let schedule: Box<dyn Schedule> = match params["schedule"].as_str().unwrap() {
        "StepLR" => {
            Box::new(StepDecay { initial, rate: number("gamma"), every: count("step_size") })
        }
        "MultiStepLR" => {
            let at: Vec<usize> = list("milestones").iter().map(|&x| x as usize).collect();
            let rates = (0..=at.len()).map(|k| initial * number("gamma").powi(k as i32));
            Box::new(PiecewiseConstant::new(&at, &rates.collect::<Vec<_>>()))
        }
        "ExponentialLR" => Box::new(ExponentialDecay { initial, rate: number("gamma") }),
        "CosineAnnealingLR" => {
            // After that it rises again.
            same = count("T_max");
            Box::new(CosineDecay { initial, end: or("eta_min", 0.0), epochs: count("T_max") })
        }
        "CosineAnnealingWarmRestarts" => Box::new(CosineRestarts {
            initial,
            end: or("eta_min", 0.0),
            first: count("T_0"),
            longer: or("T_mult", 1.0) as usize,
            lower: 1.0,
        }),
        "OneCycleLR" => Box::new(OneCycle::new(number("max_lr"), count("total_steps"))),
        "PolynomialLR" => {
            let (epochs, power) = (count("total_iters"), number("power"));
            Box::new(PolynomialDecay { initial, end: 0.0, epochs, power })
        }
        "LinearLR" => {
            let (from, epochs) = (initial * number("start_factor"), count("total_iters"));
            Box::new(PolynomialDecay { initial: from, end: initial, epochs, power: 1.0 })
        }
        "ConstantLR" => {
            let rates = [initial * number("factor"), initial];
            Box::new(PiecewiseConstant::new(&[count("total_iters")], &rates))
        }
        "Sequential(LinearLR,CosineAnnealingLR)" => Box::new(Warmup {
            from: initial * number("start_factor"),
            epochs: count("warmup"),
            then: CosineDecay { initial, end: 0.0, epochs: count("T_max") },
        }),
        // A callback of gradus-train, and tested there.
        "ReduceLROnPlateau" => return None,
        "ExponentialDecay" if params["staircase"] == true => {
            Box::new(StepDecay { initial, rate: number("decay_rate"), every: count("decay_steps") })
        }
        "ExponentialDecay" => {
            let rate = number("decay_rate").powf(1.0 / number("decay_steps"));
            Box::new(ExponentialDecay { initial, rate })
        }
        "PiecewiseConstantDecay" => {
            // In Keras, a boundary belongs to what is before it.
            let at: Vec<usize> = list("boundaries").iter().map(|&x| x as usize + 1).collect();
            Box::new(PiecewiseConstant::new(&at, &list("values")))
        }
        "PolynomialDecay" => Box::new(PolynomialDecay {
            initial,
            end: number("end_learning_rate"),
            epochs: count("decay_steps"),
            power: number("power"),
        }),
        "InverseTimeDecay" => {
            let rate = number("decay_rate") / number("decay_steps");
            Box::new(InverseTimeDecay { initial, rate })
        }
        "CosineDecay" => {
            let top = or("warmup_target", initial);
            let (end, epochs) = (top * or("alpha", 0.0), count("decay_steps"));
            let then = CosineDecay { initial: top, end, epochs };
            Box::new(Warmup { from: initial, epochs: or("warmup_steps", 0.0) as usize, then })
        }
        "CosineDecayRestarts" => {
            let first = count("first_decay_steps");
            Box::new(CosineRestarts { initial, end: 0.0, first, longer: 2, lower: 1.0 })
        }
        other => panic!("no schedule {other}"),
    };
    Some((schedule, same))
}

#[test]
fn as_pytorch_and_keras() {
    let mut count = 0;
    for case in [cases("lr_schedules"), cases("keras_lr_schedules")].concat() {
        let name = format!("{} {}", case["name"], case["params"]["schedule"]);
        let Some((mut schedule, same)) = run(&case["params"]) else { continue };
        let expected = case["lr"].as_array().unwrap();
        let mut lr = 0.1;
        for (epoch, expected) in expected.iter().enumerate().take(same) {
            lr = schedule.rate(epoch, lr);
            let expected = expected.as_f64().unwrap();
            assert!((lr - expected).abs() <= CLOSE * expected, "{name}, {epoch}: {lr} {expected}");
        }
        count += 1;
    }
    assert_eq!(count, 20);
}

#[test]
fn after_their_end_they_stay() {
    let mut cosine = CosineDecay { initial: 1.0, end: 0.25, epochs: 4 };
    assert_eq!(
        [3, 4, 5, 1000].map(|epoch| cosine.rate(epoch, 0.0) == 0.25),
        [false, true, true, true]
    );
    let mut line = PolynomialDecay { initial: 1.0, end: 0.5, epochs: 2, power: 1.0 };
    assert_eq!([0, 1, 2, 9].map(|epoch| line.rate(epoch, 0.0)), [1.0, 0.75, 0.5, 0.5]);
    let mut cycle = OneCycle::new(1.0, 10);
    assert_eq!([9, 10, 99].map(|epoch| cycle.rate(epoch, 0.0)), [4e-6; 3]);
    // No length is no reason to divide by it.
    let mut none = CosineRestarts { initial: 1.0, end: 0.0, first: 0, longer: 0, lower: 0.5 };
    assert_eq!([0, 1, 2].map(|epoch| none.rate(epoch, 0.0)), [1.0, 0.5, 0.25]);
    let mut none = CosineDecay { initial: 1.0, end: 0.0, epochs: 0 };
    assert_eq!(none.rate(0, 0.0), 0.0);
}

#[test]
fn cycles_of_other_lengths() {
    let mut cyclic = Cyclic { low: 0.0, high: 1.0, up: 1, down: 4, lower: 1.0 };
    let rates = [0, 1, 2, 3, 4, 5, 6].map(|epoch| cyclic.rate(epoch, 0.0));
    assert_eq!(rates, [0.0, 1.0, 0.75, 0.5, 0.25, 0.0, 1.0]);
    let mut saw = Cyclic { low: 0.0, high: 1.0, up: 2, down: 0, lower: 1.0 };
    assert_eq!([0, 1, 2, 3].map(|epoch| saw.rate(epoch, 0.0)), [0.0, 0.5, 0.0, 0.5]);
    let mut none = Cyclic { low: 0.0, high: 1.0, up: 0, down: 0, lower: 1.0 };
    assert_eq!([0, 1].map(|epoch| none.rate(epoch, 0.0)), [0.0, 0.0]);
}

/// The table's warm-up and cosine, as one after the other.
#[test]
fn a_sequence_is_the_same_as_a_warm_up() {
    let cosine = CosineDecay { initial: 0.1, end: 0.0, epochs: 45 };
    let line = PolynomialDecay { initial: 0.01, end: 0.1, epochs: 5, power: 1.0 };
    let mut both = SequentialSchedule::new(line).then(5, cosine);
    let mut warm = Warmup { from: 0.01, epochs: 5, then: cosine };
    for epoch in 0..60 {
        assert!((both.rate(epoch, 0.0) - warm.rate(epoch, 0.0)).abs() < CLOSE);
    }
}

#[test]
#[should_panic(
    expected = "sequential schedule: a part that begins in epoch 5 cannot follow one that begins in epoch 5"
)]
fn a_part_without_epochs() {
    let _ = SequentialSchedule::new(ConstantSchedule(0.1))
        .then(5, ConstantSchedule(0.2))
        .then(5, ConstantSchedule(0.3));
}
