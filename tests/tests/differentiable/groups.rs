//! Groups of parameters with other hyperparameters: the same in place and on a tape, for every rule.

use gradus::optim::{Optimizer, UpdateRule};
use gradus::prelude::*;
use gradus_tests::each_rule;

use super::steps::{check, compare, drawn};

/// What a group makes of a hyperparameter.
type Change = (&'static str, fn(f64) -> f64);

const CHANGES: [Change; 4] = [
    ("none", |_| 0.0),
    // Of no form of any rule.
    ("another", |_| 0.35),
    ("half", |x| x * 0.5),
    // Not exactly so in floating point.
    ("a third", |x| x / 3.0),
];

/// Calls `run` with every optimiser that has a group whose change concerns one hyperparameter: the parameters at the
/// paths `1` and `3` are in it.
pub fn each_group<R: UpdateRule, T: Float>(
    name: &str,
    rule: R,
    mut run: impl FnMut(&str, &str, Optimizer<R, T>),
) {
    for place in 0..rule.clone().hyper().len() {
        for (what, change) in CHANGES {
            let optimizer = Optimizer::with_rule(rule.clone()).group(
                |path| ["1", "3"].contains(&path),
                move |h: &mut R| {
                    let field = h.hyper().swap_remove(place);
                    *field = change(*field);
                },
            );
            run(&format!("{name}, hyperparameter {place} in a group"), what, optimizer);
        }
    }
}

/// A learning rate, a decay, a momentum of its own: also one where the main rule has none, or none where it has one.
#[test]
fn in_place_and_on_a_tape_the_same_bits() {
    fn check<R: UpdateRule, T: Float>(name: &str, rule: R) {
        let (start, gradients) = drawn::<T>();
        let [_, main] = compare(&Optimizer::with_rule(rule.clone()), &start, &gradients);
        each_group(name, rule, |name, what, optimizer| {
            let [in_place, taped] = compare(&optimizer, &start, &gradients);
            assert!(in_place == taped, "{name}: {what}");
            for at in [0, 2, 4] {
                assert!(taped[at] == main[at], "{name}: parameter {at} is not in the group");
            }
            for at in [1, 3] {
                let differs = taped[at] != main[at];
                assert!(differs || what != "another", "{name}: parameter {at} is in the group");
            }
        });
    }
    each_rule!(check::<_, f32>);
    each_rule!(check::<_, f64>);
}

/// A schedule has changed the rate since the group was made.
#[test]
fn the_same_bits_after_a_schedule() {
    fn check<R: UpdateRule, T: Float>(name: &str, rule: R) {
        let (start, gradients) = drawn::<T>();
        each_group(name, rule, |name, what, mut optimizer| {
            optimizer.set_lr(0.013);
            let [in_place, taped] = compare(&optimizer, &start, &gradients);
            assert!(in_place == taped, "{name}: {what}");
        });
    }
    each_rule!(check::<_, f32>);
    each_rule!(check::<_, f64>);
}

/// All hyperparameters are variables: the group follows where it scales, and keeps what it sets.
#[test]
fn groups_have_the_right_derivatives_of_both_orders() {
    fn of<R: UpdateRule>(name: &str, rule: R) {
        each_group(name, rule, |name, what, o| check(&format!("{name}: {what}"), &o));
    }
    each_rule!(of);
}
