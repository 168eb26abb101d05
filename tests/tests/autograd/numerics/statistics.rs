//! Rows 20 to 23, 32 and 33: normalisation, dropout, weighted means, variances.

use gradus_autograd::{ClassOptions, Reduction, Tape, Tensor};

use super::{ROUNDING, assert_close, column, numbers, same};

#[test]
fn row_20_normalisation_uses_the_biased_variance() {
    let tape = Tape::<f64>::new();
    let x = tape.var(Tensor::from([[1.0], [2.0], [6.0]]));
    let (gamma, beta) = (tape.var(Tensor::ones(&[1])), tape.var(Tensor::zeros(&[1])));
    let [y, mean, var] = x.batch_norm(gamma, beta, 1, 0.0);
    let biased: f64 = (4.0 + 1.0 + 9.0) / 3.0;
    assert_close("mean", &mean.value().to_vec(), &[3.0], ROUNDING);
    assert_close("variance", &var.value().to_vec(), &[biased], ROUNDING);
    let expected = [-2.0, -1.0, 3.0].map(|d| d / biased.sqrt());
    assert_close("y", &y.value().to_vec(), &expected, ROUNDING);
    let values = numbers(&y.value());
    let square = values.iter().map(|y| y * y).sum::<f64>() / 3.0;
    assert!(same(square, 1.0, ROUNDING), "the mean square of what is normalised is {square}");
    // A mean far from 0 does not drown the variance.
    let far = tape.var(Tensor::from([[1e8 + 1.0], [1e8 + 2.0], [1e8 + 6.0]]));
    let [_, _, var] = far.batch_norm(gamma, beta, 1, 0.0);
    assert_close("variance far out", &var.value().to_vec(), &[biased], 1e-7);
}

#[test]
fn row_22_one_value_a_channel_is_an_error() {
    let one = std::panic::catch_unwind(|| {
        let tape = Tape::<f64>::new();
        let x = tape.var(Tensor::from([[1.0, 2.0]]));
        let (gamma, beta) = (tape.var(Tensor::ones(&[2])), tape.var(Tensor::zeros(&[2])));
        x.batch_norm(gamma, beta, 1, 1e-5);
    });
    let message = one.unwrap_err().downcast::<String>().expect("a text");
    assert!(message.contains("batch_norm") && message.contains("[1, 2]"), "{message}");
    // One image of several pixels has several values a channel.
    let tape = Tape::<f64>::new();
    let image = tape.var(Tensor::from([[[1.0, 2.0]]]));
    let (gamma, beta) = (tape.var(Tensor::ones(&[1])), tape.var(Tensor::zeros(&[1])));
    assert!(image.batch_norm(gamma, beta, 1, 1e-5)[0].value().first_non_finite().is_none());
}

#[test]
fn row_23_dropout() {
    const RATE: f32 = 0.25;
    let n = 10_000;
    let tape = Tape::<f64>::training(3);
    let x = tape.var(Tensor::full(&[n], 2.0));
    let y = x.dropout(RATE);
    let values = y.value().to_vec();
    // Inverted: what stays is scaled by 1/(1 − p), exactly.
    assert!(values.iter().all(|&y| y == 0.0 || y == 2.0 / 0.75));
    let dropped = values.iter().filter(|&&y| y == 0.0).count() as f64 / n as f64;
    // Five standard deviations of a share of n draws.
    let deviation = (0.25_f64 * 0.75 / n as f64).sqrt();
    assert!((dropped - 0.25).abs() < 5.0 * deviation, "{dropped} were dropped");
    // The same mask backward, by both passes and again.
    let mask: Vec<f64> = values.iter().map(|y| y / 2.0).collect();
    let z = y.sum();
    assert_eq!(z.backward()[x].to_vec(), mask);
    assert_eq!(z.grad(&[x])[0].value().to_vec(), mask);
    assert_eq!(z.backward()[x].to_vec(), mask);
    // The second derivative of Σ y²/2·… has the mask twice.
    let first = (y * y).sum().grad(&[x])[0];
    let twice: Vec<f64> = mask.iter().map(|m| 2.0 * m * m).collect();
    assert_close("second", &first.sum().backward()[x].to_vec(), &twice, ROUNDING);
    // The next layer draws anew; the same seed draws the same.
    assert_ne!(x.dropout(RATE).value().to_vec(), values);
    let again = Tape::<f64>::training(3);
    assert_eq!(again.var(Tensor::full(&[n], 2.0)).dropout(RATE).value().to_vec(), values);
    assert_ne!(
        Tape::training(4).var(Tensor::full(&[n], 2.0)).dropout(RATE).value().to_vec(),
        values
    );
    // p = 0, p = 1, evaluation.
    assert_eq!(x.dropout(0.0).value(), x.value());
    let none = x.dropout(1.0);
    assert!(none.value().to_vec().iter().all(|&y| y == 0.0));
    assert!(none.sum().backward()[x].to_vec().iter().all(|&g| g == 0.0));
    let evaluation = Tape::<f64>::new();
    let x = evaluation.var(column(&[1.0, 2.0]));
    assert_eq!(x.dropout(0.9).value(), x.value());
}

