//! What a trial leaves behind, and its line in the study's file.

use serde_json::{Map, Value as Json, json};

use super::{Params, Space, Value};
use crate::Direction;

/// How a trial ended.
#[derive(Clone, Debug, PartialEq)]
pub enum TrialState {
    /// The objective returned a score.
    Complete,
    /// The scheduler ended it early.
    Pruned,
    /// The objective returned an error or a score that is not finite, or panicked; with the message.
    Failed(String),
}

/// A trial that has ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Record {
    /// Its number, from 0.
    pub number: u64,
    /// How it ended.
    pub state: TrialState,
    /// Its parameters.
    pub params: Params,
    /// The score; of a pruned trial the last reported value that is finite, and of a failed one none.
    pub score: Option<f64>,
    /// What was reported on the way: step and value.
    pub reports: Vec<(u64, f64)>,
    /// How long it took.
    pub seconds: f64,
}

impl Record {
    /// The steps that it reported, up to the last one: what it has spent. Step k, from 0, has spent k + 1.
    pub fn steps(&self) -> u64 {
        self.reports.last().map_or(0, |report| report.0.saturating_add(1))
    }

    /// The value of the first report at this step or after it.
    pub fn report_at(&self, step: u64) -> Option<f64> {
        report_at(&self.reports, step)
    }

    /// Better trials first: completed ones by their score, then pruned ones, the longer-lived first, then
    /// those that failed. Equal ones stay in the order of their numbers.
    pub(super) fn rank(&self, other: &Self, direction: Direction) -> std::cmp::Ordering {
        let class = |record: &Self| match record.state {
            TrialState::Complete => 0,
            TrialState::Pruned => 1,
            TrialState::Failed(_) => 2,
        };
        let lived = |record: &Self| match record.state {
            TrialState::Pruned => record.steps(),
            _ => 0,
        };
        // A number that is not there is the worst there can be.
        let loss = |record: &Self| match (record.score, direction) {
            (None, _) => f64::INFINITY,
            (Some(score), Direction::Min) => score,
            (Some(score), Direction::Max) => -score,
        };
        (class(self).cmp(&class(other)))
            .then(lived(other).cmp(&lived(self)))
            .then(loss(self).total_cmp(&loss(other)))
            .then(self.number.cmp(&other.number))
    }

    /// The line of the file. JSON has no NaN: a report that is not finite is null.
    pub(super) fn to_json(&self) -> Json {
        let params = self.params.iter().map(|(name, value)| (name.to_owned(), json(value)));
        let mut line = json!({
            "number": self.number,
            "params": params.collect::<Map<_, _>>(),
            "reports": self.reports,
            "seconds": self.seconds,
            "state": match self.state {
                TrialState::Complete => "complete",
                TrialState::Pruned => "pruned",
                TrialState::Failed(_) => "failed",
            },
        });
        if let Some(score) = self.score {
            line["score"] = score.into();
        }
        if let TrialState::Failed(why) = &self.state {
            line["error"] = why.as_str().into();
        }
        line
    }

    /// Reads a line; the error says what is wrong with it.
    pub(super) fn from_json(line: &Json, space: &Space) -> Result<Self, String> {
        let field = |name: &str| line.get(name).ok_or(format!("there is no `{name}`"));
        let wrong = |name: &str| format!("`{name}` is {}", line[name]);
        let score = match line.get("score") {
            None => None,
            Some(score) => Some(score.as_f64().ok_or(wrong("score"))?),
        };
        let state = match (field("state")?.as_str(), score) {
            (Some("complete"), Some(_)) => TrialState::Complete,
            (Some("pruned"), _) => TrialState::Pruned,
            (Some("failed"), None) => {
                TrialState::Failed(field("error")?.as_str().ok_or(wrong("error"))?.into())
            }
            _ => return Err(wrong("state")),
        };
        let report = |pair: &Json| {
            let value = match pair.get(1)? {
                Json::Null => f64::NAN,
                value => value.as_f64()?,
            };
            Some((pair.get(0)?.as_u64()?, value))
        };
        let reports = field("reports")?.as_array().ok_or(wrong("reports"))?.iter().map(report);
        let reports: Vec<_> = reports.collect::<Option<_>>().ok_or("a report is not a pair")?;
        if !reports.is_sorted_by(|a, b| a.0 < b.0) {
            return Err("the steps of the reports are not in order".into());
        }
        Ok(Record {
            number: field("number")?.as_u64().ok_or(wrong("number"))?,
            state,
            params: params(field("params")?, space)?,
            score,
            reports,
            seconds: field("seconds")?.as_f64().ok_or(wrong("seconds"))?,
        })
    }
}

/// The value of the first of these reports at this step or after it.
pub(super) fn report_at(reports: &[(u64, f64)], step: u64) -> Option<f64> {
    let at = reports.partition_point(|report| report.0 < step);
    reports.get(at).map(|report| report.1)
}

/// Parameters from JSON, which must be a choice from the space.
fn params(line: &Json, space: &Space) -> Result<Params, String> {
    let line = line.as_object().ok_or("`params` is no object")?;
    let mut params = Params::default();
    for entry in &space.entries {
        let value = match (entry.is_active(&params), line.get(&entry.name)) {
            (true, Some(value)) => {
                let value = from_json(value).filter(|value| entry.domain.places(value).is_some());
                Some(value.ok_or(format!("`{}` is not within its range", entry.name))?)
            }
            (false, None) => None,
            (active, _) => {
                let what = if active { "is missing" } else { "is not part of this trial" };
                return Err(format!("`{}` {what}", entry.name));
            }
        };
        params.0.push((entry.name.clone(), value));
    }
    match line.keys().find(|name| space.domain(name).is_none()) {
        Some(name) => Err(format!("there is no parameter `{name}` in the space")),
        None => Ok(params),
    }
}

/// A value as JSON: a float keeps its point.
pub(super) fn json(value: &Value) -> Json {
    match value {
        Value::Float(x) => json!(x),
        Value::Integer(n) => json!(n),
        Value::Text(text) => json!(text),
        Value::Flag(flag) => json!(flag),
    }
}

fn from_json(value: &Json) -> Option<Value> {
    match value {
        Json::Number(n) => match n.as_i64() {
            Some(n) => Some(Value::Integer(n)),
            None => n.as_f64().map(Value::Float),
        },
        Json::String(text) => Some(Value::Text(text.clone())),
        Json::Bool(flag) => Some(Value::Flag(*flag)),
        _ => None,
    }
}
