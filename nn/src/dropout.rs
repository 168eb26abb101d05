//! Dropout as a layer.

use gradus_autograd::{Float, Var};
use gradus_derive::Module;

use crate::{BuildError, Layer};

/// In training, each element is 0 with probability `rate`, else scaled by 1/(1 − rate) (Srivastava et
/// al. 2014, inverted form); in evaluation, nothing happens.
#[derive(Clone, Copy, Debug, Module)]
pub struct Dropout {
    rate: f32,
}

impl Dropout {
    /// A layer with the given rate, 0 to 1.
    pub fn new(rate: f32) -> Self {
        Dropout { rate }
    }
}

impl<T: Float> Layer<T> for Dropout {
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        x.dropout(self.rate)
    }
    fn build(&mut self, _: &[usize]) -> Result<(), BuildError> {
        if (0.0..=1.0).contains(&self.rate) {
            return Ok(());
        }
        let why = format!("rate {} is not within 0 to 1", self.rate);
        Err(BuildError::Setting { layer: "dropout".into(), why })
    }
    fn kind(&self) -> &'static str {
        "dropout"
    }
}
