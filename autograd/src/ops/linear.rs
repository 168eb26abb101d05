//! The dense layer as one operation: product, bias and activation.

use std::iter::zip;

use smallvec::SmallVec;

use super::fuse::Fuse;
use super::matmul::{matrix, product};
use crate::element::Float;
use crate::kernel::map::{Body, in_place, run};
use crate::kernel::reduce;
use crate::op::{Backward, Cotangents, Op, Outputs, Vjp};
use crate::real::{Num, Real};
use crate::rule::rules;
use crate::tape::Var;
use crate::tensor::{Dims, Tensor};

/// The usual functions after a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    /// x
    #[default]
    Identity,
    /// max(x, 0)
    Relu,
    /// 1 / (1 + e^−x)
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// x/2·(1 + erf(x/√2))
    Gelu,
    /// ln(1 + e^x)
    Softplus,
    /// e^x / Σ e^x over the last axis.
    Softmax,
    /// Its logarithm.
    LogSoftmax,
    /// GELU in the form with tanh.
    GeluTanh,
    /// x·sigmoid(x), also called swish.
    Silu,
    /// x·tanh(softplus(x))
    Mish,
    /// x, or e^x − 1 below 0.
    Elu,
    /// ELU scaled so that it normalises itself.
    Selu,
    /// x, or x/100 below 0, as PyTorch; [`Var::leaky_relu`] takes another slope.
    LeakyRelu,
    /// Between −1 and 1.
    Hardtanh,
    /// Between 0 and 6.
    Relu6,
    /// Between 0 and 1, x/6 + 1/2.
    Hardsigmoid,
    /// x·hardsigmoid(x)
    Hardswish,
    /// x / (1 + |x|)
    Softsign,
    /// ln sigmoid(x)
    LogSigmoid,
}

impl Activation {
    /// The activation of a variable.
    #[track_caller]
    pub fn of<'t, T: Float>(self, x: Var<'t, T>) -> Var<'t, T> {
        match self {
            Activation::Identity => x,
            Activation::Relu => x.relu(),
            Activation::Sigmoid => x.sigmoid(),
            Activation::Tanh => x.tanh(),
            Activation::Gelu => x.gelu(),
            Activation::Softplus => x.softplus(),
            Activation::Softmax => x.softmax(-1),
            Activation::LogSoftmax => x.log_softmax(-1),
            Activation::GeluTanh => x.gelu_tanh(),
            Activation::Silu => x.silu(),
            Activation::Mish => x.mish(),
            Activation::Elu => x.elu(1.0),
            Activation::Selu => x.selu(),
            Activation::LeakyRelu => x.leaky_relu(0.01),
            Activation::Hardtanh => x.hardtanh(),
            Activation::Relu6 => x.relu6(),
            Activation::Hardsigmoid => x.hardsigmoid(),
            Activation::Hardswish => x.hardswish(),
            Activation::Softsign => x.softsign(),
            Activation::LogSigmoid => x.log_sigmoid(),
        }
    }

    /// Whether [`Var::linear`] fuses it: the derivative follows from the result, so that nothing else
    /// has to be kept.
    fn is_fused(self) -> bool {
        use Activation::{Identity, Relu, Sigmoid, Tanh};
        matches!(self, Identity | Relu | Sigmoid | Tanh)
    }
}

rules! {
    /// The cotangent of z from y = σ(z) and its own.
    SigmoidSlope "sigmoid" (g, y) = g * (y * (1.0 - y));
    /// The cotangent of z from y = tanh(z) and its own.
    TanhSlope "tanh" (g, y) = g * (1.0 - y * y);
}

/// y = f(z), in place.
struct Activate(Activation);

impl<T: Float> Body<T> for Activate {
    #[inline(always)]
    fn run<const FMA: bool>(&self, _: usize, _: &[&[T]], outs: &mut [&mut [T]]) {
        for y in outs.iter_mut() {
            match self.0 {
                Activation::Relu => y.iter_mut().for_each(|y| *y = Num::<T, FMA>(*y).relu().0),
                Activation::Sigmoid => {
                    y.iter_mut().for_each(|y| *y = Num::<T, FMA>(*y).sigmoid().0)
                }
                Activation::Tanh => y.iter_mut().for_each(|y| *y = Num::<T, FMA>(*y).tanh().0),
                _ => {}
            }
        }
    }
}

/// The cotangent of z from y = f(z), in place of that of y.
struct Slope(Activation);

impl<T: Float> Body<T> for Slope {
    #[inline(always)]
    fn run<const FMA: bool>(&self, _: usize, ins: &[&[T]], outs: &mut [&mut [T]]) {
        let pairs = zip(&mut *outs[0], ins[0]);
        match self.0 {
            Activation::Relu => pairs.for_each(|(g, &y)| {
                // NaN stays NaN: y > 0 would hide it.
                *g = if y <= T::ZERO {
                    T::ZERO
                } else if y > T::ZERO {
                    *g
                } else {
                    y
                };
            }),
            Activation::Sigmoid => pairs.for_each(|(g, &y)| *g = *g * (y * (T::ONE - y))),
            Activation::Tanh => pairs.for_each(|(g, &y)| *g = *g * (T::ONE - y * y)),
            _ => {}
        }
    }
}

