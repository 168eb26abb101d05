//! `hypergradient.json`: through 5 AdamW steps, against JAX, PyTorch and 60-digit differences.

use gradus::optim::{Positive, Unroll, hypergradient};
use gradus::prelude::*;
use serde_json::Value;

use crate::{Mlp, close};

/// Relative.
const TOLERANCE: f64 = 1e-9;

fn matrix(value: &Value) -> Tensor<f64> {
    let number = |v: &Value| match v {
        Value::String(text) => text.parse().expect("a number"),
        v => v.as_f64().expect("a number"),
    };
    let rows = value.as_array().expect("a list");
    match rows[0].as_array() {
        None => Tensor::from(rows.iter().map(number).collect::<Vec<_>>()),
        Some(first) => {
            let all = rows.iter().flat_map(|row| row.as_array().expect("a row").iter().map(number));
            Tensor::new(&[rows.len(), first.len()], all.collect())
        }
    }
}

#[derive(Module)]
struct Hyper {
    lr: Param<f64>,
    weight_decay: Param<f64>,
    beta1: Param<f64>,
    beta2: Param<f64>,
    epsilon: Param<f64>,
}

#[test]
fn five_steps_of_adamw() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/hypergradient.json");
    let table: Value =
        serde_json::from_str(&std::fs::read_to_string(path).expect("the table")).expect("json");
    let [x, y, x_val, y_val] =
        ["x_train", "y_train", "x_val", "y_val"].map(|key| matrix(&table["data"][key]));
    let weights = |key: &str| Param::new(matrix(&table["initial_weights"][key]));
    let model = Mlp { w1: weights("W1"), b1: weights("b1"), w2: weights("W2"), b2: weights("b2") };
    let given = |key: &str| {
        Param::new(Tensor::scalar(table["hyperparameters"][key].as_f64().expect("a number")))
    };
    let hyper = Hyper {
        lr: given("lr"),
        weight_decay: given("wd"),
        beta1: given("beta1"),
        beta2: given("beta2"),
        epsilon: given("eps"),
    };
    let adam = AdamW::new(0.0);

    for (name, unroll) in [
        ("reverse", Unroll::steps(5)),
        ("checkpointed", Unroll::steps(5).checkpointed()),
        ("forward", Unroll::steps(5).forward()),
    ] {
        let found = hypergradient(
            &hyper,
            &model,
            unroll,
            |tape, _| {
                let on = |p| tape.param(p);
                adam.unrolled(tape)
                    .with(|h| &mut h.lr, on(&hyper.lr))
                    .with(|h| &mut h.weight_decay, on(&hyper.weight_decay))
                    .with(|h| &mut h.beta1, on(&hyper.beta1))
                    .with(|h| &mut h.beta2, on(&hyper.beta2))
                    .with(|h| &mut h.epsilon, on(&hyper.epsilon))
            },
            |tape, _| model.loss(tape, &x, &y),
            |tape| model.loss(tape, &x_val, &y_val),
        )
        .expect("a hypergradient");
        close(found.loss, table["val_loss"].as_f64().expect("a number"), TOLERANCE, name);
        for (k, loss) in table["train_losses"].as_array().expect("a list").iter().enumerate() {
            close(found.train_losses[k], loss.as_f64().expect("a number"), TOLERANCE, name);
        }
        let precise = &table["high_precision"]["gradients"];
        let params = [
            ("d_lr", &hyper.lr),
            ("d_wd", &hyper.weight_decay),
            ("d_beta1", &hyper.beta1),
            ("d_beta2", &hyper.beta2),
            ("d_eps", &hyper.epsilon),
        ];
        for (key, param) in params {
            let expected = precise[key].as_str().expect("a text").parse().expect("a number");
            let found = found.gradients.param(param).expect("a gradient").item();
            close(found, expected, TOLERANCE, &format!("{name}, {key}"));
        }
        if name == "forward" {
            assert!(found.gradients.param(&model.w1).is_none());
            continue;
        }
        let weights =
            [("d_W1", &model.w1), ("d_b1", &model.b1), ("d_W2", &model.w2), ("d_b2", &model.b2)];
        for (key, param) in weights {
            let expected = matrix(&precise[key]).to_vec();
            let found = found.gradients.param(param).expect("a gradient").to_vec();
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                close(*found, expected, TOLERANCE, &format!("{name}, {key}"));
            }
        }
    }
}

#[test]
fn logarithms_give_the_derivatives_of_the_table() {
    let lr = Positive::<f64>::new(0.05);
    let tape = Tape::new();
    let slope = lr.var(&tape).backward();
    close(slope.param(&lr.log).expect("a gradient").item(), 0.05, 1e-15, "d lr / d ln lr");
    close(lr.value(), 0.05, 1e-15, "value");
}
