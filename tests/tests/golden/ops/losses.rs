//! Losses.

use gradus_autograd::{ClassOptions, Float, Reduction};

use super::{Found, On};

fn reduction<T: Float>(on: &On<'_, '_, T>) -> Reduction {
    match on.text("reduction") {
        "none" => Reduction::None,
        "sum" => Reduction::Sum,
        _ => Reduction::Mean,
    }
}

fn options<'t, T: Float>(on: &On<'_, 't, T>) -> ClassOptions<'t, T> {
    ClassOptions {
        weight: on.has("weight").then(|| on.var("weight")),
        ignore_index: on.case.list("ignore").map(|ignored| ignored[0] as i64),
        label_smoothing: on.number("label_smoothing", 0.0),
        reduction: reduction(on),
    }
}

pub fn cross_entropy<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (x, options) = (on.var("x"), options(on));
    if on.case.flag("soft", false) {
        return Found::y(x.soft_cross_entropy(on.var("target"), options));
    }
    Found::y(x.cross_entropy_loss(&on.whole("target"), options))
}

pub fn nll_loss<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    Found::y(on.var("x").nll_loss(&on.whole("target"), options(on)))
}

pub fn mse_loss<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    Found::y(on.var("x").mse_loss(on.var("target"), reduction(on)))
}

pub fn l1_loss<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    Found::y(on.var("x").l1_loss(on.var("target"), reduction(on)))
}

pub fn huber_loss<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    Found::y(on.var("x").huber_loss(on.var("target"), on.number("delta", 1.0), reduction(on)))
}

pub fn smooth_l1_loss<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    Found::y(on.var("x").smooth_l1_loss(on.var("target"), on.number("beta", 1.0), reduction(on)))
}

pub fn kl_div<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let how = if on.text("reduction") == "sum" { Reduction::Sum } else { Reduction::BatchMean };
    let log = on.case.flag("log_target", false);
    Found::y(on.var("x").kl_div(on.var("target"), log, how))
}

pub fn bce_with_logits<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (x, target) = (on.var("x"), on.var("target"));
    if !on.has("weight") && !on.has("pos_weight") && on.text("reduction").is_empty() {
        return Found::y(x.bce_with_logits(target));
    }
    let positive = on.has("pos_weight").then(|| on.var("pos_weight"));
    if !on.has("weight") {
        return Found::y(x.bce_with_logits_loss(target, positive, reduction(on)));
    }
    let losses = x.bce_with_logits_loss(target, positive, Reduction::None) * on.var("weight");
    Found::y(if reduction(on) == Reduction::Sum { losses.sum() } else { losses.mean() })
}

pub fn loss_misc<'t, T: Float>(on: &On<'_, 't, T>) -> Option<Found<'t, T>> {
    let (margin, how) = (on.number("margin", 0.0), Reduction::Mean);
    let [a, b, x, target] = ["a", "b", "x", "target"]
        .map(|name| if on.has(name) { on.var(name) } else { on.tape.number(f64::NAN) });
    Found::y(match on.text("f") {
        "cosine_embedding" => a.cosine_embedding_loss(b, target, margin, how),
        "hinge_embedding" => x.hinge_embedding_loss(target, margin, how),
        "triplet" => a.triplet_margin_loss(on.var("p"), on.var("n"), margin, how),
        "gaussian_nll" => x.gaussian_nll_loss(target, on.var("var"), how),
        "poisson_nll" => x.poisson_nll_loss(target, how),
        "cosine_similarity" => a.cosine_similarity(b, on.axis()),
        _ => return None,
    })
}