/// Uniform logits cost ln 2 a row, however they are weighed; the weights show in the gradient and in the sum.
#[test]
fn row_32_a_weighted_mean_divides_by_the_weights() {
    let tape = Tape::<f64>::new();
    let x = tape.var(Tensor::zeros(&[3, 2]));
    let classes = Tensor::from([0_i64, 1, 9]);
    let weight = Some(tape.constant(column(&[1.0, 3.0])));
    let options = ClassOptions { weight, ignore_index: Some(9), ..Default::default() };
    let loss = |options| x.cross_entropy_loss(&classes, options);
    let mean = loss(options);
    assert_close("mean", &[mean.item()], &[2_f64.ln()], ROUNDING);
    // Row 0 has a weight of 1 of 4, row 1 of 3 of 4, row 2 is ignored.
    let expected = [-0.125, 0.125, 0.375, -0.375, 0.0, 0.0];
    assert_close("fast", &mean.backward()[x].to_vec(), &expected, ROUNDING);
    assert_close("recorded", &mean.grad(&[x])[0].value().to_vec(), &expected, ROUNDING);
    let sum = loss(ClassOptions { reduction: Reduction::Sum, ..options });
    assert_close("sum", &[sum.item()], &[4.0 * 2_f64.ln()], ROUNDING);
    // Smoothing as PyTorch: (1 − s)·w[class]·loss + s/n·Σ w·loss, over the sum of w[class].
    let x = tape.var(Tensor::from([[1.0, 0.0]]));
    let [p, q] = [1.0, 0.0].map(|x: f64| (1.0 + 1_f64.exp()).ln() - x);
    for (class, own, weight_of) in [(0, p, 1.0), (1, q, 3.0)] {
        let smooth = ClassOptions { label_smoothing: 0.2, ..options };
        let loss = x.cross_entropy_loss(&Tensor::from([class]), smooth).item();
        let expected = (0.8 * weight_of * own + 0.1 * (p + 3.0 * q)) / weight_of;
        assert_close("smoothed", &[loss], &[expected], ROUNDING);
    }
    // Nothing that counts: 0 / 0, as in PyTorch, and not a 0 that looks like success.
    let none = Tensor::from([9_i64, 9, 9]);
    let x = tape.var(Tensor::zeros(&[3, 2]));
    assert!(x.cross_entropy_loss(&none, options).item().is_nan());
}

#[test]
fn row_33_the_divisor_is_named() {
    let tape = Tape::<f64>::new();
    let x = tape.var(column(&[1.0, 2.0, 6.0]));
    assert_close("biased", &[x.var(0).item()], &[14.0 / 3.0], ROUNDING);
    assert_close("unbiased", &[x.var(1).item()], &[7.0], ROUNDING);
    assert_close("slope", &x.var(1).backward()[x].to_vec(), &[-2.0, -1.0, 3.0], ROUNDING);
    // Where n is not larger than the correction there is none.
    let one = tape.var(column(&[4.0]));
    assert!(one.var(1).item().is_nan());
}

/// As the documentation of `var` says.
#[test]
fn row_33_too_few_values_have_no_variance() {
    let tape = Tape::<f64>::new();
    let two = tape.var(column(&[1.0, 2.0]));
    for correction in [2, 3] {
        let found = two.var(correction).item();
        assert!(!found.is_finite(), "2 values, correction {correction}: {found}");
    }
}

#[test]
fn row_33_std_of_a_constant() {
    let tape = Tape::<f64>::new();
    let x = tape.var(column(&[3.0, 3.0, 3.0]));
    for correction in [0, 1] {
        let y = x.var(correction);
        assert_eq!(y.backward()[x].to_vec(), [0.0; 3]);
        let std = y.sqrt();
        assert_eq!(std.item(), 0.0);
        assert_eq!(std.backward()[x].to_vec(), [0.0; 3], "fast");
        assert_eq!(std.grad(&[x])[0].value().to_vec(), [0.0; 3], "recorded");
    }
}
