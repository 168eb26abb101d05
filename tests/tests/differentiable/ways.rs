//! The three ways of differentiating a run agree with each other, with central differences and with formulas.

use gradus::optim::{
    Fraction, Hypergradient, HypergradientError, Positive, Solver, Unroll, hypergradient,
    implicit_hypergradient,
};
use gradus::prelude::*;

use crate::{close, slope};

/// A network with batch norm, dropout with a fixed and with a variable rate, penalties with variable λ, a learned gain,
/// a schedule, and clipping with a variable threshold: all that can be on the path.
#[derive(Clone, Module)]
struct Net {
    l1: Dense<f64>,
    norm: BatchNorm<f64>,
    l2: Dense<f64>,
}

#[derive(Module)]
struct Hyper {
    lr: Positive<f64>,
    beta1: Fraction<f64>,
    decay: Positive<f64>,
    lambda: Positive<f64>,
    rate: Fraction<f64>,
    gain: Positive<f64>,
    max: Positive<f64>,
}

struct Setting {
    net: Net,
    hyper: Hyper,
    x: Tensor<f64>,
    y: Tensor<f64>,
    x_val: Tensor<f64>,
    y_val: Tensor<f64>,
}

fn setting() -> Setting {
    let mut rng = Rng::new(5);
    let net = Net {
        l1: Dense::new(6).inputs(3),
        norm: BatchNorm::new().channels(6),
        l2: Dense::new(1).inputs(6),
    };
    let label = |x: &Tensor<f64>| {
        let rows: Vec<f64> = x.to_vec().chunks(3).map(|r| f64::from(r[0] * r[1] > 0.0)).collect();
        Tensor::from(rows).reshape(&[x.shape()[0], 1])
    };
    let (x, x_val) = (Tensor::randn(&[16, 3], &mut rng), Tensor::randn(&[12, 3], &mut rng));
    let (y, y_val) = (label(&x), label(&x_val));
    let hyper = Hyper {
        lr: Positive::new(0.03),
        beta1: Fraction::new(0.8),
        decay: Positive::new(0.02),
        lambda: Positive::new(0.01),
        rate: Fraction::new(0.3),
        gain: Positive::new(1.3),
        // The gradients of the first eight steps are above it.
        max: Positive::new(0.3),
    };
    Setting { net: net.init(3), hyper, x, y, x_val, y_val }
}

impl Setting {
    fn logits<'t>(&self, tape: &'t Tape<f64>, x: &Tensor<f64>) -> Var<'t, f64> {
        let h = self.net.norm.forward(self.net.l1.forward(tape.constant(x.clone()))).tanh();
        let h = h.dropout(0.2);
        self.net.l2.forward(h.concrete_dropout(self.hyper.rate.var(tape), 0.5))
    }

    fn hypergradient(&self, unroll: Unroll) -> Result<Hypergradient<f64>, HypergradientError> {
        // With the usual ε, a gradient that is rounding noise (of the bias before batch norm) moves the weights.
        let adam = AdamW::new(0.0)
            .epsilon(1e-3)
            .group(|path| path.ends_with("bias"), |h| h.weight_decay = 0.0);
        hypergradient(
            &self.hyper,
            &self.net,
            unroll,
            |tape, k| {
                // A schedule: the rate falls from step to step.
                let lr = self.hyper.lr.var(tape) * 0.95_f64.powf(k as f64);
                adam.unrolled(tape)
                    .with(|h| &mut h.lr, lr)
                    .with(|h| &mut h.beta1, self.hyper.beta1.var(tape))
                    .with(|h| &mut h.weight_decay, self.hyper.decay.var(tape))
                    .clip(Clip::GlobalNorm(self.hyper.max.var(tape)))
            },
            |tape, k| {
                if k == 0 {
                    scale_init(&self.net, tape, |path| {
                        path.ends_with("kernel").then(|| self.hyper.gain.var(tape))
                    });
                }
                let lambda = self.hyper.lambda.var(tape);
                let kernel = tape.param(self.net.param("l1.kernel").expect("a kernel"));
                self.logits(tape, &self.x).bce_with_logits(tape.constant(self.y.clone()))
                    + L2(lambda).penalty(kernel)
                    + L1(lambda * 0.1).penalty(kernel)
            },
            |tape| {
                self.logits(tape, &self.x_val).bce_with_logits(tape.constant(self.y_val.clone()))
            },
        )
    }

    fn params(&self) -> [(&'static str, &Param<f64>); 7] {
        let h = &self.hyper;
        [
            ("lr", &h.lr.log),
            ("beta1", &h.beta1.logit),
            ("decay", &h.decay.log),
            ("lambda", &h.lambda.log),
            ("rate", &h.rate.logit),
            ("gain", &h.gain.log),
            ("max", &h.max.log),
        ]
    }
}

