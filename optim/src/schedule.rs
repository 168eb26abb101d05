//! The learning rate over the epochs.

use std::f64::consts::PI;

/// The learning rate of an epoch from its number (from 0) and the rate that was in force: a closure
/// `|epoch, lr| …` or an object.
///
/// | here | Keras | PyTorch |
/// | --- | --- | --- |
/// | [`PiecewiseConstant`] | `PiecewiseConstantDecay`, whose boundaries are one less | `MultiStepLR`, `ConstantLR` |
/// | [`StepDecay`] | `ExponentialDecay(staircase=True)` | `StepLR` |
/// | [`ExponentialDecay`] | `ExponentialDecay`, `rate = decay_rate^(1/decay_steps)` | `ExponentialLR` |
/// | [`InverseTimeDecay`] | `InverseTimeDecay` | |
/// | [`PolynomialDecay`] | `PolynomialDecay` | `PolynomialLR`, `LinearLR` |
/// | [`CosineDecay`] | `CosineDecay` | `CosineAnnealingLR`, which rises again after `T_max` |
/// | [`CosineRestarts`] | `CosineDecayRestarts` | `CosineAnnealingWarmRestarts` |
/// | [`OneCycle`] | | `OneCycleLR` |
/// | [`Warmup`] | `warmup_target`, `warmup_steps` | `SequentialLR` of `LinearLR` and another one |
///
/// ```
/// use gradus_optim::{CosineDecay, PiecewiseConstant, Schedule, Warmup};
/// let mut halve = |epoch: usize, lr: f64| if epoch == 3 { lr / 2.0 } else { lr };
/// assert_eq!(halve.rate(3, 0.1), 0.05);
/// let mut steps = PiecewiseConstant::new(&[5, 10], &[1e-2, 1e-3, 1e-4]);
/// assert_eq!((steps.rate(4, 0.0), steps.rate(5, 0.0)), (1e-2, 1e-3));
/// let mut warm = Warmup { from: 0.0, epochs: 2, then: CosineDecay { initial: 1.0, end: 0.0, epochs: 2 } };
/// assert_eq!([0, 1, 2, 3, 4].map(|epoch| (warm.rate(epoch, 0.0) * 10.0).round()), [0., 5., 10., 5., 0.]);
/// ```
pub trait Schedule: Send {
    /// The rate of `epoch`; `lr` was that of the one before, or the optimiser's own in epoch 0.
    fn rate(&mut self, epoch: usize, lr: f64) -> f64;
}

impl<F: FnMut(usize, f64) -> f64 + Send> Schedule for F {
    fn rate(&mut self, epoch: usize, lr: f64) -> f64 {
        self(epoch, lr)
    }
}

/// Constant between boundaries.
#[derive(Clone, Debug)]
pub struct PiecewiseConstant {
    boundaries: Vec<usize>,
    rates: Vec<f64>,
}

impl PiecewiseConstant {
    /// `rates[0]` before epoch `boundaries[0]`, `rates[1]` from there on, and so forth.
    ///
    /// # Panics
    /// When there is not one rate more than boundaries, or the boundaries do not ascend.
    #[track_caller]
    pub fn new(boundaries: &[usize], rates: &[f64]) -> Self {
        assert!(
            rates.len() == boundaries.len() + 1,
            "piecewise constant: {} boundaries need {} rates, not {}",
            boundaries.len(),
            boundaries.len() + 1,
            rates.len()
        );
        assert!(
            boundaries.is_sorted(),
            "piecewise constant: boundaries {boundaries:?} do not ascend"
        );
        PiecewiseConstant { boundaries: boundaries.into(), rates: rates.into() }
    }
}

impl Schedule for PiecewiseConstant {
    fn rate(&mut self, epoch: usize, _: f64) -> f64 {
        self.rates[self.boundaries.partition_point(|&boundary| boundary <= epoch)]
    }
}

/// initial · rate^⌊epoch / every⌋.
#[derive(Clone, Copy, Debug)]
pub struct StepDecay {
    /// The rate of epoch 0.
    pub initial: f64,
    /// The factor of a step.
    pub rate: f64,
    /// The epochs of a step; 0 counts as 1.
    pub every: usize,
}

impl Schedule for StepDecay {
    fn rate(&mut self, epoch: usize, _: f64) -> f64 {
        self.initial * self.rate.powf((epoch / self.every.max(1)) as f64)
    }
}

/// initial · rate^epoch.
#[derive(Clone, Copy, Debug)]
pub struct ExponentialDecay {
    /// The rate of epoch 0.
    pub initial: f64,
    /// The factor of an epoch.
    pub rate: f64,
}

impl Schedule for ExponentialDecay {
    fn rate(&mut self, epoch: usize, _: f64) -> f64 {
        self.initial * self.rate.powf(epoch as f64)
    }
}

/// initial / (1 + rate·epoch).
#[derive(Clone, Copy, Debug)]
pub struct InverseTimeDecay {
    /// The rate of epoch 0.
    pub initial: f64,
    /// By how much the divisor grows in an epoch.
    pub rate: f64,
}

