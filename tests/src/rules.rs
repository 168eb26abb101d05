//! The registry of update rules: every rule in every form, for what must hold of all of them.
//!
//! `differentiable/rules.rs` fails where `optim` has a rule, or a rule a field, that is not varied here.

use gradus::optim::{Adam, AdamHyper, AdamW, Sgd, SgdHyper};

/// A rule with the name of its form.
pub type Form<R> = (&'static str, R);

/// Calls a function `f(name: &str, rule: R)`, generic over `R: UpdateRule`, with each form of each rule:
/// `each_rule!(check::<_, f32>)`.
#[macro_export]
macro_rules! each_rule {
    ($f:expr) => {{
        $crate::rules::sgd().into_iter().for_each(|(name, rule)| $f(name, rule));
        $crate::rules::adam().into_iter().for_each(|(name, rule)| $f(name, rule));
    }};
}

/// All forms of [`Sgd`].
pub fn sgd() -> Vec<Form<SgdHyper>> {
    let of = |sgd: Sgd| sgd.hyper().clone();
    vec![
        ("sgd", of(Sgd::new(0.1))),
        ("sgd with decay", of(Sgd::new(0.2).weight_decay(0.03))),
        ("momentum", of(Sgd::new(0.1).momentum(0.9))),
        ("momentum with decay", of(Sgd::new(0.1).momentum(0.8).weight_decay(0.03))),
        ("nesterov", of(Sgd::new(0.1).nesterov(0.9))),
        ("nesterov with decay", of(Sgd::new(0.1).nesterov(0.9).weight_decay(0.03))),
    ]
}

/// All forms of [`Adam`], with betas that stay below 1 when a difference is taken.
pub fn adam() -> Vec<Form<AdamHyper>> {
    let of = |adam: Adam| adam.hyper().clone();
    let adam = || Adam::new(0.1).betas(0.8, 0.9);
    let adamw = || AdamW::new(0.2).betas(0.7, 0.95);
    vec![
        ("adam", of(adam())),
        ("adam with decay", of(adam().weight_decay(0.03))),
        ("adam with a floor", of(adam().eps_root(1e-6).epsilon(1e-3))),
        ("adam of keras", of(adam().keras_epsilon().epsilon(0.1))),
        ("adam of keras with decay and a floor", {
            of(adam().keras_epsilon().weight_decay(0.03).eps_root(1e-3))
        }),
        ("adamw", of(adamw())),
        ("adamw without decay", of(adamw().weight_decay(0.0))),
        ("adamw with a floor", of(adamw().eps_root(1e-6).epsilon(0.1))),
        ("adamw with the epsilon of keras", of(adamw().keras_epsilon())),
    ]
}
