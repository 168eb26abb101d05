//! The study's file: taken up again at any length, and never overwritten by mistake.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use crate::*;

fn study(file: &Path) -> Study {
    Study::minimize(mixed())
        .sampler(Tpe::new().startup(4))
        .scheduler(Asha::new(9))
        .trials(20)
        .seed(9)
        .progress(false)
        .file(file)
}

/// An objective with all kinds of ends.
fn objective(trial: &mut Trial<'_>) -> Outcome {
    match trial.number() {
        2 => Err("a message, with \"quotes\"\nand a second line".into()),
        3 => trial.report(0, f64::INFINITY).map(|()| 0.0).map_err(Into::into),
        7 => Ok(f64::NAN),
        _ => reporting(trial),
    }
}

#[test]
fn a_file_cut_off_anywhere_leads_to_the_same_study() {
    let path = scratch("deep/er/study.jsonl");
    let whole = facts(&study(&path).run(objective).unwrap());
    let text = fs::read(&path).unwrap();
    assert_eq!(text.iter().filter(|&&byte| byte == b'\n').count(), 21);
    let finished = Mutex::new(Vec::new());
    for end in (0..text.len()).step_by(197).chain([1, text.len() - 1, text.len()]) {
        fs::write(&path, &text[..end]).unwrap();
        // No trial whose line is whole runs again.
        let lines = text[..end].iter().filter(|&&byte| byte == b'\n').count();
        finished.lock().unwrap().clear();
        let found = study(&path).threads(2).run(|trial| {
            finished.lock().unwrap().push(trial.number());
            objective(trial)
        });
        assert_eq!(facts(&found.unwrap()), whole, "cut off after {end} bytes");
        assert_eq!(finished.lock().unwrap().len(), 20 - lines.saturating_sub(1));
        let again = fs::read_to_string(&path).unwrap();
        assert_eq!(again.lines().count(), 21);
        let read = study(&path).run(|_| unreachable!("all trials are there")).unwrap();
        assert_eq!(facts(&read), whole, "cut off after {end} bytes, and read again");
    }
}

#[test]
fn a_finished_study_is_read_and_can_be_extended() {
    let path = scratch("study.jsonl");
    let first = facts(&study(&path).run(objective).unwrap());
    let read = study(&path).run(|_| unreachable!("all trials are there")).unwrap();
    assert_eq!(facts(&read), first);
    let more = facts(&study(&path).trials(25).run(objective).unwrap());
    assert_eq!((more.len(), &more[..20]), (25, &first[..]));
    let fresh = study(&scratch("other.jsonl")).trials(25).run(objective).unwrap();
    assert_eq!(facts(&fresh), more);
    // Fewer are asked for than there are: none is lost.
    let fewer = study(&path).trials(3).run(|_| unreachable!()).unwrap();
    assert_eq!(facts(&fewer).len(), 25);
}

/// The message, and that the file is as it was.
fn refused(path: &Path, study: &Study) -> String {
    let before = fs::read(path).unwrap();
    let error = study.run(|_| unreachable!("the file is refused")).unwrap_err();
    assert_eq!(fs::read(path).unwrap(), before, "nothing was written");
    error.to_string().replace(&path.display().to_string(), "FILE")
}

#[test]
fn another_study_is_refused() {
    let path = scratch("study.jsonl");
    study(&path).trials(2).run(reporting).unwrap();
    assert_eq!(
        refused(&path, &study(&path).seed(10)),
        "FILE holds a study with another seed: 9 there, 10 here; nothing was written: go on with the same \
         seed, or choose another file"
    );
    for (what, other) in [
        ("sampler", study(&path).sampler(Random)),
        ("scheduler", study(&path).scheduler(Asha::new(9).reduction_factor(4))),
        ("lag", study(&path).lag(1)),
        ("space", Study::minimize(mixed().uniform("more", 0.0, 1.0))),
        ("direction", Study::maximize(mixed())),
    ] {
        let other = match what {
            "space" | "direction" => {
                let like = other.sampler(Tpe::new().startup(4)).scheduler(Asha::new(9));
                like.trials(20).seed(9).file(&path)
            }
            _ => other,
        };
        let says = refused(&path, &other);
        assert!(says.contains(&format!("another {what}:")), "{says}");
        assert!(says.chars().count() < 700, "{says}");
    }
}

