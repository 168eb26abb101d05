//! Pipelines in batches: threads, epochs, order, panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use gradus_autograd::{Float, Rng, Tensor};
use gradus_data::augment::*;
use gradus_data::{Augment, Dataset};

use crate::images;

/// Every transform there is.
fn all() -> Augment<f64> {
    Augment::new(5)
        .add(RandomTranslation::new(0.1, 0.1))
        .add(RandomRotation::new(20.0))
        .with_probability(0.7)
        .add(RandomShear::new(0.2, 0.1))
        .add(RandomZoom::new(0.8, 1.2))
        .add(HorizontalFlip)
        .with_probability(0.5)
        .add(VerticalFlip)
        .with_probability(0.5)
        .add(RandomPerspective::new(0.3))
        .add(ElasticTransform::new(4.0, 2.0))
        .with_probability(0.5)
        .add(RandomCrop::new([9, 8]).margin(1))
        .add(RandomBrightness::new(0.2))
        .add(MixUp::new(0.4))
        .with_probability(0.5)
        .add(RandomContrast::new(0.3))
        .add(RandomResizedCrop::new([8, 8]))
        .add(CutMix::new(1.0))
        .with_probability(0.5)
        .add(GaussianNoise::new(0.1))
        .add(RandomErasing::new())
        .with_probability(0.3)
        .add(CenterCrop::new([6, 7]))
        .add(Resize::new([5, 5]))
}

fn bits(data: &Dataset<f64>, augment: &Augment<f64>, workers: usize) -> Vec<u64> {
    let batches = data.batches(7).unwrap().shuffled(3).augmented(augment).unwrap().workers(workers);
    let epochs = (0..2).flat_map(|epoch| batches.epoch(epoch));
    let numbers = epochs.flat_map(|batch| [batch.x.to_vec(), batch.y.to_vec()].concat());
    numbers.map(f64::to_bits).collect()
}

#[test]
fn any_number_of_threads_makes_the_same_images() {
    let (data, augment) = (images(&[31, 2, 10, 9], 1), all());
    let alone = bits(&data, &augment, 0);
    assert_eq!(alone.len(), 2 * 31 * (2 * 5 * 5 + 3));
    for workers in [1, 2, 4, 50] {
        assert!(bits(&data, &augment, workers) == alone, "{workers} workers");
    }
}

#[test]
fn workers_make_plain_batches_too() {
    let data = images(&[10, 1, 2, 2], 1);
    let batches = data.batches(3).unwrap();
    for batches in [batches, batches.shuffled(4).drop_last()] {
        let alone: Vec<_> = batches.epoch(1).map(|batch| (batch.x, batch.y)).collect();
        let ahead: Vec<_> = batches.workers(2).epoch(1).map(|b| (b.x, b.y)).collect();
        assert_eq!(alone, ahead);
    }
}

/// Without mixing, an image does not depend on the batch that it is in.
#[test]
fn a_sample_is_its_own() {
    let data = images(&[20, 1, 6, 6], 2);
    let augment = Augment::new(1).add(RandomRotation::new(40.0)).add(GaussianNoise::new(0.1));
    let [first, second] = [0, 1].map(|epoch| augment.apply(&data, epoch).unwrap());
    for size in [1, 6, 20] {
        let batches = data.batches(size).unwrap().shuffled(9).augmented(&augment).unwrap();
        for batch in batches.epoch(1) {
            for (i, row) in batch.rows().enumerate() {
                assert_eq!(batch.x.row(i), second.x().row(row));
            }
        }
    }
    assert_ne!(first.x(), second.x());
    let other = Augment::new(2).add(RandomRotation::new(40.0)).add(GaussianNoise::new(0.1));
    assert_ne!(other.apply(&data, 0).unwrap().x(), first.x());
}

/// Two transforms of a kind do not draw the same, and neighbours in seed, epoch or sample do not share draws.
#[test]
fn draws_differ() {
    let data: Dataset<f64> =
        Dataset::new(Tensor::zeros(&[50, 1, 1, 2]), Tensor::zeros(&[50])).unwrap();
    let mut seen = std::collections::HashSet::new();
    for seed in 0..4 {
        let augment = Augment::new(seed).add(RandomBrightness::new(1.0));
        for epoch in 0..4 {
            for value in augment.apply(&data, epoch).unwrap().x().to_vec().chunks(2) {
                assert_eq!(value[0], value[1]);
                assert!(seen.insert(value[0].to_bits()));
            }
        }
    }
    let twice = Augment::new(0).add(RandomBrightness::new(1.0)).add(RandomBrightness::new(1.0));
    let (once, twice) = (Augment::new(0).add(RandomBrightness::new(1.0)), twice);
    let (once, twice) = (once.apply(&data, 0).unwrap(), twice.apply(&data, 0).unwrap());
    let sums = once.x().to_vec().into_iter().zip(twice.x().to_vec());
    assert!(sums.into_iter().all(|(a, b)| b != 2.0 * a));
}

#[test]
fn probabilities() {
    let data: Dataset<f64> =
        Dataset::new(Tensor::ones(&[4000, 1, 1, 1]), Tensor::zeros(&[4000])).unwrap();
    for probability in [0.0, 0.3, 1.0] {
        let augment =
            Augment::new(8).add(RandomErasing::new().scale(1.0, 1.0)).with_probability(probability);
        let kept: f64 = augment.apply(&data, 0).unwrap().x().to_vec().iter().sum();
        // Four standard deviations of a count.
        let bound = 4.0 * (4000.0 * probability * (1.0 - probability)).sqrt();
        assert!((4000.0 * (1.0 - probability) - kept).abs() <= bound, "{probability}: {kept}");
    }
}

/// Panics at the sample whose first pixel is 7.
#[derive(Debug)]
struct Unlucky(#[allow(dead_code, reason = "counted by its owners")] Arc<()>);

impl<T: Float> Transform<T> for Unlucky {
    fn apply(&self, image: &mut Image<'_, T>, _: &mut Rng) {
        assert!(image.pixels()[0].to_f64() != 7.0, "no sevens");
    }
}

#[test]
fn a_panic_of_a_worker_is_that_of_the_loop() {
    let x = Tensor::<f64>::arange(12.0).reshape(&[12, 1, 1, 1]);
    let data = Dataset::new(x, Tensor::zeros(&[12])).unwrap();
    let augment = Augment::new(0).add(Unlucky(Arc::new(())));
    for workers in [1, 3] {
        let mut batches =
            data.batches(2).unwrap().augmented(&augment).unwrap().workers(workers).epoch(0);
        for _ in 0..3 {
            batches.next().unwrap();
        }
        let panic = catch_unwind(AssertUnwindSafe(|| batches.next())).unwrap_err();
        assert_eq!(
            panic.downcast_ref::<String>().unwrap(),
            "augment: a worker panicked: no sevens"
        );
        assert!(batches.next().is_none(), "the epoch is over");
    }
}

#[test]
fn dropped_early_it_ends_its_threads() {
    let data = Dataset::new(Tensor::<f64>::ones(&[100, 1, 4, 4]), Tensor::zeros(&[100])).unwrap();
    let owned = Arc::new(());
    let augment = Augment::new(0).add(Unlucky(Arc::clone(&owned)));
    for taken in [0, 1, 5, 100] {
        let batches = data.batches(1).unwrap().augmented(&augment).unwrap().workers(3);
        assert_eq!(batches.epoch(0).take(taken).count(), taken);
    }
    drop(augment);
    assert_eq!(Arc::strong_count(&owned), 1);
}
