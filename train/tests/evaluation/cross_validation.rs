//! Folds that do not see each other, in the same bits for any number of threads.

use std::collections::BTreeMap;
use std::sync::Mutex;

use gradus_autograd::{Activation::Tanh, Tensor};
use gradus_data::{DataError, Dataset, Fold, Folds, KFold, LeaveOneOut, StandardScaler};
use gradus_nn::losses::MeanSquaredError;
use gradus_nn::{Dense, Dropout, Sequential};
use gradus_optim::Adam;
use gradus_train::{
    Compile, CrossValidation, CrossValidationError, EarlyStopping, Fit, FoldData, MeanStd, Trainer,
    cross_validate,
};

/// Means of a few numbers near 1.
const ROUNDING: f64 = 1e-12;
const SAMPLES: usize = 23;

/// Sample i has the features i and (i − 7)², and the target sin(i).
fn data() -> Dataset {
    poisoned(&[])
}

/// The same, with senseless features in these rows.
fn poisoned(rows: &[usize]) -> Dataset {
    let x = Tensor::from_fn(&[SAMPLES, 2], |at| match (rows.contains(&at[0]), at[1]) {
        (true, _) => 1e6,
        (_, 0) => at[0] as f32,
        _ => (at[0] as f32 - 7.0).powi(2),
    });
    Dataset::new(x, Tensor::from_fn(&[SAMPLES, 1], |at| (at[0] as f32).sin())).unwrap()
}

type Built = Result<(Trainer<Sequential>, Fit<'static>), Box<dyn std::error::Error + Send + Sync>>;

fn build(fold: &FoldData<'_>) -> Built {
    let model = Sequential::new()
        .add(Dense::new(8).activation(Tanh))
        .add(Dropout::new(0.2))
        .add(Dense::new(1))
        .build(&[2], fold.seed)?
        .compile(Adam::new(0.02), MeanSquaredError, &[]);
    Ok((model, Fit::new().epochs(6).batch_size(5).seed(fold.seed)))
}

fn folds() -> KFold {
    KFold::new(5).shuffled(3)
}

/// Number, seed, rows, and all that was found, as bits.
type Bits = (usize, u64, Vec<usize>, Vec<u64>, Vec<u32>);

fn bits(found: &CrossValidation) -> Vec<Bits> {
    let of = |fold: &gradus_train::FoldResult| {
        let rows = fold.history.epochs().iter().chain([&fold.scores]);
        let numbers = rows.flat_map(|row| row.iter().map(|(_, value)| value.to_bits()));
        let outputs = fold.predictions.to_vec().iter().map(|y| y.to_bits()).collect();
        (fold.number, fold.seed, fold.held_out.clone(), numbers.collect(), outputs)
    };
    found.folds().iter().map(of).collect()
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let data = data();
    let run = |threads| {
        let run = cross_validate(build, &data, folds()).preprocess(StandardScaler::fit);
        bits(&run.seed(9).threads(threads).run().unwrap())
    };
    let one = run(1);
    assert_eq!(one.len(), 5);
    for threads in [2, 3, 8] {
        assert_eq!(run(threads), one, "{threads} threads");
    }
    let mut seeds: Vec<u64> = one.iter().map(|fold| fold.1).collect();
    seeds.dedup();
    assert_eq!(seeds.len(), 5, "a seed of its own for each fold");
}

#[test]
fn a_scaler_is_fitted_on_the_training_rows_alone() {
    let (data, seen) = (data(), Mutex::new(Vec::new()));
    let fit = |train: &Dataset| -> Result<StandardScaler, DataError> {
        // The first feature of a sample is its row.
        let mut rows: Vec<usize> =
            train.x().slice(1, 0..1).to_vec().iter().map(|&row| row as usize).collect();
        rows.sort_unstable();
        seen.lock().unwrap().push(rows);
        StandardScaler::fit(train)
    };
    let found = cross_validate(build, &data, folds()).preprocess(fit).threads(1).run().unwrap();
    for (fold, rows) in found.folds().iter().zip(&*seen.lock().unwrap()) {
        let others: Vec<usize> = (0..SAMPLES).filter(|row| !fold.held_out.contains(row)).collect();
        assert_eq!(rows, &others, "fold {}", fold.number);
    }
}

#[test]
fn a_poisoned_row_changes_no_training_of_the_fold_that_holds_it_out() {
    let (clean, row) = (data(), 11);
    let poisoned = poisoned(&[row]);
    let run = |data| {
        let run = cross_validate(build, data, folds()).preprocess(StandardScaler::fit);
        run.run().unwrap()
    };
    let (clean, poisoned) = (run(&clean), run(&poisoned));
    for (a, b) in clean.folds().iter().zip(poisoned.folds()) {
        let same = a.history.column("loss") == b.history.column("loss");
        assert_eq!(same, a.held_out.contains(&row), "fold {}", a.number);
        assert_ne!(a.scores, b.scores, "a poisoned row is seen by each fold, here or there");
    }
}

#[test]
fn a_builder_sees_the_training_rows_as_they_are_and_nothing_else() {
    let (data, seen) = (data(), Mutex::new(BTreeMap::new()));
    let watched = |fold: &FoldData<'_>| {
        seen.lock().unwrap().insert(fold.number, (fold.train.clone(), fold.rows.to_vec()));
        build(fold)
    };
    let found =
        cross_validate(watched, &data, folds()).preprocess(StandardScaler::fit).run().unwrap();
    for fold in folds().folds(&data).unwrap().iter().zip(seen.into_inner().unwrap()) {
        let (Fold { train, .. }, (_, (seen, rows))) = fold;
        assert_eq!(seen, data.subset(train).unwrap());
        assert_eq!(rows, *train);
    }
    let (rows, outputs) = found.out_of_fold();
    assert_eq!(outputs.shape(), [SAMPLES, 1]);
    assert_eq!(rows, (0..SAMPLES).collect::<Vec<_>>());
    for fold in found.folds() {
        let of: Vec<f32> = fold.held_out.iter().map(|&row| outputs.at(&[row, 0])).collect();
        assert_eq!(of, fold.predictions.to_vec());
    }
}

