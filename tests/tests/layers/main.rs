//! Layers, `derive(Module)`, initialisers, regularisers and losses.

use gradus::autograd::check::GradCheck;
use gradus::prelude::*;
use gradus_tests::golden::as_f64;

mod batch_norm;
mod dense;
mod derive;
mod dropout;
mod init;
mod losses;
mod norms_of_weights;
mod regularizers;
mod sequential;

/// |found − expected| may be this, times max(1, |expected|).
const F64: f64 = 1e-10;
const F32: f64 = 1e-4;

fn rand(shape: &[usize], seed: u64) -> Tensor<f64> {
    Tensor::rand(shape, -1.5, 1.5, &mut Rng::new(seed))
}

fn paths<T: Float>(model: &dyn Module<T>) -> Vec<String> {
    model.params().into_iter().map(|(path, _)| path).collect()
}

fn kernel(model: &dyn Module<f64>, path: &str) -> Vec<f64> {
    as_f64(model.param(path).unwrap_or_else(|| panic!("no {path}")).value())
}

/// Checks a layer's function to order 2, its trained parameters (and statistics) as variables.
fn check(layer: &impl Layer<f64>, x: Tensor<f64>, training: Option<u64>) {
    let all = layer.params();
    let params: Vec<&Param<f64>> = all
        .iter()
        .map(|(_, param)| *param)
        .filter(|param| training.is_none() || param.is_trained())
        .collect();
    // Away from the first values, which are often at a corner.
    let near = |(seed, param): (usize, &&Param<f64>)| {
        Tensor::rand(param.value().shape(), 0.3, 1.2, &mut Rng::new(seed as u64 + 50))
    };
    let inputs: Vec<Tensor<f64>> =
        std::iter::once(x).chain(params.iter().enumerate().map(near)).collect();
    let check = GradCheck { training, ..GradCheck::default() };
    let outcome = check.run(
        |v| {
            for (param, var) in params.iter().zip(&v[1..]) {
                v[0].tape().rebind(param, *var);
            }
            layer.forward(v[0])
        },
        &inputs,
    );
    outcome.unwrap_or_else(|wrong| panic!("{}: {wrong}", layer.kind()));
}
