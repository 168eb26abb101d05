//! Runs tests against mutants.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::build::Binary;
use crate::rewrite::Mutant;

/// A test has so many times its own time, and as much more, before it counts as one that never ends.
const PATIENCE: (u32, Duration) = (5, Duration::from_secs(5));
/// Memory of a test in KiB: a mutant may ask for any amount.
const MEMORY: u64 = 6 << 20;
/// Tests that run together: the quickest alone, the next few together, then the others.
const PORTIONS: [usize; 4] = [1, 6, 40, usize::MAX];

struct Test {
    binary: usize,
    name: String,
    time: Duration,
    reaches: HashSet<u32>,
}

/// Tests, how long they take, and which places they reach.
pub struct Suite {
    binaries: Vec<Binary>,
    tests: Vec<Test>,
}

impl Suite {
    /// Runs each test alone, without a mutant.
    pub fn of(binaries: &[Binary], folder: &Path) -> io::Result<Self> {
        let mut jobs = Vec::new();
        for (at, binary) in binaries.iter().enumerate() {
            let listed = Command::new(&binary.path).args(["--list", "--format=terse"]).output()?;
            let text = String::from_utf8_lossy(&listed.stdout).into_owned();
            jobs.extend(
                text.lines().filter_map(|line| Some((at, line.strip_suffix(": test")?.to_owned()))),
            );
        }
        let tests = shared(&jobs, |number, (at, name)| {
            let seen = folder.join(format!("seen-{number}"));
            let _ = fs::remove_file(&seen);
            let begun = Instant::now();
            let mut command = command(&binaries[*at], &[name]);
            command.env("GRADUS_MUTANTS_SEEN", &seen);
            let good = passes(command, Duration::from_secs(300));
            let text = fs::read_to_string(&seen).unwrap_or_default();
            let _ = fs::remove_file(&seen);
            let reaches = text.lines().filter_map(|line| line.parse().ok()).collect();
            if !good {
                println!("without a mutant, {} {name} fails: left out", binaries[*at].name);
            }
            good.then(|| Test { binary: *at, name: name.clone(), time: begun.elapsed(), reaches })
        });
        let mut tests: Vec<Test> = tests.into_iter().flatten().collect();
        tests.sort_by_key(|test| test.time);
        Ok(Suite { binaries: binaries.to_vec(), tests })
    }

    pub fn len(&self) -> usize {
        self.tests.len()
    }

    /// The mutants that no test notices.
    pub fn survivors<'m>(&self, mutants: &[&'m Mutant]) -> io::Result<Vec<&'m Mutant>> {
        let (done, begun) = (AtomicUsize::new(0), Instant::now());
        let killed = shared(mutants, |_, mutant| {
            let killed = self.kills(mutant);
            if !killed {
                println!("lives: {}:{}: {}", mutant.path, mutant.line, mutant.change);
            }
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done % 100 == 0 {
                println!("{done} of {}, {} s", mutants.len(), begun.elapsed().as_secs());
                let _ = io::stdout().flush();
            }
            killed
        });
        Ok(std::iter::zip(mutants, killed)
            .filter(|(_, killed)| !killed)
            .map(|(mutant, _)| *mutant)
            .collect())
    }

    fn kills(&self, mutant: &Mutant) -> bool {
        let mut tests: &[&Test] = &self
            .tests
            .iter()
            .filter(|test| test.reaches.contains(&mutant.group))
            .collect::<Vec<_>>();
        for portion in PORTIONS {
            let (now, later) = tests.split_at(portion.min(tests.len()));
            tests = later;
            let mut by_binary: HashMap<usize, Vec<&Test>> = HashMap::new();
            now.iter().for_each(|test| by_binary.entry(test.binary).or_default().push(test));
            for (binary, tests) in by_binary {
                let names: Vec<&str> = tests.iter().map(|test| &*test.name).collect();
                let time =
                    tests.iter().map(|test| test.time).sum::<Duration>() * PATIENCE.0 + PATIENCE.1;
                let mut command = command(&self.binaries[binary], &names);
                command.env("GRADUS_MUTANT", mutant.id.to_string());
                if !passes(command, time) {
                    return true;
                }
            }
        }
        false
    }
}

fn command(binary: &Binary, names: &[&str]) -> Command {
    let mut command = Command::new("sh");
    let script = format!("ulimit -v {MEMORY}; ulimit -c 0; exec \"$@\"");
    command
        .args(["-c", &script, "sh"])
        .arg(&binary.path)
        .args(["--exact", "--test-threads=1"])
        .args(names);
    let nothing = Stdio::null;
    command.current_dir(&binary.folder).stdin(nothing()).stdout(nothing()).stderr(nothing());
    command.env("CARGO_MANIFEST_DIR", &binary.folder).env_remove("GRADUS_MUTANT");
    command
}

/// Whether all tests pass, in time.
fn passes(mut command: Command, time: Duration) -> bool {
    let Ok(mut child) = command.spawn() else { return false };
    let begun = Instant::now();
    let mut pause = Duration::from_micros(500);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if begun.elapsed() < time => thread::sleep(pause),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// `f` of all jobs, on as many threads as there are cores.
fn shared<J: Sync, R: Send>(jobs: &[J], f: impl Fn(usize, &J) -> R + Sync) -> Vec<R> {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, |n| n.get()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(at) else { return };
                    let result = f(at, job);
                    results.lock().expect("no panic").push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no panic");
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}
