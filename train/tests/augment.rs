//! Augmentation in `fit`: the training part alone, and the same run for any number of threads.

use gradus_autograd::{Activation, Float, Module, Rng, Tensor};
use gradus_data::augment::{
    CenterCrop, GaussianNoise, Image, MixUp, RandomCrop, RandomTranslation, Transform,
};
use gradus_data::{Augment, Dataset};
use gradus_nn::Dense;
use gradus_nn::losses::{
    BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy,
};
use gradus_optim::{Adam, Sgd};
use gradus_train::{Accuracy, Compile, Fit};

/// Two kinds of images, bright on the left or on the right, in one row each.
fn data(n: usize) -> Dataset {
    let mut rng = Rng::new(1);
    let noise = Tensor::<f32>::rand(&[n, 36], 0.0, 0.2, &mut rng);
    let x = Tensor::from_fn(&[n, 36], |at| {
        noise.at(at) + f32::from(u8::from((at[1] % 6 < 3) == at[0].is_multiple_of(2)))
    });
    Dataset::new(x, Tensor::from_fn(&[n, 1], |at| (at[0] % 2) as f32)).unwrap()
}

#[test]
fn workers_do_not_change_a_run() {
    let data = data(50);
    let augment = Augment::new(3)
        .images([1, 6, 6])
        .add(RandomTranslation::new(0.2, 0.2))
        .add(GaussianNoise::new(0.1));
    let run = |workers: usize, augment: Option<&Augment>| {
        let model = Dense::new(2).inputs(36).init(4);
        let mut model = model.compile(Adam::new(1e-2), SparseCategoricalCrossentropy, &[]);
        let mut options = Fit::new().epochs(3).batch_size(8).seed(2).workers(workers);
        if let Some(augment) = augment {
            options = options.augment(augment);
        }
        model.fit(&data, options).unwrap();
        model.model.params().into_iter().map(|(_, p)| p.value().to_vec()).collect::<Vec<_>>()
    };
    let alone = run(0, Some(&augment));
    assert_eq!(alone, run(1, Some(&augment)));
    assert_eq!(alone, run(3, Some(&augment)));
    assert_ne!(alone, run(0, None));
    assert_eq!(run(0, None), run(2, None));
}

/// All pixels become 7.
#[derive(Debug)]
struct Spoil;

impl<T: Float> Transform<T> for Spoil {
    fn apply(&self, image: &mut Image<'_, T>, _: &mut Rng) {
        image.pixels().fill(T::of(7.0));
    }
}

/// With a learning rate of 0, the losses of an epoch are those of the samples as they are seen.
#[test]
fn validation_is_left_alone() {
    let (data, augment) = (data(20), Augment::new(0).images([1, 6, 6]).add(Spoil));
    let model = Dense::new(2).inputs(36).init(4);
    let mut model = model.compile(Sgd::new(0.0), SparseCategoricalCrossentropy, &[]);
    let spoilt = model.evaluate(&augment.apply(&data, 0).unwrap()).unwrap().loss();
    let plain = model.evaluate(&data).unwrap().loss();
    assert!((spoilt - plain).abs() > 0.1, "{spoilt} {plain}");
    for fraction in [None, Some(0.5)] {
        let options = Fit::new().batch_size(20).augment(&augment);
        let history = match fraction {
            None => model.fit(&data, options.validation(&data)).unwrap(),
            Some(fraction) => model.fit(&data, options.validation_fraction(fraction)).unwrap(),
        };
        let row = history.last().unwrap();
        // Of the second half of the samples, too: the classes take turns.
        let rows: Vec<usize> =
            if fraction.is_some() { (10..20).collect() } else { (0..20).collect() };
        let held_out = model.evaluate(&data.subset(&rows).unwrap()).unwrap().loss();
        assert_eq!(row.get("val_loss"), Some(held_out));
        assert!((row.loss() - spoilt).abs() < 1e-5, "{row} {spoilt}");
    }
}

#[test]
fn mixed_samples_train() {
    let data = data(60);
    let rows = Tensor::from_fn(&[60, 2], |at| f32::from(u8::from(at[0] % 2 == at[1])));
    let soft = data.with_y(rows).unwrap();
    let augment = Augment::new(3).images([1, 6, 6]).add(MixUp::new(0.3));
    let model = Dense::new(2).inputs(36).init(4);
    let mut model = model.compile(Adam::new(1e-2), CategoricalCrossentropy, &[]);
    model.fit(&soft, Fit::new().epochs(20).augment(&augment).workers(1)).unwrap();
    let found = model.predict(data.x()).unwrap().argmax_rows();
    assert_eq!(found, data.classes().unwrap());
}

#[test]
fn what_does_not_fit_is_said_before_training() {
    let data = data(20);
    let fit = |augment: &Augment, loss_of_rows: bool| {
        let model = Dense::new(2).inputs(36).init(4);
        let options = Fit::new().augment(augment);
        let found = match loss_of_rows {
            true => model.compile(Sgd::new(0.1), CategoricalCrossentropy, &[]).fit(&data, options),
            false => {
                model.compile(Sgd::new(0.1), SparseCategoricalCrossentropy, &[]).fit(&data, options)
            }
        };
        found.err().map_or(String::new(), |error| error.to_string())
    };
    let not_images = fit(&Augment::new(0), false);
    assert!(not_images.contains("the features [20, 36] are not images"), "{not_images}");
    let labels = fit(&Augment::new(0).images([1, 6, 6]), true);
    assert!(labels.contains("labels train with SparseCategoricalCrossentropy"), "{labels}");
}

/// A model of smaller images trains on parts of larger ones; then validation data has to be of that size, too.
#[test]
fn parts_of_images() {
    let data = data(20);
    let pipeline = Augment::new(0).images([1, 6, 6]).add(RandomCrop::new([4, 4]));
    let middle = Augment::new(0).images([1, 6, 6]).add(CenterCrop::new([4, 4])).apply(&data, 0);
    let middle = middle.unwrap();
    let mut model =
        Dense::new(2).inputs(16).init(4).compile(Sgd::new(0.1), SparseCategoricalCrossentropy, &[]);
    model.fit(&data, Fit::new().augment(&pipeline).validation(&middle)).unwrap();
    let wrong = model.fit(&data, Fit::new().augment(&pipeline).validation(&data)).unwrap_err();
    let wrong = wrong.to_string();
    assert!(wrong.contains("[36]") && wrong.contains("[16]"), "{wrong}");
}

#[test]
fn a_loss_of_labels_refuses_mixed_ones() {
    let data = data(20);
    let augment = Augment::new(3).images([1, 6, 6]).add(MixUp::new(0.3));
    let mut model = Dense::new(2).inputs(36).init(4).compile(
        Sgd::new(0.1),
        SparseCategoricalCrossentropy,
        &[&Accuracy::new()],
    );
    let before = model.predict(data.x()).unwrap();
    let error = model.fit(&data, Fit::new().augment(&augment)).unwrap_err().to_string();
    assert!(error.starts_with("fit: the augmentation mixes targets, and the loss"), "{error}");
    assert!(error.contains("row 1 has the label 0.5"), "{error}");
    assert_eq!(model.predict(data.x()).unwrap(), before);

    // The same labels are probabilities to a loss of two classes.
    let model = Dense::new(1).inputs(36).init(4).activation(Activation::Sigmoid);
    let mut model = model.compile(Sgd::new(0.1), BinaryCrossentropy::new(), &[]);
    model.fit(&data, Fit::new().augment(&augment)).unwrap();
}
