//! The golden tables of operations: outputs and gradients, by both passes, in both precisions, with
//! inputs in row-major order and strided.
//!
//! What is not run is listed below with the reason; a case that is neither run nor listed fails.

use std::collections::{BTreeMap, BTreeSet};

use gradus_autograd::{Activation, Float, Tape, Tensor, Var};
use gradus_tests::golden::{self, Array, Case, as_f64, differences};

/// |found − expected| may be this, times max(1, |expected|).
const F64: f64 = 1e-10;
const F32: f64 = 1e-4;
/// Rosenbrock's Hessian has entries of 1e4, whose products cancel in f32.
const F32_SECOND: f64 = 1e-3;

/// Cases that the operations cannot express: table, cases, reason.
const NOT_YET: &[(&str, &[usize], &str)] = &[
    ("activations", &[13, 14, 15, 20, 21], "no clamp yet: minimum and maximum share at the bounds"),
    ("binary_broadcast", &[8], "no atan2 yet"),
    ("indexing", &[2, 3, 5], "scatter_add is not public yet"),
    ("indexing", &[8], "no one_hot yet"),
    ("reductions", &[5, 6, 23], "no prod yet"),
    ("shape_ops", &[6], "no reflecting pad yet"),
    ("shape_ops", &[14], "no unfold yet"),
    ("shape_ops", &[15, 16], "no upsampling yet"),
    ("unary", &[9, 10, 12, 13], "no inverse sine, tangent, or inverse hyperbolic functions yet"),
    ("unary", &[20], "no lgamma yet"),
    ("unary", &[21, 22, 26], "no rounding yet"),
];

/// Tables of which nothing is run here.
const OTHER: &[(&str, &str)] = &[
    ("adaptive_pool2d", "no pooling yet"),
    ("avg_pool1d", "no pooling yet"),
    ("avg_pool2d", "no pooling yet"),
    ("clamp", "no clamp yet"),
    ("cnn_training", "no convolution yet; tested with training later"),
    ("conv1d", "no convolution yet"),
    ("conv2d", "no convolution yet"),
    ("conv3d", "no convolution yet"),
    ("conv_transpose1d", "no convolution yet"),
    ("conv_transpose2d", "no convolution yet"),
    ("cumulative", "no scans yet"),
    ("einsum", "no einsum yet"),
    ("grad_clip", "tested with the optimisers later"),
    ("group_norm", "no group norm yet"),
    ("huber_loss", "no such loss yet"),
    ("hypergradient", "tested with the optimisers later"),
    ("instance_norm", "no instance norm yet"),
    ("keras_conv_pool", "no convolution or pooling yet"),
    ("keras_lr_schedules", "tested with the optimisers later"),
    ("keras_norm", "no layer or group norm yet"),
    ("keras_rnn", "no recurrent layers yet"),
    ("kl_div", "no such loss yet"),
    ("layer_norm", "no layer norm yet"),
    ("lbfgs", "tested with the optimisers later"),
    ("linalg", "no linear algebra yet"),
    ("logsumexp_edge", "no logsumexp yet; a composed one cannot have its corners"),
    ("loss_misc", "no such losses yet"),
    ("lr_schedules", "tested with the optimisers later"),
    ("max_pool1d", "no pooling yet"),
    ("max_pool2d", "no pooling yet"),
    ("multihead_attention", "tested with the layers later"),
    ("nll_loss", "no such loss yet"),
    ("norm_edge", "no norm yet; tested as a composition in numerics.rs, row 7"),
    ("rms_norm", "no such norm yet"),
    ("rnn_cells", "no recurrent layers yet"),
    ("rnn_layers", "no recurrent layers yet"),
    ("smooth_l1_loss", "no such loss yet"),
    ("sort_topk", "no sorting yet"),
];

/// Tables that another file runs.
const ELSEWHERE: &[(&str, &str)] = &[
    ("bce", "layers.rs"),
    ("keras_callbacks", "callbacks.rs"),
    ("keras_fit", "golden_training.rs"),
    ("keras_initializers", "layers.rs"),
    ("keras_losses", "layers.rs"),
    ("keras_metrics", "training.rs"),
    ("keras_optimizers", "golden_optim.rs"),
    ("least_squares_training", "golden_training.rs"),
    ("mlp_bn_training", "golden_training.rs"),
    ("optimizers", "golden_optim.rs"),
];

/// Corners at which NUMERICS chooses another derivative than PyTorch: table, case, row, input, the
/// gradient that is right here.
const OTHERWISE: &[(&str, usize, u32, &str, &[f64])] = &[
    // max over an axis: PyTorch gives all to the first; row 4 splits evenly.
    (
        "reductions",
        12,
        4,
        "x",
        &[
            -0.6171875 / 4.0,
            -0.6171875 / 4.0,
            -0.6171875 / 4.0,
            -0.6171875 / 4.0,
            0.0,
            0.0,
            -0.3671875,
            0.0,
        ],
    ),
];

