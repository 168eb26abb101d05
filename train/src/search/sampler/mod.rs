//! Which choice of the space a trial is given.

use std::fmt;
use std::sync::Arc;

use gradus_autograd::Rng;

use super::{Params, Record, SearchError, Space};
use crate::Direction;

mod grid;
mod halton;
mod parzen;
mod tpe;

pub use grid::Grid;
pub use halton::Halton;
pub use tpe::Tpe;

/// What a sampler is asked: the parameters of trial `number`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Ask<'a> {
    /// The space, which makes sense.
    pub space: &'a Space,
    /// The seed of the study.
    pub seed: u64,
    /// The number of the trial, from 0.
    pub number: u64,
    /// Which way scores get better.
    pub direction: Direction,
    /// The trials that it may look at, in the order of their numbers.
    pub history: &'a [Arc<Record>],
}

impl Ask<'_> {
    /// A generator for one parameter of this trial: a parameter more changes nothing for the others.
    pub fn rng(&self, parameter: &str) -> Rng {
        Rng::named(self.seed, &format!("trial {} {parameter}", self.number))
    }
}

/// Proposes the parameters of each trial. A function of what it is given, and nothing else: no clock, no
/// state; so a study can be repeated and taken up again.
pub trait Sampler: fmt::Debug + Send + Sync {
    /// Whether the settings make sense.
    ///
    /// # Errors
    /// When they do not.
    fn check(&self) -> Result<(), SearchError> {
        Ok(())
    }
    /// Whether it looks at other trials, so that these must have ended before a trial begins.
    fn looks_back(&self) -> bool {
        false
    }
    /// The parameters of a trial; `None` when there is nothing left to try.
    fn suggest(&self, ask: &Ask<'_>) -> Option<Params>;
}

/// Each trial anew, at random (Bergstra and Bengio 2012).
#[derive(Clone, Copy, Debug, Default)]
pub struct Random;

impl Sampler for Random {
    fn suggest(&self, ask: &Ask<'_>) -> Option<Params> {
        Some(ask.space.fill(|name, domain| domain.at(ask.rng(name).uniform())))
    }
}
