//! Charts of a study: how the best score rose, and each parameter against the score.

use std::io;
use std::path::Path;

use super::{Domain, Record, SearchError, StudyResult, TrialState, Value};
use crate::{Chart, Direction};

/// Losses that differ by more than this factor are drawn on a logarithmic axis.
const WIDE: f64 = 50.0;

/// A whole number of no more values is a category.
const FEW: i64 = 12;

/// How far a trial stands beside its value, so that equal ones do not hide each other: steps of the golden ratio.
fn aside(number: u64) -> f64 {
    0.5 * ((number as f64 * 0.618_033_988_749_894_9).fract() - 0.5)
}

impl StudyResult {
    /// The scores of the trials in their order, and the best so far.
    ///
    /// ```
    /// use gradus_train::search::*;
    ///
    /// let space = Space::new().uniform("x", -1.0, 1.0);
    /// let found = Study::minimize(space).trials(20).run(|trial| Ok(trial.get::<f64>("x")?.powi(2)))?;
    /// assert!(found.history_chart().svg().contains("best so far"));
    /// # Ok::<(), SearchError>(())
    /// ```
    pub fn history_chart(&self) -> Chart {
        let chart =
            self.chart("Scores of the trials", |trial| Some(trial.number as f64)).x("trial");
        chart.line("best so far", self.best_so_far().into_iter().map(|(n, best)| (n as f64, best)))
    }

    /// The score of each trial against one of its parameters.
    ///
    /// # Errors
    /// When there is no such parameter.
    pub fn parameter_chart(&self, name: &str) -> Result<Chart, SearchError> {
        let Some(domain) = self.space.domain(name) else {
            let known: Vec<String> = self.space.names().map(|name| format!("`{name}`")).collect();
            return Err(SearchError::Unknown { name: name.into(), known: known.join(", ") });
        };
        // Choices and a few whole numbers are categories.
        let categories: Vec<Value> = match domain {
            Domain::Choice(choices) => choices.clone(),
            Domain::Integer { low, high, log: false } if high - low < FEW => {
                (*low..=*high).map(Value::Integer).collect()
            }
            _ => Vec::new(),
        };
        let place = |trial: &Record| {
            let value = trial.params.value(name)?;
            let category = categories.iter().position(|other| other == value);
            match (category, value) {
                (Some(at), _) => Some(at as f64 + aside(trial.number)),
                (None, Value::Float(x)) => Some(*x),
                (None, Value::Integer(n)) => Some(*n as f64),
                (None, _) => None,
            }
        };
        let chart = self.chart(&format!("Scores over {name}"), place).x(name);
        let chart = if domain.is_log() { chart.log_x() } else { chart };
        Ok(chart.x_names(categories.iter().map(Value::to_string)))
    }

    /// Saves `history.svg` and a chart of each parameter, `parameter-lr.svg`, into a folder, which is made.
    ///
    /// # Errors
    /// When a file cannot be written; the message names it.
    pub fn save_charts(&self, folder: impl AsRef<Path>) -> io::Result<()> {
        let folder = folder.as_ref();
        self.history_chart().save(folder.join("history.svg"))?;
        let mut taken = Vec::new();
        for name in self.space.names() {
            // A name may hold what a file name may not, and two names may then be one.
            let mut file =
                name.replace(|c: char| !(c.is_alphanumeric() || "-_. ".contains(c)), "_");
            while taken.contains(&file.to_lowercase()) {
                file.push('_');
            }
            let chart = self.parameter_chart(name).map_err(io::Error::other)?;
            chart.save(folder.join(format!("parameter-{file}.svg")))?;
            taken.push(file.to_lowercase());
        }
        Ok(())
    }

    /// Scores over a number of each trial, by how the trial ended.
    fn chart(&self, title: &str, x: impl Fn(&Record) -> Option<f64>) -> Chart {
        let point = |trial: &Record| Some((x(trial)?, trial.score?));
        let of = |state: TrialState| {
            let those = self.trials.iter().filter(move |trial| trial.state == state);
            those.filter_map(point).collect::<Vec<_>>()
        };
        let mut chart = Chart::new(title).y("score");
        let pruned = of(TrialState::Pruned);
        if !pruned.is_empty() {
            chart = chart.points("pruned, its last report", pruned);
        }
        chart = chart.points("complete", of(TrialState::Complete));
        let scores = || self.trials.iter().filter_map(|trial| trial.score);
        let [low, high] = [scores().fold(f64::MAX, f64::min), scores().fold(f64::MIN, f64::max)];
        let log = self.direction == Direction::Min && low > 0.0 && high > WIDE * low;
        if log { chart.log_y() } else { chart }
    }
}
