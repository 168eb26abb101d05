//! A study: trials on threads, one after another into a file.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use indicatif::ProgressBar;
use serde_json::{Value as Json, json};

use super::file::{KEY, StudyFile, VERSION};
use super::space::{Condition, Wanted};
use super::{
    Ask, Domain, NoPruning, Outcome, Random, Record, Sampler, Scheduler, SearchError, Space,
    StudyResult, Trial, TrialState, record,
};
use crate::{Direction, progress};

/// The message of a failure is cut off after so many characters.
const MESSAGE: usize = 2000;

/// A search over a [`Space`]: see the [module](super) for an example.
///
/// By default 100 trials at random, none pruned, on one thread, with seed 0 and without a file.
#[derive(Debug)]
#[must_use = "a study does nothing until `run`"]
pub struct Study {
    space: Space,
    direction: Direction,
    sampler: Box<dyn Sampler>,
    scheduler: Box<dyn Scheduler>,
    trials: u64,
    threads: usize,
    lag: u64,
    seed: u64,
    file: Option<PathBuf>,
    progress: bool,
}

impl Study {
    /// A search for the smallest score: a loss.
    pub fn minimize(space: Space) -> Self {
        Study::new(space, Direction::Min)
    }

    /// A search for the largest score: an accuracy.
    pub fn maximize(space: Space) -> Self {
        Study::new(space, Direction::Max)
    }

    fn new(space: Space, direction: Direction) -> Self {
        Study {
            space,
            direction,
            sampler: Box::new(Random),
            scheduler: Box::new(NoPruning),
            trials: 100,
            threads: 1,
            lag: 4,
            seed: 0,
            file: None,
            progress: true,
        }
    }

    /// Which parameters come next.
    pub fn sampler(mut self, sampler: impl Sampler + 'static) -> Self {
        self.sampler = Box::new(sampler);
        self
    }

    /// Which trials end early, by what they report.
    pub fn scheduler(mut self, scheduler: impl Scheduler + 'static) -> Self {
        self.scheduler = Box::new(scheduler);
        self
    }

    /// How many trials there are in all, those of an earlier run of the same file included.
    pub fn trials(mut self, trials: u64) -> Self {
        self.trials = trials;
        self
    }

    /// How many trials run at the same time.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Trial n may look at the trials `0..=n - lag`, 4 by default, whatever the number of threads. A
    /// smaller lag learns sooner; a larger one keeps more threads busy: with a sampler or scheduler that
    /// looks back, no more than `lag` trials run at once.
    pub fn lag(mut self, trials: u64) -> Self {
        self.lag = trials;
        self
    }

    /// The seed of all that is random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Keeps every trial in a file, written and synced before another one begins, and goes on from there if
    /// the file exists: a study that was killed at any moment loses only the trials that were running. The
    /// settings stand in the file too and must be the same; only [`trials`](Self::trials),
    /// [`threads`](Self::threads) and the objective may change.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// Whether there is a progress bar, in [`StudyResult::refine`] too; there never is one where the output is not a
    /// terminal.
    pub fn progress(mut self, progress: bool) -> Self {
        self.progress = progress;
        self
    }