/// What a case looks like on a tape.
struct On<'a, 't, T: Float> {
    tape: &'t Tape<T>,
    case: &'a Case,
    vars: BTreeMap<&'a str, Var<'t, T>>,
}

impl<'t, T: Float> On<'_, 't, T> {
    fn var(&self, name: &str) -> Var<'t, T> {
        self.vars[name]
    }
    fn has(&self, name: &str) -> bool {
        self.vars.contains_key(name)
    }
    fn whole(&self, name: &str) -> Tensor<i64> {
        self.case.inputs[name].whole()
    }
    fn mask(&self, name: &str) -> Tensor<bool> {
        self.case.inputs[name].mask()
    }
    fn text(&self, name: &str) -> &str {
        self.case.text(name)
    }
    fn number(&self, name: &str, default: f64) -> f64 {
        self.case.number(name, default)
    }
    /// A setting that is one axis.
    fn axis(&self) -> isize {
        self.case.list("dim").expect("an axis")[0]
    }
    fn ones(&self, n: usize) -> Var<'t, T> {
        self.tape.constant(Tensor::ones(&[n]))
    }
    fn zeros(&self, n: usize) -> Var<'t, T> {
        self.tape.constant(Tensor::zeros(&[n]))
    }
}

/// The outputs of a case: those on the tape, and those that are only numbers.
#[derive(Default)]
struct Found<'t, T: Float> {
    vars: Vec<(&'static str, Var<'t, T>)>,
    facts: Vec<(&'static str, Vec<f64>)>,
}

impl<'t, T: Float> Found<'t, T> {
    fn y(y: Var<'t, T>) -> Option<Self> {
        Some(Found { vars: vec![("y", y)], facts: vec![] })
    }
}

/// A case as operations; `None` if they cannot express it.
type Express<T> = for<'a, 't> fn(&On<'a, 't, T>) -> Option<Found<'t, T>>;

/// Every table that is run.
fn tables<T: Float>() -> Vec<(&'static str, Express<T>)> {
    vec![
        ("activations", activations::<T>),
        ("attention", attention::<T>),
        ("batch_norm", batch_norm::<T>),
        ("bce_with_logits", bce_with_logits::<T>),
        ("binary_broadcast", binary_broadcast::<T>),
        ("cross_entropy", cross_entropy::<T>),
        ("embedding", embedding::<T>),
        ("indexing", indexing::<T>),
        ("keras_batch_norm", keras_batch_norm::<T>),
        ("l1_loss", l1_loss::<T>),
        ("linear", linear::<T>),
        ("log_softmax", softmax::<T>),
        ("matmul", matmul::<T>),
        ("mse_loss", mse_loss::<T>),
        ("pow_scalar", pow_scalar::<T>),
        ("reductions", reductions::<T>),
        ("shape_ops", shape_ops::<T>),
        ("softmax", softmax::<T>),
        ("unary", unary::<T>),
        ("where", where_::<T>),
    ]
}

fn unary<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let x = on.var("x");
    Found::y(match on.text("f") {
        "exp" => x.exp(),
        "log" => x.ln(),
        "log1p" => x.ln_1p(),
        "expm1" => x.exp_m1(),
        "sqrt" => x.sqrt(),
        "rsqrt" => x.powf(-0.5),
        "sin" => x.sin(),
        "cos" => x.cos(),
        "tan" => x.sin() / x.cos(),
        "sinh" => (x.exp() - (-x).exp()) / 2.0,
        "erf" => x.erf(),
        "erfc" => 1.0 - x.erf(),
        "abs" => x.abs(),
        "sign" => x.sign(),
        "reciprocal" => 1.0 / x,
        "square" => x.powf(2.0),
        _ => return None,
    })
}

fn activations<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let x = on.var("x");
    let positive = x.value().map(|x| x > T::ZERO);
    let elu = |alpha: f64| on.tape.where_(&positive, x, x.exp_m1() * alpha);
    Found::y(match on.text("f") {
        "relu" => x.relu(),
        "gelu" if on.text("approximate").is_empty() => x.gelu(),
        "gelu" => {
            let inner = (x + x.powf(3.0) * 0.044_715) * (2.0 / std::f64::consts::PI).sqrt();
            x * 0.5 * (1.0 + inner.tanh())
        }
        "silu" => x * x.sigmoid(),
        "elu" => elu(on.number("alpha", 1.0)),
        // Klambauer et al. 2017
        "selu" => elu(1.673_263_242_354_377_2) * 1.050_700_987_355_480_5,
        // PyTorch's is linear above a threshold; the operation itself is exact there, and has none.
        "softplus" => {
            let (beta, threshold) = (on.number("beta", 1.0), on.number("threshold", 20.0));
            let linear = x.value().map(|x| x.to_f64() * beta > threshold);
            on.tape.where_(&linear, x, (x * beta).softplus() / beta)
        }
        "leaky_relu" => on.tape.where_(&positive, x, x * on.number("negative_slope", 0.01)),
        "sigmoid" => x.sigmoid(),
        "tanh" => x.tanh(),
        "logsigmoid" => -(-x).softplus(),
        "mish" => x * x.softplus().tanh(),
        "celu" => {
            let alpha = on.number("alpha", 1.0);
            on.tape.where_(&positive, x, (x / alpha).exp_m1() * alpha)
        }
        "softsign" => x / (1.0 + x.abs()),
        "glu" => {
            let half = x.shape()[1] / 2;
            x.slice(1, 0..half) * x.slice(1, half..2 * half).sigmoid()
        }
        _ => return None,
    })
}