#[test]
fn scores_are_those_of_the_fold_and_means_are_over_folds() {
    let data = data();
    let found = cross_validate(build, &data, folds()).run().unwrap();
    let mut losses = Vec::new();
    for fold in found.folds() {
        let targets = data.subset(&fold.held_out).unwrap();
        let pairs = fold.predictions.to_vec().into_iter().zip(targets.y().to_vec());
        let squares: Vec<f64> = pairs.map(|(p, y)| f64::from(p - y).powi(2)).collect();
        let loss = squares.iter().sum::<f64>() / squares.len() as f64;
        assert!((loss - fold.scores.loss()).abs() < 1e-6 * loss, "in 32 bits");
        assert_eq!(fold.history.last().unwrap().get("val_loss"), Some(fold.scores.loss()));
        losses.push(fold.scores.loss());
    }
    let MeanStd { mean, std } = found.get("loss").unwrap();
    let by_hand = losses.iter().sum::<f64>() / 5.0;
    let variance = losses.iter().map(|loss| (loss - by_hand).powi(2)).sum::<f64>() / 5.0;
    assert!((mean - by_hand).abs() < ROUNDING && (std - variance.sqrt()).abs() < ROUNDING);
    assert_eq!(found.get("accuracy"), None);
}

#[test]
fn callbacks_are_of_one_fold_and_the_history_averages_those_that_still_train() {
    let data = data();
    let found = cross_validate(
        |fold| {
            // Fold n ends after n + 2 epochs: nothing is ever better by that much.
            let stop = EarlyStopping::monitor("val_loss").patience(fold.number + 1).min_delta(1e9);
            let (model, fit) = build(fold)?;
            Ok((model, fit.callback(stop)))
        },
        &data,
        folds(),
    );
    let found = found.run().unwrap();
    let epochs: Vec<usize> = found.folds().iter().map(|f| f.history.epochs().len()).collect();
    assert_eq!(epochs, [2, 3, 4, 5, 6]);
    let averaged = found.history();
    for (epoch, mean) in averaged.column("val_loss").into_iter().enumerate() {
        let of = found.folds().iter().filter_map(|fold| fold.history.epochs().get(epoch));
        let values: Vec<f64> = of.map(|row| row.get("val_loss").unwrap()).collect();
        assert_eq!(values.len(), 5 - epoch.saturating_sub(1));
        assert!((mean - values.iter().sum::<f64>() / values.len() as f64).abs() < ROUNDING);
    }
    assert_eq!(averaged.epochs().len(), 6);
}

