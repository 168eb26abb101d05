//! Groups of parameters with other hyperparameters.

use std::fmt::Debug;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::Hyperparameters;

/// Which parameters it holds, and what it changes.
#[derive(Clone)]
pub(crate) struct Group<R> {
    pub holds: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    pub change: Arc<dyn Fn(&mut R) + Send + Sync>,
    /// The main learning rate when the group was made: a schedule may have changed it since.
    pub main_lr: f64,
}

impl<R> Debug for Group<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Group")
    }
}

/// What a group makes of the main rule.
#[derive(Clone, Debug)]
pub(crate) struct Changed<R> {
    rule: R,
    /// For each hyperparameter, in the order of [`Hyperparameters::hyper`], the factor by which it follows the main one;
    /// 0 where the group has a value of its own.
    factors: SmallVec<[f64; 8]>,
}

impl<R: Hyperparameters> Group<R> {
    pub fn changed(&self, main: &R) -> Changed<R> {
        let mut rule = main.clone();
        rule.set_lr(self.main_lr);
        (self.change)(&mut rule);
        // Whether the closure sets a field or scales it shows in what it makes of other numbers. Of powers of two,
        // so that the factor is exact.
        let of = |number: f64| -> SmallVec<[f64; 8]> {
            let mut probe = main.clone();
            probe.hyper().into_iter().for_each(|field| *field = number);
            (self.change)(&mut probe);
            probe.hyper().into_iter().map(|field| *field / number).collect()
        };
        let pairs = std::iter::zip(of(0.5), of(0.25));
        let mut factors: SmallVec<[f64; 8]> =
            pairs.map(|(a, b)| if a == b { a } else { 0.0 }).collect();
        // A rate of its own keeps its ratio to the main one, as schedulers of other frameworks have it.
        if factors[0] == 0.0 && self.main_lr > 0.0 {
            factors[0] = rule.lr() / self.main_lr;
        }
        Changed { rule, factors }
    }
}

impl<R: Hyperparameters> Changed<R> {
    /// The rule of the group, given the main one.
    pub fn rule(&self, main: &R) -> R {
        let (mut rule, mut main) = (self.rule.clone(), main.clone());
        let fields = std::iter::zip(rule.hyper(), main.hyper());
        for ((own, main), &factor) in std::iter::zip(fields, &self.factors) {
            if factor != 0.0 {
                *own = *main * factor;
            }
        }
        rule
    }

    pub fn factors(&self) -> &[f64] {
        &self.factors
    }
}