fn binary_broadcast<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (a, b) = (on.var("a"), on.var("b"));
    Found::y(match on.text("f") {
        "add" => a + b,
        "sub" => a - b,
        "mul" => a * b,
        "div" => a / b,
        "pow" => a.pow(b),
        "maximum" => a.maximum(b),
        "minimum" => a.minimum(b),
        "logaddexp" => b + (a - b).softplus(),
        _ => return None,
    })
}

fn pow_scalar<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    Found::y(on.var("x").powf(on.number("e", f64::NAN)))
}

fn where_<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    Found::y(on.tape.where_(&on.mask("c"), on.var("a"), on.var("b")))
}

/// With the axes that went away back as size 1, if the case keeps them.
fn kept<'t, T: Float>(on: &On<'_, 't, T>, y: Var<'t, T>, axes: &[isize]) -> Var<'t, T> {
    match on.case.flag("keepdim", false) {
        true => axes.iter().fold(y, |y, &axis| y.unsqueeze(axis)),
        false => y,
    }
}

fn reductions<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (x, all) = (on.var("x"), on.case.param("dim").is_none());
    let axes = on.case.list("dim").unwrap_or_default();
    let correction = on.number("correction", 1.0) as usize;
    let row_axis = axes.first().map_or(0, |&axis| axis);
    let best = |x: Tensor<T>| {
        let best = x.transpose(row_axis, -1).argmax_rows();
        best.to_vec().into_iter().map(|i| i as f64).collect::<Vec<f64>>()
    };
    let var = || if all { x.var(correction) } else { x.var_axes(&axes, correction) };
    let max = |x: Var<'t, T>| if all { x.max() } else { x.max_axes(&axes) };
    let y = match on.text("f") {
        "sum" if all => x.sum(),
        "sum" => x.sum_axes(&axes),
        "mean" if all => x.mean(),
        "mean" => x.mean_axes(&axes),
        "amax" => max(x),
        "max" if all => max(x),
        "max" => {
            let values = kept(on, max(x), &axes);
            return Some(Found {
                vars: vec![("values", values)],
                facts: vec![("indices", best(x.value()))],
            });
        }
        "min" => {
            let values = kept(on, -max(-x), &axes);
            let facts = vec![("indices", best((-x).value()))];
            return Some(Found { vars: vec![("values", values)], facts });
        }
        "var" => var(),
        "std" => var().sqrt(),
        "logsumexp" => {
            let peak = max(x).detach();
            let wide = axes.iter().fold(peak, |y, &axis| y.unsqueeze(axis));
            (x - wide).exp().sum_axes(&axes).ln() + peak
        }
        "norm" => {
            let p = on.number("p", 2.0);
            let powers = if p == 1.0 { x.abs() } else { x.abs().powf(p) };
            let sum = if all { powers.sum() } else { powers.sum_axes(&axes) };
            sum.powf(1.0 / p)
        }
        "argmax" => return Some(Found { vars: vec![], facts: vec![("y", best(x.value()))] }),
        _ => return None,
    };
    Found::y(kept(on, y, &axes))
}

fn matmul<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    Found::y(on.var("a").matmul(on.var("b")))
}

fn linear<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let bias = on.has("b").then(|| on.var("b"));
    Found::y(on.var("x").linear(on.var("w").t(), bias, Activation::Identity))
}

fn softmax<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let x = on.var("x");
    Found::y(if on.case.flag("log", false) {
        x.log_softmax(on.axis())
    } else {
        x.softmax(on.axis())
    })
}

fn attention<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let [q, k, v] = ["q", "k", "v"].map(|name| on.var(name));
    let width = q.shape()[q.rank() - 1] as f64;
    let mut scores = q.matmul(k.transpose(-1, -2)) / width.sqrt();
    if on.has("mask") {
        scores = scores + on.var("mask");
    }
    if on.case.flag("causal", false) {
        let (rows, columns) = (q.shape()[1], k.shape()[1]);
        let seen = Tensor::<bool>::from_fn(&[rows, columns], |at| at[1] <= at[0]);
        scores = on.tape.where_(&seen, scores, on.tape.number(f64::NEG_INFINITY));
    }
    Found::y(scores.softmax(-1).matmul(v))
}

