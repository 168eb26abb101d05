//! The number of sunspots next year, from those of the years before.
//!
//! What one learns: windows over a series, causal convolutions, and to compare with what costs nothing: the last value,
//! and a straight line through the last nine.
//!
//! | arguments | what happens |
//! | --- | --- |
//! | | trains on the years 1700 to 1947, and forecasts each of 1948 to 2008 from those before it |
//! | `--short` | trains for a few epochs |
use std::error::Error;

use gradus::prelude::*;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data-sets/sunspots.csv");
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/sunspots.svg");
/// Years that a forecast looks back on.
const YEARS: usize = 24;
/// Models whose forecasts are averaged: one alone depends on its first weights.
const MODELS: u64 = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let short = std::env::args().any(|arg| arg == "--short");
    let table = Csv::new().read_table_path::<f64>(FILE)?.values;
    let [years, series] = [0, 1].map(|column| table.t().row(column).to_vec());
    let first = series.len() - series.len() / 5;

    // The root makes the spread of large numbers that of small ones.
    let scaled: Vec<f32> = series.iter().map(|n| n.sqrt() as f32 / 5.0 - 1.0).collect();
    let window = |end: usize| &scaled[end - YEARS..end];
    let windows = |ends: std::ops::Range<usize>| {
        let x: Vec<f32> = ends.clone().flat_map(|end| window(end).to_vec()).collect();
        Tensor::new(&[ends.len(), 1, YEARS], x)
    };
    // What is learned is the change from the last year.
    let change = |end: usize| scaled[end] - scaled[end - 1];
    let y: Vec<f32> = (YEARS..first).map(change).collect();
    let train = Dataset::new(windows(YEARS..first), Tensor::new(&[y.len(), 1], y))?;

    let mut forecasts = vec![0.0; series.len() - first];
    for seed in 0..MODELS {
        let model = Sequential::new()
            .add(Conv1d::new(16, 3).causal().activation(Relu))
            .add(Conv1d::new(16, 3).causal().dilation(3).activation(Relu))
            .add(Flatten)
            .add(Dropout::new(0.2))
            .add(Dense::new(1).kernel_regularizer(L2(1e-3)))
            .build(&[1, YEARS], seed)?;
        let mut model = model.compile(AdamW::new(2e-3).weight_decay(1e-2), MeanSquaredError, &[]);
        let epochs = if short { 10 } else { 60 };
        let options = Fit::new().epochs(epochs).batch_size(16).seed(seed).progress(false);
        model.fit(&train, options)?;
        let changes = model.predict(&windows(first..series.len()))?.to_vec();
        for (i, change) in changes.into_iter().enumerate() {
            let root = f64::from(scaled[first + i - 1] + change + 1.0) * 5.0;
            forecasts[i] += root.max(0.0).powi(2) / MODELS as f64;
        }
    }

    let rmse = |forecast: &dyn Fn(usize) -> f64| {
        let errors = (first..series.len()).map(|t| (forecast(t) - series[t]).powi(2));
        (errors.sum::<f64>() / (series.len() - first) as f64).sqrt()
    };
    let line = autoregression(&series[..first], 9);
    let (last, linear) = (rmse(&|t| series[t - 1]), rmse(&|t| line(&series[..t])));
    let own = rmse(&|t| forecasts[t - first]);
    let points = |y: &[f64]| std::iter::zip(years[first..].to_vec(), y.to_vec());
    Chart::new("Sunspots, forecast one year ahead")
        .x("year")
        .y("sunspots")
        .line("observed", points(&series[first..]))
        .line("forecast", points(&forecasts))
        .save(CHART)?;
    println!("chart written to {CHART}");
    println!(
        "root mean squared error of 1948 to 2008: {own:.1}; last value {last:.1}, straight line of nine years {linear:.1}"
    );
    Ok(())
}

/// The least-squares forecast from the last `n` values and a constant.
fn autoregression(series: &[f64], n: usize) -> impl Fn(&[f64]) -> f64 {
    let row = move |before: &[f64]| {
        let last = before[before.len() - n..].iter().rev().copied();
        last.chain([1.0]).collect::<Vec<f64>>()
    };
    let rows: Vec<Vec<f64>> = (n..series.len()).map(|t| row(&series[..t])).collect();
    let tape = Tape::<f64>::inference();
    let a = tape.constant(Tensor::new(&[rows.len(), n + 1], rows.concat()));
    let y = tape.constant(Tensor::from(series[n..].to_vec()));
    let weights = a.t().matmul(a).solve(a.t().matmul(y)).value().to_vec();
    move |before| std::iter::zip(row(before), &weights).map(|(x, w)| x * w).sum()
}
