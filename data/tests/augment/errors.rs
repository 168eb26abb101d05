//! What a pipeline says to data and settings that do not fit.

use std::panic::catch_unwind;

use gradus_autograd::Tensor;
use gradus_data::augment::*;
use gradus_data::{Augment, Dataset};

use crate::images;

#[track_caller]
fn says(data: &Dataset<f64>, augment: &Augment<f64>, expected: &str) {
    let batches = data.batches(2).unwrap().augmented(augment);
    assert_eq!(batches.err().map(|error| error.to_string()).as_deref(), Some(expected));
    assert_eq!(augment.apply(data, 0).err().map(|e| e.to_string()).as_deref(), Some(expected));
}

#[test]
fn features_that_are_no_images() {
    let flat = Dataset::new(Tensor::ones(&[4, 784]), Tensor::zeros(&[4])).unwrap();
    says(
        &flat,
        &Augment::new(0),
        "augment: the features [4, 784] are not images [n, channels, height, width]; say `images([channels, height, \
         width])` if they stand in one row",
    );
    for shape in [[1, 28, 27], [0, 28, 28], [usize::MAX, 2, 2]] {
        says(
            &flat,
            &Augment::new(0).images(shape),
            &format!(
                "augment: the features [4, 784] are not images of shape {shape:?} in one row each, [n, \
                 channels·height·width]"
            ),
        );
    }
}

#[test]
fn sizes_that_do_not_fit() {
    let data = images(&[4, 1, 6, 8], 0);
    says(
        &data,
        &Augment::new(0).add(CenterCrop::new([7, 7])),
        "CenterCrop: a part of [7, 7] does not fit into images of [6, 8] (height, width)",
    );
    says(
        &data,
        &Augment::new(0).add(RandomCrop::new([9, 10]).margin(1)),
        "RandomCrop: a part of [9, 10] does not fit into images of [6, 8] (height, width)",
    );
    says(
        &data,
        &Augment::new(0).add(Resize::new([3, 3])).with_probability(0.5),
        "Resize { size: [3, 3] } makes [3, 3] of [6, 8] (height, width): with a probability below 1, the images of \
         a batch would differ in size",
    );
}

#[test]
fn labels_are_not_mixed() {
    let x = Tensor::ones(&[3, 1, 2, 2]);
    let labels = Dataset::new(x.clone(), Tensor::from([[0.0], [1.0], [2.0]])).unwrap();
    says(
        &labels,
        &Augment::new(0).add(MixUp::new(1.0)),
        "augment: the targets are class labels, and a mean of labels is no label: mix one-hot targets (`with_y`) and \
         train with `CategoricalCrossentropy`",
    );
    let two = Dataset::new(x, Tensor::from([[0.0], [1.0], [1.0]])).unwrap();
    assert!(Augment::new(0).add(MixUp::new(1.0)).apply(&two, 0).is_ok());
}

/// The text of a panic.
fn said<R>(f: fn() -> R) -> String {
    match catch_unwind(f) {
        Ok(_) => "nothing".to_owned(),
        Err(panic) => match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => {
                panic.downcast_ref::<&str>().map_or(String::new(), |&text| text.to_owned())
            }
        },
    }
}

#[test]
fn settings_that_make_no_sense() {
    assert_eq!(
        said(|| Augment::<f64>::new(0).with_probability(0.5)),
        "with_probability: add a transform first; it is for the last one"
    );
    assert_eq!(
        said(|| Augment::<f64>::new(0).add(HorizontalFlip).with_probability(1.5)),
        "with_probability: 1.5 is not within 0 to 1"
    );
    assert_eq!(
        said(|| RandomRotation::new(f64::NAN)),
        "RandomRotation: degrees NaN is negative or not finite"
    );
    assert_eq!(
        said(|| RandomZoom::new(0.0, 1.0)),
        "RandomZoom: 0 to 1 is no range of numbers above 0"
    );
    assert_eq!(said(|| MixUp::new(0.0)), "MixUp: alpha 0 is not above 0, or not finite");
    assert_eq!(said(|| CenterCrop::new([0, 2])), "CenterCrop: a size of [0, 2] leaves no pixels");
}
