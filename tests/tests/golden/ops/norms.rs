//! Normalisation.

use gradus_autograd::{Float, Var};
use gradus_tests::golden::Array;

use super::{Found, On};

/// old + weight·(new − old), element by element: a running statistic.
fn running(old: &Array, new: &[f64], weight: f64) -> Vec<f64> {
    old.data.iter().zip(new).map(|(old, new)| old + weight * (new - old)).collect()
}

fn numbers<T: Float>(x: Var<'_, T>) -> Vec<f64> {
    x.value().to_vec().into_iter().map(T::to_f64).collect()
}

pub fn batch_norm<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
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

pub fn keras_batch_norm<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
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

/// A parameter of a case that may be missing.
fn maybe<'t, T: Float>(on: &On<'_, 't, T>, name: &str) -> Option<Var<'t, T>> {
    on.has(name).then(|| on.var(name))
}

pub fn layer_norm<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (x, axes) = (on.var("x"), on.number("k", 1.0) as usize);
    let shape = x.shape()[x.rank() - axes..].to_vec();
    let epsilon = on.number("eps", 1e-5);
    Found::y(x.layer_norm(&shape, maybe(on, "w"), maybe(on, "b"), epsilon))
}

pub fn group_norm<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let groups = on.number("g", 1.0) as usize;
    Found::y(on.var("x").group_norm(groups, maybe(on, "w"), maybe(on, "b"), 1e-5))
}

pub fn instance_norm<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    Found::y(on.var("x").instance_norm(maybe(on, "w"), maybe(on, "b"), 1e-5))
}

pub fn rms_norm<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let x = on.var("x");
    let n = x.shape()[x.rank() - 1];
    Found::y(x.rms_norm(&[n], maybe(on, "w"), on.number("eps", 1e-6)))
}

/// Keras has the channels last.
pub fn keras_norm<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (x, gamma, beta) = (on.var("x"), maybe(on, "gamma"), maybe(on, "beta"));
    let n = x.shape()[x.rank() - 1];
    Found::y(match on.text("kind") {
        "LayerNormalization" => x.layer_norm(&[n], gamma, beta, 1e-3),
        _ => {
            let groups = on.number("groups", 1.0) as usize;
            x.transpose(1, 2).group_norm(groups, gamma, beta, 1e-3).transpose(1, 2)
        }
    })
}
