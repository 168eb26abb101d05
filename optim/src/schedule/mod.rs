//! The learning rate over the epochs.

mod combined;
mod cycles;

use std::f64::consts::PI;

pub use combined::{ConstantSchedule, SequentialSchedule, Warmup};
pub use cycles::{CosineRestarts, Cyclic, OneCycle};

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
/// | [`Cyclic`] | | `CyclicLR` |
/// | [`Warmup`] | `warmup_target`, `warmup_steps` | `SequentialLR` of `LinearLR` and another one |
/// | [`SequentialSchedule`] | | `SequentialLR` |
/// | [`ConstantSchedule`] | a number | a number |
/// | `ReduceLROnPlateau` in `gradus_train`, a callback | `ReduceLROnPlateau` | `ReduceLROnPlateau` |
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
///
/// On a tape, a rate that is a variable is scaled by what the schedule makes of 1:
///
/// ```
/// use gradus_autograd::{Param, Tape, Tensor};
/// use gradus_optim::{ExponentialDecay, Positive, Schedule, Sgd, Unroll, hypergradient};
///
/// let (lr, sgd) = (Positive::new(0.1), Sgd::new(0.0));
/// let w = Param::new(Tensor::scalar(1.0_f64));
/// let found = hypergradient(
///     &lr,
///     &w,
///     Unroll::steps(3),
///     |tape, step| {
///         let part = ExponentialDecay { initial: 1.0, rate: 0.5 }.rate(step, 1.0);
///         sgd.unrolled(tape).with(|h| &mut h.lr, lr.var(tape) * part)
///     },
///     |tape, _| tape.param(&w) * 2.0,
///     |tape| tape.param(&w),
/// )?;
/// // w₃ = 1 − 2·lr·(1 + ½ + ¼), differentiated by ln lr.
/// assert!((found.gradients.param(&lr.log).unwrap().item() + 2.0 * 0.1 * 1.75).abs() < 1e-12);
/// # Ok::<(), gradus_optim::HypergradientError>(())
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
///
/// ```
/// use gradus_optim::{PiecewiseConstant, Schedule};
/// let mut steps = PiecewiseConstant::new(&[5, 10], &[1e-2, 1e-3, 1e-4]);
/// assert_eq!([4, 5, 10].map(|epoch| steps.rate(epoch, 0.0)), [1e-2, 1e-3, 1e-4]);
/// ```
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
///
/// ```
/// use gradus_optim::{Schedule, StepDecay};
/// let mut halve = StepDecay { initial: 0.8, rate: 0.5, every: 10 };
/// assert_eq!([9, 10, 20].map(|epoch| halve.rate(epoch, 0.0)), [0.8, 0.4, 0.2]);
/// ```
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
///
/// ```
/// use gradus_optim::{ExponentialDecay, Schedule};
/// let mut decay = ExponentialDecay { initial: 0.8, rate: 0.5 };
/// assert_eq!([0, 1, 2].map(|epoch| decay.rate(epoch, 0.0)), [0.8, 0.4, 0.2]);
/// ```
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
///
/// ```
/// use gradus_optim::{InverseTimeDecay, Schedule};
/// let mut decay = InverseTimeDecay { initial: 0.8, rate: 1.0 };
/// assert_eq!([0, 1, 3].map(|epoch| decay.rate(epoch, 0.0)), [0.8, 0.4, 0.2]);
/// ```
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
///
/// ```
/// use gradus_optim::{PolynomialDecay, Schedule};
/// let mut line = PolynomialDecay { initial: 1.0, end: 0.5, epochs: 2, power: 1.0 };
/// assert_eq!([0, 1, 2, 9].map(|epoch| line.rate(epoch, 0.0)), [1.0, 0.75, 0.5, 0.5]);
/// ```
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
///
/// ```
/// use gradus_optim::{CosineDecay, Schedule};
/// let mut cosine = CosineDecay { initial: 1.0, end: 0.25, epochs: 4 };
/// assert_eq!([0, 2, 4, 9].map(|epoch| cosine.rate(epoch, 0.0)), [1.0, 0.625, 0.25, 0.25]);
/// ```
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
