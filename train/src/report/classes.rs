//! What a report says of a classifier.

use std::fmt::Write;

use gradus_autograd::{Float, Tensor};
use gradus_data::Dataset;

use crate::chart::escape;
use crate::metrics::Classified;
use crate::{Chart, ClassificationReport, ConfusionMatrix, Metric, RocAuc, roc_curve};

use super::{Cell, features, figure, number, pre, table, worst};

/// With more classes, a table of the most frequent confusions stands in for the matrix.
const MATRIX: usize = 30;
const CONFUSIONS: usize = 20;
/// So many curves can be told apart in one chart.
const CURVES: usize = 10;
/// Points of a curve that are closer are one; both axes are from 0 to 1.
const CLOSE: f64 = 2e-3;
/// How far probabilities may be from summing to 1.
const SUM: f64 = 1e-3;

#[track_caller]
pub(super) fn sections<T: Float>(
    predictions: &Tensor<T>,
    data: &Dataset<T>,
) -> Vec<(&'static str, String)> {
    let mut read = Classified::of("report", predictions, data.y());
    let logits = to_probabilities(&mut read);
    let width = read.width;
    let probabilities = Tensor::new(&[read.labels.len(), width], read.outputs.clone());
    let labels = Tensor::new(&[read.labels.len()], as_numbers(&read.labels, |label| label as f64));
    let report = ClassificationReport::of(&probabilities, &labels).named(data.class_names());
    let matrix = &report.matrix;

    let mut note = String::new();
    if logits {
        note = "<p>Outputs that are no probabilities were taken for logits.</p>\n".into();
    }
    vec![
        ("Confusion matrix", note + &confusion(matrix)),
        ("Classes", pre(&report.to_string())),
        ("Receiver operating characteristic", figure(&roc(&read, matrix).svg())),
        ("Worst predictions", worst_table(&read, matrix, data)),
    ]
}

fn as_numbers(labels: &[usize], f: impl Fn(usize) -> f64) -> Vec<f64> {
    labels.iter().map(|&label| f(label)).collect()
}

/// Makes probabilities of logits; whether they were.
fn to_probabilities(read: &mut Classified) -> bool {
    let unit = |p: &f64| p.is_nan() || (-SUM..=1.0 + SUM).contains(p);
    let sums = |row: &[f64]| read.width == 1 || (row.iter().sum::<f64>() - 1.0).abs() <= SUM;
    let known = |row: &[f64]| row.iter().any(|p| p.is_nan()) || sums(row);
    if read.outputs.iter().all(unit) && read.outputs.chunks_exact(read.width).all(known) {
        return false;
    }
    for row in read.outputs.chunks_exact_mut(read.width) {
        if let [logit] = row {
            *logit = 1.0 / (1.0 + (-*logit).exp());
            continue;
        }
        let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        row.iter_mut().for_each(|logit| *logit = (*logit - most).exp());
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|p| *p /= sum);
    }
    true
}

/// The probability of a class, in a row of outputs.
fn probability(row: &[f64], class: usize) -> f64 {
    match (row, class) {
        ([p], 0) => 1.0 - p,
        ([p], _) => *p,
        (row, class) => row[class],
    }
}

/// The matrix, each cell shaded by its part of the row.
fn confusion(matrix: &ConfusionMatrix) -> String {
    let classes = matrix.classes();
    let total = format!(
        "<p>{} of {} are right ({:.2} %). Rows are the true classes, columns the predicted ones.</p>\n",
        matrix.right(),
        matrix.total(),
        100.0 * matrix.accuracy()
    );
    if classes > MATRIX {
        return total + &confusions(matrix);
    }
    let mut html = total + "<div class=\"wide\"><table class=\"matrix\">\n<tr><th></th>";
    for class in 0..classes {
        let _ = write!(html, "<th scope=\"col\">{}</th>", escape(&matrix.name(class)));
    }
    html += "<th scope=\"col\">recall</th></tr>\n";
    for label in 0..classes {
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", escape(&matrix.name(label)));
        for predicted in 0..classes {
            let count = matrix.count(label, predicted);
            let part = count as f64 / matrix.support(label).max(1) as f64;
            let of = if label == predicted { "right" } else { "wrong" };
            let _ = write!(html, "<td class=\"{of}\" style=\"--part:{part:.3}\">{count}</td>");
        }
        let _ = writeln!(html, "<td>{:.3}</td></tr>", matrix.recall(label));
    }
    html + "</table></div>\n"
}

