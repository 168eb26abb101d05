//! Schedulers: what they prune, and what that saves.

use gradus_autograd::Rng;

use crate::*;

const EPOCHS: u64 = 27;

/// A trial that learns for 27 epochs: where it goes and how fast is drawn.
fn learning(trial: &mut Trial<'_>) -> Outcome {
    let mut rng = Rng::new(trial.seed());
    let end: f64 = trial.get("end")?;
    for epoch in 0..EPOCHS {
        let loss = end + 0.5 * (-(epoch as f64) / 4.0).exp() + 0.02 * rng.normal();
        trial.report(epoch, loss)?;
    }
    Ok(end)
}

fn study(scheduler: impl Scheduler + 'static) -> Study {
    let space = Space::new().uniform("end", 0.0, 1.0);
    Study::minimize(space).scheduler(scheduler).trials(200).progress(false)
}

#[test]
fn asha_spends_what_it_should_and_keeps_the_good_ones() {
    let all = study(NoPruning).run(learning).unwrap();
    assert_eq!(all.steps(), 200 * EPOCHS);
    let found = study(Asha::new(EPOCHS)).run(learning).unwrap();
    // All reach 1 epoch, a third 3, a ninth 9, a 27th 27: 3 epochs a trial, and more at the beginning, when
    // there are few to compare with.
    let spent = found.steps() as f64 / 200.0;
    println!("{spent} epochs a trial");
    assert!((3.0..4.5).contains(&spent), "{spent}");
    let best = |found: &StudyResult| found.best().score.unwrap();
    assert!(best(&found) < best(&all) + 0.03, "{} {}", best(&found), best(&all));
    let mut lengths: Vec<usize> = found.trials().iter().map(|trial| trial.reports.len()).collect();
    lengths.sort_unstable();
    lengths.dedup();
    assert_eq!(lengths, [1, 3, 9, 27]);
    // 2 instead of 3, and the first rung later.
    let found = study(Asha::new(EPOCHS).min_resource(4).reduction_factor(2)).run(learning).unwrap();
    let mut lengths: Vec<usize> = found.trials().iter().map(|trial| trial.reports.len()).collect();
    lengths.sort_unstable();
    lengths.dedup();
    assert_eq!(lengths, [4, 8, 16, 27]);
}

#[test]
fn the_best_so_far_is_never_pruned() {
    let found = study(Asha::new(EPOCHS)).run(learning).unwrap();
    for trial in found.trials() {
        for rung in [1, 3, 9] {
            let Some(own) = trial.report_at(rung - 1) else { continue };
            let seen = (trial.number + 1).saturating_sub(4) as usize;
            let others = found.trials()[..seen].iter().filter_map(|t| t.report_at(rung - 1));
            if others.fold(f64::MAX, f64::min) > own {
                assert!(trial.reports.len() as u64 > rung, "trial {} at {rung}", trial.number);
            }
        }
    }
}

#[test]
fn hyperband_deals_trials_to_brackets() {
    let found = study(Asha::new(EPOCHS).brackets(3)).run(learning).unwrap();
    let ended = |at: usize| found.trials().iter().filter(|t| t.reports.len() == at).count();
    // 9/3·3 : 3/2·3 : 1·3 of 200 trials: 123, 62 and 14 ... of which two thirds end at their first rung.
    assert!((60..=95).contains(&ended(1)), "{}", ended(1));
    assert!((30..=80).contains(&ended(3)), "{}", ended(3));
    assert_eq!(found.trials().len(), 200);
    let spent = found.steps() as f64 / 200.0;
    // (123·3 + 62·7 + 14·15)/200 = 5.1, and more at the beginning of each bracket.
    assert!((4.5..9.0).contains(&spent), "{spent}");
}

#[test]
fn rungs_that_no_report_hits_are_decided_at_the_next() {
    let sparse = |trial: &mut Trial<'_>| {
        let end: f64 = trial.get("end")?;
        for epoch in [4, 9, 14, 26] {
            trial.report(epoch, end)?;
        }
        Ok(end)
    };
    let found = study(Asha::new(EPOCHS)).run(sparse).unwrap();
    // Rungs 1 and 3 are reached by the first report, 9 by the second, 27 by the last.
    let count = |at: usize| found.trials().iter().filter(|t| t.reports.len() == at).count();
    assert!(count(1) > 100 && count(2) > 10 && count(3) == 0 && count(4) > 3);
}

#[test]
fn the_median_rule_prunes_the_worse_half() {
    let found = study(MedianStopping::new()).run(learning).unwrap();
    let pruned = found.trials().iter().filter(|t| t.state == TrialState::Pruned).count();
    assert!((80..=180).contains(&pruned), "{pruned}");
    let found = study(MedianStopping::new().warmup(8)).run(learning).unwrap();
    assert!(found.trials().iter().all(|trial| trial.reports.len() >= 9));
    // Five trials are completed first, whatever they report; then four more may begin before that is known.
    assert!(found.trials()[..8].iter().all(|trial| trial.state == TrialState::Complete));
}

#[test]
fn median_of_hand() {
    let history: Vec<_> = [[3.0, 2.0], [5.0, 4.0], [9.0, 8.0]].into_iter().collect();
    // With a lag of 1, the fourth trial sees these three: medians 5 and 4.
    let run = |values: [f64; 2]| {
        let space = Space::new().uniform("x", 0.0, 1.0);
        let study = Study::minimize(space).scheduler(MedianStopping::new().startup(3));
        let found = study.trials(4).lag(1).progress(false).run(|trial| {
            let values = history.get(trial.number() as usize).copied().unwrap_or(values);
            for (step, value) in values.into_iter().enumerate() {
                trial.report(step as u64, value)?;
            }
            Ok(values[1])
        });
        found.unwrap().trials()[3].reports.len()
    };
    assert_eq!(run([5.0, 9.0]), 2); // as good as the median; its best, 5, is worse than 4 in the end
    assert_eq!(run([5.1, 1.0]), 1);
    assert_eq!(run([f64::NAN, 1.0]), 1);
    let space = || Space::new().uniform("x", 0.0, 1.0);
    let up = Study::maximize(space()).scheduler(MedianStopping::new().startup(3)).trials(4).lag(1);
    let found = up.progress(false).run(|trial| {
        let value = [3.0, 5.0, 9.0, 4.9][trial.number() as usize];
        trial.report(0, value)?;
        Ok(value)
    });
    assert_eq!(found.unwrap().trials()[3].state, TrialState::Pruned);
}

#[test]
fn nan_is_pruned_and_counts_as_worst() {
    let found = study(Asha::new(EPOCHS)).run(|trial| {
        let end: f64 = trial.get("end")?;
        for epoch in 0..EPOCHS {
            trial.report(epoch, if end > 0.5 { f64::NAN } else { end })?;
        }
        Ok(end)
    });
    for trial in found.unwrap().trials() {
        if trial.params.get::<f64>("end").unwrap() > 0.5 {
            assert_eq!((&trial.state, trial.reports.len()), (&TrialState::Pruned, 1));
            assert_eq!(trial.score, None);
        }
    }
}
