//! What a threshold trades: the curves of a score, and the areas under them. Exact, by sorting all scores.

use gradus_autograd::{Float, Tensor};

use super::{Classified, Direction, Metric, numbers};

/// A point of [`roc_curve`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RocPoint {
    /// A score from here on is taken for class 1; infinite in the first point.
    pub threshold: f64,
    /// The part of class 0 that is taken for class 1.
    pub false_positive_rate: f64,
    /// The part of class 1 that is.
    pub true_positive_rate: f64,
}

/// A point of [`precision_recall_curve`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrPoint {
    /// A score from here on is taken for class 1; infinite in the first point.
    pub threshold: f64,
    /// Of those taken for class 1, the part that is of it; 1 where there is none.
    pub precision: f64,
    /// Of those of class 1, the part that is taken for it.
    pub recall: f64,
}

/// The receiver operating characteristic of `scores` (probabilities or logits of class 1) for `targets` (0 or 1): from
/// the strictest threshold on, a point for each score there is; equal ones are one point. NaN where a class is missing
/// or a score is NaN.
///
/// ```
/// use gradus_autograd::Tensor;
/// let scores: Tensor = Tensor::from([0.1, 0.4, 0.35, 0.8]);
/// let curve = gradus_train::roc_curve(&scores, &Tensor::from([0.0, 0.0, 1.0, 1.0]));
/// assert_eq!((curve[2].false_positive_rate, curve[2].true_positive_rate), (0.5, 0.5));
/// ```
///
/// # Panics
/// When there is not one target a score.
#[track_caller]
pub fn roc_curve<T: Float>(scores: &Tensor<T>, targets: &Tensor<T>) -> Vec<RocPoint> {
    let counts = Counts::of(pairs("roc_curve", scores, targets));
    let whole = counts.whole();
    let point = |&(threshold, [negative, positive]): &(f64, [u64; 2])| RocPoint {
        threshold,
        false_positive_rate: negative as f64 / whole[0],
        true_positive_rate: positive as f64 / whole[1],
    };
    counts.0.iter().map(point).collect()
}

/// Precision over recall of `scores` (probabilities or logits of class 1) for `targets` (0 or 1), as [`roc_curve`]
/// from the strictest threshold on.
///
/// # Panics
/// When there is not one target a score.
#[track_caller]
pub fn precision_recall_curve<T: Float>(scores: &Tensor<T>, targets: &Tensor<T>) -> Vec<PrPoint> {
    Counts::of(pairs("precision_recall_curve", scores, targets)).precision_recall()
}

#[track_caller]
fn pairs<T: Float>(what: &str, scores: &Tensor<T>, targets: &Tensor<T>) -> Vec<(f64, bool)> {
    assert!(
        scores.len() == targets.len(),
        "{what}: scores {:?} and targets {:?} do not fit each other",
        scores.shape(),
        targets.shape()
    );
    let labels = numbers(targets).into_iter().map(|t| t > 0.5);
    numbers(scores).into_iter().zip(labels).collect()
}

/// How many of class 0 and 1 have a score of at least a threshold, from the strictest one on.
struct Counts(Vec<(f64, [u64; 2])>);

impl Counts {
    fn of(mut pairs: Vec<(f64, bool)>) -> Self {
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let any_nan = pairs.iter().any(|pair| pair.0.is_nan());
        let (mut counts, mut so_far) = (vec![(f64::INFINITY, [0, 0])], [0, 0]);
        for (at, &(score, label)) in pairs.iter().enumerate() {
            so_far[usize::from(label)] += 1;
            // Scores that are equal are taken together: no threshold parts them.
            if pairs.get(at + 1).is_none_or(|next| next.0 != score) {
                counts.push((if any_nan { f64::NAN } else { score }, so_far));
            }
        }
        Counts(counts)
    }

    /// How many there are of each class; NaN for both where one is missing or a score is NaN.
    fn whole(&self) -> [f64; 2] {
        match self.0.last() {
            Some(&(last, [negative, positive])) if !last.is_nan() && negative * positive > 0 => {
                [negative as f64, positive as f64]
            }
            _ => [f64::NAN; 2],
        }
    }

    fn precision_recall(&self) -> Vec<PrPoint> {
        let [_, positives] = self.whole();
        let point = |&(threshold, [negative, positive]): &(f64, [u64; 2])| PrPoint {
            threshold,
            precision: match negative + positive {
                0 => 1.0,
                taken => positive as f64 / taken as f64,
            },
            recall: positive as f64 / positives,
        };
        self.0.iter().map(point).collect()
    }

