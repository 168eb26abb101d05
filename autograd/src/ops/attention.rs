//! Scaled dot-product attention as one operation.

use smallvec::smallvec;

use crate::element::Float;
use crate::kernel::attention::{Back, Forward, Matrices, Places, Sizes};
use crate::op::{Backward, Cotangents, Op, Outputs, Vjp};
use crate::tape::Var;
use crate::tensor::{Dims, Tensor};

/// Results: y = softmax(q·kᵀ/√d + mask)·v, and the weights, which the backward pass reads.
#[derive(Debug)]
struct Attention {
    causal: bool,
}

/// Storage for `[outer, heads, rows, columns]`, with the heads behind the rows.
fn stale<T: Float>(sizes: &Sizes, rows: usize, columns: usize) -> Tensor<T> {
    Tensor::stale(Dims::new(&[sizes.outer, rows, sizes.heads, columns]))
}

/// The same as the shape that its operation has.
fn shaped<T: Float>(x: Tensor<T>, like: &Dims, rows: usize, columns: usize) -> Tensor<T> {
    let mut shape = *like;
    let rank = shape.len();
    (shape[rank - 2], shape[rank - 1]) = (rows, columns);
    // One head, or one sample: the transposed view is as good as contiguous, and reshapes freely.
    x.transpose(1, 2).reshape(&shape)
}

fn scale(width: usize) -> f64 {
    1.0 / (width.max(1) as f64).sqrt()
}

impl<T: Float> Op<T> for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Outputs<T> {
        let (q, k, v) = (inputs[0], inputs[1], inputs[2]);
        let sizes = Sizes::of(q, k, v);
        let Sizes { outer, heads, queries, keys, values, .. } = sizes;
        let mut scores = q.shape;
        scores[q.rank() - 1] = keys;
        let mut y = stale(&sizes, queries, values);
        let mut p = Tensor::stale(Dims::new(&[outer, heads, queries, keys]));
        if p.is_empty() {
            y.fresh().fill(T::ZERO); // nothing to look at
        } else if !y.is_empty() {
            let mask = inputs.get(3).map(|m| Matrices::of(&m.broadcast_to(&scores), &sizes));
            let [q, k, v] = [q, k, v].map(|x| Matrices::of(x, &sizes));
            let scale = T::of(scale(sizes.width));
            let pass = Forward {
                sizes,
                scale,
                causal: self.causal,
                q: &q,
                k: &k,
                v: &v,
                mask: mask.as_ref(),
            };
            pass.run(0..outer, y.fresh(), p.fresh(), sizes.pays());
        }
        smallvec![shaped(y, &q.shape, queries, values), p.reshape(&scores)]
    }

    fn backward(&self, cx: &mut Backward<'_, T>) -> bool {
        let (q, k, v) = (cx.input(0), cx.input(1), cx.input(2));
        let sizes = Sizes::of(q, k, v);
        let Sizes { outer, heads, queries, keys, width, values } = sizes;
        let g = cx.cotangent(0);
        if cx.output(1).is_empty() || g.is_empty() || width == 0 {
            return false; // nothing to be fast about
        }
        let needs_mask = cx.inputs() > 3 && cx.needs(3);
        let place = |wanted: bool, rows, columns| wanted.then(|| stale(&sizes, rows, columns));
        let mut dq = place(cx.needs(0), queries, width);
        let mut dk = place(cx.needs(1), keys, width);
        let mut dv = place(cx.needs(2), keys, values);
        let mut ds = needs_mask.then(|| Tensor::stale(Dims::new(&[outer, heads, queries, keys])));
        {
            let p = cx.output(1);
            let [q, k, v, g] = [q, k, v, &g].map(|x| Matrices::of(x, &sizes));
            let scale = T::of(scale(width));
            let pass = Back { sizes, scale, q: &q, k: &k, v: &v, g: &g, p: p.dense() };
            let [q, k, v, scores] = [&mut dq, &mut dk, &mut dv, &mut ds]
                .map(|x| x.as_mut().map_or(&mut [][..], Tensor::fresh));
            pass.run(0..outer, Places { q, k, v, scores }, sizes.pays());
        }
        let batch = q.shape;
        if let Some(x) = dq {
            cx.give(0, shaped(x, &batch, queries, width));
        }
        if let Some(x) = dk {
            cx.give(1, shaped(x, &batch, keys, width));
        }
        if let Some(x) = dv {
            cx.give(2, shaped(x, &batch, keys, values));
        }
        if let Some(x) = ds {
            let shape = cx.output(1).shape;
            cx.give(3, x.reshape(&shape));
        }
        true
    }

    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        cx.through(|v| {
            let p = weights([v[0], v[1]], v.get(3).copied(), self.causal);
            smallvec![p.matmul(v[2])]
        })
    }
}