/// The element of each row that a class names.
fn picked<'t, T: Float>(x: Var<'t, T>, classes: &Tensor<i64>) -> Var<'t, T> {
    let n = classes.len();
    x.gather(1, &classes.reshape(&[n, 1])).reshape(&[n])
}

fn cross_entropy<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (x, smoothing) = (on.var("x"), on.number("label_smoothing", 0.0));
    if on.case.flag("soft", false) {
        return Found::y(-(x.log_softmax(1) * on.var("target")).sum_axes(&[1]).mean());
    }
    let classes = on.whole("target");
    if on.case.param("sp").is_some() {
        let [n, c, h, w] = x.shape()[..] else { unreachable!("images have four axes") };
        let rows = x.permute(&[0, 2, 3, 1]).reshape(&[n * h * w, c]);
        return Found::y(rows.cross_entropy(&classes.reshape(&[n * h * w])));
    }
    if let Some(ignored) = on.case.list("ignore") {
        // Ignored rows weigh 0, whatever class stands in for theirs.
        let used = classes.map(|class| class as isize != ignored[0]);
        let count = used.to_vec().iter().filter(|used| **used).count() as f64;
        let losses = -picked(x.log_softmax(1), &classes.map(|class| class.max(0)));
        let zero = on.tape.number(0.0);
        return Found::y(on.tape.where_(&used, losses, zero).sum() / count);
    }
    let logs = x.log_softmax(1);
    let losses = -picked(logs, &classes);
    if on.has("weight") {
        let weight = on.var("weight");
        let weights = weight.gather(0, &classes);
        let smooth = -(logs * weight).sum_axes(&[1]).sum() * (smoothing / x.shape()[1] as f64);
        return Found::y(((losses * weights).sum() * (1.0 - smoothing) + smooth) / weights.sum());
    }
    Found::y(match on.text("reduction") {
        "none" => losses,
        "sum" => x.cross_entropy(&classes) * x.shape()[0] as f64,
        _ if smoothing > 0.0 => {
            x.cross_entropy(&classes) * (1.0 - smoothing) - logs.mean() * smoothing
        }
        _ => x.cross_entropy(&classes),
    })
}

fn mse_loss<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (x, target) = (on.var("x"), on.var("target"));
    Found::y(match on.text("reduction") {
        "none" => (x - target).powf(2.0),
        "sum" => x.mse(target) * x.value().len() as f64,
        _ => x.mse(target),
    })
}

fn l1_loss<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let errors = (on.var("x") - on.var("target")).abs();
    Found::y(if on.text("reduction") == "sum" { errors.sum() } else { errors.mean() })
}

fn bce_with_logits<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (x, target) = (on.var("x"), on.var("target"));
    if !on.has("weight") && !on.has("pos_weight") && on.text("reduction").is_empty() {
        return Found::y(x.bce_with_logits(target));
    }
    let one = |name| if on.has(name) { on.var(name) } else { on.tape.number(1.0) };
    let positive = one("pos_weight") * target * (-x).softplus();
    let losses = one("weight") * (positive + (1.0 - target) * x.softplus());
    Found::y(match on.text("reduction") {
        "none" => losses,
        "sum" => losses.sum(),
        _ => losses.mean(),
    })
}

/// old + weight·(new − old), element by element: a running statistic.
fn running(old: &Array, new: &[f64], weight: f64) -> Vec<f64> {
    old.data.iter().zip(new).map(|(old, new)| old + weight * (new - old)).collect()
}

fn numbers<T: Float>(x: Var<'_, T>) -> Vec<f64> {
    x.value().to_vec().into_iter().map(T::to_f64).collect()
}

fn batch_norm<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (x, epsilon) = (on.var("x"), on.number("eps", 1e-5));
    let (channels, inputs) = (x.shape()[1], &on.case.inputs);
    let gamma = if on.has("w") { on.var("w") } else { on.ones(channels) };
    let beta = if on.has("b") { on.var("b") } else { on.zeros(channels) };
    let [old_mean, old_var] = ["running_mean", "running_var"].map(|name| &inputs[name]);
    if !on.case.flag("training", true) {
        let y =
            x.normalise([on.var("running_mean"), on.var("running_var"), gamma, beta], 1, epsilon);
        let same = |old: &Array| old.data.clone();
        let facts =
            vec![("running_mean_after", same(old_mean)), ("running_var_after", same(old_var))];
        return Some(Found { vars: vec![("y", y)], facts });
    }
    let [y, mean, var] = x.batch_norm(gamma, beta, 1, epsilon);
    let weight = on.number("momentum", 0.1);
    let n = (x.value().len() / channels) as f64;
    let unbiased: Vec<f64> = numbers(var).into_iter().map(|var| var * n / (n - 1.0)).collect();
    let facts = vec![
        ("running_mean_after", running(old_mean, &numbers(mean), weight)),
        ("running_var_after", running(old_var, &unbiased, weight)),
    ];
    Some(Found { vars: vec![("y", y)], facts })
}

