//! Attention over several heads.

use std::sync::Arc;

use gradus_autograd::{Activation, Float, Initializer, Param, Var};
use gradus_derive::Module;

use crate::init::{GlorotUniform, Zeros};
use crate::{BuildError, Dense, Layer};

/// Attention over several heads (Vaswani et al. 2017, section 3.2.2): queries, keys and values go through weights of their
/// own, each head attends with its part of the columns, and what they find goes through a dense layer.
///
/// As a [`Layer`] it is self-attention, `[batch, steps, width]` → the same; [`attend`](MultiHeadAttention::attend) takes
/// keys and values from elsewhere, and a mask.
///
/// Parameters have PyTorch's names and layouts: `in_proj_weight` `[3·width, width]`, the rows for queries, keys and values
/// one after the other, and `in_proj_bias`; with [widths](MultiHeadAttention::key_value_widths) of their own,
/// `q_proj_weight`, `k_proj_weight`, `v_proj_weight`. The last layer is a [`Dense`], `out_proj.kernel` and `out_proj.bias`
/// (the kernel is PyTorch's `out_proj.weight` transposed, as with every `Dense`).
///
/// ```
/// use gradus_autograd::{Module, Tape, Tensor};
/// use gradus_nn::{Layer, MultiHeadAttention};
/// let layer = MultiHeadAttention::new(8, 2).causal().init(1);
/// let tape = Tape::<f32>::new();
/// let x = tape.constant(Tensor::ones(&[3, 5, 8]));
/// assert_eq!(layer.forward(x).shape()[..], [3, 5, 8]);
///
/// // Sentences of different lengths: the last two words of the third one are padding.
/// let seen = Tensor::from_fn(&[3, 1, 1, 5], |at| at[0] < 2 || at[3] < 3);
/// let y = layer.attend(x, x, x, Some(tape.attention_mask(&seen)));
/// assert_eq!(y.shape()[..], [3, 5, 8]);
/// ```
#[derive(Clone, Debug, Module)]
pub struct MultiHeadAttention<T: Float = f32> {
    in_proj_weight: Option<Param<T>>,
    q_proj_weight: Option<Param<T>>,
    k_proj_weight: Option<Param<T>>,
    v_proj_weight: Option<Param<T>>,
    in_proj_bias: Option<Param<T>>,
    out_proj: Dense<T>,
    #[module(skip)]
    settings: Settings,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    width: usize,
    heads: usize,
    is_causal: bool,
    dropout: f32,
}

fn drawn<T: Float>(shape: &[usize], start: impl Initializer<T> + 'static) -> Option<Param<T>> {
    Some(Param::drawn(shape, Arc::new(start)))
}

impl<T: Float> MultiHeadAttention<T> {
    /// Attention of `heads` heads over vectors of `width` numbers, of which each head gets its share.
    ///
    /// # Panics
    /// When `width` is no multiple of `heads`.
    #[track_caller]
    pub fn new(width: usize, heads: usize) -> Self {
        assert!(
            heads > 0 && width > 0 && width.is_multiple_of(heads),
            "multi_head_attention: a width of {width} is not divided among {heads} heads without rest"
        );
        MultiHeadAttention {
            in_proj_weight: drawn(&[3 * width, width], GlorotUniform),
            q_proj_weight: None,
            k_proj_weight: None,
            v_proj_weight: None,
            in_proj_bias: drawn(&[3 * width], Zeros),
            out_proj: Dense::new(width).inputs(width),
            settings: Settings { width, heads, is_causal: false, dropout: 0.0 },
        }
    }

    /// Keys of `keys` numbers and values of `values` (PyTorch's `kdim` and `vdim`), for [`attend`](Self::attend).
    #[track_caller]
    pub fn key_value_widths(mut self, keys: usize, values: usize) -> Self {
        let width = self.settings.width;
        self.in_proj_weight = None;
        self.q_proj_weight = drawn(&[width, width], GlorotUniform);
        self.k_proj_weight = drawn(&[width, keys], GlorotUniform);
        self.v_proj_weight = drawn(&[width, values], GlorotUniform);
        self
    }

    /// A step sees itself and those before it only.
    pub fn causal(mut self) -> Self {
        self.settings.is_causal = true;
        self
    }

    /// In training, the weight of a key is dropped with this probability.
    pub fn dropout(mut self, rate: f32) -> Self {
        self.settings.dropout = rate;
        self
    }

    /// Leaves all biases out.
    pub fn no_bias(mut self) -> Self {
        self.in_proj_bias = None;
        self.out_proj = self.out_proj.no_bias();
        self
    }

