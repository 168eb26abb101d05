//! `compile`, `fit`, `evaluate`, `predict`; metrics, callbacks, history.

use gradus::prelude::*;
use gradus_tests::golden::as_f64;

mod breast_cancer;
mod callbacks;
mod early_stopping;
mod errors;
mod fit;
mod history;
mod metrics;
mod schedules;

/// |found − expected| may be this, times max(1, |expected|).
const F64: f64 = 1e-12;

fn dataset(x: Tensor<f64>, y: Tensor<f64>) -> Dataset<f64> {
    Dataset::new(x, y).expect("data")
}

/// `n` samples of 2 features and a label 0 or 1.
fn points(n: usize) -> Dataset<f64> {
    let x = Tensor::randn(&[n, 2], &mut Rng::new(4));
    let y =
        Tensor::from_fn(&[n, 1], |at| f64::from(u8::from(x.at(&[at[0], 0]) > x.at(&[at[0], 1]))));
    dataset(x, y)
}

fn labelled(y: Tensor<f64>) -> Dataset<f64> {
    dataset(Tensor::ones(&[y.shape()[0], 2]), y)
}

fn dense(units: usize) -> Dense<f64> {
    Dense::new(units).inputs(2).init(1)
}

fn binary() -> Trainer<Dense<f64>, f64> {
    dense(1).activation(Sigmoid).compile(
        Sgd::new(0.1),
        BinaryCrossentropy::new(),
        &[&Accuracy::new()],
    )
}

fn quiet<'a>() -> Fit<'a, f64> {
    Fit::new().progress(false)
}

fn bits<T: Float>(model: &dyn Module<T>) -> Vec<u64> {
    model.params().iter().flat_map(|(_, param)| as_f64(param.value())).map(f64::to_bits).collect()
}

fn normed() -> Trainer<Sequential<f64>, f64> {
    let model = Sequential::new()
        .add(Dense::new(3))
        .add(BatchNorm::new())
        .add(Dense::new(1).activation(Sigmoid));
    model.build(&[2], 1).expect("a model").compile(Sgd::new(0.1), BinaryCrossentropy::new(), &[])
}

/// Notes the weights and the learning rate of each epoch.
#[derive(Default)]
struct Notes {
    weights: Vec<Vec<f64>>,
    lr: Vec<f64>,
}

fn weights(model: &dyn Module<f64>) -> Vec<f64> {
    model.params().iter().flat_map(|(_, param)| param.value().to_vec()).collect()
}

impl Callback<f64> for Notes {
    fn epoch_end(&mut self, _: usize, _: &Scores, state: &mut State<'_, f64>) {
        self.weights.push(weights(state.model));
        self.lr.push(state.optimizer.lr());
    }
}

fn data() -> Dataset<f64> {
    Dataset::new(Tensor::from([[1.0], [2.0]]), Tensor::from([[500.0], [700.0]])).expect("data")
}

fn line() -> Dense<f64> {
    Dense::new(1).inputs(1).init(1)
}
