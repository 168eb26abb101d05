//! Rates that rise and fall.

use super::{Schedule, cosine, part};

/// [`CosineDecay`](super::CosineDecay) again and again: "SGDR" (Loshchilov and Hutter 2017).
///
/// ```
/// use gradus_optim::{CosineRestarts, Schedule};
/// let mut sgdr = CosineRestarts { initial: 1.0, end: 0.0, first: 2, longer: 2, lower: 0.5 };
/// assert_eq!([0, 1, 2, 4].map(|epoch| sgdr.rate(epoch, 0.0)), [1.0, 0.5, 0.5, 0.25]);
/// ```
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
///
/// ```
/// use gradus_optim::{OneCycle, Schedule};
/// let mut cycle = OneCycle::new(0.1, 100);
/// assert!((cycle.rate(0, 0.0) - 0.1 / 25.0).abs() < 1e-12);
/// assert!((cycle.rate(29, 0.0) - 0.1).abs() < 1e-12);
/// assert!((cycle.rate(99, 0.0) - 0.1 / 25e4).abs() < 1e-12);
/// ```
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

/// Up and down in straight lines, again and again (Smith 2017): PyTorch's `triangular`, and its `triangular2` with
/// `lower: 0.5`.
///
/// ```
/// use gradus_optim::{Cyclic, Schedule};
/// let mut cyclic = Cyclic { low: 1.0, high: 3.0, up: 2, down: 2, lower: 0.5 };
/// let rates = [0, 1, 2, 3, 4, 5, 6].map(|epoch| cyclic.rate(epoch, 0.0));
/// assert_eq!(rates, [1.0, 2.0, 3.0, 2.0, 1.0, 1.5, 2.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Cyclic {
    /// The lowest rate.
    pub low: f64,
    /// The highest rate of the first cycle.
    pub high: f64,
    /// The epochs of the way up; 0 counts as 1.
    pub up: usize,
    /// The epochs of the way down.
    pub down: usize,
    /// The factor of the height with each cycle; 1 for all alike.
    pub lower: f64,
}

impl Schedule for Cyclic {
    fn rate(&mut self, epoch: usize, _: f64) -> f64 {
        let up = self.up.max(1);
        let length = up.saturating_add(self.down);
        let (cycle, epoch) = (epoch / length, epoch % length);
        let height = match epoch <= up {
            true => part(epoch, up),
            false => 1.0 - part(epoch - up, self.down),
        };
        self.low + (self.high - self.low) * height * self.lower.powf(cycle as f64)
    }
}