    /// Self-attention under a mask, as [`attend`](Self::attend) with all three the same.
    ///
    /// # Panics
    /// As [`attend`](Self::attend).
    #[track_caller]
    pub fn attend_self<'t>(&self, x: Var<'t, T>, mask: Option<Var<'t, T>>) -> Var<'t, T> {
        let Some(weight) = &self.in_proj_weight else { return self.attend(x, x, x, mask) };
        let (tape, width) = (x.tape(), self.settings.width);
        self.expect([x; 3]);
        let bias = self.in_proj_bias.as_ref().map(|bias| tape.param(bias));
        let all = x.linear(tape.param(weight).t(), bias, Activation::Identity);
        let all = all.split(&[width; 3], -1);
        self.heads([all[0], all[1], all[2]], mask)
    }

    /// What queries `[batch, queries, width]` find among keys `[batch, keys, ..]` and their values `[batch, keys, ..]`:
    /// `[batch, queries, width]`. The mask is that of [`Var::attention`], for scores `[batch, heads, queries, keys]`:
    /// `[queries, keys]` for all, or, for padding, `[batch, 1, 1, keys]`.
    ///
    /// # Panics
    /// When the shapes do not fit.
    #[track_caller]
    pub fn attend<'t>(
        &self,
        query: Var<'t, T>,
        key: Var<'t, T>,
        value: Var<'t, T>,
        mask: Option<Var<'t, T>>,
    ) -> Var<'t, T> {
        let (tape, width) = (query.tape(), self.settings.width);
        self.expect([query, key, value]);
        let weights = match &self.in_proj_weight {
            Some(all) => tape.param(all).split(&[width; 3], 0),
            None => [&self.q_proj_weight, &self.k_proj_weight, &self.v_proj_weight]
                .into_iter()
                .flatten()
                .map(|weight| tape.param(weight))
                .collect(),
        };
        let biases = self.in_proj_bias.as_ref().map(|bias| tape.param(bias).split(&[width; 3], 0));
        let through = |x: Var<'t, T>, at: usize| {
            let bias = biases.as_ref().map(|biases| biases[at]);
            x.linear(weights[at].t(), bias, Activation::Identity)
        };
        self.heads([through(query, 0), through(key, 1), through(value, 2)], mask)
    }

    /// Panics unless these are queries, keys and values.
    #[track_caller]
    fn expect(&self, inputs: [Var<'_, T>; 3]) {
        let shapes = inputs.map(Var::shape);
        let width = |weight: &Option<Param<T>>| {
            weight.as_ref().map_or(self.settings.width, |weight| weight.value().shape()[1])
        };
        let widths = [width(&None), width(&self.k_proj_weight), width(&self.v_proj_weight)];
        for ((shape, width), role) in shapes.iter().zip(widths).zip(["queries", "keys", "values"]) {
            assert!(
                shape.len() == 3 && shape[2] == width,
                "multi_head_attention: {role} {shape:?} are not [batch, steps, {width}]"
            );
        }
        let [query, key, value] = shapes;
        assert!(
            query[0] == key[0] && key[..2] == value[..2],
            "multi_head_attention: queries {query:?}, keys {key:?} and values {value:?} differ in batch, or keys and values \
             in steps"
        );
    }

    #[track_caller]
    fn heads<'t>(&self, inputs: [Var<'t, T>; 3], mask: Option<Var<'t, T>>) -> Var<'t, T> {
        let Settings { width, heads, is_causal, dropout } = self.settings;
        let shape = inputs[0].shape();
        let [q, k, v] = inputs.map(|x| {
            let [batch, steps] = [x.shape()[0], x.shape()[1]];
            x.reshape(&[batch, steps, heads, width / heads]).transpose(1, 2)
        });
        let y = q.attention(k, v, mask, is_causal, dropout);
        self.out_proj.forward(y.transpose(1, 2).reshape(&shape))
    }
}

impl<T: Float> Layer<T> for MultiHeadAttention<T> {
    /// Self-attention.
    ///
    /// # Panics
    /// When x is not `[batch, steps, width]`.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        self.attend_self(x, None)
    }

    fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
        let Settings { width, dropout, .. } = self.settings;
        let layer = || String::from("multi_head_attention");
        if !(0.0..=1.0).contains(&dropout) {
            let why = format!("dropout {dropout} is not within 0 to 1");
            return Err(BuildError::Setting { layer: layer(), why });
        }
        match input {
            [_, inputs] if *inputs == width => Ok(()),
            _ => Err(BuildError::Input {
                layer: layer(),
                input: input.to_vec(),
                why: format!("it was made for a sequence of width {width}, [steps, {width}]"),
            }),
        }
    }

    fn kind(&self) -> &'static str {
        "multi_head_attention"
    }
}