impl Schedule for InverseTimeDecay {
    fn rate(&mut self, epoch: usize, _: f64) -> f64 {
        self.initial / (1.0 + self.rate * epoch as f64)
    }
}

/// How much of `epochs` has gone by, within 0 and 1.
fn part(epoch: usize, epochs: usize) -> f64 {
    if epoch >= epochs { 1.0 } else { epoch as f64 / epochs as f64 }
}

/// From 1 to 0 over half a cosine.
fn cosine(part: f64) -> f64 {
    0.5 * (1.0 + (PI * part).cos())
}

/// end + (initial − end)·(1 − epoch/epochs)^power; `end` after that. A power of 1 is a straight line, also upwards.
#[derive(Clone, Copy, Debug)]
pub struct PolynomialDecay {
    /// The rate of epoch 0.
    pub initial: f64,
    /// The rate after `epochs`.
    pub end: f64,
    /// How long it takes.
    pub epochs: usize,
    /// The power.
    pub power: f64,
}

impl Schedule for PolynomialDecay {
    fn rate(&mut self, epoch: usize, _: f64) -> f64 {
        let left = (1.0 - part(epoch, self.epochs)).powf(self.power);
        self.end + (self.initial - self.end) * left
    }
}

/// end + (initial − end)·(1 + cos(π·epoch/epochs))/2; `end` after that (Loshchilov and Hutter 2017).
#[derive(Clone, Copy, Debug)]
pub struct CosineDecay {
    /// The rate of epoch 0.
    pub initial: f64,
    /// The rate after `epochs`.
    pub end: f64,
    /// How long it takes.
    pub epochs: usize,
}

impl Schedule for CosineDecay {
    fn rate(&mut self, epoch: usize, _: f64) -> f64 {
        self.end + (self.initial - self.end) * cosine(part(epoch, self.epochs))
    }
}

/// [`CosineDecay`] again and again: "SGDR" (Loshchilov and Hutter 2017).
#[derive(Clone, Copy, Debug)]
pub struct CosineRestarts {
    /// The rate of epoch 0.
    pub initial: f64,
    /// The rate that each period goes down to, without reaching it.
    pub end: f64,
    /// The epochs of the first period; 0 counts as 1.
    pub first: usize,
    /// How much longer each period is than the one before; 1 in PyTorch, 2 in Keras if nothing is said.
    pub longer: usize,
    /// By which factor each period begins lower, as a part of `initial`; 1 for all alike.
    pub lower: f64,
}

impl Schedule for CosineRestarts {
    fn rate(&mut self, epoch: usize, _: f64) -> f64 {
        let (mut start, mut length, mut initial) = (0, self.first.max(1), self.initial);
        while epoch - start >= length {
            start += length;
            length = length.saturating_mul(self.longer.max(1));
            initial *= self.lower;
        }
        self.end + (initial - self.end) * cosine(part(epoch - start, length))
    }
}

/// Up to `max` and down to nearly nothing, over cosines (Smith and Topin 2018, in the form of PyTorch).
#[derive(Clone, Copy, Debug)]
pub struct OneCycle {
    /// The highest rate.
    pub max: f64,
    /// How long all takes.
    pub epochs: usize,
    /// The part of it that goes up.
    pub warmup: f64,
    /// The first rate is `max` divided by this.
    pub divide: f64,
    /// The last rate is the first one divided by this.
    pub divide_end: f64,
}

impl OneCycle {
    /// With PyTorch's defaults: 0.3 of the time up, from max/25; down to a ten-thousandth of that.
    pub fn new(max: f64, epochs: usize) -> Self {
        OneCycle { max, epochs, warmup: 0.3, divide: 25.0, divide_end: 1e4 }
    }
}

impl Schedule for OneCycle {
    fn rate(&mut self, epoch: usize, _: f64) -> f64 {
        let first = self.max / self.divide;
        let last = first / self.divide_end;
        let (epoch, end) = (epoch as f64, self.epochs as f64 - 1.0);
        let top = self.warmup * self.epochs as f64 - 1.0;
        match epoch {
            _ if epoch >= end => last,
            _ if epoch < top => self.max + (first - self.max) * cosine(epoch / top),
            _ => last + (self.max - last) * cosine((epoch - top) / (end - top)),
        }
    }
}

/// A straight line up to another schedule, which begins when the line ends.
#[derive(Clone, Copy, Debug)]
pub struct Warmup<S> {
    /// The rate of epoch 0.
    pub from: f64,
    /// How long the line is.
    pub epochs: usize,
    /// What comes after it; its first rate is where the line leads.
    pub then: S,
}

impl<S: Schedule> Schedule for Warmup<S> {
    fn rate(&mut self, epoch: usize, lr: f64) -> f64 {
        match epoch.checked_sub(self.epochs) {
            Some(later) => self.then.rate(later, lr),
            None => {
                let to = self.then.rate(0, lr);
                self.from + (to - self.from) * part(epoch, self.epochs)
            }
        }
    }
}
