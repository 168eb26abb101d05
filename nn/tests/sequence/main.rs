//! Layers for sequences: the tables of PyTorch and Keras, derivatives, names, and what stands in messages.

mod attention;
mod embedding;
mod golden;
mod recurrent;

use gradus_autograd::check::GradCheck;
use gradus_autograd::{Module, Path, Rng, Tape, Tensor, Var};

fn t(shape: &[usize], seed: u64) -> Tensor<f64> {
    Tensor::rand(shape, -1.0, 1.0, &mut Rng::new(seed))
}

/// The derivatives of a model by its input and its parameters, against differences, to order 2.
#[track_caller]
fn checked<M: Module<f64>>(
    model: &M,
    x: Tensor<f64>,
    f: impl for<'t> Fn(&M, Var<'t, f64>) -> Var<'t, f64>,
) {
    let mut inputs = vec![x];
    model.visit(Path::root(), &mut |_, param| inputs.push(param.value().clone()));
    let check = GradCheck::default();
    let found = check.run(
        |v| {
            let mut at = 0;
            model.visit(Path::root(), &mut |_, param| {
                at += 1;
                v[0].tape().rebind(param, v[at]);
            });
            f(model, v[0]).tanh().sum()
        },
        &inputs,
    );
    found.unwrap_or_else(|error| panic!("{error}"));
}

/// What the panic says that `f` ends in.
#[track_caller]
fn message(f: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let payload = std::panic::catch_unwind(f).expect_err("no panic");
    payload.downcast_ref::<String>().cloned().unwrap_or_default()
}

fn zeros<'t>(tape: &'t Tape<f64>, shape: &[usize]) -> Var<'t, f64> {
    tape.constant(Tensor::zeros(shape))
}

#[track_caller]
fn assert_close(what: &str, found: &Tensor<f64>, expected: &Tensor<f64>, tolerance: f64) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    for (found, expected) in found.to_vec().into_iter().zip(expected.to_vec()) {
        let close = (found - expected).abs() <= tolerance * expected.abs().max(1.0);
        assert!(close, "{what}: {found:e} instead of {expected:e}");
    }
}
