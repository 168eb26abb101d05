//! Elementwise operations, which broadcast.

use gradus_autograd::{Rng, Tape, Tensor, Var, fused};
use proptest::prelude::*;

use super::*;

type Binary = for<'t> fn(Var<'t, f64>, Var<'t, f64>) -> Var<'t, f64>;
type Slopes = fn(f64, f64) -> [f64; 3];

/// Functions of two numbers: as variables; as the value and the two slopes.
const BINARY: [(Binary, Slopes); 7] = [
    (|a, b| a + b, |a, b| [a + b, 1.0, 1.0]),
    (|a, b| a - b, |a, b| [a - b, 1.0, -1.0]),
    (|a, b| a * b, |a, b| [a * b, b, a]),
    (|a, b| a / b, |a, b| [a / b, 1.0 / b, -a / (b * b)]),
    (
        |a, b| a.maximum(b),
        |a, b| {
            let share = if a == b { 0.5 } else { f64::from(u8::from(a > b)) };
            [a.max(b), share, 1.0 - share]
        },
    ),
    (|a, b| a.pow(b), |a, b| [a.powf(b), b * a.powf(b - 1.0), a.powf(b) * a.ln()]),
    (
        |a, b| fused!(|a, b| (a * b).tanh() + b)(a, b),
        |a, b| {
            let y = (a * b).tanh();
            [y + b, (1.0 - y * y) * b, (1.0 - y * y) * a + 1.0]
        },
    ),
];

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn elementwise_broadcasts(
        whole in shape(4), skips in (0..5_usize, 0..5_usize), ones in any::<(u32, u32)>(),
        hows in (how(), how()), f in 0..BINARY.len(), seed in any::<u64>(),
    ) {
        let (a_shape, b_shape) = (narrowed(&whole, skips.0, ones.0), narrowed(&whole, skips.1, ones.1));
        let tape = Tape::new();
        let a = input(&tape, &a_shape, hows.0, seed);
        let b = input(&tape, &b_shape, hows.1, seed + 1);
        let (operation, slopes) = BINARY[f];
        let y = operation(a.1, b.1);

        let shape = broadcast(&a_shape, &b_shape);
        let g = cotangent(&shape, seed);
        let (a_values, b_values) = (a.1.value(), b.1.value());
        let mut expected = Vec::new();
        let mut pulled = [vec![0.0; a_values.len()], vec![0.0; b_values.len()]];
        for index in indices(&shape) {
            let (i, j) = (operand_index(&index, &a_shape), operand_index(&index, &b_shape));
            let [value, da, db] = slopes(a_values.at(&i), b_values.at(&j));
            expected.push(value);
            pulled[0][place(&i, &a_shape)] += g.at(&index) * da;
            pulled[1][place(&j, &b_shape)] += g.at(&index) * db;
        }
        assert_close("value", &y.value(), &shape, &expected);
        assert_gradients(y, &g, &[a, b], &pulled);
    }

    #[test]
    fn an_input_used_twice_gets_both_cotangents(
        shape in shape(3), how in how(), f in 0..BINARY.len(), seed in any::<u64>(),
    ) {
        let tape = Tape::new();
        let x = input(&tape, &shape, how, seed);
        let (operation, slopes) = BINARY[f];
        let y = operation(x.1, x.1);
        let g = cotangent(&shape, seed);
        let each = |index: &Vec<usize>| slopes(x.1.value().at(index), x.1.value().at(index));
        let all = indices(&shape);
        let values: Vec<f64> = all.iter().map(|index| each(index)[0]).collect();
        let pulled = all.iter().map(|index| g.at(index) * (each(index)[1] + each(index)[2])).collect();
        assert_close("value", &y.value(), &shape, &values);
        assert_gradients(y, &g, &[x], &[pulled]);
    }

    #[test]
    fn choosing_by_a_mask(
        whole in shape(3), skips in (0..4_usize, 0..4_usize, 0..4_usize), ones in any::<(u32, u32, u32)>(),
        hows in (how(), how()), seed in any::<u64>(),
    ) {
        let mask_shape = narrowed(&whole, skips.0, ones.0);
        let (a_shape, b_shape) = (narrowed(&whole, skips.1, ones.1), narrowed(&whole, skips.2, ones.2));
        let mut rng = Rng::new(seed);
        let mask = Tensor::<bool>::from_fn(&mask_shape, |_| rng.below(2) == 1);
        let tape = Tape::new();
        let a = input(&tape, &a_shape, hows.0, seed);
        let b = input(&tape, &b_shape, hows.1, seed + 1);
        let y = tape.where_(&mask, a.1, b.1);
        let shape = broadcast(&broadcast(&a_shape, &b_shape), &mask_shape);
        let g = cotangent(&shape, seed);
        let (mut values, mut pulled) = (vec![], [vec![0.0; a.1.value().len()], vec![0.0; b.1.value().len()]]);
        for index in indices(&shape) {
            let taken = mask.at(&operand_index(&index, &mask_shape));
            let (i, j) = (operand_index(&index, &a_shape), operand_index(&index, &b_shape));
            values.push(if taken { a.1.value().at(&i) } else { b.1.value().at(&j) });
            match taken {
                true => pulled[0][place(&i, &a_shape)] += g.at(&index),
                false => pulled[1][place(&j, &b_shape)] += g.at(&index),
            }
        }
        assert_close("value", &y.value(), &shape, &values);
        assert_gradients(y, &g, &[a, b], &pulled);
    }
}