/// The most frequent confusions, where there are too many classes for a matrix.
fn confusions(matrix: &ConfusionMatrix) -> String {
    let classes = 0..matrix.classes();
    let mut pairs: Vec<(u64, usize, usize)> = classes
        .clone()
        .flat_map(|label| classes.clone().map(move |predicted| (label, predicted)))
        .filter(|(label, predicted)| label != predicted)
        .map(|(label, predicted)| (matrix.count(label, predicted), label, predicted))
        .filter(|(count, ..)| *count > 0)
        .collect();
    pairs.sort_by_key(|&(count, label, predicted)| (u64::MAX - count, label, predicted));
    pairs.truncate(CONFUSIONS);
    let row = |&(count, label, predicted): &(u64, usize, usize)| {
        vec![matrix.name(label), matrix.name(predicted), count.to_string()]
    };
    table(&["true class", "predicted", "samples"], pairs.iter().map(row).collect())
}

/// A curve for two classes; else one for each of the first, against the rest.
fn roc(read: &Classified, matrix: &ConfusionMatrix) -> Chart {
    let mut chart = Chart::new("").x("false positive rate").y("true positive rate");
    let positive: Vec<usize> = match matrix.classes() {
        2 => vec![1],
        classes => (0..classes.min(CURVES)).collect(),
    };
    for class in positive {
        let rows = read.outputs.chunks_exact(read.width);
        let scores: Vec<f64> = rows.map(|row| probability(row, class)).collect();
        let targets = as_numbers(&read.labels, |label| f64::from(u8::from(label == class)));
        let n = scores.len();
        let (scores, targets) = (Tensor::new(&[n], scores), Tensor::new(&[n], targets));
        let mut area = RocAuc::new();
        Metric::<f64>::update(&mut area, &scores, &targets);
        let area = Metric::<f64>::result(&area);
        let name = matrix.name(class);
        let label = match area.is_nan() {
            true => format!("{name}: in none or all of the samples"),
            false => format!("{name}: area {area:.4}"),
        };
        let points = roc_curve(&scores, &targets);
        let points = points.iter().map(|p| (p.false_positive_rate, p.true_positive_rate));
        chart = chart.line(label, thinned(points));
    }
    chart.line("chance", [(0.0, 0.0), (1.0, 1.0)])
}

/// Points without those that lie on the one before; the last one stays.
fn thinned(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let mut left_out = None;
    for point in points {
        let far = |&(x, y): &(f64, f64)| (point.0 - x).abs().max((point.1 - y).abs()) >= CLOSE;
        left_out = None;
        if kept.last().is_none_or(far) {
            kept.push(point);
        } else {
            left_out = Some(point);
        }
    }
    kept.extend(left_out);
    kept
}

fn worst_table<T: Float>(read: &Classified, matrix: &ConfusionMatrix, data: &Dataset<T>) -> String {
    let rows: Vec<&[f64]> = read.outputs.chunks_exact(read.width).collect();
    let truth = |row: usize| probability(rows[row], read.labels[row]);
    let predicted: Vec<usize> = read.pairs(0.5).map(|(predicted, _)| predicted).collect();
    let (names, values) = features(data);
    let columns = ["sample", "true class", "predicted", "p(true)", "p(predicted)"];
    let columns: Vec<&str> = columns.into_iter().chain(names.iter().map(String::as_str)).collect();
    let line = |row: usize| {
        let guess = predicted[row];
        let cells = [
            row.to_string(),
            matrix.name(read.labels[row]),
            matrix.name(guess),
            number(truth(row)),
            number(probability(rows[row], guess)),
        ];
        cells.map(Cell::Text).into_iter().chain(values(row)).collect()
    };
    let worst = worst(rows.len(), |row| 1.0 - truth(row));
    let text = "<p>The samples whose true class was given the least probability.</p>\n";
    text.to_owned() + &table(&columns, worst.into_iter().map(line).collect())
}
