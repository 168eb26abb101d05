//! Studies: threads, failures, what may be asked of a trial.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::*;

fn study(threads: usize) -> Study {
    Study::minimize(mixed()).trials(40).seed(5).threads(threads).progress(false)
}

#[test]
fn the_same_trials_with_any_number_of_threads() {
    let kinds: [fn(usize) -> Study; 5] = [
        study,
        |threads| study(threads).sampler(Halton),
        |threads| study(threads).sampler(Tpe::new()),
        |threads| study(threads).scheduler(Asha::new(9)),
        |threads| study(threads).sampler(Tpe::new()).scheduler(MedianStopping::new()).lag(2),
    ];
    for kind in kinds {
        let slowly = |trial: &mut Trial<'_>| {
            // Trials end in another order than they begin.
            let millis = (trial.number() * 7) % 5;
            std::thread::sleep(std::time::Duration::from_millis(millis));
            reporting(trial)
        };
        let one = facts(&kind(1).run(reporting).unwrap());
        assert_eq!(one.len(), 40);
        for threads in [2, 5] {
            assert_eq!(facts(&kind(threads).run(slowly).unwrap()), one);
        }
    }
}

#[test]
fn other_seeds_give_other_trials() {
    let of = |seed| facts(&study(1).seed(seed).run(reporting).unwrap());
    assert_ne!(of(1), of(2));
    assert_eq!(of(1), of(1));
}

#[test]
fn trials_do_run_at_the_same_time() {
    let (barrier, most) = (Barrier::new(3), AtomicUsize::new(0));
    let found = study(3).sampler(Tpe::new()).trials(3).run(|trial| {
        most.fetch_add(1, Ordering::SeqCst);
        barrier.wait(); // never passed by one thread alone
        Ok(bowl(trial.params()))
    });
    assert_eq!((found.unwrap().trials().len(), most.into_inner()), (3, 3));
}

#[test]
fn a_trial_that_fails_or_panics_does_not_end_the_study() {
    let found = study(2).run(|trial| match trial.number() {
        3 => Err("out of luck".into()),
        4 => panic!("trial {} fell over", trial.number()),
        5 => Ok(f64::NAN),
        6 => Ok(f64::NEG_INFINITY),
        _ => Ok(bowl(trial.params())),
    });
    let found = found.unwrap();
    let why = |number: usize| match &found.trials()[number].state {
        TrialState::Failed(why) => why.as_str(),
        _ => "not failed",
    };
    assert_eq!(found.trials().len(), 40);
    assert_eq!(
        [3, 4, 5, 6].map(why),
        ["out of luck", "panicked: trial 4 fell over", "the score is NaN", "the score is -inf"]
    );
    assert!(found.to_string().ends_with("\ntrial 6 failed: the score is -inf"));
    let error = study(1).trials(3).run(|_| Err("no data".into())).unwrap_err();
    assert_eq!(error.to_string(), "none of the 3 trial(s) was completed: trial 0 failed: no data");
}

#[test]
fn a_mistake_that_every_trial_would_repeat_ends_the_study() {
    let (runs, study) = (AtomicUsize::new(0), study(1));
    let error = study.run(|trial| {
        runs.fetch_add(1, Ordering::SeqCst);
        Ok(trial.get::<f64>("learning_rate")?)
    });
    assert_eq!(
        error.unwrap_err().to_string(),
        "there is no parameter `learning_rate` in the search space; there are `lr`, `optimizer`, \
         `momentum`, `layers`, `width_1`, `width_2`, `width_3`"
    );
    assert_eq!(runs.into_inner(), 1);
    let error = study.run(|trial| {
        trial.report(5, 1.0)?;
        trial.report(5, 1.0)?;
        Ok(0.0)
    });
    let text = "trial 0: step 5 was reported after step 5: steps must grow";
    assert_eq!(error.unwrap_err().to_string(), text);
}

