//! Schedules of schedules.

use super::{Schedule, part};

/// Always the same rate, in a place where there has to be a schedule.
///
/// ```
/// use gradus_optim::{ConstantSchedule, Schedule, Warmup};
/// let mut warm = Warmup { from: 0.0, epochs: 2, then: ConstantSchedule(0.5) };
/// assert_eq!([0, 1, 2, 9].map(|epoch| warm.rate(epoch, 0.0)), [0.0, 0.25, 0.5, 0.5]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ConstantSchedule(
    /// The rate.
    pub f64,
);

impl Schedule for ConstantSchedule {
    fn rate(&mut self, _: usize, _: f64) -> f64 {
        self.0
    }
}

/// A straight line up to another schedule, which begins when the line ends.
///
/// ```
/// use gradus_optim::{ExponentialDecay, Schedule, Warmup};
/// let then = ExponentialDecay { initial: 1.0, rate: 0.5 };
/// let mut warm = Warmup { from: 0.0, epochs: 4, then };
/// assert_eq!([0, 2, 4, 5].map(|epoch| warm.rate(epoch, 0.0)), [0.0, 0.5, 1.0, 0.5]);
/// ```
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

/// One schedule after the other, each with epochs of its own.
///
/// ```
/// use gradus_optim::{ConstantSchedule, ExponentialDecay, Schedule, SequentialSchedule};
/// let mut both = SequentialSchedule::new(ConstantSchedule(0.1))
///     .then(2, ExponentialDecay { initial: 0.8, rate: 0.5 });
/// assert_eq!([0, 1, 2, 3].map(|epoch| both.rate(epoch, 0.0)), [0.1, 0.1, 0.8, 0.4]);
/// ```
pub struct SequentialSchedule {
    /// With the epochs in which they begin.
    parts: Vec<(usize, Box<dyn Schedule>)>,
}

impl SequentialSchedule {
    /// With the first schedule.
    pub fn new(first: impl Schedule + 'static) -> Self {
        SequentialSchedule { parts: vec![(0, Box::new(first))] }
    }
    /// And another one, whose epoch 0 is `epoch` of all.
    ///
    /// # Panics
    /// When it does not begin after the one before.
    #[track_caller]
    pub fn then(mut self, epoch: usize, next: impl Schedule + 'static) -> Self {
        let last = self.parts.last().map_or(0, |part| part.0);
        assert!(
            epoch > last,
            "sequential schedule: a part that begins in epoch {epoch} cannot follow one that begins in epoch {last}"
        );
        self.parts.push((epoch, Box::new(next)));
        self
    }
}

impl Schedule for SequentialSchedule {
    fn rate(&mut self, epoch: usize, lr: f64) -> f64 {
        let at = self.parts.partition_point(|part| part.0 <= epoch).saturating_sub(1);
        let (begin, schedule) = &mut self.parts[at];
        schedule.rate(epoch - *begin, lr)
    }
}
