//! Constraints, weight norm and spectral norm in models that are trained, saved, loaded and unrolled.

use gradus::prelude::*;
use gradus_tests::golden::{as_f64, assert_none, differences};

use super::{F64, rand};

fn data() -> Dataset<f64> {
    let x = rand(&[40, 3], 1);
    let y = Tensor::from_fn(&[40, 1], |at| x.at(&[at[0], 0]) * x.at(&[at[0], 1]).sin());
    Dataset::new(x, y).expect("a set")
}

fn model(seed: u64) -> Sequential<f64> {
    Sequential::new()
        .add(WeightNorm::new(Dense::new(6).activation(Tanh)))
        .add(SpectralNorm::new(Dense::new(5).activation(Tanh)))
        .add(Dense::new(4).activation(Tanh).kernel_constraint(MaxNorm::new(0.3)))
        .add(WeightNorm::new(SpectralNorm::new(Dense::new(1).bias_constraint(NonNeg))))
        .build(&[3], seed)
        .expect("a model")
}

fn fitted(model: Sequential<f64>, epochs: usize) -> Sequential<f64> {
    let mut trainer = model.compile(Adam::new(0.02), MeanSquaredError, &[]);
    let history = trainer.fit(&data(), Fit::new().epochs(epochs).batch_size(8).progress(false));
    let history = history.expect("a history");
    assert!(history.last().expect("an epoch").loss() < 0.5);
    trainer.model
}

fn values(model: &Sequential<f64>) -> Vec<(String, Vec<f64>)> {
    model.params().into_iter().map(|(path, p)| (path, p.value().to_vec())).collect()
}

#[test]
fn a_model_is_saved_and_goes_on_where_it_was() {
    let trained = fitted(model(1), 3);
    assert_ne!(values(&trained), values(&model(1)));
    let file = std::env::temp_dir().join(format!("gradus-norms-{}", std::process::id()));
    Weights::of(&trained).save(&file).expect("it is written");
    let mut loaded = model(2);
    let weights = Weights::load(&file).expect("it is read");
    weights.apply(&mut loaded).expect("the same paths");
    std::fs::remove_file(&file).expect("it is there");
    assert_eq!(values(&loaded), values(&trained));
    assert_eq!(values(&fitted(loaded, 2)), values(&fitted(trained, 2)));
}

#[test]
fn training_keeps_constraints_and_moves_vectors() {
    let (before, after) = (model(1), fitted(model(1), 3));
    let value = |model: &Sequential<f64>, path: &str| {
        model.param(path).unwrap_or_else(|| panic!("no {path}")).value().clone()
    };
    let columns = value(&after, "dense_2.kernel").map(|w| w * w);
    for unit in 0..4 {
        let square: f64 = (0..5).map(|input| columns.at(&[input, unit])).sum();
        assert!(square.sqrt() <= 0.3, "{square}");
    }
    assert!(value(&after, "dense_3.bias").item() >= 0.0);
    for path in ["dense_1.kernel_u", "dense_1.kernel_v", "dense_3.kernel_v"] {
        let [a, b] = [&before, &after].map(|model| value(model, path));
        assert!(a != b, "{path} stayed");
        let square: f64 = b.to_vec().iter().map(|x| x * x).sum();
        assert!((square - 1.0).abs() < 1e-12, "{path}: {square}");
    }
}

/// Three steps in place and on a tape, statistics included.
#[test]
fn unrolled_steps_go_the_same_way() {
    let (x, y) = (data().x().clone(), data().y().clone());
    fn loss<'t>(
        model: &Sequential<f64>,
        tape: &'t Tape<f64>,
        x: &Tensor<f64>,
        y: &Tensor<f64>,
    ) -> Var<'t, f64> {
        model.forward(tape.constant(x.clone())).mse(tape.constant(y.clone()))
    }
    let mut in_place = model(1);
    let taped = model(1);
    let mut adam = Adam::<f64>::new(0.02);
    let tape = Tape::training(0);
    let mut unrolled = adam.unrolled(&tape);
    for _ in 0..3 {
        let loss_on_tape = loss(&taped, &tape, &x, &y);
        unrolled.step(&taped, loss_on_tape);
        let own = Tape::training(0);
        let gradients = loss(&in_place, &own, &x, &y).backward();
        adam.step(&mut in_place, &gradients);
        for ((path, a), (_, b)) in in_place.params().into_iter().zip(taped.params()) {
            let b = tape.param(b).value();
            // The gradients are added up in another order there.
            assert_none(&differences(&path, &as_f64(a.value()), &as_f64(&b), F64));
        }
    }
}

/// Weight norm has no state, so that a run with it has an exact hypergradient.
#[test]
fn a_hypergradient_goes_through_weight_norm() {
    use gradus::optim::{Positive, Unroll, hypergradient};
    let (x, y) = (data().x().clone(), data().y().clone());
    let model =
        WeightNorm::new(Dense::<f64>::new(1).kernel_constraint(MaxNorm::new(0.4)).inputs(3))
            .init(3);
    let run = |rate: f64| {
        let (lr, sgd) = (Positive::new(rate), Sgd::new(0.0).momentum(0.5));
        let found = hypergradient(
            &lr,
            &model,
            Unroll::steps(4),
            |tape, _| sgd.unrolled(tape).with(|h| &mut h.lr, lr.var(tape)),
            |tape, _| model.forward(tape.constant(x.clone())).mse(tape.constant(y.clone())),
            |tape| model.forward(tape.constant(x.clone())).tanh().sum(),
        );
        let found = found.expect("a derivative");
        (found.loss, found.gradients.param(&lr.log).expect("a slope").item())
    };
    let (at, step) = (0.1_f64.ln(), 1e-5);
    let difference = (run((at + step).exp()).0 - run((at - step).exp()).0) / (2.0 * step);
    let slope = run(0.1).1;
    assert!((slope - difference).abs() < 1e-7 * slope.abs(), "{slope} and {difference}");
    assert!(slope.abs() > 1e-3, "{slope}");
}
