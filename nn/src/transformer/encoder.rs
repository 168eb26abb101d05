//! The block that the encoder of a Transformer is made of.

use gradus_autograd::{Activation, Float, Var};
use gradus_derive::Module;

use super::MultiHeadAttention;
use crate::{BuildError, Dense, Layer, LayerNorm};

/// A block of a Transformer, `[batch, steps, width]` → the same: self-attention and two dense layers, each with a norm,
/// dropout and a path around it.
///
/// x + attention(norm1(x)), then x + linear2(f(linear1(norm2(x)))) ([`pre_norm`](TransformerEncoderLayer::pre_norm),
/// PyTorch's `norm_first=True`, which trains deep stacks without warm-up: Xiong et al. 2020), or norm1(x + attention(x)),
/// then norm2(x + ..) (the default, as in Vaswani et al. 2017 and PyTorch). Defaults are PyTorch's: 2048 units in between,
/// ReLU, dropout 0.1. Parameters have its names, with `kernel` for the `weight` of `linear1`, `linear2` and `out_proj`.
///
/// ```
/// use gradus_autograd::{Activation, Module, Tape, Tensor};
/// use gradus_nn::{Layer, TransformerEncoderLayer};
/// let block = TransformerEncoderLayer::new(8, 2).feed_forward(16).pre_norm().activation(Activation::Gelu).init(1);
/// assert_eq!(block.param("linear1.kernel").unwrap().value().shape(), [8, 16]);
/// let tape = Tape::<f32>::new();
/// let y = block.forward(tape.constant(Tensor::ones(&[2, 5, 8])));
/// assert_eq!(y.shape()[..], [2, 5, 8]);
/// ```
#[derive(Clone, Debug, Module)]
pub struct TransformerEncoderLayer<T: Float = f32> {
    self_attn: MultiHeadAttention<T>,
    linear1: Dense<T>,
    linear2: Dense<T>,
    norm1: LayerNorm<T>,
    norm2: LayerNorm<T>,
    #[module(skip)]
    settings: Settings,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    width: usize,
    activation: Activation,
    dropout: f32,
    is_norm_first: bool,
}

impl<T: Float> TransformerEncoderLayer<T> {
    /// A block for vectors of `width` numbers, with `heads` heads of attention.
    ///
    /// # Panics
    /// When `width` is no multiple of `heads`.
    #[track_caller]
    pub fn new(width: usize, heads: usize) -> Self {
        let norm = || LayerNorm::new().shape(&[width]);
        TransformerEncoderLayer {
            self_attn: MultiHeadAttention::new(width, heads).dropout(0.1),
            linear1: Dense::new(2048).inputs(width).activation(Activation::Relu),
            linear2: Dense::new(width).inputs(2048),
            norm1: norm(),
            norm2: norm(),
            settings: Settings {
                width,
                activation: Activation::Relu,
                dropout: 0.1,
                is_norm_first: false,
            },
        }
    }

    /// How many units there are between the two dense layers, which are made anew.
    #[track_caller]
    pub fn feed_forward(mut self, units: usize) -> Self {
        let Settings { width, activation, .. } = self.settings;
        self.linear1 = Dense::new(units).inputs(width).activation(activation);
        self.linear2 = Dense::new(width).inputs(units);
        self
    }

    /// The activation between the two dense layers.
    pub fn activation(mut self, activation: Activation) -> Self {
        self.settings.activation = activation;
        self.linear1 = self.linear1.activation(activation);
        self
    }

    /// Dropout: of the weights of attention, behind it, and behind each dense layer.
    pub fn dropout(mut self, rate: f32) -> Self {
        self.settings.dropout = rate;
        self.self_attn = self.self_attn.dropout(rate);
        self
    }

    /// Norms stand before attention and dense layers, not behind what they are added to.
    pub fn pre_norm(mut self) -> Self {
        self.settings.is_norm_first = true;
        self
    }

    /// A step sees itself and those before it only.
    pub fn causal(mut self) -> Self {
        self.self_attn = self.self_attn.causal();
        self
    }

    /// The block under a mask, that of [`MultiHeadAttention::attend`].
    ///
    /// # Panics
    /// When the shapes do not fit.
    #[track_caller]
    pub fn forward_masked<'t>(&self, x: Var<'t, T>, mask: Option<Var<'t, T>>) -> Var<'t, T> {
        let Settings { dropout, is_norm_first, .. } = self.settings;
        let attention = |x| self.self_attn.attend_self(x, mask).dropout(dropout);
        let dense = |x| {
            let between = self.linear1.forward(x).dropout(dropout);
            self.linear2.forward(between).dropout(dropout)
        };
        if is_norm_first {
            let x = x + attention(self.norm1.forward(x));
            x + dense(self.norm2.forward(x))
        } else {
            let x = self.norm1.forward(x + attention(x));
            self.norm2.forward(x + dense(x))
        }
    }
}

impl<T: Float> Layer<T> for TransformerEncoderLayer<T> {
    /// # Panics
    /// When x is not `[batch, steps, width]`.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        self.forward_masked(x, None)
    }

    fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
        let layer = || String::from("transformer_encoder_layer");
        self.self_attn.build(input).map_err(|error| match error {
            BuildError::Input { input, why, .. } => {
                BuildError::Input { layer: layer(), input, why }
            }
            BuildError::Setting { why, .. } => BuildError::Setting { layer: layer(), why },
        })
    }

    fn kind(&self) -> &'static str {
        "transformer_encoder_layer"
    }
}
