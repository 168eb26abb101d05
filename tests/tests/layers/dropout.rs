//! `Dropout`.

use gradus::prelude::*;

use super::{check, rand};

#[test]
fn gradients_of_dropout() {
    for rate in [0.0, 0.4, 1.0] {
        for training in [None, Some(7)] {
            check(&Dropout::new(rate), rand(&[3, 4], 1), training);
        }
    }
}

const DROPPED: usize = 100_000;

#[test]
fn dropout_in_training_and_evaluation() {
    let x = Tensor::<f64>::ones(&[DROPPED]);
    for rate in [0.1, 0.5, 0.9] {
        let layer = Dropout::new(rate);
        let tape = Tape::training(3);
        let y = layer.forward(tape.constant(x.clone())).value().to_vec();
        let scale = 1.0 / (1.0 - f64::from(rate));
        assert!(y.iter().all(|&y| y == 0.0 || (y / scale - 1.0).abs() < 1e-6), "rate {rate}");
        let kept = y.iter().filter(|&&y| y != 0.0).count() as f64 / DROPPED as f64;
        // Five standard deviations.
        assert!(
            (kept - (1.0 - f64::from(rate))).abs() < 5.0 * 0.5 / (DROPPED as f64).sqrt(),
            "rate {rate}: {kept}"
        );
        let another = layer.forward(tape.constant(x.clone())).value().to_vec();
        assert_ne!(another, y, "each draw has a mask of its own");
        let again = Tape::training(3);
        assert_eq!(
            layer.forward(again.constant(x.clone())).value().to_vec(),
            y,
            "the seed decides"
        );
        for tape in [Tape::new(), Tape::inference()] {
            assert_eq!(layer.forward(tape.constant(x.clone())).value(), x);
        }
    }
    let tape = Tape::training(3);
    assert_eq!(Dropout::new(0.0).forward(tape.constant(x.clone())).value(), x);
    assert_eq!(
        Dropout::new(1.0).forward(tape.constant(x.clone())).value(),
        Tensor::zeros(&[DROPPED])
    );
}
