//! What a report says of a regression.

use gradus_autograd::{Float, Tensor};
use gradus_data::Dataset;

use crate::metrics::{MeanAbsoluteError, MeanSquaredError, R2};
use crate::{Chart, Metric};

use super::{Cell, DRAWN, features, figure, number, table, worst};

/// So many targets can be told apart in one chart.
const LOOKS: usize = 7;

#[track_caller]
pub(super) fn sections<T: Float>(
    predictions: &Tensor<T>,
    data: &Dataset<T>,
) -> Vec<(&'static str, String)> {
    let (n, y) = (data.len(), data.y());
    assert!(
        predictions.len() == y.len() && predictions.shape().first() == Some(&n),
        "report: predictions {:?} and targets {:?} do not fit each other",
        predictions.shape(),
        y.shape()
    );
    let of = |x: &Tensor<T>| -> Vec<f64> { x.to_vec().into_iter().map(T::to_f64).collect() };
    let (predicted, truth, width) = (of(predictions), of(y), (y.len() / n).max(1));

    let (low, high) = truth
        .iter()
        .chain(&predicted)
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    let mut against = Chart::new("Predicted and true").x("true").y("predicted");
    let mut residuals = Chart::new("Residuals").x("predicted").y("true − predicted");
    for target in 0..width.min(LOOKS) {
        let label = if width == 1 { String::new() } else { format!("target {target}") };
        let pairs = cloud(n).map(|row| row * width + target).map(|at| (truth[at], predicted[at]));
        let pairs: Vec<(f64, f64)> = pairs.collect();
        against = against.points(label.clone(), pairs.clone());
        residuals = residuals.points(label, pairs.iter().map(|&(t, p)| (p, t - p)));
    }
    against = against.line("exact", [(low, low), (high, high)]);
    residuals = residuals.line("", [(low, 0.0), (high, 0.0)]);

    let scores: [&mut dyn Metric<T>; 3] =
        [&mut MeanSquaredError::new(), &mut MeanAbsoluteError::new(), &mut R2::new()];
    let score = |metric: &mut dyn Metric<T>| {
        metric.update(predictions, y);
        format!("{} {}", metric.name().replace('_', " "), number(metric.result()))
    };
    let mut note = format!("<p>{}</p>\n", scores.map(score).join(", "));
    if n > DRAWN {
        note += &format!("<p>{} of {n} samples are drawn.</p>\n", cloud(n).count());
    }
    vec![
        ("Predictions", note + &figure(&against.svg()) + &figure(&residuals.svg())),
        ("Worst predictions", worst_table(&predicted, &truth, width, data)),
    ]
}

/// Rows that are spread evenly, no more than can be drawn.
fn cloud(n: usize) -> impl Iterator<Item = usize> {
    (0..n).step_by(n.div_ceil(DRAWN).max(1))
}

fn worst_table<T: Float>(
    predicted: &[f64],
    truth: &[f64],
    width: usize,
    data: &Dataset<T>,
) -> String {
    let (names, values) = features(data);
    let columns: &[&str] = match width {
        1 => &["sample", "true", "predicted", "true − predicted"],
        _ => &["sample", "target", "true", "predicted", "true − predicted"],
    };
    let columns: Vec<&str> =
        columns.iter().copied().chain(names.iter().map(String::as_str)).collect();
    let line = |at: usize| {
        let mut cells = vec![Cell::Text((at / width).to_string())];
        if width > 1 {
            cells.push(Cell::Text((at % width).to_string()));
        }
        cells.extend(
            [truth[at], predicted[at], truth[at] - predicted[at]].map(number).map(Cell::Text),
        );
        cells.extend(values(at / width));
        cells
    };
    let worst = worst(truth.len(), |at| (truth[at] - predicted[at]).abs());
    table(&columns, worst.into_iter().map(line).collect())
}
