//! Corners of the tape and of a run that no table covers.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use gradus::prelude::*;

/// x² and x³.
#[derive(Debug)]
struct Powers;

impl<T: Float> Op<T> for Powers {
    fn name(&self) -> &'static str {
        "powers"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        [x[0].map(|x| x * x), x[0].map(|x| x * x * x)].into_iter().collect()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let x = cx.input(0);
        cx.wrt([&|| cx.cotangent_of(0) * x * 2.0 + cx.cotangent_of(1) * x * x * 3.0])
    }
}

#[test]
fn any_result_of_an_operation_can_be_in_wrt() {
    let tape = Tape::<f64>::new();
    let x = tape.var(Tensor::from([1.0, 2.0]));
    let powers = tape.apply_all(Powers, &[x]);
    let found = powers[1].sum().grad(&[x, powers[1], powers[0]]);
    assert_eq!(found[0].value().to_vec(), [3.0, 12.0]);
    assert_eq!(found[1].value().to_vec(), [1.0, 1.0]);
    assert_eq!(found[2].value().to_vec(), [0.0, 0.0]);
}

/// What depends on a variable with no slope anywhere has the gradient 0, by both passes, as in PyTorch.
#[test]
fn a_slope_of_zero_is_a_gradient() {
    let tape = Tape::<f64>::new();
    let (x, other) = (tape.var(Tensor::from([[2.0, -3.0, 0.0]])), tape.var(Tensor::ones(&[2, 1])));
    for y in [
        x.sign().sum(),
        x.exp().sign().sum(),
        x.powf(0.0).sum(),
        fused!(|x, y| x.sign() * 2.0 + y)(x, other).sum(),
    ] {
        assert_eq!(y.backward()[x].to_vec(), [0.0; 3]);
        let found = y.try_grad(&[x])[0].expect("a gradient");
        assert_eq!((found.shape().to_vec(), found.value().to_vec()), (vec![1, 3], vec![0.0; 3]));
    }
    assert!(x.sign().sum().try_grad(&[other])[0].is_none(), "it does not depend on the other");
}

#[test]
#[should_panic(expected = "apply: the operation has 2 results: use `apply_all`")]
fn apply_is_for_one_result() {
    let tape = Tape::<f64>::new();
    tape.apply(Powers, &[tape.number(1.0)]);
}

/// y = x, whose rule panics the first time.
#[derive(Debug)]
struct Hasty(Cell<bool>);

impl<T: Float> Op<T> for Hasty {
    fn name(&self) -> &'static str {
        "hasty"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        [x[0].clone()].into_iter().collect()
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        assert!(self.0.replace(true), "too early");
        cx.wrt([&|| cx.cotangent()])
    }
}

/// The operation is out of the list while its rule runs, and must be back in it afterwards.
#[test]
fn a_rule_that_panics_leaves_the_tape_whole() {
    let tape = Tape::<f64>::new();
    let x = tape.var(Tensor::scalar(2.0));
    let y = tape.apply(Hasty(Cell::new(false)), &[x]);
    assert!(catch_unwind(AssertUnwindSafe(|| y.backward())).is_err());
    assert_eq!(y.op_name(), "hasty");
    assert_eq!(y.backward()[x].item(), 1.0);
}

/// As tensors, by the fast passes, too.
#[test]
fn an_intermediate_in_wrt_keeps_its_cotangent_on_the_way() {
    let tape = Tape::<f64>::new();
    let x = tape.var(Tensor::from([1.0, 2.0]));
    let h = x * 2.0;
    let y = (h * h).sum();
    let found = tape.pull(&[(y, Tensor::scalar(1.0))], &[h, x]);
    let found = found.into_iter().map(|g| g.map(|g| g.to_vec())).collect::<Vec<_>>();
    assert_eq!(found, [Some(vec![4.0, 8.0]), Some(vec![8.0, 16.0])]);
}

#[test]
fn a_parameter_first_seen_without_recording_still_has_a_gradient() {
    let (w, tape) = (Param::new(Tensor::scalar(3.0)), Tape::<f64>::new());
    let target = tape.no_grad(|| tape.param(&w) * 2.0);
    assert!(!target.is_tracked());
    let loss = tape.param(&w).mse(target);
    assert_eq!(loss.backward().param(&w).map(Tensor::item), Some(-6.0));
    assert!(!Tape::inference().param(&w).is_tracked());
}

#[test]
#[should_panic(expected = "step: no gradient belongs to a parameter of this model")]
fn a_clone_does_not_take_the_gradients_of_the_original() {
    let model = vec![Param::new(Tensor::<f64>::scalar(1.0))];
    let tape = Tape::new();
    let gradients = tape.param(&model[0]).powf(2.0).backward();
    Sgd::new(0.1).step(&mut model.clone(), &gradients);
}

/// Notes the key of the first two draws of each training step.
#[derive(Debug, Module)]
struct Draws {
    inner: Dense,
    #[module(skip)]
    keys: std::sync::Mutex<Vec<u64>>,
}

impl Layer for Draws {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        if x.tape().is_training() {
            let mut keys = self.keys.lock().expect("a lock");
            keys.extend([x.tape().draw(), x.tape().draw()]);
        }
        self.inner.forward(x)
    }
}

#[test]
fn no_two_draws_of_a_run_are_the_same() {
    for seed in [0, 1, 2, 42] {
        let data = Dataset::new(Tensor::zeros(&[64, 2]), Tensor::zeros(&[64, 1])).expect("data");
        let model = Draws { inner: Dense::new(1).inputs(2), keys: Default::default() }.init(1);
        let mut model = model.compile(Sgd::new(0.1), MeanSquaredError, &[]);
        let options = Fit::new().epochs(8).batch_size(2).seed(seed).progress(false);
        model.fit(&data, options).expect("training");
        let mut keys = model.model.keys.into_inner().expect("a lock");
        assert_eq!(keys.len(), 8 * 32 * 2);
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 8 * 32 * 2, "seed {seed}");
    }
}

#[test]
fn a_model_without_parameters_is_not_trained() {
    let data = Dataset::<f32>::new(Tensor::zeros(&[4, 1]), Tensor::zeros(&[4, 1])).expect("data");
    let mut model = Sequential::new().compile(Sgd::new(0.1), MeanSquaredError, &[]);
    let error = model.fit(&data, Fit::new()).expect_err("nothing to train");
    assert_eq!(error.to_string(), "fit: the model has no parameters to train");
}