const STEPS: usize = 10;
/// Of reverse and forward: the same sums in another order.
const BOTH_WAYS: f64 = 1e-12;
/// Of differences of the fourth order, through ten steps of Adam.
const DIFFERENCE: f64 = 1e-6;

#[test]
fn the_three_ways_agree_and_checkpoints_give_the_same_bits() {
    let setting = setting();
    let found =
        [Unroll::steps(STEPS), Unroll::steps(STEPS).checkpointed(), Unroll::steps(STEPS).forward()]
            .map(|unroll| setting.hypergradient(unroll).expect("a hypergradient"));
    for (name, param) in setting.params() {
        let [reverse, checkpointed, forward] = found.each_ref().map(|f| slope(f, param));
        assert_eq!(reverse.to_bits(), checkpointed.to_bits(), "{name}: {reverse} {checkpointed}");
        close(reverse, forward, BOTH_WAYS, name);
        assert!(reverse.abs() > 1e-7, "{name} has an influence: {reverse}");
    }
    for (path, param) in setting.net.params().into_iter().filter(|(_, p)| p.is_trained()) {
        let [a, b] = [0, 1].map(|i| found[i].gradients.param(param).expect("a gradient").to_vec());
        assert_eq!(a, b, "{path}");
    }
    assert_eq!(found[0].loss.to_bits(), found[1].loss.to_bits());
    assert_eq!(found[0].train_losses, found[1].train_losses);
    assert_eq!(found[0].train_losses, found[2].train_losses);
}

#[test]
fn they_agree_with_central_differences() {
    let mut setting = setting();
    let found = setting.hypergradient(Unroll::steps(STEPS)).expect("a hypergradient");
    let slopes = setting.params().map(|(name, param)| (name, slope(&found, param)));
    for (number, (name, slope)) in slopes.into_iter().enumerate() {
        let mut at = |offset: f64| {
            let mut count = 0;
            setting.hyper.visit_mut(gradus::autograd::Path::root(), &mut |_, param| {
                if count == number {
                    param.set(param.value().map(|x| x + offset));
                }
                count += 1;
            });
            setting.hypergradient(Unroll::steps(STEPS)).expect("a loss").loss
        };
        // Richardson: an error of the fourth order.
        let h = 2e-4;
        let (b, a) = (at(h), at(-2.0 * h));
        let (c, d) = (at(3.0 * h), at(-4.0 * h));
        at(2.0 * h);
        let difference = (8.0 * (b - a) - (c - d)) / (12.0 * h);
        close(slope, difference, DIFFERENCE, name);
    }
}

#[test]
fn sgd_on_a_quadratic_has_a_formula() {
    // w_K = w_0·(1 − 2a·lr)^K, and d/d(lr) = w_0·K·(1 − 2a·lr)^(K−1)·(−2a)
    let (a, lr, w0) = (0.7_f64, Positive::new(0.003), 4.0);
    let w = Param::new(Tensor::scalar(w0));
    let sgd = Sgd::new(0.0);
    for steps in [1, 2, 7, 100, 1000] {
        for unroll in [
            Unroll::steps(steps),
            Unroll::steps(steps).checkpointed(),
            Unroll::steps(steps).forward(),
        ] {
            let found = hypergradient(
                &lr,
                &w,
                unroll,
                |tape, _| sgd.unrolled(tape).with(|h| &mut h.lr, lr.var(tape)),
                |tape, _| tape.param(&w).powf(2.0) * a,
                |tape| tape.param(&w),
            )
            .expect("a hypergradient");
            let rate = lr.value();
            let shrink = 1.0 - 2.0 * a * rate;
            close(found.loss, w0 * shrink.powi(steps as i32), 1e-11, "w");
            let expected = w0 * steps as f64 * shrink.powi(steps as i32 - 1) * -2.0 * a * rate;
            close(slope(&found, &lr.log), expected, 1e-11, &format!("{steps} {unroll:?}"));
        }
    }
}

