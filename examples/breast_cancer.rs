//! The reference model on real data: is a tumour benign, from 30 measurements of its cells?
//!
//! What one learns: the whole way from a file to a tested model, in the words of Keras.
//!
//! | arguments | what happens |
//! | --- | --- |
//! | | trains once, with a progress bar |
//! | `--seeds 20` | trains on 20 fixed splits and prints the mean, to be compared with other frameworks |
//! | `--short` | trains for a few epochs |
use std::error::Error;

use gradus::prelude::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data-sets/breast_cancer.csv");
const SPLITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data-sets/breast_cancer_splits.csv");

fn main() -> Result<(), Box<dyn Error>> {
    let data: Dataset = Csv::new().skip_lines(1).no_header().read_path(DATA)?;
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => train_once(&data, 20),
        ["--short"] => train_once(&data, 5),
        ["--seeds", count] => compare(&data, count.parse()?),
        _ => Err("usage: breast_cancer [--seeds N | --short]".into()),
    }
}

/// Trains and tests on a split of its own; the history of training and the accuracy on the test part.
fn run(parts: [Dataset; 3], seed: u64, epochs: usize) -> Result<(History, f64), Box<dyn Error>> {
    let [mut train, mut val, mut test] = parts;
    let scaler = StandardScaler::fit(&train)?;
    for part in [&mut train, &mut val, &mut test] {
        scaler.apply(part)?;
    }

    let dense = |units| Dense::new(units).kernel_regularizer(L2(0.01)).bias_regularizer(L1(0.01));
    let mut model = Sequential::new()
        .add(dense(50).kernel_initializer(HeNormal))
        .add(BatchNorm::new())
        .add(Relu)
        .add(Dropout::new(0.5))
        .add(dense(1).kernel_initializer(GlorotNormal).activation(Sigmoid))
        .build(&[30], seed)?
        .compile(Adam::new(1e-2), BinaryCrossentropy::new(), &[&Accuracy::new()]);

    let drop = |epoch: usize, lr: f64| if [5, 10, 15].contains(&epoch) { lr * 0.1 } else { lr };
    let options = Fit::new()
        .epochs(epochs)
        .batch_size(128)
        .seed(seed)
        .validation(&val)
        .callback(LearningRateScheduler::new(drop))
        .callback(EarlyStopping::monitor("val_accuracy").patience(5));
    let history = model.fit(&train, options)?;
    let accuracy = model.evaluate(&test)?.get("accuracy").ok_or("no accuracy")?;
    Ok((history, accuracy))
}

fn train_once(data: &Dataset, epochs: usize) -> Result<(), Box<dyn Error>> {
    let parts = data.split([0.6, 0.2, 0.2], Split::stratified(0))?;
    let (history, accuracy) = run(parts, 0, epochs)?;
    println!("{history}\n");
    println!("test accuracy {accuracy:.3}");
    Ok(())
}

fn compare(data: &Dataset, count: usize) -> Result<(), Box<dyn Error>> {
    let splits = Csv::new().categories("part", ["val", "test"]).read_table_path::<f32>(SPLITS)?;
    let rows = splits.values.to_vec();
    let mut accuracies = Vec::new();
    for seed in 0..count {
        // All rows are for training that the file does not give to validation or test.
        let mut parts = [(0..data.len()).collect(), Vec::new(), Vec::new()];
        for row in rows.chunks_exact(3).filter(|row| row[0] as usize == seed) {
            parts[0].retain(|&other| other != row[2] as usize);
            parts[1 + row[1] as usize].push(row[2] as usize);
        }
        let [train, val, test] = &parts;
        let (history, accuracy) = run(data.split_at([train, val, test])?, seed as u64, 20)?;
        println!("seed {seed:2}  epochs {:2}  test accuracy {accuracy:.3}", history.epochs().len());
        accuracies.push(accuracy);
    }
    let mean = accuracies.iter().sum::<f64>() / count as f64;
    let variance = accuracies.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / count as f64;
    println!("\nKeras 3.15     0.965 ± 0.019 on the same 20 splits");
    println!("PyTorch 2.15   0.968 ± 0.018");
    println!("test accuracy  {mean:.3} ± {:.3} over {count} splits", variance.sqrt());
    Ok(())
}
