//! Digits through a bottleneck: what 64 pixels become when 8 numbers have to stand for them.
//!
//! What one learns: a decoder of transposed convolutions, targets that are the inputs, and pictures of what came out.
//!
//! | arguments | what happens |
//! | --- | --- |
//! | | trains for 60 epochs; draws `target/autoencoder.png`: digits, and below them what is left |
//! | `--short` | trains for two epochs |
use std::error::Error;

use gradus::prelude::*;

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data-sets/digits.csv");
const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/autoencoder.png");
/// Numbers that a digit has to pass as.
const CODE: usize = 8;
/// Digits in the picture, and how large their pixels are.
const SHOWN: usize = 16;
const ZOOM: usize = 6;

fn main() -> Result<(), Box<dyn Error>> {
    let short = std::env::args().any(|arg| arg == "--short");
    let digits: Dataset = Csv::new().no_header().read_path(DIGITS)?;
    let n = digits.len();
    let x = digits.x().map(|x| x / 16.0).reshape(&[n, 1, 8, 8]);
    let [train, test] = Dataset::new(x.clone(), x)?.split([0.8, 0.2], Split::shuffled(0))?;

    let encoder = Sequential::new()
        .add(Conv2d::new(16, 3).padding(1).stride(2).activation(Relu))
        .add(Conv2d::new(32, 3).padding(1).stride(2).activation(Relu))
        .add(Flatten)
        .add(Dense::new(CODE));
    let decoder = Sequential::new()
        .add(Dense::new(32 * 2 * 2).activation(Relu))
        .add(Reshape::new(&[32, 2, 2]))
        .add(ConvTranspose2d::new(16, 2).stride(2).activation(Relu))
        .add(ConvTranspose2d::new(1, 2).stride(2).activation(Sigmoid));
    let model = Sequential::new().add(encoder).add(decoder).build(&[1, 8, 8], 0)?;
    let mut model = model.compile(Adam::new(2e-3), MeanSquaredError, &[]);
    let options = Fit::new().epochs(if short { 2 } else { 60 }).validation(&test);
    let history = model.fit(&train, options)?;

    let shown = test.x().slice(0, 0..SHOWN);
    let again = model.predict(&shown)?;
    let pixel = |at: &[usize]| {
        let (row, column) = (at[1] / ZOOM, at[2] / ZOOM);
        let (digit, place) = (column / 9, [0, row % 9, column % 9]);
        let of = if row < 9 { &shown } else { &again };
        match place {
            [_, 8, _] | [_, _, 8] => 0.5,
            [_, y, x] => of.at(&[digit, 0, y, x]),
        }
    };
    let picture = Tensor::from_fn(&[1, 18 * ZOOM, SHOWN * 9 * ZOOM], pixel);
    save_image(&picture, PICTURE)?;
    println!("picture written to {PICTURE}");

    let error = history.last().and_then(|row| row.get("val_loss")).ok_or("no loss")?;
    let mean = |x: &Tensor| x.to_vec().iter().map(|&x| f64::from(x)).sum::<f64>() / x.len() as f64;
    let centre = mean(test.x());
    let spread = mean(&test.x().map(|x| (x - centre as f32).powi(2)));
    println!(
        "{CODE} numbers keep {:.1} % of the variance of unseen digits (mean squared error {error:.4})",
        100.0 * (1.0 - error / spread)
    );
    Ok(())
}
