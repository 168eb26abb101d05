//! A study that is killed (SIGKILL) at random moments ends as one that was not.
//!
//! `GRADUS_KILLS=50` kills so often; by default a few times.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gradus_autograd::Rng;

use crate::*;

/// Tells the child process where to work.
const FOLDER: &str = "GRADUS_SEARCH_CHILD";
const TRIALS: u64 = 40;

fn study() -> Study {
    Study::minimize(mixed())
        .sampler(Tpe::new().startup(5))
        .scheduler(Asha::new(9))
        .trials(TRIALS)
        .threads(2)
        .seed(2)
        .progress(false)
}

/// Not a test, but the process that is killed.
#[test]
#[ignore = "run by the test below"]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let found = study().file(folder.join("study.jsonl")).run(|trial| {
        // Whether a trial began is seen by its file.
        fs::write(folder.join(format!("began-{}", trial.number())), "")?;
        for step in 0..9 {
            std::thread::sleep(Duration::from_millis(1));
            trial.report(step, bowl(trial.params()) + 4.0 / (step + 1) as f64)?;
        }
        Ok(bowl(trial.params()))
    });
    fs::write(folder.join("facts"), facts(&found.unwrap()).join("\n")).unwrap();
}

/// The trials of the whole lines of the file.
fn finished(file: &Path) -> BTreeSet<u64> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let number = |line: &str| {
        let (_, rest) = line.split_once("\"number\":").unwrap();
        rest.split(',').next().unwrap().parse().unwrap()
    };
    whole.lines().skip(1).map(number).collect()
}

#[test]
fn a_killed_study_loses_and_repeats_no_finished_trial() {
    let kills = std::env::var("GRADUS_KILLS").map_or(4, |count| count.parse().unwrap());
    let expected = facts(&study().run(reporting).unwrap()).join("\n");
    let mut rng = Rng::new(kills);
    let (mut killed, mut round) = (0, 0);
    while killed < kills {
        let folder = scratch(&format!("killed-{round}"));
        fs::create_dir(&folder).unwrap();
        round += 1;
        let mut before = BTreeSet::new();
        loop {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["kill::child", "--exact", "--ignored"])
                .env(FOLDER, &folder)
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap();
            // Within the time that the whole study would take, the start of a process included.
            std::thread::sleep(Duration::from_millis(2 + rng.below(60) as u64));
            if killed < kills {
                killed += 1;
                drop(child.kill()); // SIGKILL; an error if it has ended already
            }
            let status = child.wait().unwrap();
            for number in &before {
                let began = folder.join(format!("began-{number}"));
                assert!(!began.exists(), "trial {number} had ended and ran again");
            }
            let now = finished(&folder.join("study.jsonl"));
            assert!(before.is_subset(&now), "lost: {before:?} {now:?}");
            for number in &now {
                drop(fs::remove_file(folder.join(format!("began-{number}"))));
            }
            before = now;
            if status.success() {
                break;
            }
        }
        assert_eq!(before, (0..TRIALS).collect());
        assert_eq!(fs::read_to_string(folder.join("facts")).unwrap(), expected);
    }
}