fn keras_batch_norm<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (x, epsilon) = (on.var("x"), on.number("epsilon", 1e-3));
    let (gamma, beta) = (on.var("gamma"), on.var("beta"));
    if !on.case.flag("training", true) {
        let statistics = [on.var("moving_mean"), on.var("moving_variance"), gamma, beta];
        return Found::y(x.normalise(statistics, -1, epsilon));
    }
    let [y, mean, var] = x.batch_norm(gamma, beta, -1, epsilon);
    let weight = 1.0 - on.number("momentum", 0.99);
    let old = |name: &str| &on.case.inputs[name];
    let facts = vec![
        ("moving_mean_after", running(old("moving_mean"), &numbers(mean), weight)),
        ("moving_variance_after", running(old("moving_variance"), &numbers(var), weight)),
    ];
    Some(Found { vars: vec![("y", y)], facts })
}

/// Whole rows of a matrix by number, as an embedding has them.
fn rows<'t, T: Float>(x: Var<'t, T>, index: &Tensor<i64>) -> Var<'t, T> {
    let (n, width) = (index.len(), x.shape()[1]);
    let y = x.gather(0, &index.reshape(&[n, 1]).broadcast_to(&[n, width]));
    let shape: Vec<usize> = index.shape().iter().copied().chain([width]).collect();
    y.reshape(&shape)
}

fn embedding<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (weight, index) = (on.var("weight"), on.whole("index"));
    let y = rows(weight, &index);
    // The padding row is looked up, and gets no gradient.
    Found::y(match on.case.list("padding_idx") {
        None => y,
        Some(padding) => {
            let n = index.len();
            let trained = index.map(|i| i as isize != padding[0]).reshape(&[n, 1]);
            on.tape.where_(&trained, y, y.detach())
        }
    })
}

fn indexing<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let x = || on.var("x");
    Found::y(match on.text("f") {
        "gather" => x().gather(on.axis(), &on.whole("index")),
        "index_select" => rows(x(), &on.whole("index")),
        "masked_fill" => {
            on.tape.where_(&on.mask("mask"), on.tape.number(on.number("value", 0.0)), x())
        }
        "masked_select" => {
            let mask = on.mask("mask").to_vec();
            let places: Vec<i64> =
                (0..).zip(mask).filter(|(_, taken)| *taken).map(|(at, _)| at).collect();
            x().reshape(&[x().value().len()]).gather(0, &Tensor::from(places))
        }
        _ => return None,
    })
}

fn shape_ops<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let sizes = |name| {
        on.case.list(name).map(|all| all.into_iter().map(|n| n as usize).collect::<Vec<_>>())
    };
    let x = || on.var("x");
    // One index for each place of an axis.
    let along = |x: Var<'t, T>, axis: usize, index: Vec<usize>| {
        let parts: Vec<Var<'t, T>> =
            index.into_iter().map(|i| x.slice(axis as isize, i..i + 1)).collect();
        on.tape.concat(&parts, axis as isize)
    };
    Found::y(match on.text("f") {
        "permute" => x().permute(&sizes("dims")?),
        "reshape" => x().reshape(&sizes("to")?),
        "expand" => x().broadcast_to(&sizes("to")?),
        "slice" => {
            let ranges = on.case.param("s")?.as_array()?.clone();
            let at =
                |range: &serde_json::Value, i: usize| range[i].as_u64().expect("a place") as usize;
            (0..).zip(&ranges).fold(x(), |x, (axis, range)| {
                along(x, axis, (at(range, 0)..at(range, 1)).step_by(at(range, 2)).collect())
            })
        }
        "flip" => {
            let axis = sizes("dims")?[0];
            along(x(), axis, (0..x().shape()[axis]).rev().collect())
        }
        "roll" => {
            let (axis, by) = (sizes("dim")?[0], sizes("shift")?[0]);
            let n = x().shape()[axis];
            on.tape.concat(
                &[x().slice(axis as isize, n - by..n), x().slice(axis as isize, 0..n - by)],
                axis as isize,
            )
        }
        "pad" if on.text("mode").is_empty() => {
            let pad = sizes("pad")?;
            let side = |n| {
                on.tape.constant(Tensor::full(&[x().shape()[0], n], T::of(on.number("value", 0.0))))
            };
            on.tape.concat(&[side(pad[0]), x(), side(pad[1])], 1)
        }
        "repeat" => {
            (0..).zip(sizes("reps")?).fold(x(), |x, (axis, n)| on.tape.concat(&vec![x; n], axis))
        }
        "tril" => {
            let n = x().shape()[0];
            let below = Tensor::<bool>::from_fn(&[n, n], |at| at[1] <= at[0]);
            on.tape.where_(&below, x(), on.tape.number(0.0))
        }
        "diag" => {
            let n = x().shape()[0];
            x().reshape(&[n * n])
                .gather(0, &Tensor::from((0..n).map(|i| (i * (n + 1)) as i64).collect::<Vec<_>>()))
        }
        "cat" => on.tape.concat(&[on.var("a"), on.var("b"), on.var("a")], on.axis()),
        "stack" => {
            let parts = ["a", "b", "a"].map(|name| on.var(name).unsqueeze(on.axis()));
            on.tape.concat(&parts, on.axis())
        }
        "split" => {
            let (axis, sizes) = (on.axis(), sizes("sizes")?);
            let (first, whole) = (sizes[0], sizes.iter().sum());
            let vars =
                vec![("y0", x().slice(axis, 0..first)), ("y1", x().slice(axis, first..whole))];
            return Some(Found { vars, facts: vec![] });
        }
        _ => return None,
    })
}

