//! Rows 15 to 19, 36 and 37: where cotangents go, how they add up, and when there are none.

use gradus_autograd::{NoGradient, Tape, Tensor, Var, fused};

use super::{ROUNDING, assert_close, assert_curvatures, assert_slopes, column, same};

/// Links of the chain of row 36.
const CHAIN: usize = 1_000_000;

#[test]
fn row_15_repeated_indices_accumulate() {
    let tape = Tape::<f64>::new();
    let x = tape.var(column(&[1.0, 2.0, 3.0]));
    let y = x.gather(0, &Tensor::from([2_i64, 0, 2, 2]));
    let w = tape.constant(column(&[1.0, 10.0, 100.0, 1000.0]));
    let loss = (y * y * w).sum();
    assert_eq!(loss.backward()[x].to_vec(), [20.0, 0.0, 6.0 * 1101.0]);
    let first = loss.grad(&[x])[0];
    assert_eq!(first.value().to_vec(), [20.0, 0.0, 6.0 * 1101.0]);
    assert_eq!(first.sum().backward()[x].to_vec(), [20.0, 0.0, 2202.0]);
    assert_eq!(first.sum().grad(&[x])[0].value().to_vec(), [20.0, 0.0, 2202.0]);
}

#[test]
fn row_16_slices_do_not_shift() {
    // Every choice of tracked parts.
    for tracked in 1..8_u32 {
        let tape = Tape::<f64>::new();
        let make = |i: usize, x: &[f64]| match tracked >> i & 1 {
            1 => tape.var(column(x)),
            _ => tape.constant(column(x)),
        };
        let parts = [make(0, &[1.0]), make(1, &[2.0, 3.0]), make(2, &[4.0, 5.0, 6.0])];
        let w = tape.constant(column(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        let all = tape.concat(&parts, 0);
        let y = (all * all * w).sum();
        let fast = y.backward();
        let expected: [&[f64]; 3] = [&[2.0], &[8.0, 18.0], &[32.0, 50.0, 72.0]];
        for (i, part) in parts.into_iter().enumerate().filter(|(i, _)| tracked >> i & 1 == 1) {
            assert_eq!(fast[part].to_vec(), expected[i], "tracked {tracked:b}, part {i}");
            assert_eq!(
                y.grad(&[part])[0].value().to_vec(),
                expected[i],
                "tracked {tracked:b}, part {i}"
            );
        }
    }
}

#[test]
fn row_17_gradients_have_the_shape_of_the_input() {
    let shapes: &[(&[usize], &[usize])] = &[
        (&[], &[2, 3]),
        (&[1], &[3]),
        (&[2, 1], &[1, 3]),
        (&[1, 1, 1], &[]),
        (&[3], &[0, 3]),
        (&[1], &[0]),
        (&[2, 1], &[2, 0]),
        (&[0, 1], &[0, 4]),
        (&[], &[0]),
        (&[0], &[0]),
    ];
    type Binary = for<'t> fn(Var<'t, f64>, Var<'t, f64>) -> Var<'t, f64>;
    let all: &[Binary] = &[
        |a, b| a + b,
        |a, b| a - b,
        |a, b| a * b,
        |a, b| a / b,
        |a, b| a.maximum(b),
        |a, b| a.pow(b),
    ];
    for (a, b) in shapes {
        for f in all {
            let tape = Tape::<f64>::new();
            let (x, y) = (tape.var(Tensor::full(a, 2.0)), tape.var(Tensor::full(b, 3.0)));
            let z = f(x, y).sum();
            let (fast, recorded) = (z.backward(), z.grad(&[x, y]));
            for (k, (var, shape)) in [(x, a), (y, b)].into_iter().enumerate() {
                assert_eq!(fast[var].shape(), *shape, "{a:?} with {b:?}");
                assert_eq!(&recorded[k].shape()[..], *shape, "{a:?} with {b:?}");
                assert_close(
                    "both passes",
                    &fast[var].to_vec(),
                    &recorded[k].value().to_vec(),
                    ROUNDING,
                );
                if a.contains(&0) || b.contains(&0) {
                    assert!(fast[var].to_vec().iter().all(|&g| g == 0.0), "{a:?} with {b:?}");
                }
            }
        }
    }
}

#[test]
fn row_18_an_input_used_twice() {
    assert_slopes(|x| x + x, &[3.0], &[2.0]);
    assert_slopes(|x| x * x, &[3.0], &[6.0]);
    assert_curvatures(|x| x * x, &[3.0], &[2.0]);
    assert_slopes(|x| x - x, &[3.0], &[0.0]);
    assert_slopes(|x| x / x, &[3.0], &[0.0]);
    assert_slopes(|x| x.pow(x), &[2.0], &[4.0 * (1.0 + 2_f64.ln())]);
    assert_slopes(|x| x.tape().concat(&[x, x], 0), &[3.0], &[2.0]);
    assert_slopes(|x| fused!(|a, b| a * b + a)(x, x), &[3.0], &[7.0]);
    let tape = Tape::<f64>::new();
    let a = tape.var(Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    let y = a.matmul(a).sum();
    // Row sums plus column sums.
    assert_eq!(y.backward()[a].to_vec(), [7.0, 11.0, 9.0, 13.0]);
    assert_eq!(y.grad(&[a])[0].value().to_vec(), [7.0, 11.0, 9.0, 13.0]);
}

#[test]
fn row_19_no_gradient_is_told_apart_from_zero() {
    let tape = Tape::<f64>::new();
    let (x, unused, fixed) =
        (tape.var(column(&[2.0])), tape.var(column(&[1.0])), tape.constant(column(&[5.0])));
    let middle = x * x;
    let y = (middle * fixed + x.detach()).sum();
    let grads = y.backward();
    assert_eq!(grads[x].to_vec(), [20.0]);
    assert_eq!(grads.get(unused), Err(NoGradient::NotOnPath));
    assert_eq!(grads.get(fixed), Err(NoGradient::Constant));
    assert_eq!(grads.get(middle), Err(NoGradient::NotALeaf));
    assert!(y.try_grad(&[unused])[0].is_none());
    assert_eq!(y.try_grad(&[middle])[0].map(|g| g.value().to_vec()), Some(vec![5.0]));
    let other = Tape::<f64>::new();
    assert_eq!(grads.get(other.var(column(&[1.0]))), Err(NoGradient::OtherTape));
}

/// A rule that hands back fewer cotangents than the operation has inputs.
#[test]
fn row_19_an_operation_without_a_derivative_is_named() {
    use gradus_autograd::{Cotangents, Op, Outputs, Vjp};
    #[derive(Debug)]
    struct Opaque;
    impl Op<f64> for Opaque {
        fn name(&self) -> &'static str {
            "opaque"
        }
        fn forward(&self, x: &[&Tensor<f64>]) -> Outputs<f64> {
            [x[0].map(|x| x * x)].into()
        }
        fn vjp<'t>(&self, _: &Vjp<'_, 't, f64>) -> Cotangents<'t, f64> {
            Cotangents::new()
        }
    }
    let missing = std::panic::catch_unwind(|| {
        let tape = Tape::<f64>::new();
        let x = tape.var(column(&[2.0]));
        // Half of the derivative of x² + x is missing.
        let y = (tape.apply(Opaque, &[x]) + x).sum();
        y.backward()[x].to_vec()
    });
    let message = missing
        .expect_err("a missing gradient, without a word")
        .downcast::<String>()
        .expect("a text");
    assert!(message.contains("opaque"), "{message}");
}

/// A constant has no gradient by either pass: what the tape did not record of it would be missing.
#[test]
fn row_19_constants_have_no_gradient_by_the_recorded_pass() {
    let tape = Tape::<f64>::new();
    let (x, c) = (tape.var(column(&[2.0])), tape.constant(column(&[5.0])));
    // y = x·c + c², but c·c was not recorded: x + 2c cannot be found.
    let y = (x * c + c * c).sum();
    let found = y.try_grad(&[c])[0].map(|g| g.item());
    assert!(found.is_none_or(|g| g == 12.0), "a part of the gradient, {found:?}, without a word");
}

/// Gradients belong to the tape that they were computed on, not to whichever lies at its address.
#[test]
fn row_19_gradients_of_a_tape_that_is_gone() {
    let mut tape = Tape::<f64>::new();
    let grads = {
        let x = tape.var(column(&[2.0]));
        (x * x).sum().backward()
    };
    tape = Tape::new();
    let x = tape.var(column(&[7.0]));
    assert_eq!(grads.get(x), Err(NoGradient::OtherTape));
}

/// Forward, backward and dropped, on the small stack of a test thread.
#[test]
fn row_36_a_million_operations_in_a_chain() {
    let tape = Tape::<f32>::new();
    let x = tape.var(Tensor::scalar(1.0));
    let mut y = x;
    for _ in 0..CHAIN {
        y = y * 0.999_999;
    }
    let expected = 0.999_999_f64.powi(CHAIN as i32);
    // A million roundings of f32, at random: 1000 of them in one direction.
    let drift = 0.1;
    assert!(same(f64::from(y.item()), expected, drift), "{} instead of {expected}", y.item());
    let grads = y.backward();
    assert!(same(f64::from(grads[x].item()), expected, drift), "{}", grads[x].item());
    assert_eq!(y.item(), grads[x].item(), "the same products in both directions");
    let recorded = y.grad(&[x])[0];
    assert_eq!(recorded.item(), grads[x].item());
    drop(grads);
    drop(tape);
}

#[test]
fn row_37_two_backward_passes() {
    let tape = Tape::<f64>::new();
    let x = tape.var(column(&[1.0, -2.0]));
    let w = tape.var(column(&[3.0, 0.5]));
    let h = (x * w).tanh();
    let (y, z) = (h.sum(), (h * h * x).sum());
    let first = y.backward();
    let nodes = tape.len();
    let again = y.backward();
    assert_eq!(tape.len(), nodes, "a fast pass leaves nothing on the tape");
    assert_eq!((first[x].to_vec(), first[w].to_vec()), (again[x].to_vec(), again[w].to_vec()));
    // Another loss of the same tape, and the recorded pass between two fast ones.
    let other = z.backward();
    let recorded = y.grad(&[x, w]);
    assert_close("recorded", &recorded[0].value().to_vec(), &first[x].to_vec(), ROUNDING);
    assert_close("recorded", &recorded[1].value().to_vec(), &first[w].to_vec(), ROUNDING);
    assert_eq!(y.backward()[x].to_vec(), first[x].to_vec());
    assert_eq!(z.backward()[w].to_vec(), other[w].to_vec());
    // The tape grows on after a pass.
    let more = (y + z).backward();
    let sum: Vec<f64> =
        first[x].to_vec().iter().zip(other[x].to_vec()).map(|(a, b)| a + b).collect();
    assert_close("the sum of two losses", &more[x].to_vec(), &sum, ROUNDING);
}
