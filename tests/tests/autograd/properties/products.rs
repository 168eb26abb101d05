//! Matrix products and dense layers.

use gradus_autograd::{Activation, Tape, Tensor};
use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn matrix_products(
        (m, k, n) in (0..5_usize, 0..5_usize, 0..5_usize), batch in shape(2),
        skips in (0..3_usize, 0..3_usize), ones in any::<(u32, u32)>(),
        vectors in (prop::bool::weighted(0.15), prop::bool::weighted(0.15)),
        hows in (how(), how()), seed in any::<u64>(),
    ) {
        let tape = Tape::new();
        let (a_batch, b_batch) = (narrowed(&batch, skips.0, ones.0), narrowed(&batch, skips.1, ones.1));
        let a_shape = if vectors.0 { vec![k] } else { [&a_batch[..], &[m, k]].concat() };
        let b_shape = if vectors.1 { vec![k] } else { [&b_batch[..], &[k, n]].concat() };
        let a = input(&tape, &a_shape, hows.0, seed);
        let b = input(&tape, &b_shape, hows.1, seed + 1);
        let y = a.1.matmul(b.1);

        let none = vec![];
        let (a_batch, b_batch) = (if vectors.0 { &none } else { &a_batch }, if vectors.1 { &none } else { &b_batch });
        let (rows, columns) = (if vectors.0 { None } else { Some(m) }, if vectors.1 { None } else { Some(n) });
        let batch = broadcast(a_batch, b_batch);
        let shape: Vec<usize> = batch.iter().copied().chain(rows).chain(columns).collect();
        let g = cotangent(&shape, seed);
        let (mut values, mut pulled) = (vec![], [vec![0.0; a.1.value().len()], vec![0.0; b.1.value().len()]]);
        for index in indices(&shape) {
            let i = rows.map(|_| index[batch.len()]);
            let j = columns.map(|_| index[index.len() - 1]);
            let mut sum = 0.0;
            for l in 0..k {
                let at_a: Vec<usize> =
                    operand_index(&index[..batch.len()], a_batch).into_iter().chain(i).chain([l]).collect();
                let at_b: Vec<usize> =
                    operand_index(&index[..batch.len()], b_batch).into_iter().chain([l]).chain(j).collect();
                let (x, w) = (a.1.value().at(&at_a), b.1.value().at(&at_b));
                sum += x * w;
                pulled[0][place(&at_a, &a_shape)] += g.at(&index) * w;
                pulled[1][place(&at_b, &b_shape)] += g.at(&index) * x;
            }
            values.push(sum);
        }
        assert_close("value", &y.value(), &shape, &values);
        assert_gradients(y, &g, &[a, b], &pulled);
    }

    #[test]
    fn dense_layers_are_products_sums_and_activations(
        batch in shape(2), (k, n) in (0..5_usize, 0..5_usize), with_bias in any::<bool>(), f in 0..4_usize,
        hows in (how(), how(), how()), seed in any::<u64>(),
    ) {
        let activation =
            [Activation::Identity, Activation::Relu, Activation::Sigmoid, Activation::Tanh][f];
        let tape = Tape::new();
        let x = input(&tape, &[&batch[..], &[k]].concat(), hows.0, seed);
        let w = input(&tape, &[k, n], hows.1, seed + 1);
        let b = input(&tape, &[n], hows.2, seed + 2);
        // Some of the results below 0.
        let fused = (x.1 - 1.2).linear(w.1 - 1.0, with_bias.then_some(b.1), activation);
        let product = (x.1 - 1.2).matmul(w.1 - 1.0);
        let composed = activation.of(if with_bias { product + b.1 } else { product });
        assert_close("value", &fused.value(), &composed.shape(), &composed.value().to_vec());
        let g = cotangent(&composed.shape(), seed);
        let inputs = if with_bias { vec![x, w, b] } else { vec![x, w] };
        let expected: Vec<Vec<f64>> = inputs.iter().map(|(_, view)| {
            let found = composed.vjp(&[*view], tape.constant(g.clone()))[0];
            found.expect("a cotangent").value().to_vec()
        }).collect();
        assert_gradients(fused, &g, &inputs, &expected);
    }

}

/// A batch of matrices without elements whose strides are not zero.
#[test]
fn matrix_products_of_empty_views() {
    let tape = Tape::<f64>::new();
    let a = tape.var(Tensor::ones(&[1, 3]));
    let b = tape.var(Tensor::new(&[0, 3, 2], vec![]));
    let y = a.matmul(b.permute(&[2, 1, 0]));
    assert_eq!(y.shape()[..], [2, 1, 0]);
    assert_eq!(y.sum().backward()[a].to_vec(), [0.0; 3]);
}