/// The same values, stored with the axes in reverse order.
fn strided<T: Float>(x: &Tensor<T>) -> Tensor<T> {
    x.t().contiguous().t()
}

/// The gradients that are right: the table's, or those that a row of NUMERICS chooses.
fn expected_grads(table: &str, number: usize, case: &Case) -> BTreeMap<String, Array> {
    let mut grads = case.grads.clone();
    for (of, at, row, input, values) in OTHERWISE {
        if (*of, *at) == (table, number) {
            assert!(case.kink, "{}: row {row} speaks of corners only", case.name);
            let array = grads
                .get_mut(*input)
                .unwrap_or_else(|| panic!("{}: no gradient of {input}", case.name));
            assert_ne!(
                array.data, *values,
                "{}: row {row} and the table agree: take it off the list",
                case.name
            );
            array.data = values.to_vec();
        }
    }
    grads
}

/// Runs a case; `None` if it cannot be expressed, else what is wrong.
fn run<T: Float>(
    (table, number): (&str, usize),
    case: &Case,
    express: Express<T>,
    order: impl Fn(&Tensor<T>) -> Tensor<T>,
    tolerance: f64,
) -> Option<Vec<String>> {
    let tape = Tape::<T>::new();
    let make = |(name, array): (&String, &Array)| match case.grads.contains_key(name) {
        true => tape.var(order(&array.tensor())),
        false => tape.constant(order(&array.tensor())),
    };
    let vars = case.inputs.iter().map(|input| (input.0.as_str(), make(input))).collect();
    let on = On { tape: &tape, case, vars };
    let found = express(&on)?;

    let mut wrong = Vec::new();
    let mut covered = BTreeSet::new();
    for (name, y) in &found.vars {
        let expected = &case.outputs[*name];
        if *y.shape() != expected.shape[..] {
            wrong.push(format!("{name}: shape {:?} instead of {:?}", y.shape(), expected.shape));
        }
        wrong.extend(differences(name, &as_f64(&y.value()), &expected.data, tolerance));
        covered.insert(*name);
    }
    for (name, fact) in &found.facts {
        wrong.extend(differences(name, fact, &case.outputs[*name].data, tolerance));
        covered.insert(*name);
    }
    for name in case.outputs.keys().filter(|name| !covered.contains(name.as_str())) {
        wrong.push(format!("output {name} is not looked at"));
    }

    // A cotangent in the other order of storage, too: it may be strided as well.
    let cotangents: Vec<(Var<T>, Tensor<T>)> = found
        .vars
        .iter()
        .filter_map(|(name, y)| Some((*y, order(&case.cotangents.get(*name)?.tensor()))))
        .collect();
    let grads = expected_grads(table, number, case);
    if grads.is_empty() {
        return Some(wrong);
    }
    let names: Vec<&String> = grads.keys().collect();
    let wrt: Vec<Var<T>> = names.iter().map(|name| on.var(name)).collect();
    let tracked = |y: &Var<T>| y.is_tracked();
    let fast = match &cotangents[..] {
        [(y, g)] => tracked(y).then(|| y.backward_with(g.clone())),
        all => {
            let parts = all.iter().map(|(y, g)| (*y * tape.constant(g.clone())).sum());
            parts.reduce(|a, b| a + b).map(|sum| sum.backward())
        }
    };
    let mut recorded: Vec<Option<Var<T>>> = vec![None; wrt.len()];
    for (y, g) in &cotangents {
        for (sum, part) in recorded.iter_mut().zip(y.vjp(&wrt, tape.constant(g.clone()))) {
            *sum = match (*sum, part) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            };
        }
    }
    for ((name, x), recorded) in names.iter().zip(&wrt).zip(recorded) {
        let fast = fast.as_ref().and_then(|grads| grads.get(*x).ok().cloned());
        for (pass, gradient) in [("fast", fast), ("recorded", recorded.map(|g| g.value()))] {
            let what = format!("{pass} gradient of {name}");
            // A function without a slope may say that it has no gradient.
            let gradient = gradient.unwrap_or_else(|| Tensor::zeros(&grads[*name].shape));
            if *gradient.shape() != grads[*name].shape[..] {
                wrong.push(format!("{what}: shape {:?}", gradient.shape()));
            }
            wrong.extend(differences(&what, &as_f64(&gradient), &grads[*name].data, tolerance));
        }
    }
    Some(wrong)
}

