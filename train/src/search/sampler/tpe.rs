//! The tree-structured Parzen estimator.

use std::sync::Arc;

use super::parzen::Parzen;
use super::{Ask, Random, Sampler};
use crate::search::{Params, Record, SearchError};

/// At most so many trials are the good ones.
const GOOD: usize = 25;

/// The tree-structured Parzen estimator (Bergstra et al. 2011), with the defaults of Optuna: it learns where
/// the good trials lie, and where the others do, and tries what is likely among the former and unlikely
/// among the latter.
///
/// The good ones are the best tenth, rounded up. Pruned trials rank behind completed ones, the longer-lived
/// first, and failed ones last. Parameters are learnt together, so that two of them may depend on each other;
/// one that a trial does not have is left open by it.
#[derive(Clone, Copy, Debug)]
pub struct Tpe {
    startup: usize,
    candidates: usize,
}

impl Default for Tpe {
    fn default() -> Self {
        Tpe::new()
    }
}

impl Tpe {
    /// 10 trials at random first, then the best of 24 candidates.
    pub fn new() -> Self {
        Tpe { startup: 10, candidates: 24 }
    }
    /// How many trials must have ended before anything is learnt from them.
    pub fn startup(mut self, trials: usize) -> Self {
        self.startup = trials;
        self
    }
    /// How many candidates are drawn for a trial.
    pub fn candidates(mut self, candidates: usize) -> Self {
        self.candidates = candidates;
        self
    }
}

impl Sampler for Tpe {
    fn check(&self) -> Result<(), SearchError> {
        let why = match self {
            Tpe { startup: 0, .. } => "Tpe: it takes at least 1 trial to start from",
            Tpe { candidates: 0, .. } => "Tpe: it takes at least 1 candidate",
            _ => return Ok(()),
        };
        Err(SearchError::Option(why.into()))
    }

    fn looks_back(&self) -> bool {
        true
    }

    fn suggest(&self, ask: &Ask<'_>) -> Option<Params> {
        if ask.history.len() < self.startup.max(1) {
            return Random.suggest(ask);
        }
        let mut ranked: Vec<&Arc<Record>> = ask.history.iter().collect();
        ranked.sort_by(|a, b| a.rank(b, ask.direction));
        let good = ranked.len().div_ceil(10).min(GOOD);
        let (good, rest) = ranked.split_at_mut(good);
        for group in [&mut *good, &mut *rest] {
            group.sort_by_key(|record| record.number);
        }
        let density = |group: &[&Arc<Record>]| {
            let params: Vec<&Params> = group.iter().map(|record| &record.params).collect();
            Parzen::new(ask.space, &params)
        };
        let (good, rest) = (density(good), density(rest));
        let mut rng = ask.rng("");
        let mut best = None;
        for _ in 0..self.candidates {
            let params = good.sample(&mut rng);
            let gain = good.log_density(&params) - rest.log_density(&params);
            if best.as_ref().is_none_or(|(most, _)| gain > *most) {
                best = Some((gain, params));
            }
        }
        best.map(|(_, params)| params)
    }
}
