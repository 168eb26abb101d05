//! Reductions, products, softmax.

use gradus_autograd::{Activation, Float, Tensor, Var};

use super::{Found, On};

/// With the axes that went away back as size 1, if the case keeps them.
fn kept<'t, T: Float>(on: &On<'_, 't, T>, y: Var<'t, T>, axes: &[isize]) -> Var<'t, T> {
    match on.case.flag("keepdim", false) {
        true => axes.iter().fold(y, |y, &axis| y.unsqueeze(axis)),
        false => y,
    }
}

pub fn reductions<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
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

pub fn matmul<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    Found::y(on.var("a").matmul(on.var("b")))
}

pub fn linear<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let bias = on.has("b").then(|| on.var("b"));
    Found::y(on.var("x").linear(on.var("w").t(), bias, Activation::Identity))
}

pub fn softmax<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let x = on.var("x");
    Found::y(if on.case.flag("log", false) {
        x.log_softmax(on.axis())
    } else {
        x.softmax(on.axis())
    })
}

pub fn attention<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
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