#[test]
fn ten_thousand_steps_forward() {
    let (lr, w) = (Positive::new(1e-4), Param::new(Tensor::scalar(4.0)));
    let sgd = Sgd::new(0.0);
    let found = hypergradient(
        &lr,
        &w,
        Unroll::steps(10_000).forward(),
        |tape, _| sgd.unrolled(tape).with(|h| &mut h.lr, lr.var(tape)),
        |tape, _| tape.param(&w).powf(2.0),
        |tape| tape.param(&w),
    )
    .expect("a hypergradient");
    let shrink = 1.0 - 2e-4_f64;
    close(slope(&found, &lr.log), 4.0 * 1e4 * shrink.powi(9999) * -2e-4, 1e-9, "slope");
}

#[test]
fn truncated_and_first_order_runs_have_formulas_too() {
    let (lr, w) = (Positive::new(0.1), Param::new(Tensor::scalar(4.0)));
    let (sgd, steps, last) = (Sgd::new(0.0), 9, 3);
    let run = |unroll: Unroll, first_order: bool| {
        let found = hypergradient(
            &lr,
            &w,
            unroll,
            |tape, _| {
                let sgd = sgd.unrolled(tape).with(|h| &mut h.lr, lr.var(tape));
                if first_order { sgd.first_order() } else { sgd }
            },
            |tape, _| tape.param(&w).powf(2.0),
            |tape| tape.param(&w),
        );
        slope(&found.expect("a hypergradient"), &lr.log)
    };
    // Each step multiplies by 0.8 and contributes −2·lr·w_k, carried on by 0.8 or, to first order, by 1.
    let whole = 4.0 * steps as f64 * 0.8_f64.powi(steps - 1) * -0.2;
    close(run(Unroll::steps(9), false), whole, 1e-12, "whole");
    for unroll in [Unroll::steps(9), Unroll::steps(9).checkpointed(), Unroll::steps(9).forward()] {
        let truncated = 4.0 * f64::from(last) * 0.8_f64.powi(steps - 1) * -0.2;
        close(run(unroll.last(3), false), truncated, 1e-12, "truncated");
        let first: f64 = (0..steps).map(|k| -0.2 * 4.0 * 0.8_f64.powi(k)).sum();
        close(run(unroll, true), first, 1e-12, "first order");
    }
}

#[test]
fn implicit_differentiation_at_a_minimum() {
    // Ridge regression: w = (XᵀX + λ)⁻¹Xᵀy; against differences of the exact solution of two weights.
    let x = Tensor::from([[1.0, 0.5], [0.3, -1.2], [2.0, 0.1]]);
    let y = Tensor::from([1.0, -0.5, 1.5]);
    let solve = |lambda: f64| {
        let (x, y) = (x.to_vec(), y.to_vec());
        let dot = |i: usize, j: usize| (0..3).map(|r| x[2 * r + i] * x[2 * r + j]).sum::<f64>();
        let rhs = |i: usize| (0..3).map(|r| x[2 * r + i] * y[r]).sum::<f64>();
        let (a, b, d) = (dot(0, 0) + lambda, dot(0, 1), dot(1, 1) + lambda);
        let det = a * d - b * b;
        [(d * rhs(0) - b * rhs(1)) / det, (a * rhs(1) - b * rhs(0)) / det]
    };
    let lambda = Positive::<f64>::new(0.4);
    let w = Param::new(Tensor::from(solve(0.4)));
    let solvers = [
        Solver::ConjugateGradient { iterations: 5, tolerance: 1e-12, damping: 0.0 },
        Solver::Neumann { terms: 2000, rate: 0.1 },
    ];
    for solver in solvers {
        let found = implicit_hypergradient(
            &lambda,
            &w,
            solver,
            |tape| {
                let w = tape.param(&w);
                let error = tape.constant(x.clone()).matmul(w) - tape.constant(y.clone());
                error.powf(2.0).sum() + L2(lambda.var(tape)).penalty(w)
            },
            |tape| (tape.param(&w) * tape.constant(Tensor::from([1.0, -2.0]))).sum(),
        )
        .expect("a hypergradient");
        let value = |ln: f64| {
            let [a, b] = solve(ln.exp());
            a - 2.0 * b
        };
        let (ln, h) = (0.4_f64.ln(), 1e-5);
        let expected = (value(ln + h) - value(ln - h)) / (2.0 * h);
        close(slope(&found, &lambda.log), expected, 1e-8, &format!("{solver:?}"));
    }
}