fn listed(table: &str) -> BTreeSet<usize> {
    let of = |&&(name, ..): &&(&str, &[usize], &str)| name == table;
    NOT_YET.iter().filter(of).flat_map(|(_, cases, _)| cases.iter().copied()).collect()
}

/// Runs all tables that can be run, and says how many cases of each.
fn run_all<T: Float>(tolerance: f64) {
    let mut wrong = Vec::new();
    for (name, express) in tables::<T>() {
        let (table, skipped) = (golden::read(name), listed(name));
        assert_eq!(table.kind, "op", "{name}");
        assert!(!table.cases.is_empty(), "{name} has no cases");
        let mut count = 0;
        for (number, case) in table.cases.iter().enumerate() {
            let at = (name, number);
            let plain = run::<T>(at, case, express, Tensor::clone, tolerance);
            let other = run::<T>(at, case, express, strided, tolerance);
            match (plain, skipped.contains(&number)) {
                (None, true) => {}
                (None, false) => wrong.push(format!("{}: neither run nor listed", case.name)),
                (Some(_), true) => {
                    wrong.push(format!("{}: can be run: take it off the list", case.name))
                }
                (Some(found), false) => {
                    count += 1;
                    let both = [("", found), (", strided", other.unwrap_or_default())];
                    for (how, found) in both {
                        wrong.extend(
                            found.into_iter().map(|what| format!("{}{how}: {what}", case.name)),
                        );
                    }
                }
            }
        }
        println!("{name}: {count} run, {} listed", skipped.len());
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn operations_in_f64() {
    run_all::<f64>(F64);
}

#[test]
fn operations_in_f32() {
    run_all::<f32>(F32);
}

#[test]
fn every_table_is_run_or_listed() {
    let second = ["higher_order", "gradient_penalty"];
    let here = tables::<f64>();
    let names = here
        .iter()
        .map(|(name, _)| *name)
        .chain(second)
        .chain(ELSEWHERE.iter().map(|(name, _)| *name));
    let names: Vec<String> = names.map(str::to_owned).collect();
    let run: BTreeSet<String> = names.iter().cloned().collect();
    assert_eq!(run.len(), names.len(), "a table is run twice");
    for (name, file) in ELSEWHERE {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{file}: {why}"));
        assert!(text.contains(&format!("\"{name}\"")), "{file} does not mention {name}");
    }
    let other: BTreeSet<String> = OTHER.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(other.len(), OTHER.len(), "a table is listed twice");
    assert!(run.is_disjoint(&other), "run and listed: {:?}", run.intersection(&other));
    let all: BTreeSet<String> = golden::names().into_iter().collect();
    assert_eq!(run.union(&other).cloned().collect::<BTreeSet<_>>(), all);
}

#[test]
fn every_listed_case_exists() {
    for (name, cases, reason) in NOT_YET {
        let table = golden::read(name);
        for number in *cases {
            let case = table
                .cases
                .get(*number)
                .unwrap_or_else(|| panic!("{name} has no case {number} ({reason})"));
            assert_eq!(case.name, format!("{name}/p{number}"));
        }
    }
    for (name, number, row, input, values) in OTHERWISE {
        let table = golden::read(name);
        let case = table
            .cases
            .get(*number)
            .unwrap_or_else(|| panic!("{name} has no case {number} (row {row})"));
        assert!(case.kink, "{}: row {row} speaks of corners only", case.name);
        assert_eq!(case.grads[*input].data.len(), values.len());
    }
}

/// The scalar functions of `higher_order.json`.
fn scalar<'t, T: Float>(f: &str, x: Var<'t, T>) -> Var<'t, T> {
    let n = x.shape()[0];
    match f {
        "rosenbrock" => {
            let (head, tail) = (x.slice(0, 0..n - 1), x.slice(0, 1..n));
            ((tail - head * head).powf(2.0) * 100.0 + (1.0 - head).powf(2.0)).sum()
        }
        "sumexp_sin" => {
            let before = x.tape().concat(&[x.slice(0, n - 1..n), x.slice(0, 0..n - 1)], 0);
            (x.sin() * before.exp()).sum()
        }
        "tanh_mlp" => {
            let w = x.tape().constant(Tensor::from(vec![T::of(0.5), T::of(-0.25)]));
            x.reshape(&[2, 2]).matmul(w).tanh().powf(2.0).sum()
        }
        "softplus_quad" => x.matmul(x).softplus() * 0.5,
        "norm" => (x * x).sum().sqrt(),
        "logsoftmax0" => x.log_softmax(0).slice(0, 0..1).sum(),
        // x₀ − log softmax(x)₀
        "logsumexp" => (x - x.log_softmax(0)).slice(0, 0..1).sum(),
        other => panic!("no function {other}: add it"),
    }
}

