//! The registry of update rules: every rule in every form, for what must hold of all of them.
//!
//! `differentiable/rules.rs` fails where `optim` has a rule, or a rule a field, that is not varied here.

use gradus::optim::*;

/// A rule with the name of its form.
pub type Form<R> = (&'static str, R);

/// Calls a function `f(name: &str, rule: R)`, generic over `R: UpdateRule`, with each form of each rule:
/// `each_rule!(check::<_, f32>)`.
#[macro_export]
macro_rules! each_rule {
    ($f:expr) => {{
        $crate::rules::sgd().into_iter().for_each(|(name, rule)| $f(name, rule));
        $crate::rules::adam().into_iter().for_each(|(name, rule)| $f(name, rule));
        $crate::rules::rmsprop().into_iter().for_each(|(name, rule)| $f(name, rule));
        $crate::rules::adagrad().into_iter().for_each(|(name, rule)| $f(name, rule));
        $crate::rules::adadelta().into_iter().for_each(|(name, rule)| $f(name, rule));
        $crate::rules::adamax().into_iter().for_each(|(name, rule)| $f(name, rule));
        $crate::rules::nadam().into_iter().for_each(|(name, rule)| $f(name, rule));
        $crate::rules::radam().into_iter().for_each(|(name, rule)| $f(name, rule));
        $crate::rules::schedule_free().into_iter().for_each(|(name, rule)| $f(name, rule));
        $crate::rules::lion().into_iter().for_each(|(name, rule)| $f(name, rule));
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
        ("momentum with dampening", of(Sgd::new(0.1).momentum(0.8).dampening(0.3))),
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
        ("amsgrad", of(adam().amsgrad(true))),
        ("amsgrad of keras with decay", {
            of(adam().amsgrad(true).keras_epsilon().weight_decay(0.03).epsilon(0.1))
        }),
    ]
}

/// All forms of [`RMSprop`].
pub fn rmsprop() -> Vec<Form<RMSpropHyper>> {
    let of = |rmsprop: RMSprop| rmsprop.hyper().clone();
    let rmsprop = || RMSprop::new(0.1).rho(0.8);
    vec![
        ("rmsprop", of(rmsprop())),
        ("rmsprop with decay", of(rmsprop().weight_decay(0.03))),
        ("rmsprop with momentum", of(rmsprop().momentum(0.7))),
        ("centered rmsprop", of(rmsprop().centered(true).epsilon(0.1))),
        ("centered rmsprop with momentum", {
            of(RMSprop::new(0.2).rho(0.7).centered(true).epsilon(0.1).momentum(0.7))
        }),
        ("rmsprop of keras", of(rmsprop().keras().epsilon(0.1).decoupled_weight_decay(0.03))),
        ("centered rmsprop of keras with momentum", {
            of(rmsprop().keras().epsilon(0.2).centered(true).momentum(0.7))
        }),
    ]
}

/// All forms of [`Adagrad`].
pub fn adagrad() -> Vec<Form<AdagradHyper>> {
    let of = |adagrad: Adagrad| adagrad.hyper().clone();
    let adagrad = || Adagrad::new(0.1).epsilon(0.1);
    vec![
        ("adagrad", of(adagrad())),
        ("adagrad with decay", of(Adagrad::new(0.2).weight_decay(0.03).epsilon(0.1))),
        ("adagrad whose rate falls", of(adagrad().lr_decay(0.1).initial_accumulator(0.5))),
        ("adagrad of keras", of(adagrad().keras().epsilon(0.2).decoupled_weight_decay(0.03))),
    ]
}

/// All forms of [`Adadelta`].
pub fn adadelta() -> Vec<Form<AdadeltaHyper>> {
    let of = |adadelta: Adadelta| adadelta.hyper().clone();
    vec![
        ("adadelta", of(Adadelta::new(0.1).epsilon(0.1))),
        ("adadelta with decay", of(Adadelta::new(0.2).rho(0.8).epsilon(0.2).weight_decay(0.03))),
        ("adadelta with decoupled decay", {
            of(Adadelta::new(0.2).epsilon(0.1).decoupled_weight_decay(0.03))
        }),
    ]
}

/// All forms of [`Adamax`].
pub fn adamax() -> Vec<Form<AdamaxHyper>> {
    let of = |adamax: Adamax| adamax.hyper().clone();
    let adamax = || Adamax::new(0.1).betas(0.8, 0.95).epsilon(0.01);
    vec![
        ("adamax", of(adamax())),
        ("adamax with decay", of(adamax().weight_decay(0.03).betas(0.7, 0.95))),
        ("adamax of keras", of(Adamax::new(0.2).keras().betas(0.7, 0.94).epsilon(0.1))),
        ("adamax of keras with decoupled decay", {
            of(adamax().keras().epsilon(0.1).decoupled_weight_decay(0.03))
        }),
    ]
}

/// All forms of [`NAdam`].
pub fn nadam() -> Vec<Form<NAdamHyper>> {
    let of = |nadam: NAdam| nadam.hyper().clone();
    let nadam = || NAdam::new(0.1).betas(0.8, 0.9);
    vec![
        ("nadam", of(nadam())),
        ("nadam with decay", of(nadam().weight_decay(0.03).epsilon(0.1))),
        ("nadam with decoupled decay", of(nadam().betas(0.7, 0.8).decoupled_weight_decay(0.03))),
        ("nadam of keras", of(NAdam::new(0.2).betas(0.8, 0.9).keras())),
    ]
}

/// All forms of [`RAdam`]: at β₂ = 0.9, the sixth step is the first one that adapts.
pub fn radam() -> Vec<Form<RAdamHyper>> {
    let of = |radam: RAdam| radam.hyper().clone();
    let radam = || RAdam::new(0.1).betas(0.8, 0.9);
    vec![
        ("radam", of(radam())),
        ("radam with decay", of(RAdam::new(0.2).betas(0.7, 0.92).weight_decay(0.03).epsilon(0.1))),
        ("radam with decoupled decay", of(radam().decoupled_weight_decay(0.03))),
    ]
}

/// All forms of [`Lion`].
pub fn lion() -> Vec<Form<LionHyper>> {
    let of = |lion: Lion| lion.hyper().clone();
    vec![
        ("lion", of(Lion::new(0.1))),
        ("lion with decay", of(Lion::new(0.2).betas(0.8, 0.9).weight_decay(0.03))),
    ]
}

/// All forms of [`ScheduleFreeAdamW`].
pub fn schedule_free() -> Vec<Form<ScheduleFreeHyper>> {
    let of = |adam: ScheduleFreeAdamW| adam.hyper().clone();
    let adam = || ScheduleFreeAdamW::new(0.1).betas(0.8, 0.9);
    vec![
        ("schedule-free", of(adam())),
        (
            "schedule-free with decay",
            of(ScheduleFreeAdamW::new(0.2).betas(0.7, 0.8).weight_decay(0.03)),
        ),
        ("schedule-free with warm-up", of(adam().warmup(4).epsilon(0.1))),
    ]
}
