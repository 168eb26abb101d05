//! Every combination of a few values of each parameter.

use super::{Ask, Sampler};
use crate::search::{Domain, Params, SearchError, Value};

/// All combinations, in order, the last parameter varying fastest; the study ends after the last.
///
/// A continuous parameter takes `points` values from its lower to its upper bound, evenly or evenly in their
/// logarithm; so does an integer that has more; a choice takes all of its own. Other values are a choice:
/// `choice("lr", [1e-3, 3e-3, 1e-2])`. A parameter that is not part of a trial does not multiply their number.
///
/// ```
/// use gradus_train::search::*;
///
/// let space = Space::new().choice("activation", ["relu", "tanh"]).log_uniform("lr", 1e-3, 1e-1);
/// let found = Study::minimize(space).sampler(Grid::new(3)).run(|trial| trial.get("lr").map_err(Into::into))?;
/// let tried: Vec<String> = found.trials().iter().map(|trial| trial.params.to_string()).collect();
/// assert_eq!(tried.len(), 6);
/// assert_eq!(tried[1], "activation relu  lr 0.01");
/// # Ok::<(), SearchError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    points: usize,
}

impl Grid {
    /// `points` values of each continuous parameter; with 1, the middle.
    pub fn new(points: usize) -> Self {
        Grid { points }
    }

    fn levels(self, domain: &Domain) -> Vec<Value> {
        if let Domain::Choice(choices) = domain {
            return choices.clone();
        }
        let level = |i: usize| match self.points {
            1 => domain.at(0.5),
            points => domain.between(i as f64 / (points - 1) as f64),
        };
        match domain {
            Domain::Integer { low, high, .. } if ((high - low) as u64) < self.points as u64 => {
                (*low..=*high).map(Value::Integer).collect()
            }
            _ => {
                let mut levels: Vec<Value> = (0..self.points).map(level).collect();
                levels.dedup();
                levels
            }
        }
    }
}

impl Sampler for Grid {
    fn check(&self) -> Result<(), SearchError> {
        let why = match self.points {
            0 => "Grid: 0 points leave nothing to try; it takes at least 1",
            1..=1_000_000 => return Ok(()),
            _ => "Grid: more than a million points",
        };
        Err(SearchError::Option(why.into()))
    }

    fn suggest(&self, ask: &Ask<'_>) -> Option<Params> {
        let levels: Vec<Vec<Value>> =
            ask.space.entries.iter().map(|entry| self.levels(&entry.domain)).collect();
        // An odometer: conditions make the number of combinations that share a beginning differ.
        let mut digits = vec![0; levels.len()];
        for _ in 0..ask.number {
            let params = choice(ask, &levels, &digits);
            let turns = |at: usize| params.0[at].1.is_some() && digits[at] + 1 < levels[at].len();
            let at = (0..digits.len()).rev().find(|&at| turns(at))?;
            digits[at] += 1;
            digits[at + 1..].fill(0);
        }
        Some(choice(ask, &levels, &digits))
    }
}

fn choice(ask: &Ask<'_>, levels: &[Vec<Value>], digits: &[usize]) -> Params {
    let mut params = Params::default();
    for (at, entry) in ask.space.entries.iter().enumerate() {
        let value = entry.is_active(&params).then(|| levels[at][digits[at]].clone());
        params.0.push((entry.name.clone(), value));
    }
    params
}