#[test]
fn with_a_validation_fraction_the_fold_is_seen_once() {
    let data = data();
    let found = cross_validate(
        |fold| build(fold).map(|(model, fit)| (model, fit.validation_fraction(0.25))),
        &data,
        folds(),
    );
    for fold in found.run().unwrap().folds() {
        assert_ne!(fold.history.last().unwrap().get("val_loss"), Some(fold.scores.loss()));
    }
}

#[test]
fn an_error_names_the_first_fold_that_failed_and_keeps_the_finished_ones() {
    let data = data();
    for threads in [1, 4] {
        let failing = |fold: &FoldData<'_>| match fold.number {
            2 | 3 => Err("no model for this one".into()),
            _ => build(fold),
        };
        let error = cross_validate(failing, &data, folds()).threads(threads).run().unwrap_err();
        assert_eq!(
            error.to_string(),
            "cross_validate: fold 2 of 5: no model for this one",
            "{threads} threads"
        );
        let CrossValidationError::Fold { finished, .. } = error else { panic!("{error}") };
        assert!(finished.folds().len() >= 2 && finished.get("loss").is_some());
        assert_eq!(finished.folds()[1].number, 1);
    }
}

#[test]
fn what_is_wrong_with_folds_options_and_data_is_said() {
    let data = data();
    let error = cross_validate(build, &data, KFold::new(24)).run().unwrap_err().to_string();
    assert!(error.starts_with("cross_validate: ") && error.contains("24 folds"), "{error}");

    let no_epochs = |fold: &FoldData<'_>| build(fold).map(|(model, fit)| (model, fit.epochs(0)));
    let error = cross_validate(no_epochs, &data, folds()).run().unwrap_err().to_string();
    assert_eq!(
        error,
        "cross_validate: fold 0 of 5: fit: the number of epochs is 0; training takes at least 1"
    );

    struct Overlapping;
    impl Folds for Overlapping {
        fn folds(&self, _: &Dataset) -> Result<Vec<Fold>, DataError> {
            Ok(vec![Fold { train: vec![0, 1, 2], test: vec![2] }])
        }
    }
    let error = cross_validate(build, &data, Overlapping).run().unwrap_err().to_string();
    assert_eq!(error, "cross_validate: fold 0 of 1: split: row 2 is in part 0 and again in part 1");
}

#[test]
#[should_panic(expected = "cross_validate: fold 0 of 5: a model that panics")]
fn a_panic_of_a_fold_is_a_panic_of_the_whole() {
    let data = data();
    let panics = |_: &FoldData<'_>| -> Built { panic!("a model that panics") };
    let _ = cross_validate(panics, &data, folds()).threads(2).run();
}

#[test]
fn folds_of_one_sample_make_a_table() {
    let data = data().subset(&[0, 1, 2]).unwrap();
    let short = |fold: &FoldData<'_>| build(fold).map(|(model, fit)| (model, fit.epochs(1)));
    let found = cross_validate(short, &data, LeaveOneOut).run().unwrap();
    let table = found.to_string();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "fold  samples  epochs      loss");
    assert!(lines[1].starts_with("   0        1       1  "), "{table}");
    assert!(lines[4].starts_with("mean  ") && lines[5].starts_with("std   "), "{table}");
    assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{table}");
}
