//! Runs that are cut off and taken up again end with the bits of runs that are not.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use gradus_autograd::{Module, Rng, Tensor};
use gradus_data::Dataset;
use gradus_nn::init::HeNormal;
use gradus_nn::losses::BinaryCrossentropy;
use gradus_nn::{BatchNorm, Dense, Dropout, Sequential};
use gradus_optim::{AdamW, Clip, Sgd, StateDict, Step};
use gradus_train::*;

use super::Folder;

const EPOCHS: usize = 8;
/// Steps of an epoch: 60 samples in batches of 8.
const STEPS: usize = 8;

fn data(n: usize, seed: u64) -> Dataset {
    let mut rng = Rng::new(seed);
    let x = Tensor::from_fn(&[n, 4], |_| rng.normal() as f32);
    let y = Tensor::from_fn(&[n, 1], |at| f32::from(x.at(&[at[0], 0]) * x.at(&[at[0], 1]) > 0.0));
    Dataset::new(x.clone(), y).unwrap()
}

type Model = Trainer<Sequential, f32>;

fn compiled(optimizer: impl Step<f32> + 'static) -> Model {
    let model = Sequential::new()
        .add(Dense::new(12).kernel_initializer(HeNormal))
        .add(BatchNorm::new())
        .add(gradus_autograd::Activation::Relu)
        .add(Dropout::new(0.3))
        .add(Dense::new(1).activation(gradus_autograd::Activation::Sigmoid))
        .build(&[4], 3)
        .unwrap();
    model.compile(
        optimizer,
        BinaryCrossentropy::new(),
        &[&Accuracy::new(), &RocAuc::new(), &F1::new()],
    )
}

fn model() -> Model {
    let adam = AdamW::new(0.01).group(|path| path.ends_with("bias"), |h| h.lr = 0.02);
    compiled(adam.clip(Clip::GlobalNorm(1.0)))
}

/// Everything that remembers something: what it leaves behind, as text.
fn train(
    mut model: Model,
    folder: &Path,
    every: u64,
    last: impl Callback,
) -> Result<String, TrainError> {
    let (train, validation) = (data(60, 1), data(30, 2));
    let mut stopping =
        EarlyStopping::monitor("val_loss").patience(EPOCHS - 2).restore_best_weights(true);
    let mut steps = 0;
    let mut average = Ema::new(0.9).validate(true).overwrite(false);
    let options = Fit::new()
        .epochs(EPOCHS)
        .batch_size(8)
        .seed(5)
        .progress(false)
        .validation(&validation)
        .class_weights(&[1.0, 1.5])
        .callback(LearningRateScheduler::new(
            |epoch: usize, lr: f64| if epoch == 3 { lr * 0.7 } else { lr },
        ))
        .callback(ReduceLROnPlateau::monitor("val_loss").factor(0.5).patience(2).cooldown(1))
        .callback(&mut average)
        .callback(&mut stopping)
        .callback(CsvLogger::new(folder.join("log.csv")))
        .callback(ModelCheckpoint::new(folder.join("best.safetensors")).best("val_auc"))
        .callback(LambdaCallback::new().train_end(|state| steps = state.step))
        .callback(last)
        .backup(BackupAndRestore::new(folder.join("backup.safetensors")).every_batches(every));
    let history = model.fit(&train, options)?;
    let bits = |weights: StateDict| format!("{weights:?}");
    Ok([
        format!("{steps} steps"),
        history.to_csv(),
        format!("{:?} {:?} {:?}", history.kept_epoch(), stopping.best(), stopping.stopped_epoch()),
        bits(Weights::of(&model.model).state_dict()),
        format!("{:?}", model.optimizer.state_dict()),
        format!("{:?}", average.average()),
        fs::read_to_string(folder.join("log.csv")).unwrap(),
        bits(load_safetensors(folder.join("best.safetensors")).unwrap()),
    ]
    .join("\n"))
}

/// Fails in the given step.
fn fails_at<'a>(step: u64) -> LambdaCallback<'a> {
    LambdaCallback::new().batch_end(move |_, _, state| {
        if state.step == step {
            state.fail(TrainError::Option("cut off".into()));
        }
    })
}

/// Cut off in every step, with backups at every distance, and taken up again.
#[test]
fn a_run_cut_off_at_any_step_ends_with_the_same_bits() {
    let whole = Folder::new("whole");
    let expected = train(model(), &whole, 0, LambdaCallback::new()).unwrap();
    assert!(expected.contains("0.007"), "the schedule and the plateau are at work");
    for every in [0, 1, 3, 5] {
        for step in (1..=(EPOCHS * STEPS) as u64).step_by(if every == 3 { 3 } else { 11 }) {
            let folder = Folder::new("cut");
            let error = train(model(), &folder, every, fails_at(step)).unwrap_err();
            assert_eq!(error.to_string(), "fit: cut off");
            let found = train(model(), &folder, every, LambdaCallback::new()).unwrap();
            assert!(
                found == expected,
                "cut off at {step}, saved every {every}\n{found}\n{expected}"
            );
        }
    }
}

