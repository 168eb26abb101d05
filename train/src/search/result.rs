//! What a study found: the best trial and the table of all.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::{Record, SearchError, Space, TrialState, Value};
use crate::Direction;

/// The trials of a study, and which was best.
///
/// `{}` prints them as a table, best first, in digits that a person reads; [`to_csv`](Self::to_csv) is exact.
#[derive(Clone, Debug)]
pub struct StudyResult {
    pub(super) space: Space,
    pub(super) direction: Direction,
    pub(super) trials: Vec<Record>,
    best: usize,
    /// Whether `refine` has a progress bar, as the study had.
    pub(super) progress: bool,
}

impl StudyResult {
    /// From trials in the order of their numbers.
    pub(super) fn new(
        space: Space,
        direction: Direction,
        trials: impl Iterator<Item = Arc<Record>>,
        progress: bool,
    ) -> Result<Self, SearchError> {
        let trials: Vec<Record> = trials.map(Arc::unwrap_or_clone).collect();
        let best = (0..trials.len()).min_by(|&a, &b| trials[a].rank(&trials[b], direction));
        let best = best.filter(|&best| trials[best].state == TrialState::Complete);
        let Some(best) = best else {
            let first =
                trials.first().map_or("no trial was run".into(), |trial| match &trial.state {
                    TrialState::Failed(why) => format!("trial {} failed: {why}", trial.number),
                    _ => format!("trial {} was pruned", trial.number),
                });
            return Err(SearchError::NoneCompleted { trials: trials.len(), first });
        };
        Ok(StudyResult { space, direction, trials, best, progress })
    }

    /// The best of the completed trials; of equal ones the first.
    pub fn best(&self) -> &Record {
        &self.trials[self.best]
    }

    /// All trials, in the order of their numbers.
    pub fn trials(&self) -> &[Record] {
        &self.trials
    }

    /// The steps that all trials together reported: what the study has spent.
    pub fn steps(&self) -> u64 {
        self.trials.iter().map(Record::steps).fold(0, u64::saturating_add)
    }

    /// The best score up to each trial: number and score, from the first completed one on.
    pub fn best_so_far(&self) -> Vec<(u64, f64)> {
        let mut best = None;
        let better = |trial: &Record| {
            let score = trial.score.filter(|_| trial.state == TrialState::Complete);
            best = match (best, score) {
                (Some(best), Some(new)) if !self.direction.is_better(new, best, 0.0) => Some(best),
                (best, new) => new.or(best),
            };
            Some((trial.number, best?))
        };
        self.trials.iter().filter_map(better).collect()
    }

    /// The table as CSV, with a header; numbers are exact, and what is not part of a trial is empty.
    pub fn to_csv(&self) -> String {
        let names: Vec<&str> = self.space.names().collect();
        let head = ["trial", "state", "score", "steps", "seconds", "error"];
        let mut text = row(head.into_iter().chain(names.iter().copied()));
        for trial in &self.trials {
            let error = match &trial.state {
                TrialState::Failed(why) => why.as_str(),
                _ => "",
            };
            let value = |name: &&str| match trial.params.value(name) {
                None => String::new(),
                Some(Value::Float(x)) => x.to_string(),
                Some(value) => value.to_string(),
            };
            let cells = [
                trial.number.to_string(),
                trial.state.to_string(),
                trial.score.map_or(String::new(), |score| score.to_string()),
                trial.steps().to_string(),
                trial.seconds.to_string(),
                error.into(),
            ];
            let cells: Vec<String> = cells.into_iter().chain(names.iter().map(value)).collect();
            text += &row(cells.iter().map(String::as_str));
        }
        text
    }

    /// Writes the table as CSV, and makes the folders above it. The file is there as a whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<(), SearchError> {
        let path = path.as_ref();
        crate::file::write(path, self.to_csv().as_bytes()).map_err(|source| SearchError::File {
            action: "write",
            path: crate::file::shown(path),
            source,
        })
    }
}

/// A row of CSV; texts that need it are quoted.
fn row<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let quoted = |cell: &str| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    };
    cells.map(quoted).collect::<Vec<_>>().join(",") + "\n"
}

impl fmt::Display for StudyResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ranked: Vec<&Record> = self.trials.iter().collect();
        ranked.sort_by(|a, b| a.rank(b, self.direction));
        let names: Vec<&str> = self.space.names().collect();
        let head = ["trial", "score", "state", "steps"].into_iter().chain(names.iter().copied());
        let mut rows = vec![head.map(str::to_owned).collect::<Vec<String>>()];
        for trial in &ranked {
            let value = |name: &&str| trial.params.value(name).map_or("–".into(), Value::to_string);
            let cells = [
                trial.number.to_string(),
                trial.score.map_or("–".into(), |score| Value::Float(score).to_string()),
                trial.state.to_string(),
                trial.steps().to_string(),
            ];
            rows.push(cells.into_iter().chain(names.iter().map(value)).collect());
        }
        let wide = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..rows[0].len()).map(wide).collect();
        for (count, row) in rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:>width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            write!(f, "{}{line}", if count > 0 { "\n" } else { "" })?;
        }
        for trial in &self.trials {
            if let TrialState::Failed(why) = &trial.state {
                let why = why.lines().next().unwrap_or_default();
                write!(f, "\ntrial {} failed: {why}", trial.number)?;
            }
        }
        Ok(())
    }
}
