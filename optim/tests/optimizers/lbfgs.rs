//! L-BFGS against PyTorch's table, on problems with known minima, and where the loss is not finite.

use std::path::Path;

use gradus_autograd::{Float, Param, Tape, Tensor, Var};
use gradus_optim::{Lbfgs, LineSearch, StepError};
use serde_json::Value;

use super::close;

/// Products of some steps against PyTorch's.
const TABLE: f64 = 1e-9;
/// Of a minimum: where the loss changes by less than 1e-9, it ends.
const FLOOR: f64 = 1e-4;

fn numbers(value: &Value) -> Vec<f64> {
    value["data"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// ½·xᵀAx − Σx, as in the table.
fn quadratic<'t>(tape: &'t Tape<f64>, x: &Param<f64>) -> Var<'t, f64> {
    let a = Tensor::from([[3.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]]);
    let x = tape.param(x);
    let ax = tape.constant(a).matmul(x.reshape(&[3, 1])).reshape(&[3]);
    (x * ax).sum() * 0.5 - x.sum()
}

fn rosenbrock<'t, T: Float>(tape: &'t Tape<T>, x: &Param<T>) -> Var<'t, T> {
    let [x, y] = [0, 1].map(|at| tape.param(x).slice(0, at..at + 1).sum());
    (y - x * x).powf(2.0) * 100.0 + (x - 1.0).powf(2.0)
}

#[test]
fn as_pytorch() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/lbfgs.json");
    let table: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = table["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let params = &case["params"];
        let search = match params["line_search_fn"].as_str() {
            Some("strong_wolfe") => LineSearch::StrongWolfe,
            _ => LineSearch::Fixed,
        };
        let max_iter = params["max_iter"].as_u64().unwrap() as usize;
        let lr = params["lr"].as_f64().unwrap_or(1.0);
        let mut lbfgs = Lbfgs::new(lr).max_iter(max_iter).line_search(search);
        let mut x = Param::new(Tensor::from(numbers(&case["initial"])));
        let losses = case["loss_before_step"].as_array().unwrap();
        for (loss, after) in losses.iter().zip(case["after_step"].as_array().unwrap()) {
            let found = match params["f"].as_str().unwrap() {
                "quadratic" => lbfgs.step(&mut x, quadratic),
                _ => lbfgs.step(&mut x, rosenbrock),
            };
            close(&[found.unwrap()], &[loss.as_f64().unwrap()], TABLE);
            close(&x.value().to_vec(), &numbers(after), TABLE);
        }
    }
}

/// From any start, and in both precisions.
#[test]
fn it_finds_the_floor_of_a_valley() {
    for start in [[-1.5, 2.0], [3.0, -4.0], [-100.0, 50.0]] {
        let mut w = Param::new(Tensor::from(start));
        let mut lbfgs = Lbfgs::new(1.0).max_iter(200);
        lbfgs.step(&mut w, rosenbrock).unwrap();
        close(&w.value().to_vec(), &[1.0, 1.0], FLOOR);
        // There it stays.
        let before = w.value().to_vec();
        lbfgs.step(&mut w, rosenbrock).unwrap();
        close(&w.value().to_vec(), &before, FLOOR);
    }
    let mut w = Param::new(Tensor::from([-1.5_f32, 2.0]));
    Lbfgs::new(1.0).max_iter(100).step(&mut w, rosenbrock).unwrap();
    assert!(w.value().to_vec().iter().all(|w| (w - 1.0).abs() < 1e-2), "{:?}", w.value());
}

#[test]
fn a_short_history_and_a_frozen_parameter() {
    let mut model = (
        Param::new(Tensor::from([1.0, -2.0, 3.0])),
        Param::new(Tensor::from([5.0])),
        Param::new(Tensor::from([7.0])),
    );
    model.1.set_trained(false);
    let mut lbfgs = Lbfgs::new(1.0).history(2);
    // The third parameter is trained, and the loss does not depend on it.
    lbfgs.step(&mut model, |tape, m| quadratic(tape, &m.0) + tape.param(&m.1).sum()).unwrap();
    assert_eq!((model.1.value().item(), model.2.value().item()), (5.0, 7.0));
    let x = model.0.value().to_vec();
    let residual = [3.0 * x[0] + x[1], x[0] + 2.0 * x[1] + 0.5 * x[2], 0.5 * x[1] + x[2]];
    close(&residual, &[1.0, 1.0, 1.0], FLOOR);
    let mut plain = Lbfgs::new(1.0).history(0);
    plain.step(&mut model.0, quadratic).unwrap();
}

#[test]
fn the_state_goes_on_with_the_same_bits() {
    let run = |cut: Option<usize>| {
        let mut w = Param::new(Tensor::from([-1.5, 2.0]));
        let make = || Lbfgs::new(1.0).max_iter(2).history(3);
        let mut lbfgs = make();
        for step in 0..8 {
            if cut == Some(step) {
                let mut fresh = make();
                fresh.load_state_dict(lbfgs.state_dict()).unwrap();
                assert_eq!(fresh.state_dict(), lbfgs.state_dict());
                lbfgs = fresh;
            }
            lbfgs.step(&mut w, rosenbrock).unwrap();
        }
        w.value().to_vec()
    };
    let whole = run(None);
    (0..8).for_each(|cut| assert_eq!(run(Some(cut)), whole));

    let mut lbfgs = Lbfgs::new(1.0);
    lbfgs.step(&mut Param::new(Tensor::from([-1.5, 2.0])), rosenbrock).unwrap();
    let before = lbfgs.state_dict();
    let mut wrong = before.clone();
    wrong.take("change.0.weights").unwrap();
    let error = lbfgs.load_state_dict(wrong).unwrap_err();
    assert_eq!(error.to_string(), "there is no entry `change.0.weights`");
    let mut wrong = before.clone();
    wrong.insert("gradient", &[1.0][..]);
    let error = lbfgs.load_state_dict(wrong).unwrap_err();
    assert_eq!(error.to_string(), "the entry `gradient` has shape [1], not [2]");
    assert_eq!(lbfgs.state_dict(), before);
}

#[test]
fn a_loss_that_is_not_finite() {
    let mut w = Param::new(Tensor::from([f64::NAN]));
    let error = Lbfgs::new(1.0).step(&mut w, |tape, w| tape.param(w).sum()).unwrap_err();
    assert!(matches!(error, StepError::Loss { .. }));
    assert_eq!(
        error.to_string(),
        "the loss is NaN, or its gradient is not finite: the weights are those of the last point where both were. \
         Look at the loss, or use a line search"
    );

    // x − ln x has its minimum at 1, and nothing below 0: a step that is too long leads there.
    fn wall<'t>(tape: &'t Tape<f64>, w: &Param<f64>) -> Var<'t, f64> {
        let x = tape.param(w);
        (x - x.ln()).sum()
    }
    let mut w = Param::new(Tensor::from([30.0]));
    let fixed = Lbfgs::new(100.0).line_search(LineSearch::Fixed).step(&mut w, wall);
    assert!(matches!(fixed.unwrap_err(), StepError::Loss { .. }));
    assert_eq!(w.value().to_vec(), [30.0]);
    // Most evaluations are halvings.
    let mut lbfgs = Lbfgs::new(100.0);
    (0..5).for_each(|_| assert!(lbfgs.step(&mut w, wall).is_ok()));
    close(&w.value().to_vec(), &[1.0], FLOOR);
}

#[test]
#[should_panic(expected = "Lbfgs: a learning rate of 0 is not above 0 and finite")]
fn without_a_rate() {
    let _ = Lbfgs::new(0.0);
}
