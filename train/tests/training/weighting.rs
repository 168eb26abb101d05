//! Weights of samples and of classes.

use gradus_autograd::Tensor;
use gradus_data::Dataset;
use gradus_nn::losses::{
    BinaryCrossentropy, Loss, MeanSquaredError, SparseCategoricalCrossentropy,
};
use gradus_optim::Sgd;
use gradus_train::*;

use super::callbacks::{data, line, quiet, weights};
use super::{F64, assert_close};

/// A weight of 2 is the sample twice, up to the number that is divided by.
#[test]
fn weights_of_samples_and_classes() {
    let (x, y) = (data().x().clone(), Tensor::from([[1.0], [0.0], [1.0], [0.0]]));
    let labelled = Dataset::new(x.clone(), y).unwrap();
    let gradient_step = |options: Fit<'_, f64>, lr: f64, data: &Dataset<f64>| {
        let mut model = line().compile(Sgd::new(lr), BinaryCrossentropy::from_logits(), &[]);
        let history = model.fit(data, options.batch_size(100).progress(false)).unwrap();
        let mut all = weights(&model.model);
        all.push(history.last().unwrap().loss() * lr);
        all
    };
    let close =
        |a: &[f64], b: &[f64]| a.iter().zip(b).for_each(|(a, b)| assert_close("", *a, *b, F64));
    let twice = labelled.subset(&[0, 0, 1, 2, 2, 3]).unwrap();
    let expected = gradient_step(Fit::new(), 0.6, &twice);
    close(&gradient_step(Fit::new().class_weights(&[1.0, 2.0]), 0.4, &labelled), &expected);
    let samples = Fit::new().sample_weights(&[2.0, 1.0, 2.0, 1.0]);
    close(
        &gradient_step(samples, 0.4, &labelled),
        &gradient_step(Fit::new().class_weights(&[1.0, 2.0]), 0.4, &labelled),
    );
    let both = Fit::new().class_weights(&[1.0, 4.0]).sample_weights(&[0.5, 1.0, 0.5, 1.0]);
    close(&gradient_step(both, 0.4, &labelled), &expected);
    // Weights of 1 change nothing.
    let ones = gradient_step(Fit::new().class_weights(&[1.0, 1.0]), 0.4, &labelled);
    close(&ones, &gradient_step(Fit::new(), 0.4, &labelled));
}

#[test]
fn losses_of_samples_have_the_mean_that_the_loss_is() {
    use gradus_autograd::Tape;
    let tape = Tape::<f64>::new();
    let p = tape.constant(Tensor::from([[0.3, 0.7, 0.2], [0.9, 0.4, 0.5]]));
    let t = tape.constant(Tensor::from([[0.0, 1.0, 1.0], [1.0, 0.25, 0.0]]));
    let classes = tape.constant(Tensor::from([2.0, 0.0]));
    let losses: [(&dyn Loss<f64>, _); 4] = [
        (&BinaryCrossentropy::new(), t),
        (&BinaryCrossentropy::from_logits(), t),
        (&MeanSquaredError, t),
        (&SparseCategoricalCrossentropy, classes),
    ];
    for (loss, t) in losses {
        let each = loss.each(p, t).unwrap();
        assert_eq!(each.shape()[..], [2], "{}", loss.name());
        assert_close(loss.name(), each.mean().item(), loss.of(p, t).item(), F64);
    }
}

#[test]
fn weights_that_make_no_sense() {
    let mut model = line().compile(Sgd::new(0.1), MeanSquaredError, &[]);
    let mut check = |options: Fit<'_, f64>, text: &str| {
        assert_eq!(model.fit(&data(), options).unwrap_err().to_string(), text);
    };
    check(quiet(1).sample_weights(&[1.0]), "fit: 1 sample weights for 4 training samples");
    check(
        quiet(1).sample_weights(&[1.0, -1.0, 1.0, 1.0]),
        "fit: a sample weight of -1 is negative or not finite",
    );
    check(
        quiet(1).class_weights(&[1.0, f64::NAN]),
        "fit: a class weight of NaN is negative or not finite",
    );
    check(
        quiet(1).class_weights(&[1.0]),
        "the label of sample 2 is -4: labels are whole numbers from 0 on",
    );
    let labels =
        Dataset::new(data().x().clone(), Tensor::from([[1.0], [0.0], [2.0], [0.0]])).unwrap();
    let error = model.fit(&labels, quiet(1).class_weights(&[1.0, 1.0])).unwrap_err();
    assert_eq!(error.to_string(), "fit: sample 2 is of class 2, but there are 2 class weights");
}

/// The part that is held out keeps the weights of its samples, and not those of its classes.
#[test]
fn weights_of_a_validation_fraction() {
    let labelled =
        Dataset::new(data().x().clone(), Tensor::from([[1.0], [0.0], [1.0], [0.0]])).unwrap();
    let val = |options: Fit<'_, f64>| {
        let mut model = line().compile(Sgd::new(0.0), BinaryCrossentropy::from_logits(), &[]);
        let history =
            model.fit(&labelled, options.validation_fraction(0.25).progress(false)).unwrap();
        history.column("val_loss")[0]
    };
    let plain = val(Fit::new());
    assert_eq!(val(Fit::new().class_weights(&[3.0, 3.0])), plain);
    assert_close("held out", val(Fit::new().sample_weights(&[1., 1., 1., 3.])), 3.0 * plain, F64);
}
