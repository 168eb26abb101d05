//! What a study gives back: tables, charts, refined parameters.

use gradus_autograd::{Param, Tensor};
use gradus_optim::{Adam, HypergradientError, Unroll, hypergradient};

use crate::*;

/// A loss after training, in 64 bits, worked out twice.
const F64: f64 = 1e-12;

fn found() -> StudyResult {
    let study = Study::minimize(mixed()).scheduler(Asha::new(9)).trials(12).progress(false);
    let found = study.run(|trial| match trial.number() {
        5 => Err("no luck, \"again\"".into()),
        _ => reporting(trial),
    });
    found.unwrap()
}

#[test]
fn the_table_has_the_best_first() {
    let found = found();
    let text = found.to_string();
    println!("{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1 + 12 + 1);
    let head: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(head[..6], ["trial", "score", "state", "steps", "lr", "optimizer"]);
    let cells = |line: usize| lines[line].split_whitespace().collect::<Vec<_>>();
    assert_eq!(cells(1)[0], found.best().number.to_string());
    assert_eq!(cells(1)[2], "complete");
    assert_eq!(cells(12)[..3], ["5", "–", "failed"]);
    assert_eq!(lines[13], "trial 5 failed: no luck, \"again\"");
    let wide: Vec<usize> = lines[..13].iter().map(|line| line.chars().count()).collect();
    assert!(wide.iter().all(|&width| width == wide[0]), "{wide:?}");
}

#[test]
fn the_csv_is_exact() {
    let found = found();
    let path = scratch("trials.csv");
    found.write_csv(&path).unwrap();
    let mut reader = csv::Reader::from_path(&path).unwrap();
    let head = reader.headers().unwrap().clone();
    let at = |name: &str| head.iter().position(|h| h == name).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 12);
    for (row, trial) in rows.iter().zip(found.trials()) {
        let lr: f64 = row[at("lr")].parse().unwrap();
        assert_eq!(lr, trial.params.get::<f64>("lr").unwrap());
        assert_eq!(row[at("score")].parse().ok(), trial.score);
        let momentum: Option<f64> = trial.params.get("momentum").unwrap();
        assert_eq!(row[at("momentum")].parse().ok(), momentum);
        assert_eq!(row[at("steps")].parse(), Ok(trial.steps()));
    }
    assert_eq!(&rows[5][at("error")], "no luck, \"again\"");
}

/// A trial that reports every tenth step has spent them all, in the table as in the sum.
#[test]
fn steps_between_reports_count() {
    let study = Study::minimize(Space::new().uniform("x", 0.0, 1.0)).trials(2).progress(false);
    let found = study.run(|trial| {
        if trial.number() == 0 {
            trial.report(9, 2.0)?;
            trial.report(19, 1.0)?;
        }
        Ok(1.0)
    });
    let found = found.unwrap();
    assert_eq!(found.trials().iter().map(Record::steps).collect::<Vec<_>>(), [20, 0]);
    assert_eq!(found.steps(), 20);
    let first = found.to_csv().lines().nth(1).unwrap().to_owned();
    assert_eq!(first.split(',').nth(3), Some("20"), "{first}");
    let first = found.to_string().lines().nth(1).unwrap().to_owned();
    assert_eq!(first.split_whitespace().nth(3), Some("20"), "{first}");
}

#[test]
fn the_best_so_far_only_improves() {
    let found = found();
    let best = found.best_so_far();
    assert!(best.windows(2).all(|pair| pair[1].1 <= pair[0].1 && pair[0].0 < pair[1].0));
    assert_eq!(best.last().unwrap().1, found.best().score.unwrap());
}

#[test]
fn charts_are_drawn_for_every_parameter() {
    let (found, folder) = (found(), scratch("charts"));
    found.save_charts(&folder).unwrap();
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 1 + 7);
    assert!(names.contains(&"parameter-width_3.svg".to_owned()));
    let svg = found.parameter_chart("optimizer").unwrap().svg();
    assert!(svg.contains(">adam</text>") && svg.contains(">sgd</text>"));
    assert!(found.parameter_chart("lr").unwrap().svg().contains(">0.01</text>"));
    assert!(found.parameter_chart("rate").is_err());
}

#[test]
fn charts_of_names_that_a_file_cannot_have_are_all_there() {
    let space =
        Space::new().uniform("a/b", 0.0, 1.0).uniform("a_b", 0.0, 1.0).uniform("A_b", 0.0, 1.0);
    let found = Study::minimize(space).trials(3).run(|trial| Ok(trial.get::<f64>("a/b")?)).unwrap();
    let folder = scratch("charts of like names");
    found.save_charts(&folder).unwrap();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1 + 3);
    let svg = std::fs::read_to_string(folder.join("parameter-a_b.svg")).unwrap();
    assert!(svg.contains("Scores over a/b"));
}

