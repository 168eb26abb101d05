//! Where the trials of a group lie in the space: a Parzen estimator of all parameters together.

use gradus_autograd::{Real, Rng};

use crate::search::{Domain, Params, Space, Value};

/// The weight of the prior, as of one trial.
const PRIOR: f64 = 1.0;
/// So many of the newest trials count in full.
const FLAT: usize = 25;

/// A density over the space, as in Optuna: a bump for each trial and a wide one, the prior. Along a parameter that a
/// trial does not have, its bump is as wide as the prior.
#[derive(Debug)]
pub(super) struct Parzen<'a> {
    space: &'a Space,
    /// Of each bump; they sum to 1. The prior stands last.
    weights: Vec<f64>,
    /// In the order of the space.
    axes: Vec<Axis>,
}

/// The bumps along one parameter.
#[derive(Debug)]
enum Axis {
    /// Normal distributions cut off at 0 and 1: mean, width, and the mass before it is cut off.
    Numbers(Vec<[f64; 3]>),
    /// Which choice, if any, with a little for all others.
    Choices { of: Vec<Option<usize>>, choices: usize },
}

impl<'a> Parzen<'a> {
    /// From the trials of a group, the oldest first.
    pub(super) fn new(space: &'a Space, group: &[&Params]) -> Self {
        let mut weights = weights(group.len());
        let whole: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= whole);
        let axis = |entry: &crate::search::space::Entry| {
            let values = group.iter().map(|params| params.value(&entry.name));
            Axis::new(&entry.domain, &values.chain([None]).collect::<Vec<_>>())
        };
        Parzen { space, weights, axes: space.entries.iter().map(axis).collect() }
    }

    /// A choice from the space at random: from one of the bumps.
    pub(super) fn sample(&self, rng: &mut Rng) -> Params {
        let mut place = rng.uniform();
        let past = |weight: &f64| {
            place -= weight;
            place < 0.0
        };
        let bump = self.weights.iter().position(past).unwrap_or(self.weights.len() - 1);
        let mut axes = self.axes.iter();
        let mut params = Params::default();
        for entry in &self.space.entries {
            let axis = axes.next().filter(|_| entry.is_active(&params));
            let value = axis.map(|axis| axis.sample(bump, &entry.domain, rng));
            params.0.push((entry.name.clone(), value));
        }
        params
    }

    /// The logarithm of the density at such a choice.
    pub(super) fn log_density(&self, params: &Params) -> f64 {
        let mut logs: Vec<f64> = self.weights.iter().map(|weight| weight.ln()).collect();
        for ((entry, axis), (_, value)) in self.space.entries.iter().zip(&self.axes).zip(&params.0)
        {
            if let Some(value) = value {
                let places = entry.domain.places(value).unwrap_or([0.5; 2]);
                logs.iter_mut().enumerate().for_each(|(bump, log)| *log += axis.log(bump, places));
            }
        }
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        most + logs.iter().map(|log| (log - most).exp()).sum::<f64>().ln()
    }
}

impl Axis {
    /// From the value of each bump, if it has one.
    fn new(domain: &Domain, values: &[Option<&Value>]) -> Self {
        if let Domain::Choice(choices) = domain {
            let of = |value: &Value| choices.iter().position(|choice| choice == value);
            let of = values.iter().map(|value| value.and_then(of)).collect();
            return Axis::Choices { of, choices: choices.len() };
        }
        let middle = |value: &Value| domain.places(value).map(|[a, b]| f64::midpoint(a, b));
        let means: Vec<Option<f64>> = values.iter().map(|value| value.and_then(middle)).collect();
        let mut sorted: Vec<f64> = means.iter().flatten().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let narrowest = 1.0 / (2.0 + sorted.len() as f64).min(100.0);
        // As wide as the larger gap to its neighbours; the outermost look inward only, and a single one to the bounds.
        let width = |mean: f64| {
            let at = sorted.partition_point(|other| *other < mean);
            let next = sorted.partition_point(|other| *other <= mean);
            let gap = match (sorted.get(at.wrapping_sub(1)), sorted.get(next)) {
                _ if next - at > 1 => 0.0,
                (None, None) => mean.max(1.0 - mean),
                (below, above) => {
                    below.map_or(0.0, |b| mean - b).max(above.map_or(0.0, |a| a - mean))
                }
            };
            gap.clamp(narrowest, 1.0)
        };
        let bump = |mean: &Option<f64>| {
            let (mean, width) = mean.map_or((0.5, 1.0), |mean| (mean, width(mean)));
            [mean, width, below((1.0 - mean) / width) - below(-mean / width)]
        };
        Axis::Numbers(means.iter().map(bump).collect())
    }

    fn sample(&self, bump: usize, domain: &Domain, rng: &mut Rng) -> Value {
        let place = match self {
            Axis::Choices { of, choices } => {
                let smooth = PRIOR / of.len() as f64;
                let kept =
                    of[bump].filter(|_| rng.uniform() * (1.0 + smooth * *choices as f64) < 1.0);
                (kept.unwrap_or_else(|| rng.below(*choices)) as f64 + 0.5) / *choices as f64
            }
            Axis::Numbers(bumps) => {
                let [mean, width, _] = bumps[bump];
                // The mean is within, the width at most 1: at least every third lies within.
                let mut places = std::iter::repeat_with(|| mean + width * rng.normal());
                places.find(|place| (0.0..=1.0).contains(place)).unwrap_or(mean)
            }
        };
        domain.at(place)
    }

    /// The logarithm of a bump's density at a place, or of its mass between two.
    fn log(&self, bump: usize, [from, to]: [f64; 2]) -> f64 {
        match self {
            Axis::Choices { of, choices } => {
                let at = (f64::midpoint(from, to) * *choices as f64) as usize;
                let smooth = PRIOR / of.len() as f64;
                let mass = match of[bump] {
                    None => 1.0 / *choices as f64,
                    Some(own) => {
                        (smooth + f64::from(u8::from(own == at))) / (1.0 + smooth * *choices as f64)
                    }
                };
                mass.ln()
            }
            Axis::Numbers(bumps) => {
                let [mean, width, whole] = bumps[bump];
                let z = |place: f64| (place - mean) / width;
                if from == to {
                    return -0.5 * z(from) * z(from)
                        - (width * whole).ln()
                        - 0.5 * std::f64::consts::TAU.ln();
                }
                ((below(z(to)) - below(z(from))) / whole).ln()
            }
        }
    }
}

/// The standard normal distribution: the mass below z.
fn below(z: f64) -> f64 {
    0.5 * (1.0 + Real::erf(z * std::f64::consts::FRAC_1_SQRT_2))
}

/// Old trials count less once there are many; the prior stands last.
fn weights(count: usize) -> Vec<f64> {
    let ramp = count.saturating_sub(FLAT);
    let first = 1.0 / count.max(1) as f64;
    let weight = |i: usize| match i < ramp {
        true => first + (1.0 - first) * i as f64 / (ramp - 1).max(1) as f64,
        false => 1.0,
    };
    (0..count).map(weight).chain([PRIOR]).collect()
}
