//! The registry of update rules is complete, and every rule keeps to its contract.

use std::any::type_name;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use gradus::optim::{Formulas, UpdateRule};
use gradus::prelude::*;
use gradus_tests::each_rule;

const OPTIM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../optim/src");

/// Every source file below a folder.
fn sources(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the sources") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => sources(&path, all),
            false if path.extension().is_some_and(|ending| ending == "rs") => all.push(path),
            false => {}
        }
    }
}

/// The types that a source implements [`UpdateRule`] for.
fn implemented(source: &str) -> Vec<String> {
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join(" ");
    let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    code.split("UpdateRule for ").skip(1).map(|rest| name(rest.trim_start())).collect()
}

fn name_of<R>() -> String {
    let name = type_name::<R>().split('<').next().unwrap_or_default();
    name.rsplit("::").next().unwrap_or_default().to_owned()
}

#[test]
fn every_rule_of_optim_is_registered() {
    assert_eq!(implemented("impl UpdateRule for A {\nimpl<T> UpdateRule for B<T>"), ["A", "B"]);
    let mut files = Vec::new();
    sources(Path::new(OPTIM), &mut files);
    let source = |file: &PathBuf| fs::read_to_string(file).expect("a source");
    let there: BTreeSet<_> = files.iter().flat_map(|file| implemented(&source(file))).collect();
    let mut registered = BTreeSet::new();
    fn register<R>(names: &mut BTreeSet<String>, _: R) {
        names.insert(name_of::<R>());
    }
    each_rule!(|_, rule| register(&mut registered, rule));
    assert_eq!(there, registered, "update rules in optim/src, and in tests/src/rules.rs");
}

/// What a rule prints as its fields: their names and values.
fn fields(rule: &impl UpdateRule) -> Vec<(String, String)> {
    let text = format!("{rule:?}");
    let inside = text.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}'));
    let inside = inside.map_or("", |(inside, _)| inside);
    let pairs = inside.split(", ").filter_map(|field| field.split_once(": "));
    pairs.map(|(name, value)| (name.trim().into(), value.trim().into())).collect()
}

/// A setting that has the same value in all forms is not tested.
#[test]
fn every_setting_of_every_rule_is_varied() {
    type Values = BTreeMap<String, BTreeSet<String>>;
    fn note<R: UpdateRule>(values: &mut Values, rule: R) {
        for (field, value) in fields(&rule) {
            values.entry(format!("{}::{field}", name_of::<R>())).or_default().insert(value);
        }
    }
    let mut values = Values::new();
    each_rule!(|_, rule| note(&mut values, rule));
    assert!(values.contains_key("SgdHyper::momentum"), "fields are found: {values:?}");
    for (field, values) in values {
        assert!(values.len() > 1, "{field} is {values:?} in every form of tests/src/rules.rs");
    }
}

/// How many hyperparameters, numbers of a step, inputs and results the formulas of a rule have.
struct Counts;

impl Formulas for Counts {
    type Out = [usize; 4];
    fn run<const H: usize, const S: usize, const I: usize, const O: usize>(
        self,
        _: impl Rule<H, S>,
        _: impl Rule<I, O>,
    ) -> Self::Out {
        [H, S, I, O]
    }
}

#[test]
fn rules_say_how_many_moments_and_hyperparameters_their_formulas_have() {
    fn check<R: UpdateRule>(name: &str, mut rule: R) {
        let [hyper, numbers, inputs, results] = rule.formulas(1, Counts);
        assert_eq!(hyper, rule.hyper().len(), "{name}: hyperparameters");
        assert_eq!(results, 1 + rule.moments(), "{name}: the parameter and its moments");
        assert_eq!(inputs, results + 1 + numbers, "{name}: states, gradient, numbers of a step");
        rule.set_lr(0.7);
        assert_eq!(rule.lr(), 0.7, "{name}");
        assert_eq!(*rule.hyper()[0], 0.7, "{name}: the learning rate is the first");
    }
    each_rule!(check);
}