/// Ten steps of Adam on a valley of two weights, and the loss in the end.
fn slope(knobs: &Knobs<f64>) -> Result<gradus_optim::Hypergradient<f64>, HypergradientError> {
    let w = Param::new(Tensor::from([3.0, -2.0]));
    let adam = Adam::new(0.0);
    hypergradient(
        knobs,
        &w,
        Unroll::steps(10),
        |tape, _| {
            let adam = adam.unrolled(tape).with(|h| &mut h.lr, knobs.var("lr", tape));
            adam.with(|h| &mut h.beta1, knobs.var("beta1", tape))
        },
        |tape, _| (tape.param(&w).powf(2.0) * tape.constant(Tensor::from([1.0, 9.0]))).sum(),
        |tape| tape.param(&w).powf(2.0).sum(),
    )
}

#[test]
fn hypergradients_refine_the_best_trial_within_its_bounds() {
    let space = Space::new()
        .log_uniform("lr", 1e-3, 1.0)
        .uniform("beta1", 0.5, 0.99)
        .choice("unused", ["a", "b"]);
    // The objective is the same run, without a derivative of it.
    let run = |lr: f64, beta1: f64| {
        use gradus_autograd::Tape;
        use gradus_optim::Step;
        let (mut w, mut adam) =
            (Param::new(Tensor::from([3.0, -2.0])), Adam::new(lr).betas(beta1, 0.999));
        for _ in 0..10 {
            let tape = Tape::<f64>::new();
            let loss = (tape.param(&w).powf(2.0) * tape.constant(Tensor::from([1.0, 9.0]))).sum();
            adam.step(&mut w, &loss.backward());
        }
        w.value().to_vec().iter().map(|x| x * x).sum::<f64>()
    };
    let study = Study::minimize(space).trials(8).seed(1).progress(false);
    let found = study.run(|trial| Ok(run(trial.get("lr")?, trial.get("beta1")?))).unwrap();
    let best = found.best();
    let refined = found.refine(&["lr", "beta1"], 25, slope).unwrap();
    println!("{refined:?}");
    assert!((refined.before - best.score.unwrap()).abs() < F64 * 10.0, "the trial itself");
    assert!(refined.after < 0.7 * refined.before, "{} {}", refined.before, refined.after);
    assert_eq!(refined.losses.len(), 26);
    let [lr, beta1] = ["lr", "beta1"].map(|name| refined.get(name).unwrap());
    assert!((run(lr, beta1) - refined.after).abs() < F64);
    assert!((1e-3..=1.0).contains(&lr) && (0.5..=0.99).contains(&beta1));
    assert_eq!(refined.get("unused"), None);
    // The slope is the derivative with respect to the knob.
    let knobs = found.knobs::<f64>(&["lr", "beta1"]).unwrap();
    assert_eq!(knobs.names().collect::<Vec<_>>(), ["lr", "beta1"]);
    assert!((knobs.value("lr") / best.params.get::<f64>("lr").unwrap() - 1.0).abs() < F64);
}

#[test]
fn refinement_ends_where_training_diverges_and_keeps_what_it_had() {
    let space = Space::new().log_uniform("lr", 1e-3, 1.0).uniform("beta1", 0.5, 0.99);
    let found = Study::minimize(space).trials(1).progress(false).run(|_| Ok(1.0)).unwrap();
    let mut calls = 0;
    let refined = found.refine(&["lr", "beta1"], 9, |knobs| {
        calls += 1;
        if calls == 3 { Err(HypergradientError::NoSteps) } else { slope(knobs) }
    });
    assert_eq!(refined.unwrap().losses.len(), 2);
    // What is worse than the start is not taken.
    let mut calls = 0;
    let refined = found.refine(&["lr", "beta1"], 3, |knobs| {
        calls += 1;
        slope(knobs).map(|mut slope| {
            slope.loss += f64::from(calls);
            slope
        })
    });
    let refined = refined.unwrap();
    let start = found.best().params.get::<f64>("lr").unwrap();
    assert_eq!((refined.after, refined.losses.len()), (refined.before, 4));
    assert!((refined.get("lr").unwrap() / start - 1.0).abs() < F64);
    let first = found.refine(&["lr"], 9, |_: &Knobs<f64>| Err(HypergradientError::NoSteps));
    assert!(first.unwrap_err().to_string().starts_with("refining: a run of 0 steps"));
    let space = mixed();
    let found = Study::minimize(space).trials(1).run(|trial| Ok(bowl(trial.params()))).unwrap();
    let says = |names: &[&str]| found.knobs::<f64>(names).unwrap_err().to_string();
    assert_eq!(
        says(&["layers"]),
        "refining: parameter `layers` is not continuous, so there is no derivative by it"
    );
    assert!(says(&["lr", "rate"]).starts_with("there is no parameter `rate`"));
    assert!(says(&["optimizer"]).contains("cannot be read as a number"));
    assert_eq!(says(&[]), "study: refining takes the name of at least 1 parameter");
}
