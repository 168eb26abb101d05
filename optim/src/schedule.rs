//! The learning rate over the epochs.

/// The learning rate of an epoch from its number (from 0) and the rate that was in force: a closure
/// `|epoch, lr| …` or an object.
///
/// ```
/// use gradus_optim::{PiecewiseConstant, Schedule};
/// let mut halve = |epoch: usize, lr: f64| if epoch == 3 { lr / 2.0 } else { lr };
/// assert_eq!(halve.rate(3, 0.1), 0.05);
/// let mut steps = PiecewiseConstant::new(&[5, 10], &[1e-2, 1e-3, 1e-4]);
/// assert_eq!((steps.rate(4, 0.0), steps.rate(5, 0.0)), (1e-2, 1e-3));
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
