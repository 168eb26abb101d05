//! Where in a sequence something stands, added to what it is.

use std::sync::Arc;

use gradus_autograd::{Float, Param, Tensor, Var};
use gradus_derive::Module;

use crate::init::Normal;
use crate::{BuildError, Layer};

/// x + encoding: x `[batch, steps, width]`, the encoding `[steps, width]`.
///
/// [Sinusoidal](PositionalEncoding::sinusoidal) (Vaswani et al. 2017, section 3.5): at position p, columns 2i and
/// 2i + 1 are the sine and the cosine of p / 10000^(2i/width). [Learned](PositionalEncoding::learned): a parameter,
/// `weight`, as BERT and GPT have it, which starts as N(0, 0.02²).
///
/// ```
/// use gradus_autograd::{Tape, Tensor};
/// use gradus_nn::{Layer, PositionalEncoding};
/// let tape = Tape::<f64>::new();
/// let y = PositionalEncoding::sinusoidal().forward(tape.constant(Tensor::zeros(&[1, 2, 4])));
/// assert_eq!(y.value().slice(1, 0..1).to_vec(), [0.0, 1.0, 0.0, 1.0]);
/// assert_eq!(y.value().at(&[0, 1, 2]), 0.01_f64.sin());
/// ```
#[derive(Clone, Debug, Module)]
pub struct PositionalEncoding<T: Float = f32> {
    weight: Option<Param<T>>,
    /// How many positions can be learned; `None` where none has to be.
    #[module(skip)]
    positions: Option<usize>,
}

impl<T: Float> PositionalEncoding<T> {
    /// Sines and cosines, for sequences of any length.
    pub fn sinusoidal() -> Self {
        PositionalEncoding { weight: None, positions: None }
    }

    /// Parameters, for sequences of up to `positions` steps.
    pub fn learned(positions: usize) -> Self {
        PositionalEncoding { weight: None, positions: Some(positions) }
    }

    /// Sets the width, for use outside of a [`Sequential`](crate::Sequential).
    #[track_caller]
    pub fn width(mut self, width: usize) -> Self {
        let start = Arc::new(Normal { mean: 0.0, std: 0.02 });
        self.weight = self.positions.map(|positions| Param::drawn(&[positions, width], start));
        self
    }
}

fn sinusoids<T: Float>(steps: usize, width: usize) -> Tensor<T> {
    let rates: Vec<f64> =
        (0..width).map(|i| 1e4_f64.powf(-((i / 2 * 2) as f64) / width as f64)).collect();
    Tensor::from_fn(&[steps, width], |at| {
        let angle = at[0] as f64 * rates[at[1]];
        T::of(if at[1] % 2 == 0 { angle.sin() } else { angle.cos() })
    })
}

impl<T: Float> Layer<T> for PositionalEncoding<T> {
    /// # Panics
    /// When x is no `[batch.., steps, width]`, learned encodings have another width or fewer steps, or have not been
    /// built.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let (tape, shape) = (x.tape(), x.shape());
        let [.., steps, width] = shape[..] else {
            panic!("positional_encoding: input {shape:?} is not [batch.., steps, width]")
        };
        let Some(positions) = self.positions else {
            return x + tape.constant(sinusoids(steps, width));
        };
        let Some(weight) = &self.weight else {
            panic!(
                "positional_encoding: the width is not known: set it with `.width(n)`, or build the model (one of your \
                 own builds its layers in `Layer::build`)"
            );
        };
        assert!(
            steps <= positions && weight.value().shape()[1] == width,
            "positional_encoding: input {shape:?} [batch.., steps, width] does not fit the learned positions {:?} \
             [positions, width]",
            weight.value().shape()
        );
        x + tape.param(weight).slice(0, 0..steps)
    }

    fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
        let fail = |why: String| {
            let layer = "positional_encoding".into();
            Err(BuildError::Input { layer, input: input.to_vec(), why })
        };
        let [.., steps, width] = input[..] else { return fail("it needs [steps, width]".into()) };
        match (self.positions, &self.weight) {
            (Some(positions), _) if steps > positions => {
                fail(format!("it has {positions} learned positions only"))
            }
            (_, Some(weight)) if weight.value().shape()[1] != width => {
                fail(format!("it was made for a width of {}", weight.value().shape()[1]))
            }
            (_, Some(_)) => Ok(()),
            (_, None) => {
                *self = PositionalEncoding { weight: None, positions: self.positions }.width(width);
                Ok(())
            }
        }
    }

    fn kind(&self) -> &'static str {
        "positional_encoding"
    }
}
