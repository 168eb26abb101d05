//! Which trials end before they have spent their budget.

use std::fmt;
use std::sync::Arc;

use gradus_autograd::Rng;

use super::{Record, SearchError, TrialState, record::report_at};
use crate::Direction;

/// A trial that has just reported a value.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Running<'a> {
    /// Its number.
    pub number: u64,
    /// The seed of the study.
    pub seed: u64,
    /// Which way scores get better.
    pub direction: Direction,
    /// What it reported: step and value, the newest last; at least one.
    pub reports: &'a [(u64, f64)],
    /// The trials that it may look at, in the order of their numbers.
    pub history: &'a [Arc<Record>],
}

/// Decides after each report whether a trial is pruned. A function of what it is given, and nothing else: no
/// clock, no state; so a study can be repeated and taken up again.
pub trait Scheduler: fmt::Debug + Send + Sync {
    /// Whether the settings make sense.
    ///
    /// # Errors
    /// When they do not.
    fn check(&self) -> Result<(), SearchError> {
        Ok(())
    }
    /// Whether it looks at other trials, so that these must have ended before a trial begins.
    fn looks_back(&self) -> bool {
        true
    }
    /// Whether the trial ends here.
    fn prunes(&self, trial: &Running<'_>) -> bool;
}

/// Every trial spends its budget.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPruning;

impl Scheduler for NoPruning {
    fn looks_back(&self) -> bool {
        false
    }
    fn prunes(&self, _: &Running<'_>) -> bool {
        false
    }
}

/// Prunes a trial whose best value so far is worse than the median of what the completed trials had at the
/// same step (Golovin et al. 2017, "Google Vizier", in the form of Optuna's `MedianPruner`).
#[derive(Clone, Copy, Debug)]
pub struct MedianStopping {
    startup: usize,
    warmup: u64,
}

impl Default for MedianStopping {
    fn default() -> Self {
        MedianStopping::new()
    }
}

impl MedianStopping {
    /// Begins when 5 trials are completed, from the first step on.
    pub fn new() -> Self {
        MedianStopping { startup: 5, warmup: 0 }
    }
    /// How many trials are completed before any is pruned.
    pub fn startup(mut self, trials: usize) -> Self {
        self.startup = trials;
        self
    }
    /// Never prunes before this step.
    pub fn warmup(mut self, step: u64) -> Self {
        self.warmup = step;
        self
    }
}

impl Scheduler for MedianStopping {
    fn prunes(&self, trial: &Running<'_>) -> bool {
        let Some(&(step, _)) = trial.reports.last() else { return false };
        let completed = trial.history.iter().filter(|record| record.state == TrialState::Complete);
        if step < self.warmup || completed.clone().count() < self.startup {
            return false;
        }
        let mut others: Vec<f64> = completed
            .filter_map(|record| record.report_at(step))
            .filter(|value| !value.is_nan())
            .collect();
        others.sort_by(f64::total_cmp);
        let Some(half) = others.len().checked_sub(1) else { return false };
        let median = f64::midpoint(others[half / 2], others[half.div_ceil(2)]);
        let as_good =
            |value: f64| !trial.direction.is_better(median, value, 0.0) && !value.is_nan();
        !trial.reports.iter().any(|report| as_good(report.1))
    }
}

/// Asynchronous successive halving (Li et al. 2020, "A System for Massively Parallel Hyperparameter
/// Tuning"): at the rungs r, r·η, r·η² … below the whole budget a trial goes on only if it is among the best 1/η of
/// those that came as far; with several [`brackets`](Asha::brackets), Hyperband.
///
/// The budget is counted in reports: step k, from 0, has spent k + 1. A trial that is not promoted ends: it
/// is not kept waiting for its luck to turn, as nothing has to be stored then. The best one so far is always
/// promoted, so the first trials run to the end; NaN never is.
#[derive(Clone, Copy, Debug)]
pub struct Asha {
    max_resource: u64,
    min_resource: u64,
    reduction_factor: u64,
    brackets: u32,
}

impl Asha {
    /// For trials that take so many steps (epochs) if nothing ends them: first rung 1, η = 3, one bracket.
    pub fn new(max_resource: u64) -> Self {
        Asha { max_resource, min_resource: 1, reduction_factor: 3, brackets: 1 }
    }
    /// The first rung: so many steps (epochs) are given to every trial.
    pub fn min_resource(mut self, steps: u64) -> Self {
        self.min_resource = steps;
        self
    }
    /// η: one in so many is promoted.
    pub fn reduction_factor(mut self, factor: u64) -> Self {
        self.reduction_factor = factor;
        self
    }
    /// Hyperband: trials are dealt to so many brackets, the next of which begins one rung later. It hedges
    /// against parameters that are slow to show what they are worth. The shares are those of Hyperband.
    pub fn brackets(mut self, brackets: u32) -> Self {
        self.brackets = brackets;
        self
    }

