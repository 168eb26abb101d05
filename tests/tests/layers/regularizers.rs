//! Regularisers, row 28.

use gradus::autograd::Regularizer;
use gradus::prelude::*;
use gradus_tests::golden::{as_f64, assert_none, differences};

use super::{F32, F64};

fn penalised<T: Float>(tolerance: f64) {
    let w = [0.5, -2.0, 0.0, 3.0];
    let sign = [1.0, -1.0, 0.0, 1.0];
    let all: [(&dyn Regularizer<T>, f64, [f64; 4]); 3] = [
        (&L1(0.1), 0.55, sign.map(|s| 0.1 * s)),
        // The gradient is 2λw, not λw.
        (&L2(0.1), 1.325, w.map(|w| 0.2 * w)),
        (&L1L2 { l1: 0.1, l2: 0.1 }, 1.875, [0.2, -0.5, 0.0, 0.7]),
    ];
    for (regularizer, value, gradient) in all {
        let tape = Tape::<T>::new();
        let x = tape.var(Tensor::from(w.map(T::of).to_vec()));
        let y = regularizer.penalty(x);
        assert_eq!(y.rank(), 0);
        assert_none(&differences("value", &as_f64(&y.value()), &[value], tolerance));
        assert_none(&differences("fast", &as_f64(&y.backward()[x]), &gradient, tolerance));
        assert_none(&differences(
            "recorded",
            &as_f64(&y.grad(&[x])[0].value()),
            &gradient,
            tolerance,
        ));
    }
}

#[test]
fn regularizers_and_their_gradients() {
    penalised::<f64>(F64);
    penalised::<f32>(F32);
}

#[test]
fn penalties_add_up_over_the_model() {
    let dense = |units| {
        Dense::<f64>::new(units).kernel_initializer(Constant(2.0)).bias_initializer(Constant(-1.0))
    };
    let model = Sequential::new()
        .add(dense(2).kernel_regularizer(L2(0.5)).bias_regularizer(L1(0.25)))
        .add(dense(3))
        .add(dense(1).kernel_regularizer(L1L2 { l1: 1.0, l2: 0.5 }))
        .build(&[4], 0)
        .expect("a model");
    let tape = Tape::new();
    let sum = penalty(&model, &tape).expect("penalties");
    // 8 weights of 2, 2 biases of −1, 3 weights of 2.
    assert_eq!(sum.item(), 0.5 * 8.0 * 4.0 + 0.25 * 2.0 + 3.0 * 2.0 + 0.5 * 3.0 * 4.0);
    let grads = sum.backward();
    let gradient = |path: &str| grads.param(model.param(path).expect("it")).map(as_f64);
    assert_eq!(gradient("dense.kernel"), Some(vec![2.0; 8]));
    assert_eq!(gradient("dense.bias"), Some(vec![-0.25; 2]));
    assert_eq!(gradient("dense_1.kernel"), None);
    assert_eq!(gradient("dense_2.kernel"), Some(vec![3.0; 3]));
    assert!(penalty(&dense(1).inputs(1), &tape).is_none());
}
