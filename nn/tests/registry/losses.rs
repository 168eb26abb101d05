//! Each loss: derivatives to order 2, the losses of samples beside their mean, targets that do not fit.

use std::panic::AssertUnwindSafe;

use gradus_autograd::check::gradcheck;
use gradus_autograd::{Tape, Tensor, Var};
use gradus_nn::losses::*;

use super::{panic_of, sources, t};

/// The loss, predictions and targets, and targets of a shape that it does not take.
struct Entry {
    name: &'static str,
    loss: Box<dyn Loss<f64>>,
    predictions: Tensor<f64>,
    targets: Tensor<f64>,
    wrong: Tensor<f64>,
}

macro_rules! losses {
    ($($name:ident $loss:expr, $predictions:expr, $targets:expr, wrong $wrong:expr;)*) => {
        fn all() -> Vec<Entry> {
            vec![$(Entry {
                name: stringify!($name),
                loss: Box::new($loss),
                predictions: $predictions,
                targets: $targets,
                wrong: $wrong,
            }),*]
        }
    };
}

/// From 0.1 to 0.9: probabilities.
fn p(shape: &[usize], seed: u64) -> Tensor<f64> {
    t(shape, seed).map(|x| 0.5 + 0.4 * x)
}

losses! {
    BinaryCrossentropy BinaryCrossentropy::new(), p(&[3, 2], 1), p(&[3, 2], 2), wrong p(&[3], 2);
    BinaryCrossentropy BinaryCrossentropy::from_logits(), t(&[3, 2], 1), p(&[3, 2], 2), wrong p(&[3], 2);
    CategoricalCrossentropy CategoricalCrossentropy, t(&[2, 3], 1), p(&[2, 3], 2), wrong p(&[2, 2], 2);
    MeanSquaredError MeanSquaredError, t(&[3, 2], 1), t(&[3, 2], 2), wrong t(&[3], 2);
    SparseCategoricalCrossentropy SparseCategoricalCrossentropy, t(&[2, 3], 1), Tensor::from([[2.0], [0.0]]), wrong t(&[2, 3], 1);
}

#[test]
fn no_loss_is_left_out() {
    let text = sources();
    let found = text.split("Loss<T> for ").skip(1).filter_map(|rest| rest.split(['<', ' ']).next());
    let found: Vec<&str> = found.filter(|name| name.starts_with(char::is_uppercase)).collect();
    assert!(found.len() >= 4, "{found:?}: the losses were not found");
    let all = all();
    let missing = found.iter().filter(|name| !all.iter().any(|entry| entry.name == **name));
    assert_eq!(missing.collect::<Vec<_>>(), [&""; 0], "without a check");
}

/// The targets, a variable if they are one of the inputs.
fn targets<'t>(entry: &Entry, v: &[Var<'t, f64>]) -> Var<'t, f64> {
    v.get(1).copied().unwrap_or_else(|| v[0].tape().constant(entry.targets.clone()))
}

#[test]
fn derivatives() {
    for entry in &all() {
        let Entry { name, loss, .. } = entry;
        // Classes are whole numbers, to which there is no derivative; other targets may be variables.
        let whole = entry.targets.to_vec().iter().all(|t| t.fract() == 0.0);
        let inputs = [entry.predictions.clone(), entry.targets.clone()];
        let inputs = if whole { &inputs[..1] } else { &inputs };
        gradcheck(|v| loss.of(v[0], targets(entry, v)), inputs)
            .unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        let tape = Tape::new();
        if loss.each(tape.var(inputs[0].clone()), tape.var(entry.targets.clone())).is_some() {
            gradcheck(|v| loss.each(v[0], targets(entry, v)).unwrap(), inputs)
                .unwrap_or_else(|wrong| panic!("{name}, each: {wrong}"));
        }
    }
}

/// One number for a batch; and the mean of those of the samples, where there are such.
#[test]
fn the_mean_of_the_samples() {
    for Entry { name, loss, predictions, targets, .. } in &all() {
        let tape = Tape::new();
        let (x, t) = (tape.var(predictions.clone()), tape.constant(targets.clone()));
        let whole = loss.of(x, t);
        assert_eq!(whole.rank(), 0, "{name}");
        let Some(each) = loss.each(x, t) else { continue };
        assert_eq!(each.shape()[..], predictions.shape()[..1], "{name}");
        assert!((each.mean().item() - whole.item()).abs() < 1e-14, "{name}");
    }
}

#[test]
fn targets_that_do_not_fit() {
    for Entry { name, loss, predictions, targets, wrong } in &all() {
        let shape = predictions.shape();
        assert_eq!(loss.check(shape, targets), Ok(()), "{name}");
        assert!(loss.check(shape, wrong).is_err(), "{name} takes {:?}", wrong.shape());
        let tape = Tape::new();
        let (x, t) = (tape.var(predictions.clone()), tape.constant(wrong.clone()));
        let said = panic_of(AssertUnwindSafe(|| {
            loss.of(x, t);
        }));
        // By the name of the loss, or of the operation that it is.
        let operation = match loss.name() {
            "mean_squared_error" => "mse",
            "sparse_categorical_crossentropy" => "cross_entropy",
            name => name,
        };
        let named = |text: &String| {
            text.starts_with(&format!("{operation}: ")) || text.starts_with("bce_with_logits: ")
        };
        assert!(said.as_ref().is_some_and(named), "{name}: {said:?}");
        let fits = panic_of(AssertUnwindSafe(|| {
            loss.of(x, tape.constant(targets.clone()));
        }));
        assert_eq!(fits, None, "{name}");
    }
}

/// A history knows losses by their words.
#[test]
fn names_are_words_of_their_own() {
    let mut names: Vec<(&str, &str)> = all().iter().map(|e| (e.loss.name(), e.name)).collect();
    names.sort();
    names.dedup();
    assert!(names.windows(2).all(|pair| pair[0].0 != pair[1].0), "{names:?}");
    let word =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    assert!(names.iter().all(|(name, _)| word(name)), "{names:?}");
}