    fn first_rung(&self, bracket: u32) -> u64 {
        self.min_resource.saturating_mul(self.reduction_factor.saturating_pow(bracket))
    }

    /// The bracket of a trial: 0 is the one that prunes earliest.
    fn bracket(&self, seed: u64, number: u64) -> u32 {
        if self.brackets <= 1 {
            return 0;
        }
        // Hyperband's numbers of trials: η^s·B/(s + 1) for s from B − 1 down to 0.
        let (eta, count) = (self.reduction_factor as f64, f64::from(self.brackets));
        let share = |bracket: u32| {
            let s = count - 1.0 - f64::from(bracket);
            eta.powf(s) * count / (s + 1.0)
        };
        let whole: f64 = (0..self.brackets).map(share).sum();
        let mut place = Rng::named(seed, &format!("bracket {number}")).uniform() * whole;
        let past = |&bracket: &u32| {
            place -= share(bracket);
            place < 0.0
        };
        (0..self.brackets).find(past).unwrap_or(self.brackets - 1)
    }
}

impl Scheduler for Asha {
    fn check(&self) -> Result<(), SearchError> {
        let why = match self {
            Asha { min_resource: 0, .. } => {
                "Asha: the first rung is at 0 steps; it takes at least 1"
            }
            Asha { reduction_factor: 0 | 1, .. } => {
                "Asha: a reduction factor below 2 prunes nothing"
            }
            Asha { brackets: 0, .. } => "Asha: there are 0 brackets; it takes at least 1",
            Asha { brackets: 17.., .. } => "Asha: there are more than 16 brackets",
            _ if self.first_rung(self.brackets - 1) >= self.max_resource => {
                "Asha: the first rung is at or above the whole budget (in the last bracket, if there are \
                 several), so that nothing is pruned"
            }
            _ => return Ok(()),
        };
        Err(SearchError::Option(why.into()))
    }

    fn prunes(&self, trial: &Running<'_>) -> bool {
        let Some((&(step, value), before)) = trial.reports.split_last() else { return false };
        let passed = before.last().map_or(0, |report| report.0.saturating_add(1));
        let bracket = self.bracket(trial.seed, trial.number);
        let first = self.first_rung(bracket);
        let rungs = std::iter::successors(Some(first), |r| r.checked_mul(self.reduction_factor));
        // Rungs that this report reached and the one before did not.
        let reached = rungs
            .skip_while(|&r| r <= passed)
            .take_while(|&r| r <= step.saturating_add(1) && r < self.max_resource);
        reached.into_iter().any(|rung| {
            let others = trial.history.iter();
            let others = others.filter(|other| self.bracket(trial.seed, other.number) == bracket);
            let others = others.filter_map(|other| report_at(&other.reports, rung - 1));
            let (mut come, mut better) = (1, 0);
            for other in others {
                come += 1;
                better += u64::from(trial.direction.is_better(other, value, 0.0));
            }
            value.is_nan() || better >= (come / self.reduction_factor).max(1)
        })
    }
}