    /// The area under the receiver operating characteristic, by trapezoids: exact.
    fn roc_auc(&self) -> f64 {
        let [negatives, positives] = self.whole();
        let trapezoid = |pair: &[(f64, [u64; 2])]| {
            let ([n0, p0], [n1, p1]) = (pair[0].1, pair[1].1);
            (n1 - n0) as f64 * (p1 + p0) as f64 / 2.0
        };
        self.0.windows(2).map(trapezoid).sum::<f64>() / (negatives * positives)
    }

    /// Σ (Rₙ − Rₙ₋₁)·Pₙ
    fn average_precision(&self) -> f64 {
        let points = self.precision_recall();
        points.windows(2).map(|pair| (pair[1].recall - pair[0].recall) * pair[1].precision).sum()
    }
}

/// The scores that were seen: all are kept until the end.
#[derive(Clone, Debug, Default)]
struct Seen {
    width: usize,
    outputs: Vec<f64>,
    labels: Vec<usize>,
}

impl Seen {
    #[track_caller]
    fn add(&mut self, metric: &str, batch: Classified) {
        if self.labels.is_empty() {
            self.width = batch.width;
        }
        let (width, before) = (batch.width, self.width);
        assert!(
            width == before,
            "{metric}: a batch of {width} outputs a sample after one of {before}"
        );
        self.outputs.extend(batch.outputs);
        self.labels.extend(batch.labels);
    }

    /// The area of class 1; of several classes, the mean of each against the rest.
    fn mean(&self, area: fn(&Counts) -> f64) -> f64 {
        let of = |output: usize, class: usize| {
            let scores = self.outputs.chunks_exact(self.width).map(|row| row[output]);
            let labels = self.labels.iter().map(|&label| label == class);
            area(&Counts::of(scores.zip(labels).collect()))
        };
        match self.width {
            0 => f64::NAN,
            1 => of(0, 1),
            2 => of(1, 1),
            width => (0..width).map(|class| of(class, class)).sum::<f64>() / width as f64,
        }
    }

    fn state(&self) -> Vec<f64> {
        let head = [self.width as f64, self.labels.len() as f64];
        let labels = self.labels.iter().map(|&label| label as f64);
        head.into_iter().chain(labels).chain(self.outputs.iter().copied()).collect()
    }

    fn set_state(&mut self, state: &[f64]) -> bool {
        let [width, count, rest @ ..] = state else { return false };
        let (width, count) = (*width as usize, *count as usize);
        if count.checked_mul(width).and_then(|n| n.checked_add(count)) != Some(rest.len()) {
            return false;
        }
        let (labels, outputs) = rest.split_at(count);
        let labels = labels.iter().map(|&label| label as usize).collect();
        *self = Seen { width, labels, outputs: outputs.to_vec() };
        true
    }
}

/// A metric that is an area.
macro_rules! areas {
    ($($(#[$doc:meta])* $name:ident $text:literal $area:path;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        pub struct $name {
            seen: Seen,
        }

        impl $name {
            /// Of scores in any monotone scale: probabilities or logits. Of several classes, outputs must compare
            /// across samples: probabilities.
            pub fn new() -> Self {
                Self::default()
            }
        }

        impl<T: Float> Metric<T> for $name {
            fn name(&self) -> &'static str {
                $text
            }
            fn direction(&self) -> Direction {
                Direction::Max
            }
            #[track_caller]
            fn update(&mut self, predictions: &Tensor<T>, targets: &Tensor<T>) {
                self.seen.add($text, Classified::of($text, predictions, targets));
            }
            fn result(&self) -> f64 {
                self.seen.mean($area)
            }
            fn fresh(&self) -> Box<dyn Metric<T>> {
                Box::new(Self::default())
            }
            fn state(&self) -> Option<Vec<f64>> {
                Some(self.seen.state())
            }
            fn set_state(&mut self, state: &[f64]) -> bool {
                self.seen.set_state(state)
            }
        }
    )*};
}

areas! {
    /// The area under the receiver operating characteristic, exact, by trapezoids, as scikit-learn's
    /// `roc_auc_score`; Keras' `AUC` approximates it. Of several classes, the mean of each against the rest. NaN where
    /// a class is missing. Keeps all scores.
    RocAuc "auc" Counts::roc_auc;
    /// The area under precision over recall as the average precision Σ (Rₙ − Rₙ₋₁)·Pₙ, as scikit-learn's
    /// `average_precision_score`: trapezoids would be too optimistic. Otherwise as [`RocAuc`].
    PrAuc "pr_auc" Counts::average_precision;
}