/// Cut off when the row of an epoch is already in a file, but not in the backup.
#[test]
fn a_run_cut_off_between_its_files_ends_with_the_same_bits() {
    let whole = Folder::new("whole");
    let expected = train(model(), &whole, 0, LambdaCallback::new()).unwrap();
    for cut in [0, 3, EPOCHS - 1] {
        let folder = Folder::new("between");
        let fails = LambdaCallback::new().epoch_end(|epoch, _, state| {
            if epoch == cut {
                state.fail(TrainError::Option("cut off".into()));
            }
        });
        train(model(), &folder, 0, fails).unwrap_err();
        assert!(
            train(model(), &folder, 0, LambdaCallback::new()).unwrap() == expected,
            "after {cut}"
        );
    }
}

/// Again and again: in each process, one step is won.
#[test]
fn a_run_that_gets_one_step_further_each_time() {
    let whole = Folder::new("whole");
    let expected = train(model(), &whole, 0, LambdaCallback::new()).unwrap();
    let folder = Folder::new("steps");
    for step in 2..=(EPOCHS * STEPS) as u64 {
        train(model(), &folder, 1, fails_at(step)).unwrap_err();
    }
    assert!(train(model(), &folder, 1, LambdaCallback::new()).unwrap() == expected);
    // It has ended: its result comes back at once, and no step is taken.
    assert!(train(model(), &folder, 1, fails_at(1)).unwrap() == expected);
}

#[test]
fn trained_hyperparameters_are_taken_up_too() {
    let tuned = || {
        let outer = Sgd::new(1e-3).momentum(0.5);
        compiled(AdamW::new(0.01).tuned_by(outer).positive(|h| &mut h.lr))
    };
    let whole = Folder::new("whole");
    let expected = train(tuned(), &whole, 0, LambdaCallback::new()).unwrap();
    let folder = Folder::new("tuned");
    train(tuned(), &folder, 2, fails_at(29)).unwrap_err();
    assert!(train(tuned(), &folder, 2, LambdaCallback::new()).unwrap() == expected);
}

/// In a process of its own, see below: trains slowly enough to be killed, and writes down what came of it.
#[test]
#[ignore = "it is the child of another test"]
fn child() {
    let Some(folder) = env::var_os("GRADUS_CHILD").map(Folder::at) else { return };
    let slow =
        LambdaCallback::new().batch_end(|_, _, _| std::thread::sleep(Duration::from_millis(2)));
    let result = train(model(), &folder, 3, slow).unwrap();
    fs::write(folder.join("result"), result).unwrap();
}

