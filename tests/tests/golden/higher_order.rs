//! The golden tables of second derivatives.

use gradus_autograd::{Activation, Float, Tape, Tensor, Var};
use gradus_tests::golden::{self, as_f64, differences};

/// |found − expected| may be this, times max(1, |expected|).
const F64: f64 = 1e-10;
const F32: f64 = 1e-4;
/// Rosenbrock's Hessian has entries of 1e4, whose products cancel in f32.
const F32_SECOND: f64 = 1e-3;

/// The scalar functions of `higher_order.json`.
fn scalar<'t, T: Float>(f: &str, x: Var<'t, T>) -> Var<'t, T> {
    let n = x.shape()[0];
    match f {
        "rosenbrock" => {
            let (head, tail) = (x.slice(0, 0..n - 1), x.slice(0, 1..n));
            ((tail - head * head).powf(2.0) * 100.0 + (1.0 - head).powf(2.0)).sum()
        }
        "sumexp_sin" => {
            let before = x.tape().concat(&[x.slice(0, n - 1..n), x.slice(0, 0..n - 1)], 0);
            (x.sin() * before.exp()).sum()
        }
        "tanh_mlp" => {
            let w = x.tape().constant(Tensor::from(vec![T::of(0.5), T::of(-0.25)]));
            x.reshape(&[2, 2]).matmul(w).tanh().powf(2.0).sum()
        }
        "softplus_quad" => x.matmul(x).softplus() * 0.5,
        "norm" => (x * x).sum().sqrt(),
        "logsoftmax0" => x.log_softmax(0).slice(0, 0..1).sum(),
        // x₀ − log softmax(x)₀
        "logsumexp" => (x - x.log_softmax(0)).slice(0, 0..1).sum(),
        other => panic!("no function {other}: add it"),
    }
}

fn higher_order<T: Float>(tolerance: f64) {
    let table = golden::read("higher_order");
    assert_eq!(table.kind, "higher_order");
    for case in &table.cases {
        let tape = Tape::<T>::new();
        let x = tape.var(case.inputs["x"].tensor());
        let v = tape.constant(case.inputs["v"].tensor());
        let y = scalar(case.text("f"), x);
        let first = y.grad(&[x])[0];
        let times_v = (first * v).sum();
        let rows = (0..x.shape()[0]).map(|i| first.slice(0, i..i + 1).sum());
        let (mut fast, mut recorded) = (Vec::new(), Vec::new());
        for row in rows {
            fast.extend(as_f64(&row.backward()[x]));
            recorded.extend(as_f64(&row.grad(&[x])[0].value()));
        }
        let hessian = case.array("hessian").data;
        let times = case.array("hessian_times_v").data;
        let wrong: Vec<String> = [
            ("y", as_f64(&y.value()), &case.outputs["y"].data),
            ("fast gradient", as_f64(&y.backward()[x]), &case.array("gradient").data),
            ("recorded gradient", as_f64(&first.value()), &case.array("gradient").data),
            ("fast Hessian", fast, &hessian),
            ("recorded Hessian", recorded, &hessian),
            ("fast Hessian times v", as_f64(&times_v.backward()[x]), &times),
            ("recorded Hessian times v", as_f64(&times_v.grad(&[x])[0].value()), &times),
        ]
        .into_iter()
        .flat_map(|(what, found, expected)| differences(what, &found, expected, tolerance))
        .collect();
        assert!(wrong.is_empty(), "{}:\n{}", case.name, wrong.join("\n"));
    }
    println!("higher_order: {} run", table.cases.len());
}

#[test]
fn higher_order_in_f64() {
    higher_order::<f64>(F64);
}

#[test]
fn higher_order_in_f32() {
    higher_order::<f32>(F32_SECOND);
}

fn gradient_penalty<T: Float>(tolerance: f64, activation: Option<Activation>) {
    let table = golden::read("gradient_penalty");
    for case in &table.cases {
        let tape = Tape::<T>::new();
        let [x, w1, b1, w2] =
            ["x", "w1", "b1", "w2"].map(|name| tape.var(case.inputs[name].tensor()));
        // As one fused operation, and composed: both must have the same second derivatives.
        let hidden = match activation {
            Some(activation) => x.linear(w1.t(), Some(b1), activation),
            None => (x.matmul(w1.t()) + b1).tanh(),
        };
        let y = hidden.matmul(w2.t()).sum();
        let g = y.grad(&[x])[0];
        let norms = (g * g).sum_axes(&[1]).sqrt();
        let penalty = (norms - 1.0).powf(2.0).mean();
        let fast = penalty.backward();
        let mut wrong = differences(
            "penalty",
            &as_f64(&penalty.value()),
            &case.outputs["penalty"].data,
            tolerance,
        );
        let input_gradient = &case.outputs["input_gradient"].data;
        wrong.extend(differences("input gradient", &as_f64(&g.value()), input_gradient, tolerance));
        for (name, var) in [("x", x), ("w1", w1), ("b1", b1), ("w2", w2)] {
            let expected = &case.grads[name].data;
            wrong.extend(differences(
                &format!("fast {name}"),
                &as_f64(&fast[var]),
                expected,
                tolerance,
            ));
            let recorded = penalty.grad(&[var])[0].value();
            wrong.extend(differences(
                &format!("recorded {name}"),
                &as_f64(&recorded),
                expected,
                tolerance,
            ));
        }
        assert!(wrong.is_empty(), "{}:\n{}", case.name, wrong.join("\n"));
    }
    println!("gradient_penalty: {} run", table.cases.len());
}

#[test]
fn gradient_penalty_in_f64() {
    gradient_penalty::<f64>(F64, None);
    gradient_penalty::<f64>(F64, Some(Activation::Tanh));
}

#[test]
fn gradient_penalty_in_f32() {
    gradient_penalty::<f32>(F32, None);
    gradient_penalty::<f32>(F32, Some(Activation::Tanh));
}