/// y = f(x·w + b): x `[m, k]`, w `[k, n]`, and b `[n]` if there is one.
#[derive(Debug)]
struct Linear {
    activation: Activation,
}

impl<T: Float> Op<T> for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Outputs<T> {
        let (x, w) = (inputs[0], inputs[1]);
        let (m, k, n) = (x.shape[0], x.shape[1], w.shape[1]);
        let bias = inputs.get(2);
        [Tensor::build(Dims::new(&[m, n]), |y| {
            if let Some(bias) = bias
                && n > 0
            {
                bias.with_dense(|bias| {
                    y.chunks_exact_mut(n).for_each(|row| row.copy_from_slice(bias));
                });
            }
            T::product([m, k, n], matrix(x), matrix(w), y, bias.is_some());
            if self.activation != Activation::Identity {
                run(&Activate(self.activation), m * n, &[], &mut [y]);
            }
        })]
        .into()
    }

    fn backward(&self, cx: &mut Backward<'_, T>) -> bool {
        let (x, w, y) = (cx.input(0), cx.input(1), cx.output(0));
        let (m, k, n) = (x.shape[0], x.shape[1], w.shape[1]);
        let mut g = cx.cotangent(0).into_contiguous();
        if self.activation != Activation::Identity {
            let slope = Slope(self.activation);
            let slope = |len, ins: &[&[T]], outs: &mut [&mut [T]]| run(&slope, len, ins, outs);
            in_place(&slope, &[y.dense()], &mut [g.make_mut()]);
        }
        if cx.needs(0) {
            cx.give(0, product([m, n, k], matrix(&g), matrix(w).t()));
        }
        if cx.needs(1) {
            cx.give(1, product([k, m, n], matrix(x).t(), matrix(&g)));
        }
        if cx.inputs() == 3 && cx.needs(2) {
            cx.give(2, Tensor::build(Dims::new(&[n]), |b| reduce::sum(g.dense(), m, n, b)));
        }
        true
    }

    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let (x, w, y, g) = (cx.input(0), cx.input(1), cx.output(0), cx.cotangent());
        let z = match self.activation {
            Activation::Relu => g.carry(y.sign()), // y ≥ 0: the sign is 0, 1 or NaN
            Activation::Sigmoid => SigmoidSlope.fuse([g, y])[0],
            Activation::Tanh => TanhSlope.fuse([g, y])[0],
            _ => g,
        };
        let mut found = cx.wrt([&|| z.matmul(w.t()), &|| x.t().matmul(z), &|| z.sum_axes(&[0])]);
        found.truncate(cx.inputs().len());
        found
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// f(x·w + b), as one operation where f allows it: x `[.., inputs]`, w `[inputs, outputs]`, b `[outputs]`, all leading
    /// axes of x being a batch.
    ///
    /// ```
    /// # use gradus_autograd::{Activation, Tape, Tensor};
    /// let tape = Tape::<f32>::new();
    /// let x = tape.constant(Tensor::from([[1., 2.]]));
    /// let w = tape.var(Tensor::from([[1., -1.], [1., -1.]]));
    /// let b = tape.var(Tensor::from([0.5, 0.5]));
    /// assert_eq!(x.linear(w, Some(b), Activation::Relu).value().to_vec(), [3.5, 0.]);
    /// ```
    ///
    /// # Panics
    /// When the shapes do not fit.
    #[track_caller]
    pub fn linear(
        self,
        weight: Var<'t, T>,
        bias: Option<Var<'t, T>>,
        activation: Activation,
    ) -> Var<'t, T> {
        let (x, w) = (self.shape(), weight.shape());
        assert!(w.len() == 2, "linear: the weight is a matrix [inputs, outputs], not {w:?}");
        assert!(
            x.last() == Some(&w[0]),
            "linear: input {x:?} does not fit weight {w:?} [inputs, outputs] ({} vs {})",
            x.last().map_or("nothing".into(), ToString::to_string),
            w[0]
        );
        if let Some(bias) = bias {
            let b = bias.shape();
            assert!(*b == [w[1]], "linear: bias {b:?} does not fit weight {w:?} [inputs, outputs]");
        }
        let mut shape = x;
        shape[x.len() - 1] = w[1];
        let shape = shape.counted("linear");
        let rows: usize = x[..x.len() - 1].iter().product();
        let inputs: SmallVec<[Var<'t, T>; 3]> =
            [self.reshape(&[rows, w[0]]), weight].into_iter().chain(bias).collect();
        let fused = if activation.is_fused() { activation } else { Activation::Identity };
        let y = self.tape().apply(Linear { activation: fused }, &inputs);
        let y = y.reshape(&shape);
        if activation.is_fused() { y } else { activation.of(y) }
    }
}