fn spawn(folder: &Path) -> std::process::Child {
    Command::new(env::current_exe().unwrap())
        .args(["backup::child", "--exact", "--ignored"])
        .env("GRADUS_CHILD", folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// SIGKILL at random moments, 3 times or `GRADUS_KILLS` times in all.
#[test]
fn a_run_that_is_killed_ends_with_the_same_bits() {
    let kills = env::var("GRADUS_KILLS").map_or(3, |kills| kills.parse().expect("a number"));
    let result = |folder: &Path| fs::read_to_string(folder.join("result")).unwrap();
    let whole = Folder::new("kill-whole");
    let began = Instant::now();
    assert!(spawn(&whole).wait().unwrap().success());
    let (expected, took) = (result(&whole), began.elapsed());
    let (mut rng, mut killed) = (Rng::new(9), 0);
    while killed < kills {
        let folder = Folder::new("kill");
        loop {
            let mut child = spawn(&folder);
            if killed < kills {
                std::thread::sleep(took.mul_f64(rng.uniform()));
                child.kill().unwrap();
            }
            let ended = child.wait().unwrap();
            if ended.success() {
                break;
            }
            assert!(ended.code().is_none(), "it did not fail by itself: {ended}");
            killed += 1;
        }
        assert!(result(&folder) == expected, "after {killed} kills");
    }
}

/// What a wrong backup says; the file and the model stay as they are.
fn refused(folder: &Folder, make: impl Fn(&mut Model)) -> String {
    let path = folder.join("backup.safetensors");
    let before = fs::read(&path).unwrap();
    let mut model = compiled(Sgd::new(0.1).momentum(0.9));
    make(&mut model);
    let (weights, optimizer) = (Weights::of(&model.model), model.optimizer.state_dict());
    let options = Fit::new().progress(false).callback(EarlyStopping::monitor("loss"));
    let options = options.backup(BackupAndRestore::new(&path));
    let error = model.fit(&data(20, 1), options).unwrap_err().to_string();
    assert_eq!(fs::read(&path).unwrap(), before, "the file stays");
    assert_eq!(Weights::of(&model.model), weights);
    assert_eq!(model.optimizer.state_dict(), optimizer);
    error.replace(&path.display().to_string(), "FILE")
}

#[test]
fn a_wrong_backup_is_an_error_and_loses_nothing() {
    let folder = Folder::new("refused");
    let path = folder.join("backup.safetensors");
    let begin = |seed: u64| {
        let mut model = compiled(Sgd::new(0.1).momentum(0.9));
        let options =
            Fit::new().seed(seed).progress(false).callback(EarlyStopping::monitor("loss"));
        drop(fs::remove_file(&path));
        model.fit(&data(20, 1), options.backup(BackupAndRestore::new(&path))).unwrap();
    };
    begin(1);
    let other = |what: &str| {
        format!(
            "the backup FILE is of another run: {what} differs. Start as before, or with another file"
        )
    };
    assert_eq!(refused(&folder, |_| ()), other("seed"));
    begin(0);
    let rate = |model: &mut Model| model.optimizer.set_lr(0.2);
    assert_eq!(refused(&folder, rate), other("the learning rate at the start"));
    let weights = |model: &mut Model| {
        let fresh = Sequential::new().add(Dense::new(1)).build(&[4], 3).unwrap();
        model.model = fresh;
    };
    assert_eq!(refused(&folder, weights), other("the model at the start"));

    let good = load_safetensors(&path).unwrap();
    let wrong = |change: &dyn Fn(&mut StateDict), text: &str| {
        let mut state = good.clone();
        change(&mut state);
        save_safetensors(&path, &state).unwrap();
        assert_eq!(refused(&folder, |_| ()), text);
    };
    wrong(
        &|s| drop(s.take("model.dense.kernel").unwrap()),
        "FILE: there is no entry `model.dense.kernel`",
    );
    wrong(
        &|s| drop(s.take("callbacks.0.wait").unwrap()),
        "FILE: there is no entry `callbacks.0.wait`",
    );
    wrong(
        &|s| s.insert("callbacks.1.wait", 1_u64),
        "FILE: the entry `callbacks.1.wait` belongs to nothing",
    );
    wrong(&|s| s.insert("place.batch", 1_u64), "FILE: there is no entry `metrics.0`");
    wrong(
        &|s| drop(s.take("optimizer.hyper").unwrap()),
        "FILE: there is no entry `optimizer.hyper`",
    );
    wrong(
        &|s| drop(s.take("format").unwrap()),
        "cannot read FILE: it is a safetensors file, but no backup of a run",
    );
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = refused(&folder, |_| ());
    assert!(error.starts_with("cannot read FILE: it is not a whole safetensors file ("), "{error}");
}

/// More epochs than before: a finished run goes on.
#[test]
fn a_run_goes_on_for_more_epochs() {
    let folder = Folder::new("longer");
    let run = |epochs: usize, path: &str| {
        let mut model = compiled(Sgd::new(0.1));
        let backup = BackupAndRestore::new(folder.join(path));
        let options = Fit::new().epochs(epochs).progress(false).backup(backup);
        let history = model.fit(&data(40, 1), options).unwrap();
        (history, Weights::of(&model.model))
    };
    assert_eq!(run(2, "two").0.epochs().len(), 2);
    assert_eq!(run(5, "two"), run(5, "five"));
    let path = folder.join("nothing-there/new.safetensors");
    let mut model = compiled(Sgd::new(0.1));
    model
        .fit(&data(40, 1), Fit::new().progress(false).backup(BackupAndRestore::new(&path)))
        .unwrap();
    assert!(path.exists() && model.model.params().len() > 4);
}

/// A metric that cannot tell its state would be wrong after a backup within an epoch.
#[test]
fn a_metric_without_a_state_is_refused_within_epochs() {
    struct Own;
    impl Metric for Own {
        fn name(&self) -> &'static str {
            "own"
        }
        fn direction(&self) -> Direction {
            Direction::Min
        }
        fn update(&mut self, _: &Tensor, _: &Tensor) {}
        fn result(&self) -> f64 {
            0.0
        }
        fn fresh(&self) -> Box<dyn Metric> {
            Box::new(Own)
        }
    }
    let folder = Folder::new("stateless");
    for (every, fine) in [(0, true), (5, false)] {
        let model = Sequential::new().add(Dense::new(1)).build(&[4], 3).unwrap();
        let mut model = model.compile(Sgd::new(0.1), BinaryCrossentropy::from_logits(), &[&Own]);
        let backup = BackupAndRestore::new(folder.join("b")).every_batches(every);
        let result = model.fit(&data(20, 1), Fit::new().progress(false).backup(backup));
        assert_eq!(result.is_ok(), fine, "{result:?}");
    }
}