/// softmax(q·kᵀ/√d + mask), composed.
fn weights<'t, T: Float>(
    [q, k]: [Var<'t, T>; 2],
    mask: Option<Var<'t, T>>,
    causal: bool,
) -> Var<'t, T> {
    let (width, tape) = (q.shape()[q.rank() - 1], q.tape());
    let mut scores = q.matmul(k.transpose(-1, -2)) * scale(width);
    if let Some(mask) = mask {
        scores = scores + mask;
    }
    if causal {
        let (queries, keys) = (q.shape()[q.rank() - 2], k.shape()[k.rank() - 2]);
        let seen = Tensor::from_fn(&[queries, keys], |at| at[1] <= at[0]);
        scores = tape.where_(&seen, scores, tape.number(f64::NEG_INFINITY));
    }
    scores.softmax(-1)
}

impl<'t, T: Float> Var<'t, T> {
    /// Scaled dot-product attention, softmax(q·kᵀ/√width + mask)·v (Vaswani et al. 2017), this being the queries
    /// `[batch.., queries, width]`; keys `[batch.., keys, width]`, values `[batch.., keys, values]`, result
    /// `[batch.., queries, values]`.
    ///
    /// The mask is added to the scores `[batch.., queries, keys]`, to which it broadcasts: 0 where a query may look, −∞
    /// where it may not ([`Tape::attention_mask`](crate::Tape::attention_mask) makes one of truth values). If `causal`,
    /// query i sees keys 0..=i only. A query that sees nothing gets 0. In training, a weight is dropped with
    /// probability `dropout`.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var(Tensor::from([[1.0, 0.0], [0.0, 1.0]]));
    /// let y = x.attention(x, x, None, true, 0.0);
    /// assert_eq!(y.value().slice(0, 0..1).to_vec(), [1.0, 0.0]); // the first sees itself only
    /// ```
    ///
    /// # Panics
    /// When the shapes do not fit, or the rate is not within 0 to 1.
    #[track_caller]
    pub fn attention(
        self,
        keys: Var<'t, T>,
        values: Var<'t, T>,
        mask: Option<Var<'t, T>>,
        causal: bool,
        dropout: f32,
    ) -> Var<'t, T> {
        let [q, k, v] = [self, keys, values].map(|x| x.shape());
        let rank = q.len();
        let same_batch = rank >= 2
            && k.len() == rank
            && v.len() == rank
            && q[..rank - 2] == k[..rank - 2]
            && q[..rank - 2] == v[..rank - 2];
        assert!(
            same_batch && q[rank - 1] == k[rank - 1] && k[rank - 2] == v[rank - 2],
            "attention: queries {q:?} [batch.., queries, width], keys {k:?} [batch.., keys, width] and values {v:?} \
             [batch.., keys, values] do not fit"
        );
        let mut scores = q;
        scores[rank - 1] = k[rank - 2];
        scores.counted("attention");
        if let Some(mask) = mask {
            let m = mask.shape();
            assert!(
                crate::tensor::layout::broadcast(&m, &scores) == Some(scores),
                "attention: mask {m:?} does not broadcast to the scores {scores:?} [batch.., queries, keys]"
            );
        }
        assert!(
            (0.0..=1.0).contains(&dropout),
            "attention: dropout {dropout} is not within 0 to 1"
        );
        if dropout > 0.0 && self.tape().is_training() {
            return weights([self, keys], mask, causal).dropout(dropout).matmul(values);
        }
        let mut inputs = [self, keys, values, self];
        let inputs = match mask {
            None => &inputs[..3],
            Some(mask) => {
                inputs[3] = mask;
                &inputs[..]
            }
        };
        self.tape().apply_all(Attention { causal }, inputs)[0]
    }
}

impl<T: Float> crate::Tape<T> {
    /// A mask for [`attention`](Var::attention): 0 where `seen` holds, −∞ elsewhere.
    #[track_caller]
    pub fn attention_mask(&self, seen: &Tensor<bool>) -> Var<'_, T> {
        self.constant(seen.map(|seen| if seen { T::ZERO } else { T::NEG_INFINITY }))
    }
}
