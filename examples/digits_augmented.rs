//! Handwritten digits of 8 × 8 pixels: what is gained by moving and turning them.
//!
//! What one learns: a pipeline of transforms in `fit`, and a comparison that can be trusted: the same folds, the same
//! seeds, the mean and the spread.
//!
//! | arguments | what happens |
//! | --- | --- |
//! | | 5 folds of 3 shuffles, with and without augmentation |
//! | `--short` | one fold, few epochs |
use std::error::Error;

use gradus::prelude::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data-sets/digits.csv");
const FOLDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data-sets/digits_folds.csv");

fn main() -> Result<(), Box<dyn Error>> {
    let short = match std::env::args().skip(1).collect::<Vec<_>>().join(" ").as_str() {
        "" => false,
        "--short" => true,
        _ => return Err("usage: digits_augmented [--short]".into()),
    };
    let (shuffles, folds, epochs) = if short { (1, 1, 5) } else { (3, 5, 100) };
    let data: Dataset = Csv::new().no_header().read_path(DATA)?;
    let data = data.with_x(data.x().map(|x| x / 16.0))?;
    let fold_of = Csv::new().read_table_path::<f32>(FOLDS)?.values;

    let augment = Augment::new(0)
        .images([1, 8, 8])
        .add(augment::RandomTranslation::new(0.08, 0.08))
        .add(augment::RandomRotation::new(10.0))
        .add(augment::RandomZoom::new(0.9, 1.1));
    let mut accuracies = [Vec::new(), Vec::new()];
    println!("shuffle  fold    plain  augmented");
    for shuffle in 0..shuffles {
        for fold in 0..folds {
            let tests = |row: &usize| fold_of.at(&[*row, shuffle]) == fold as f32;
            let (test, train): (Vec<usize>, Vec<usize>) = (0..data.len()).partition(tests);
            let (train, test) = (data.subset(&train)?, data.subset(&test)?);
            let seed = (shuffle * folds + fold) as u64;
            let found =
                [None, Some(&augment)].map(|augment| run(&train, &test, seed, epochs, augment));
            let [plain, augmented] = found;
            let pair = [plain?, augmented?];
            println!("{shuffle:7}  {fold:4}    {:.3}      {:.3}", pair[0], pair[1]);
            accuracies.iter_mut().zip(pair).for_each(|(all, one)| all.push(one));
        }
    }
    let [plain, augmented] = accuracies.map(|all| {
        let n = all.len() as f64;
        let mean = all.iter().sum::<f64>() / n;
        (mean, (all.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / n).sqrt())
    });
    println!(
        "\ntest accuracy {:.3} ± {:.3} without augmentation, {:.3} ± {:.3} with it, {} runs of {epochs} epochs each",
        plain.0,
        plain.1,
        augmented.0,
        augmented.1,
        shuffles * folds
    );
    Ok(())
}

/// The test accuracy of a model that was trained with or without augmentation.
fn run(
    train: &Dataset,
    test: &Dataset,
    seed: u64,
    epochs: usize,
    augment: Option<&Augment>,
) -> Result<f64, Box<dyn Error>> {
    let mut model = Sequential::new()
        .add(Dense::new(128).activation(Relu))
        .add(Dense::new(128).activation(Relu))
        .add(Dense::new(10))
        .build(&[64], seed)?
        .compile(Adam::new(1e-3), SparseCategoricalCrossentropy, &[&Accuracy::new()]);
    let mut options =
        Fit::new().epochs(epochs).batch_size(32).seed(seed).workers(1).progress(false);
    if let Some(augment) = augment {
        options = options.augment(augment);
    }
    model.fit(train, options)?;
    Ok(model.evaluate(test)?.get("accuracy").ok_or("no accuracy")?)
}