#[test]
fn what_is_not_a_study_is_refused() {
    let path = scratch("study.jsonl");
    for (text, why) in [
        (&b"epoch,loss\n0,1.5\n"[..], "its first line is not the settings of a study"),
        (b"{\"a\":1}\n", "its first line has no `gradus_study`"),
        (b"{\"gradus_study\":2}\n", "it has version 2 of the format, not 1"),
        (b"\n", "its first line is not the settings of a study"),
        (b"\xff\xfe\x00", "its first line is not the settings of a study"),
        (&[b'['; 100_000], "its first line is not the settings of a study"),
    ] {
        fs::write(&path, text).unwrap();
        assert_eq!(
            refused(&path, &study(&path)),
            format!(
                "FILE is not the file of a study ({why}); nothing was written: choose another file"
            )
        );
    }
}

#[test]
fn a_damaged_line_is_named() {
    let path = scratch("study.jsonl");
    study(&path).trials(3).run(bowl_only).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let with = |line: &str, file: &[&str]| {
        fs::write(&path, [file, &[line, ""]].concat().join("\n")).unwrap();
        refused(&path, &study(&path))
    };
    let third = |from: &str, to: &str| {
        assert!(lines[2].contains(from), "{}", lines[2]);
        with(&lines[2].replacen(from, to, 1), &lines[..2])
    };
    assert_eq!(
        with(lines[1], &lines),
        "FILE, line 5: trial 0 is there twice; nothing was written: mend or remove the line"
    );
    for (says, why) in [
        (with("{\"number\":", &lines[..2]), "EOF while parsing"),
        (with("[]", &lines[..2]), "there is no `state`"),
        (third("\"number\":1", "\"number\":-1"), "`number` is -1"),
        (third("\"lr\":", "\"lr\":1e9,\"x\":"), "`lr` is not within its range"),
        (third("\"lr\":", "\"rate\":"), "`lr` is missing"),
        (third("{\"layers\"", "{\"a\":1,\"layers\""), "there is no parameter `a` in the space"),
        (third("\"complete\"", "\"done\""), "`state` is \"done\""),
        (third("\"score\"", "\"mark\""), "`state` is \"complete\""),
        (
            third("\"reports\":[", "\"reports\":[[1,0.5],[1,0.5]"),
            "the steps of the reports are not in order",
        ),
        (third("\"reports\":[", "\"reports\":[5"), "a report is not a pair"),
        (third("\"seconds\":", "\"seconds\":\"long\",\"s\":"), "`seconds` is \"long\""),
    ] {
        assert!(says.starts_with("FILE, line 3: ") && says.contains(why), "{says}");
    }
    // A line without end is not read to the end of memory.
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    fs::write(&path, format!("{}\n", lines[0])).unwrap();
    (0..17).for_each(|_| file.write_all(&vec![b' '; 1 << 20]).unwrap());
    assert!(refused(&path, &study(&path)).contains("line 2: it is longer than"));
}

fn bowl_only(trial: &mut Trial<'_>) -> Outcome {
    Ok(bowl(trial.params()))
}

#[test]
fn two_studies_do_not_share_a_file() {
    let path = scratch("study.jsonl");
    let found = study(&path).trials(1).run(|trial| {
        let error = study(&path).run(bowl_only).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{} is in use by another study that is running", path.display())
        );
        bowl_only(trial)
    });
    assert_eq!(found.unwrap().trials()[0].state, TrialState::Complete);
}

#[test]
fn a_file_that_cannot_be_written_is_an_error() {
    let folder = scratch("folder");
    fs::create_dir(&folder).unwrap();
    let error = study(&folder).run(bowl_only).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot open {}: ", folder.display())), "{error}");
}

#[test]
fn a_file_with_bytes_that_were_changed_is_read_or_refused() {
    let path = scratch("study.jsonl");
    let study = study(&path).trials(4);
    study.run(objective).unwrap();
    let text = fs::read(&path).unwrap();
    let mut rng = gradus_autograd::Rng::new(11);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..150 {
        let mut text = text.clone();
        for _ in 0..=rng.below(3) {
            let at = rng.below(text.len());
            match rng.below(3) {
                0 => drop(text.remove(at)),
                1 => text[at] = rng.below(256) as u8,
                _ => text.insert(at, b"0-9.e[]{}:,\"\n"[rng.below(13)]),
            }
        }
        fs::write(&path, &text).unwrap();
        match study.run(objective) {
            Ok(found) => {
                assert_eq!(found.trials().len(), 4);
                read += 1;
            }
            Err(error) => {
                assert_eq!(fs::read(&path).unwrap(), text, "{error}");
                refused += 1;
            }
        }
    }
    // A digit of a score or a name within an error may change unseen.
    assert!(read > 0 && refused > 100, "{read} {refused}");
}