    /// Runs the trials that are left. The objective is given a trial and returns its score: on a validation
    /// set, or by cross-validation.
    ///
    /// A trial that returns an error or a score that is not finite, or panics, has failed; it is noted with
    /// the message, is not tried again, and the study goes on. Only a mistake that every trial would repeat,
    /// such as a parameter that the space does not have, ends it.
    ///
    /// # Errors
    /// Before anything runs: when the settings make no sense, or the file is not that of this study. Later:
    /// when the file cannot be written, and when no trial was completed.
    pub fn run(
        &self,
        objective: impl Fn(&mut Trial<'_>) -> Outcome + Sync,
    ) -> Result<StudyResult, SearchError> {
        self.check()?;
        let opened =
            self.file.as_ref().map(|path| StudyFile::open(path, &self.header(), &self.space));
        let (file, records) = match opened.transpose()? {
            Some((file, records)) => (Some(file), records),
            None => (None, Vec::new()),
        };
        let board = Board {
            records: records.into_iter().map(|r| (r.number, Arc::new(r))).collect(),
            file,
            next: 0,
            end: self.trials,
            error: None,
            abandoned: false,
        };
        let bar = progress::study(self.trials, self.progress);
        let shared = Shared { board: Mutex::new(board), changed: Condvar::new(), bar };
        shared.show(&shared.lock(), self.direction);
        let workers = self.threads.min(usize::try_from(self.trials).unwrap_or(usize::MAX));
        thread::scope(|scope| {
            for _ in 1..workers {
                scope.spawn(|| self.work(&shared, &objective));
            }
            self.work(&shared, &objective);
        });
        shared.bar.finish();
        let board = shared.board.into_inner().unwrap_or_else(PoisonError::into_inner);
        match board.error {
            Some(error) => Err(error),
            None => {
                let records = board.records.into_values();
                StudyResult::new(self.space.clone(), self.direction, records, self.progress)
            }
        }
    }

    fn check(&self) -> Result<(), SearchError> {
        self.space.check()?;
        self.sampler.check()?;
        self.scheduler.check()?;
        let why = match (self.trials, self.threads, self.lag) {
            (0, ..) => "0 trials find nothing; it takes at least 1",
            (_, 0, _) => "0 threads run nothing; it takes at least 1",
            (_, 1025.., _) => "more than 1024 threads",
            (_, _, 0) => "with a lag of 0 a trial would wait for itself; it takes at least 1",
            _ => return Ok(()),
        };
        Err(SearchError::Option(why.into()))
    }

    /// What makes a study this one.
    fn header(&self) -> Json {
        let domain = |domain: &Domain| match domain {
            Domain::Float { low, high, log } => json!({ "float": [low, high], "log": log }),
            Domain::Integer { low, high, log } => json!({ "integer": [low, high], "log": log }),
            Domain::Choice(values) => {
                json!({ "choice": values.iter().map(record::json).collect::<Vec<_>>() })
            }
        };
        let when = |(parent, condition): &(String, Condition)| match &condition.0 {
            Wanted::OneOf(values) => {
                json!([parent, values.iter().map(record::json).collect::<Vec<_>>()])
            }
            Wanted::Within(low, high) => json!([parent, { "from": low, "to": high }]),
        };
        let space = self.space.entries.iter().map(|entry| {
            let mut line = domain(&entry.domain);
            line["name"] = entry.name.as_str().into();
            if !entry.when.is_empty() {
                line["when"] = entry.when.iter().map(when).collect();
            }
            line
        });
        json!({
            KEY: VERSION,
            "direction": if self.direction == Direction::Min { "minimize" } else { "maximize" },
            "lag": self.lag,
            "sampler": format!("{:?}", self.sampler),
            "scheduler": format!("{:?}", self.scheduler),
            "seed": self.seed,
            "space": space.collect::<Vec<_>>(),
        })
    }

    /// Whether a trial waits for those that it may look at.
    fn looks_back(&self) -> bool {
        self.sampler.looks_back() || self.scheduler.looks_back()
    }

    /// What a thread does: takes the next number, waits until it may begin, runs it, notes it.
    fn work(&self, shared: &Shared, objective: &(impl Fn(&mut Trial<'_>) -> Outcome + Sync)) {
        let _alarm = Alarm(shared);
        while let Some((number, history)) = self.next(shared) {
            let ask = Ask {
                space: &self.space,
                seed: self.seed,
                number,
                direction: self.direction,
                history: &history,
            };
            let Some(params) = self.sampler.suggest(&ask) else {
                let mut board = shared.lock();
                board.end = board.end.min(number);
                shared.changed.notify_all();
                continue;
            };
            let mut trial = Trial {
                number,
                study_seed: self.seed,
                direction: self.direction,
                params,
                reports: Vec::new(),
                pruned: false,
                scheduler: &*self.scheduler,
                history: &history,
            };
            let start = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| objective(&mut trial)));
            let ended = ended(trial, outcome, start.elapsed().as_secs_f64());
            let mut board = shared.lock();
            let noted = ended.and_then(|record| match &mut board.file {
                Some(file) => file.append(&record).map(|()| record),
                None => Ok(record),
            });
            match noted {
                Ok(record) => drop(board.records.insert(number, Arc::new(record))),
                Err(error) => drop(board.error.get_or_insert(error)),
            }
            shared.show(&board, self.direction);
            shared.changed.notify_all();
        }
    }

    /// The number of the next trial and what it may look at, when that has ended; `None` when all is done.
    fn next(&self, shared: &Shared) -> Option<(u64, Vec<Arc<Record>>)> {
        let mut board = shared.lock();
        while board.records.contains_key(&board.next) {
            board.next += 1;
        }
        let number = board.next;
        board.next += 1;
        let seen = (number + 1).saturating_sub(self.lag);
        let mut first_missing = 0;
        loop {
            if board.over() || number >= board.end {
                return None;
            }
            if !self.looks_back() {
                return Some((number, Vec::new()));
            }
            while board.records.contains_key(&first_missing) {
                first_missing += 1;
            }
            if first_missing >= seen {
                let history = board.records.range(..seen).map(|(_, record)| record.clone());
                return Some((number, history.collect()));
            }
            board = shared.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What the threads of a study share.
struct Shared {
    board: Mutex<Board>,
    changed: Condvar,
    bar: ProgressBar,
}

/// Which trials have ended, and which is next.
struct Board {
    records: BTreeMap<u64, Arc<Record>>,
    file: Option<StudyFile>,
    next: u64,
    /// No trial of this number or a larger one begins.
    end: u64,
    error: Option<SearchError>,
    /// A thread panicked outside of an objective.
    abandoned: bool,
}

impl Board {
    fn over(&self) -> bool {
        self.error.is_some() || self.abandoned
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, board: &Board, direction: Direction) {
        let best = board.records.values().min_by(|a, b| a.rank(b, direction));
        let best = best.filter(|best| best.state == TrialState::Complete);
        if let Some(Record { number, score: Some(score), .. }) = best.map(|best| &**best) {
            self.bar.set_message(format!("best {score:.4} (trial {number})"));
        }
        self.bar.set_position(board.records.len() as u64);
    }
}

/// Wakes the others up when a thread panics, so that they do not wait for its trial.
struct Alarm<'a>(&'a Shared);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.lock().abandoned = true;
            self.0.changed.notify_all();
        }
    }
}