#[test]
fn a_panic_outside_of_an_objective_does_not_hang() {
    #[derive(Debug)]
    struct Broken;
    impl Sampler for Broken {
        fn looks_back(&self) -> bool {
            true
        }
        fn suggest(&self, ask: &Ask<'_>) -> Option<Params> {
            assert!(ask.number != 2, "broken sampler");
            Some(ask.space.fill(|_, domain| domain.at(0.5)))
        }
    }
    let run = || study(3).sampler(Broken).run(|trial| Ok(bowl(trial.params())));
    assert!(std::panic::catch_unwind(run).is_err());
}

#[test]
fn a_study_within_a_trial() {
    // As in nested cross-validation: an inner study without a file, quiet, one a fold.
    let inner = |fold: u64| {
        let study = Study::minimize(mixed()).sampler(Tpe::new()).trials(12).progress(false);
        study.seed(fold).run(|trial| Ok(bowl(trial.params()))).unwrap().best().score.unwrap()
    };
    let space = Space::new().integer("fold", 0, 4);
    let outer = Study::minimize(space).sampler(Grid::new(5)).threads(2).progress(false);
    let found = outer.run(|trial| Ok(inner(trial.get("fold")?))).unwrap();
    let scores: Vec<f64> = found.trials().iter().filter_map(|trial| trial.score).collect();
    assert_eq!(scores, (0..5).map(inner).collect::<Vec<_>>());
}

#[test]
fn a_callback_reports_epochs_and_says_what_it_cannot_report() {
    use gradus_autograd::{Module, Tensor};
    use gradus_nn::{Dense, losses::MeanSquaredError};
    use gradus_optim::Sgd;
    use gradus_train::{Accuracy, Compile, Fit};

    let x = Tensor::linspace(-1.0, 1.0, 8).reshape(&[8, 1]);
    let data = gradus_data::Dataset::<f32>::new(x.clone(), x.map(|x| 2.0 * x)).unwrap();
    let space = || Space::new().log_uniform("lr", 1e-3, 1.0);
    let fit = |trial: &mut Trial<'_>, column: &str| -> Outcome {
        let model = Dense::new(1).inputs(1).init(1);
        let lr = trial.get("lr")?;
        let mut model = model.compile(Sgd::new(lr), MeanSquaredError, &[&Accuracy::new()]);
        let options = Fit::new().epochs(4).progress(false).callback(trial.callback(column));
        Ok(model.fit(&data, options)?.column("loss").iter().sum())
    };
    let study = Study::minimize(space()).trials(3).progress(false);
    let found = study.run(|trial| fit(trial, "loss")).unwrap();
    for trial in found.trials() {
        assert_eq!(trial.reports.iter().map(|report| report.0).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(trial.score, Some(trial.reports.iter().map(|report| report.1).sum()));
    }
    // Pruned after one epoch: training stops there, whatever the objective then returns.
    #[derive(Debug)]
    struct Never;
    impl Scheduler for Never {
        fn prunes(&self, trial: &Running<'_>) -> bool {
            trial.number > 0
        }
    }
    let found = Study::minimize(space()).scheduler(Never).trials(3).progress(false);
    let found = found.run(|trial| fit(trial, "loss")).unwrap();
    let ends: Vec<_> = found.trials().iter().map(|t| (&t.state, t.reports.len())).collect();
    assert_eq!(
        ends,
        [(&TrialState::Complete, 4), (&TrialState::Pruned, 1), (&TrialState::Pruned, 1)]
    );
    assert_eq!(found.trials()[1].score, Some(found.trials()[1].reports[0].1));

    let says = |column: &str, times: usize| {
        let error = study.run(|trial| {
            for _ in 1..times {
                fit(trial, column)?;
            }
            fit(trial, column)
        });
        error.unwrap_err().to_string()
    };
    let none = "none of the 3 trial(s) was completed: trial 0 failed: ";
    assert_eq!(
        says("val_loss", 1),
        format!("{none}Trial::callback: there is no `val_loss` to watch; there are loss, accuracy")
    );
    assert_eq!(
        says("accuracy", 1),
        format!(
            "{none}fit: the study minimizes its score, but reports `accuracy`, which training maximizes: \
             report another column, or turn the study round"
        )
    );
    assert_eq!(
        says("loss", 2),
        format!(
            "{none}fit: the trial has reports already; `loss` of a second training would be taken for a \
             continuation: report the mean of several trainings by `Trial::report`"
        )
    );
}
