//! A quasi-random sequence: points that keep away from each other.

use gradus_autograd::Rng;

use super::{Ask, Sampler};
use crate::search::Params;

/// The scrambled Halton sequence: any stretch of it fills the space more evenly than random points do.
///
/// The k-th parameter takes the van der Corput sequence of the k-th prime, whose digits are permuted at
/// random, for each position anew (as SciPy's `qmc.Halton`): without that, the sequences of large primes
/// go hand in hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Halton;

impl Sampler for Halton {
    fn suggest(&self, ask: &Ask<'_>) -> Option<Params> {
        let primes: Vec<u64> = primes().take(ask.space.entries.len()).collect();
        let prime = |name: &str| ask.space.names().position(|other| other == name);
        Some(ask.space.fill(|name, domain| {
            let base = prime(name).map_or(2, |at| primes[at]);
            domain.at(scrambled(ask.number, base, ask.seed))
        }))
    }
}

/// The digits of `number`, permuted and mirrored at the point, as many as 53 bits hold.
fn scrambled(mut number: u64, base: u64, seed: u64) -> f64 {
    let mut rng = Rng::named(seed, &format!("halton {base}"));
    let (mut value, mut unit) = (0.0, 1.0);
    let mut permutation: Vec<u64> = (0..base).collect();
    while unit > f64::EPSILON {
        rng.shuffle(&mut permutation);
        unit /= base as f64;
        value += permutation[(number % base) as usize] as f64 * unit;
        number /= base;
    }
    value.min(1.0 - f64::EPSILON / 2.0)
}

fn primes() -> impl Iterator<Item = u64> {
    let is_prime = |&n: &u64| (2..).take_while(|d| d * d <= n).all(|d| n % d != 0);
    (2..).filter(is_prime)
}