/// What is noted of a trial; an error if it shows a mistake that every trial would repeat.
fn ended(
    trial: Trial<'_>,
    outcome: thread::Result<Outcome>,
    seconds: f64,
) -> Result<Record, SearchError> {
    let (mut state, mut score) = match outcome {
        Ok(Ok(score)) if score.is_finite() => (TrialState::Complete, Some(score)),
        Ok(Ok(score)) => (TrialState::Failed(format!("the score is {score}")), None),
        Ok(Err(error)) => match error.downcast::<SearchError>() {
            Ok(error) if error.is_mistake() => return Err(*error),
            Ok(error) => (TrialState::Failed(error.to_string()), None),
            Err(error) => (TrialState::Failed(error.to_string()), None),
        },
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(ToString::to_string);
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            (TrialState::Failed(format!("panicked: {}", text.unwrap_or("no message".into()))), None)
        }
    };
    if trial.pruned {
        state = TrialState::Pruned;
        score = trial.reports.iter().rev().map(|report| report.1).find(|value| value.is_finite());
    }
    if let TrialState::Failed(why) = &mut state
        && let Some((at, _)) = why.char_indices().nth(MESSAGE)
    {
        why.truncate(at);
        why.push('…');
    }
    let Trial { number, params, reports, .. } = trial;
    Ok(Record { number, state, params, score, reports, seconds })
}

impl fmt::Display for TrialState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrialState::Complete => f.pad("complete"),
            TrialState::Pruned => f.pad("pruned"),
            TrialState::Failed(_) => f.pad("failed"),
        }
    }
}
