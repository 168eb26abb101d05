//! The golden tables of operations: outputs and gradients, by both passes, in both precisions, with
//! inputs in row-major order and strided.

use std::collections::{BTreeMap, BTreeSet};

use gradus_autograd::{Float, Tape, Tensor, Var};
use gradus_tests::golden::{self, Array, Case, as_f64, assert_none, differences};

mod elementwise;
mod lists;
mod losses;
mod norms;
mod places;
mod reductions;
mod space;

use lists::{ELSEWHERE, NOT_YET, OTHERWISE};

/// |found − expected| may be this, times max(1, |expected|).
const F64: f64 = 1e-10;
const F32: f64 = 1e-4;

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
        ("adaptive_pool2d", space::adaptive_pool::<T>),
        ("activations", elementwise::activations::<T>),
        ("attention", reductions::attention::<T>),
        ("avg_pool1d", space::avg_pool::<T>),
        ("avg_pool2d", space::avg_pool::<T>),
        ("batch_norm", norms::batch_norm::<T>),
        ("bce_with_logits", losses::bce_with_logits::<T>),
        ("binary_broadcast", elementwise::binary_broadcast::<T>),
        ("clamp", elementwise::clamp::<T>),
        ("conv1d", space::conv::<T>),
        ("conv2d", space::conv::<T>),
        ("conv3d", space::conv::<T>),
        ("conv_transpose1d", space::conv_transpose::<T>),
        ("conv_transpose2d", space::conv_transpose::<T>),
        ("cross_entropy", losses::cross_entropy::<T>),
        ("cumulative", reductions::cumulative::<T>),
        ("einsum", reductions::einsum::<T>),
        ("embedding", places::embedding::<T>),
        ("group_norm", norms::group_norm::<T>),
        ("huber_loss", losses::huber_loss::<T>),
        ("indexing", places::indexing::<T>),
        ("keras_conv_pool", space::keras::<T>),
        ("keras_batch_norm", norms::keras_batch_norm::<T>),
        ("instance_norm", norms::instance_norm::<T>),
        ("keras_norm", norms::keras_norm::<T>),
        ("kl_div", losses::kl_div::<T>),
        ("l1_loss", losses::l1_loss::<T>),
        ("layer_norm", norms::layer_norm::<T>),
        ("linalg", reductions::linalg::<T>),
        ("linear", reductions::linear::<T>),
        ("log_softmax", reductions::softmax::<T>),
        ("logsumexp_edge", reductions::logsumexp_edge::<T>),
        ("loss_misc", losses::loss_misc::<T>),
        ("matmul", reductions::matmul::<T>),
        ("max_pool1d", space::max_pool::<T>),
        ("max_pool2d", space::max_pool::<T>),
        ("mse_loss", losses::mse_loss::<T>),
        ("nll_loss", losses::nll_loss::<T>),
        ("norm_edge", reductions::norm_edge::<T>),
        ("pow_scalar", elementwise::pow_scalar::<T>),
        ("reductions", reductions::reductions::<T>),
        ("rms_norm", norms::rms_norm::<T>),
        ("shape_ops", places::shape_ops::<T>),
        ("smooth_l1_loss", losses::smooth_l1_loss::<T>),
        ("softmax", reductions::softmax::<T>),
        ("sort_topk", reductions::sort_topk::<T>),
        ("unary", elementwise::unary::<T>),
        ("where", elementwise::where_::<T>),
    ]
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

/// Runs all tables that can be run.
fn run_all<T: Float>(tolerance: f64) {
    let mut wrong = Vec::new();
    for (name, express) in tables::<T>() {
        let table = golden::read(name);
        assert_eq!(table.kind, "op", "{name}");
        assert!(!table.cases.is_empty(), "{name} has no cases");
        for (number, case) in table.cases.iter().enumerate() {
            let at = (name, number);
            let plain = run::<T>(at, case, express, Tensor::clone, tolerance);
            let other = run::<T>(at, case, express, strided, tolerance);
            let named = |how: &str, found: Vec<String>| -> Vec<String> {
                found.into_iter().map(|what| format!("{}{how}: {what}", case.name)).collect()
            };
            let both = plain
                .zip(other)
                .map(|(plain, other)| [named("", plain), named(", strided", other)].concat());
            wrong.extend(golden::run_or_listed(NOT_YET, at, case, both));
        }
    }
    assert_none(&wrong);
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
fn every_table_is_run() {
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
        let reads = [format!("\"{name}\""), format!("/{name}.json\"")];
        assert!(reads.iter().any(|read| text.contains(read)), "{file} does not read {name}");
    }
    let all: BTreeSet<String> = golden::names().into_iter().collect();
    assert_eq!(run, all);
}

#[test]
fn every_listed_case_exists() {
    golden::assert_exist(NOT_YET);
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
