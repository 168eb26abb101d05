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
    let numbers = |index: Tensor<i64>| index.to_vec().into_iter().map(|i| i as f64).collect();
    let var = || if all { x.var(correction) } else { x.var_axes(&axes, correction) };
    let max = |x: Var<'t, T>| if all { x.max() } else { x.max_axes(&axes) };
    let y = match on.text("f") {
        "sum" if all => x.sum(),
        "sum" => x.sum_axes(&axes),
        "mean" if all => x.mean(),
        "mean" => x.mean_axes(&axes),
        "prod" if all => x.prod(),
        "prod" => x.prod_axes(&axes),
        "amax" => max(x),
        "max" if all => max(x),
        "max" => {
            let values = kept(on, max(x), &axes);
            return Some(Found {
                vars: vec![("values", values)],
                facts: vec![("indices", numbers(x.argmax(row_axis)))],
            });
        }
        "min" => {
            let values = kept(on, if all { x.min() } else { x.min_axes(&axes) }, &axes);
            let facts = vec![("indices", numbers(x.argmin(row_axis)))];
            return Some(Found { vars: vec![("values", values)], facts });
        }
        "var" => var(),
        "std" if all => x.std(correction),
        "std" => x.std_axes(&axes, correction),
        "logsumexp" => x.logsumexp_axes(&axes),
        "norm" if all => x.norm(),
        "norm" => x.norm_axes(on.number("p", 2.0), &axes),
        "argmax" => {
            return Some(Found { vars: vec![], facts: vec![("y", numbers(x.argmax(row_axis)))] });
        }
        _ => return None,
    };
    Found::y(kept(on, y, &axes))
}

pub fn logsumexp_edge<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    Found::y(on.var("x").logsumexp())
}

pub fn norm_edge<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let p = on.text("p").parse().expect("a number, or inf");
    Found::y(on.var("x").norm_axes(p, &[0]))
}

pub fn cumulative<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (x, axis) = (on.var("x"), on.axis());
    Found::y(match on.text("f") {
        "cumsum" => x.cumsum(axis),
        "cumprod" => x.cumprod(axis),
        // [row, k, j]: for place k, the elements j up to it.
        "logcumsumexp" => {
            let [rows, n] = x.shape()[..] else { return None };
            let later = Tensor::<bool>::from_fn(&[n, n], |at| at[1] > at[0]);
            let all = x.unsqueeze(1).broadcast_to(&[rows, n, n]);
            all.masked_fill(&later, f64::NEG_INFINITY).logsumexp_axes(&[2])
        }
        _ => return None,
    })
}

pub fn sort_topk<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (x, axis) = (on.var("x"), on.case.list("dim").map_or(0, |dim| dim[0]));
    let (values, index) = match on.text("f") {
        "sort" => x.sort(axis, on.case.flag("descending", false)),
        _ => x.topk(on.number("k", 0.0) as usize, axis, on.case.flag("largest", true)),
    };
    let index = index.to_vec().into_iter().map(|i| i as f64).collect();
    Some(Found { vars: vec![("values", values)], facts: vec![("indices", index)] })
}

pub fn einsum<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let names = ["a", "b", "c"].into_iter().filter(|name| on.has(name));
    let operands: Vec<Var<'t, T>> = names.map(|name| on.var(name)).collect();
    Found::y(on.tape.einsum(on.text("eq"), &operands))
}

pub fn linalg<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let a = on.var("a");
    Found::y(match on.text("f") {
        "inv" => a.inverse(),
        "det" => a.det(),
        "solve" => a.solve(on.var("b")),
        "slogdet" => a.logdet(),
        "cholesky" => a.matmul(a.t()).cholesky(),
        _ => return None,
    })
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
    let mask = on.has("mask").then(|| on.var("mask"));
    Found::y(q.attention(k, v, mask, on.case.flag("causal", false), 0.0))
}
