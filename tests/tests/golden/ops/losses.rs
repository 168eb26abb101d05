//! Losses.

use gradus_autograd::{Float, Tensor, Var};

use super::{Found, On};

/// The element of each row that a class names.
fn picked<'t, T: Float>(x: Var<'t, T>, classes: &Tensor<i64>) -> Var<'t, T> {
    let n = classes.len();
    x.gather(1, &classes.reshape(&[n, 1])).reshape(&[n])
}

pub fn cross_entropy<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
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

pub fn mse_loss<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (x, target) = (on.var("x"), on.var("target"));
    Found::y(match on.text("reduction") {
        "none" => (x - target).powf(2.0),
        "sum" => x.mse(target) * x.value().len() as f64,
        _ => x.mse(target),
    })
}

pub fn l1_loss<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let errors = (on.var("x") - on.var("target")).abs();
    Found::y(if on.text("reduction") == "sum" { errors.sum() } else { errors.mean() })
}

pub fn bce_with_logits<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
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