fn higher_order<T: Float>(tolerance: f64) {
    let table = golden::read("higher_order");
    assert_eq!(table.kind, "higher_order");
    for case in &table.cases {
        let tape = Tape::<T>::new();
        let x = tape.var(case.inputs["x"].tensor());
        let v = tape.constant(case.inputs["v"].tensor());
        let y = scalar(case.text("f"), x);
        let first = y.grad(&[x])[0];
        let times_v = (first * v).sum();
        let rows = (0..x.shape()[0]).map(|i| first.slice(0, i..i + 1).sum());
        let (mut fast, mut recorded) = (Vec::new(), Vec::new());
        for row in rows {
            fast.extend(as_f64(&row.backward()[x]));
            recorded.extend(as_f64(&row.grad(&[x])[0].value()));
        }
        let hessian = case.array("hessian").data;
        let times = case.array("hessian_times_v").data;
        let wrong: Vec<String> = [
            ("y", as_f64(&y.value()), &case.outputs["y"].data),
            ("fast gradient", as_f64(&y.backward()[x]), &case.array("gradient").data),
            ("recorded gradient", as_f64(&first.value()), &case.array("gradient").data),
            ("fast Hessian", fast, &hessian),
            ("recorded Hessian", recorded, &hessian),
            ("fast Hessian times v", as_f64(&times_v.backward()[x]), &times),
            ("recorded Hessian times v", as_f64(&times_v.grad(&[x])[0].value()), &times),
        ]
        .into_iter()
        .flat_map(|(what, found, expected)| differences(what, &found, expected, tolerance))
        .collect();
        assert!(wrong.is_empty(), "{}:\n{}", case.name, wrong.join("\n"));
    }
    println!("higher_order: {} run", table.cases.len());
}

#[test]
fn higher_order_in_f64() {
    higher_order::<f64>(F64);
}

#[test]
fn higher_order_in_f32() {
    higher_order::<f32>(F32_SECOND);
}

fn gradient_penalty<T: Float>(tolerance: f64, activation: Option<Activation>) {
    let table = golden::read("gradient_penalty");
    for case in &table.cases {
        let tape = Tape::<T>::new();
        let [x, w1, b1, w2] =
            ["x", "w1", "b1", "w2"].map(|name| tape.var(case.inputs[name].tensor()));
        // As one fused operation, and composed: both must have the same second derivatives.
        let hidden = match activation {
            Some(activation) => x.linear(w1.t(), Some(b1), activation),
            None => (x.matmul(w1.t()) + b1).tanh(),
        };
        let y = hidden.matmul(w2.t()).sum();
        let g = y.grad(&[x])[0];
        let norms = (g * g).sum_axes(&[1]).sqrt();
        let penalty = (norms - 1.0).powf(2.0).mean();
        let fast = penalty.backward();
        let mut wrong = differences(
            "penalty",
            &as_f64(&penalty.value()),
            &case.outputs["penalty"].data,
            tolerance,
        );
        let input_gradient = &case.outputs["input_gradient"].data;
        wrong.extend(differences("input gradient", &as_f64(&g.value()), input_gradient, tolerance));
        for (name, var) in [("x", x), ("w1", w1), ("b1", b1), ("w2", w2)] {
            let expected = &case.grads[name].data;
            wrong.extend(differences(
                &format!("fast {name}"),
                &as_f64(&fast[var]),
                expected,
                tolerance,
            ));
            let recorded = penalty.grad(&[var])[0].value();
            wrong.extend(differences(
                &format!("recorded {name}"),
                &as_f64(&recorded),
                expected,
                tolerance,
            ));
        }
        assert!(wrong.is_empty(), "{}:\n{}", case.name, wrong.join("\n"));
    }
    println!("gradient_penalty: {} run", table.cases.len());
}

#[test]
fn gradient_penalty_in_f64() {
    gradient_penalty::<f64>(F64, None);
    gradient_penalty::<f64>(F64, Some(Activation::Tanh));
}

#[test]
fn gradient_penalty_in_f32() {
    gradient_penalty::<f32>(F32, None);
    gradient_penalty::<f32>(F32, Some(Activation::Tanh));
}
