//! Batch normalisation with the statistics of the batch.

use smallvec::smallvec;

use super::fuse::evaluate;
use crate::element::Float;
use crate::fused;
use crate::op::{Backward, Cotangents, Op, Outputs, Vjp};
use crate::rule::rules;
use crate::tape::Var;
use crate::tensor::layout::axis_at;
use crate::tensor::{Dims, Tensor};

rules! {
    /// (x − mean)²
    Spread "spread" (x, mean) = (x - mean) * (x - mean);

    /// γ·(x − mean)/√(var + ε) + β
    Normalise "normalise" [epsilon: f64] (x, mean, var, gamma, beta) =
        (x - mean) / (var + epsilon).sqrt() * gamma + beta;

    /// g·(x − mean)/√(var + ε), the summands of the cotangent of γ.
    GammaPart "gamma_part" [epsilon: f64] (g, x, mean, var) = g * (x - mean) / (var + epsilon).sqrt();

    /// The cotangent of x: γ/√(var + ε)·(g − mean(g) − x̂·mean(g·x̂)), Ioffe and Szegedy 2015, section
    /// 3, with the two chains through mean and variance worked out.
    InputPart "input_part" [epsilon: f64, count: f64] (g, x, mean, var, gamma, d_beta, d_gamma) = {
        let scale = 1.0 / (var + epsilon).sqrt();
        let standard = (x - mean) * scale;
        gamma * scale * (g - (d_beta + standard * d_gamma) / count)
    };
}

/// Results: the normalised x, and the mean and biased variance of each channel.
#[derive(Debug)]
struct BatchNorm {
    axis: usize,
    epsilon: f64,
}

impl BatchNorm {
    /// The shape of the statistics, so that they broadcast against x.
    fn channel_shape(&self, shape: &Dims) -> Dims {
        (0..shape.len()).map(|axis| if axis == self.axis { shape[axis] } else { 1 }).collect()
    }

    fn sum<T: Float>(&self, x: &Tensor<T>) -> Tensor<T> {
        super::reduce::sum_to(x, &self.channel_shape(&x.shape))
    }

    fn count(&self, shape: &Dims) -> f64 {
        (shape.product() / shape[self.axis].max(1)) as f64
    }
}

impl<T: Float> Op<T> for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Outputs<T> {
        let x = inputs[0];
        let (channels, count) = (self.channel_shape(&x.shape), T::of(self.count(&x.shape)));
        let mean = self.sum(x).map(|sum| sum / count);
        let var = self.sum(&evaluate(Spread, [x, &mean])).map(|sum| sum / count);
        let (gamma, beta) = (inputs[1].reshape(&channels), inputs[2].reshape(&channels));
        let rule = Normalise(self.epsilon);
        let y = evaluate(rule, [x, &mean, &var, &gamma, &beta]);
        let flat = [channels.product()];
        smallvec![y, mean.reshape(&flat), var.reshape(&flat)]
    }

    fn backward(&self, cx: &mut Backward<'_, T>) -> bool {
        if cx.has_cotangent(1) || cx.has_cotangent(2) {
            return false; // somebody differentiates the statistics: the composition does, too
        }
        let (x, epsilon) = (cx.input(0), self.epsilon);
        let channels = self.channel_shape(&x.shape);
        let [mean, var, gamma] =
            [cx.output(1), cx.output(2), cx.input(1)].map(|t| t.reshape(&channels));
        let g = cx.cotangent(0);
        let d_beta = self.sum(&g);
        let d_gamma = self.sum(&evaluate(GammaPart(epsilon), [&g, x, &mean, &var]));
        let rule = InputPart(epsilon, self.count(&x.shape));
        if cx.needs(0) {
            cx.give(0, evaluate(rule, [&g, x, &mean, &var, &gamma, &d_beta, &d_gamma]));
        }
        let flat = [channels.product()];
        cx.give(1, d_gamma.reshape(&flat));
        cx.give(2, d_beta.reshape(&flat));
        true
    }

    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        cx.through(|inputs| {
            let x = inputs[0];
            let channels = self.channel_shape(&x.shape());
            let others: Vec<isize> =
                (0..x.rank()).filter(|&axis| axis != self.axis).map(|axis| axis as isize).collect();
            let (mean, var) = (x.mean_axes(&others), x.var_axes(&others, 0));
            let [m, v, gamma, beta] =
                [mean, var, inputs[1], inputs[2]].map(|t| t.reshape(&channels));
            let normalise =
                fused!(|x, m, v, gamma, beta, eps| (x - m) / (v + eps).sqrt() * gamma + beta);
            let y = normalise(x, m, v, gamma, beta, x.tape().number(self.epsilon));
            smallvec![y, mean, var]
        })
    }
}

/// Panics unless each of the parameters is `[channels]`.
#[track_caller]
fn expect_channels<T: Float>(op: &str, x: &Dims, axis: usize, roles: &[(&str, Var<'_, T>)]) {
    for (role, p) in roles {
        let p = p.shape();
        assert!(*p == x[axis..=axis], "{op}: {role} {p:?} does not fit axis {axis} of {x:?}");
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// γ·(x − mean)/√(var + ε) + β, with mean and biased variance over all axes but `axis`; γ and β are
    /// `[channels]`. Returns also the mean and the variance, `[channels]` each (Ioffe and Szegedy 2015).
    ///
    /// # Panics
    /// When a channel has a single value (its variance says nothing), or γ or β do not fit.
    #[track_caller]
    pub fn batch_norm(
        self,
        gamma: Var<'t, T>,
        beta: Var<'t, T>,
        axis: isize,
        epsilon: f64,
    ) -> [Var<'t, T>; 3] {
        let shape = self.shape();
        let axis = axis_at("batch_norm", axis, shape.len());
        expect_channels("batch_norm", &shape, axis, &[("gamma", gamma), ("beta", beta)]);
        let values = shape.product() / shape[axis].max(1);
        assert!(
            values > 1,
            "batch_norm: input {shape:?} has {values} value(s) a channel: in training mode it needs at least 2"
        );
        let all = self.tape().apply_all(BatchNorm { axis, epsilon }, &[self, gamma, beta]);
        [all[0], all[1], all[2]]
    }

    /// γ·(x − mean)/√(var + ε) + β with given statistics: batch norm in evaluation mode.
    ///
    /// # Panics
    /// When the statistics or parameters are not `[channels]`.
    #[track_caller]
    pub fn normalise(
        self,
        [mean, var, gamma, beta]: [Var<'t, T>; 4],
        axis: isize,
        epsilon: f64,
    ) -> Var<'t, T> {
        let (shape, axis) = (self.shape(), axis_at("normalise", axis, self.rank()));
        let roles = [("mean", mean), ("var", var), ("gamma", gamma), ("beta", beta)];
        expect_channels("normalise", &shape, axis, &roles);
        let channels = BatchNorm { axis, epsilon }.channel_shape(&shape);
        let [mean, var, gamma, beta] = [mean, var, gamma, beta].map(|t| t.reshape(&channels));
        let [y] = crate::Fuse::fuse(Normalise(epsilon), [self, mean, var, gamma, beta]);
        y
    }
}
