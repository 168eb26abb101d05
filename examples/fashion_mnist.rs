//! Ten kinds of clothes: batch norm and dropout on Fashion-MNIST.
//!
//! What one learns: reading IDX files, batches made ahead by a thread, and how far a plain network gets.
//!
//! | arguments | what happens |
//! | --- | --- |
//! | | trains on the 1,000 images in `data-sets` |
//! | `PATH` | trains on the full set in this folder: four IDX files, `.gz` or not. Debian's package `dataset-fashion-mnist` puts them into `/usr/share/datasets/fashion-mnist` |
//! | `--augment` | moves and mirrors the training images, each epoch anew |
//! | `--short` | trains for two epochs |
use std::error::Error;
use std::path::{Path, PathBuf};

use gradus::prelude::*;

const MINI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data-sets/fashion-mnist-mini");

fn main() -> Result<(), Box<dyn Error>> {
    let (mut folder, mut epochs, mut augmented) = (PathBuf::from(MINI), 10, false);
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "--short" => epochs = 2,
            "--augment" => augmented = true,
            flag if flag.starts_with('-') => {
                return Err("usage: fashion_mnist [PATH] [--augment] [--short]".into());
            }
            path => folder = path.into(),
        }
    }
    let (train, test) = (read(&folder, "train")?, read(&folder, "t10k")?);

    let mut model = Sequential::new();
    for units in [512, 256] {
        // Momentum in the sense of Keras: 0.99, its default, lags behind in so few steps.
        let norm = BatchNorm::new().momentum(0.9);
        model = model.add(Dense::new(units)).add(norm).add(Relu).add(Dropout::new(0.2));
    }
    let mut model = model.add(Dense::new(10)).build(&[784], 0)?.compile(
        Adam::new(1e-3),
        SparseCategoricalCrossentropy,
        &[&Accuracy::new()],
    );

    let augment = Augment::new(0)
        .images([1, 28, 28])
        .add(augment::RandomTranslation::new(0.05, 0.05))
        .add(augment::HorizontalFlip)
        .with_probability(0.5);
    let mut options = Fit::new().epochs(epochs).batch_size(128).workers(1).validation(&test);
    if augmented {
        options = options.augment(&augment);
    }
    let history = model.fit(&train, options)?;

    println!("{history}\n");
    let accuracy = model.evaluate(&test)?.get("accuracy").ok_or("no accuracy")?;
    println!(
        "test accuracy {accuracy:.4} on {} images, trained on {} for {epochs} epochs",
        test.len(),
        train.len()
    );
    Ok(())
}

/// Images and labels of one part, as rows of 784 numbers from 0 to 1.
fn read(folder: &Path, part: &str) -> Result<Dataset, DataError> {
    let open = |what: &str| {
        let file = folder.join(format!("{part}-{what}-ubyte"));
        let packed = file.with_extension("gz");
        Idx::new().read_path(if file.exists() { file } else { packed })
    };
    let (images, labels) = (open("images-idx3")?, open("labels-idx1")?);
    let x: Tensor = images.to_tensor();
    let n = x.shape().first().copied().unwrap_or(0);
    Dataset::new(x.reshape(&[n, 784]).map(|x| x / 255.0), labels.to_tensor())
}
