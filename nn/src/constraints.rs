//! Constraints on parameters: where an optimiser's step leaves them. Keras' names and formulas.
//!
//! A norm is that of the weights which run along `axes`, the first axis by default: all inputs of one unit of a
//! [`Dense`](crate::Dense) layer, whose kernel is `[inputs, units]`. A [`Conv2d`](crate::Conv2d) has the filters first,
//! `[filters, channels, height, width]`, and one filter runs along `axes(&[1, 2, 3])`; a row of an
//! [`Embedding`](crate::Embedding), or a unit of a recurrent layer, along `axes(&[1])`.
//!
//! The first values of a parameter are not projected, as in Keras: a constraint holds from the first step on.

pub use gradus_autograd::Constraint;

use gradus_autograd::{Float, Var};

/// What is added to a norm that is divided by, as in Keras.
const EPSILON: f64 = 1e-7;

/// No weight below 0: w where w ≥ 0, else 0. The slope at 0 is 1.
///
/// ```
/// use gradus_autograd::{Tape, Tensor};
/// use gradus_nn::constraints::{Constraint, NonNeg};
/// let tape = Tape::<f32>::new();
/// let w = tape.var(Tensor::from([-1.0, 0.5]));
/// assert_eq!(NonNeg.project(w).value().to_vec(), [0.0, 0.5]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct NonNeg;

/// No norm above a value: w·min(‖w‖, max)/(‖w‖ + ε).
///
/// ```
/// use gradus_autograd::Module;
/// use gradus_nn::{Conv2d, Dense, constraints::MaxNorm};
/// let hidden = Dense::<f32>::new(64).kernel_constraint(MaxNorm::new(2.0));
/// let image = Conv2d::<f32>::new(8, 3).kernel_constraint(MaxNorm::new(2.0).axes(&[1, 2, 3]));
/// ```
#[derive(Clone, Debug)]
pub struct MaxNorm {
    max: f64,
    along: Along,
}

/// Every norm is 1: w/(‖w‖ + ε). Weights that are all 0 stay so.
#[derive(Clone, Debug)]
pub struct UnitNorm {
    along: Along,
}

/// Norms between two values, or on the way there: w·d/(‖w‖ + ε) with d = rate·clamp(‖w‖, min, max) + (1 − rate)·‖w‖.
#[derive(Clone, Debug)]
pub struct MinMaxNorm {
    min: f64,
    max: f64,
    rate: f64,
    along: Along,
}

impl MaxNorm {
    /// With norms of at most `max`; Keras' default is 2.
    ///
    /// # Panics
    /// When that is negative or not a number.
    #[track_caller]
    pub fn new(max: f64) -> Self {
        assert!(max >= 0.0, "MaxNorm: no norm is below a maximum of {max}");
        MaxNorm { max, along: Along::first() }
    }
}

impl Default for UnitNorm {
    fn default() -> Self {
        UnitNorm::new()
    }
}

impl UnitNorm {
    /// Along the first axis.
    pub fn new() -> Self {
        UnitNorm { along: Along::first() }
    }
}

impl MinMaxNorm {
    /// With norms of at least `min` and at most `max`; Keras' defaults are 0 and 1.
    ///
    /// # Panics
    /// When a bound is negative or not a number, or they are the wrong way round.
    #[track_caller]
    pub fn new(min: f64, max: f64) -> Self {
        assert!(0.0 <= min && min <= max, "MinMaxNorm: no norm is within {min} to {max}");
        MinMaxNorm { min, max, rate: 1.0, along: Along::first() }
    }

    /// The part of the way that a step goes, 1 by default.
    ///
    /// # Panics
    /// When that is not within 0 to 1.
    #[track_caller]
    pub fn rate(self, rate: f64) -> Self {
        assert!((0.0..=1.0).contains(&rate), "MinMaxNorm: a rate of {rate} is not within 0 to 1");
        MinMaxNorm { rate, ..self }
    }
}

macro_rules! settings {
    ($($constraint:ident)*) => {$(
        impl $constraint {
            /// The axes that a norm runs along.
            pub fn axes(mut self, axes: &[isize]) -> Self {
                self.along.axes = axes.to_vec();
                self
            }
            /// What is added to the norm that is divided by; 1e-7 by default.
            pub fn epsilon(mut self, epsilon: f64) -> Self {
                self.along.epsilon = epsilon;
                self
            }
        }
    )*};
}
settings!(MaxNorm UnitNorm MinMaxNorm);

impl<T: Float> Constraint<T> for NonNeg {
    fn project<'t>(&self, weight: Var<'t, T>) -> Var<'t, T> {
        weight.clamp(0.0, f64::INFINITY)
    }
}

impl<T: Float> Constraint<T> for MaxNorm {
    fn project<'t>(&self, weight: Var<'t, T>) -> Var<'t, T> {
        self.along.rescaled(weight, |norms| norms.clamp(0.0, self.max))
    }
}

impl<T: Float> Constraint<T> for UnitNorm {
    fn project<'t>(&self, weight: Var<'t, T>) -> Var<'t, T> {
        weight / (self.along.norms(weight) + self.along.epsilon)
    }
}

impl<T: Float> Constraint<T> for MinMaxNorm {
    fn project<'t>(&self, weight: Var<'t, T>) -> Var<'t, T> {
        let MinMaxNorm { min, max, rate, .. } = *self;
        self.along.rescaled(weight, |norms| norms.clamp(min, max) * rate + norms * (1.0 - rate))
    }
}

/// Which weights a norm is that of, and what is added to it.
#[derive(Clone, Debug)]
struct Along {
    axes: Vec<isize>,
    epsilon: f64,
}

impl Along {
    fn first() -> Self {
        Along { axes: vec![0], epsilon: EPSILON }
    }

    /// The norms, with axes of one element where they run along.
    fn norms<'t, T: Float>(&self, weight: Var<'t, T>) -> Var<'t, T> {
        let rank = weight.rank() as isize;
        let mut kept: Vec<isize> =
            self.axes.iter().map(|&axis| axis.rem_euclid(rank.max(1))).collect();
        kept.sort_unstable();
        let norms = weight.norm_axes(2.0, &self.axes);
        kept.into_iter().fold(norms, |norms, axis| norms.unsqueeze(axis))
    }

    /// The weights with the norms that `desired` makes of theirs.
    fn rescaled<'t, T: Float>(
        &self,
        weight: Var<'t, T>,
        desired: impl FnOnce(Var<'t, T>) -> Var<'t, T>,
    ) -> Var<'t, T> {
        let norms = self.norms(weight);
        weight * (desired(norms) / (norms + self.epsilon))
    }
}
