//! Ten kinds of clothes by convolutions: two of them, pooled, and a dense layer.
//!
//! What one learns: images as tensors, convolutions in a `Sequential`, and how little it takes to beat a plain network.
//!
//! | arguments | what happens |
//! | --- | --- |
//! | | trains on the 1,000 images in `data-sets` |
//! | `PATH` | trains on the full set in this folder, as `fashion_mnist` does |
//! | `--short` | trains for one epoch |
use std::error::Error;
use std::path::{Path, PathBuf};

use gradus::prelude::*;

const MINI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data-sets/fashion-mnist-mini");

fn main() -> Result<(), Box<dyn Error>> {
    let (mut folder, mut epochs) = (PathBuf::from(MINI), 5);
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "--short" => epochs = 1,
            path => folder = path.into(),
        }
    }
    let (train, test) = (images(&folder, "train")?, images(&folder, "t10k")?);

    let conv = |filters| Conv2d::new(filters, 3).padding(1).activation(Relu);
    let model = Sequential::new()
        .add(conv(16))
        .add(MaxPool2d::new(2))
        .add(conv(32))
        .add(MaxPool2d::new(2))
        .add(Flatten)
        .add(Dense::new(128).activation(Relu))
        .add(Dense::new(10))
        .build(&[1, 28, 28], 0)?;
    println!("{}\n", summary(&model));
    let mut model =
        model.compile(Adam::new(1e-3), SparseCategoricalCrossentropy, &[&Accuracy::new()]);
    let options = Fit::new().epochs(epochs).batch_size(64).workers(1).validation(&test);
    println!("{}\n", model.fit(&train, options)?);

    let accuracy = model.evaluate(&test)?.get("accuracy").ok_or("no accuracy")?;
    println!(
        "test accuracy {accuracy:.4} on {} images, trained on {} for {epochs} epochs",
        test.len(),
        train.len()
    );
    Ok(())
}

/// Images `[n, 1, 28, 28]` from 0 to 1, and their labels.
fn images(folder: &Path, part: &str) -> Result<Dataset, DataError> {
    let open = |what: &str| {
        let plain = folder.join(format!("{part}-{what}-ubyte"));
        Idx::new().read_path(if plain.exists() { plain } else { plain.with_extension("gz") })
    };
    let x: Tensor = open("images-idx3")?.to_tensor();
    let n = x.len() / (28 * 28);
    let x = x.reshape(&[n, 1, 28, 28]).map(|x| x / 255.0);
    Dataset::new(x, open("labels-idx1")?.to_tensor())
}
