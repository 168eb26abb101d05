//! Samples and classes that count more than others.

use gradus_autograd::{Float, Tape, Tensor, Var};
use gradus_data::{Batch, Dataset};
use gradus_nn::losses::Loss;

use crate::TrainError;

/// A data set, and what each sample weighs.
pub(crate) struct Weighted<'a, T: Float> {
    pub data: &'a Dataset<T>,
    pub weights: Option<Vec<T>>,
}

impl<T: Float> Weighted<'_, T> {
    /// The weights of a batch.
    pub fn of(&self, batch: &Batch<T>) -> Option<Tensor<T>> {
        let weights = self.weights.as_ref()?;
        Some(Tensor::new(&[batch.len()], batch.rows().map(|row| weights[row]).collect()))
    }
}

/// The loss of a batch: with weights wᵢ, Σ wᵢ·lossᵢ / n, as Keras divides by the number of samples and not by the sum
/// of the weights. So a sample pulls equally, whoever shares its batch.
#[track_caller]
pub(crate) fn loss_of<'t, T: Float>(
    loss: &dyn Loss<T>,
    tape: &'t Tape<T>,
    y: Var<'t, T>,
    targets: &Tensor<T>,
    weights: Option<Tensor<T>>,
) -> Var<'t, T> {
    let targets = tape.constant(targets.clone());
    match weights {
        None => loss.of(y, targets),
        Some(weights) => match loss.each(y, targets) {
            Some(each) => (each * tape.constant(weights)).mean(),
            None => panic!("fit: the loss {} has none for each sample", loss.name()),
        },
    }
}

/// What each sample weighs: its own weight times that of its class.
pub(crate) fn weigh<T: Float>(
    data: &Dataset<T>,
    classes: Option<&[f64]>,
    samples: Option<&[f64]>,
) -> Result<Option<Vec<T>>, TrainError> {
    for (what, weights) in [("class", classes), ("sample", samples)] {
        let wrong = |w: &&f64| !(w.is_finite() && **w >= 0.0);
        if let Some(weight) = weights.and_then(|weights| weights.iter().find(wrong)) {
            let why = format!("a {what} weight of {weight} is negative or not finite");
            return Err(TrainError::Option(why));
        }
    }
    let n = data.len();
    if let Some(wrong) = samples.filter(|samples| samples.len() != n) {
        let why = format!("{} sample weights for {n} training samples", wrong.len());
        return Err(TrainError::Option(why));
    }
    let of_class = classes.map(|classes| {
        let labels = match data.y().shape() {
            [_, width] if *width > 1 => data.y().argmax_rows(),
            _ => data.classes()?,
        };
        let labels = labels.to_vec();
        let weight = |(sample, &label): (usize, &i64)| {
            let why = || {
                format!(
                    "sample {sample} is of class {label}, but there are {} class weights",
                    classes.len()
                )
            };
            classes.get(label as usize).copied().ok_or_else(|| TrainError::Option(why()))
        };
        labels.iter().enumerate().map(weight).collect::<Result<Vec<f64>, _>>()
    });
    let of_class = of_class.transpose()?;
    Ok(match (of_class, samples) {
        (None, None) => None,
        (Some(one), None) => Some(one.into_iter().map(T::of).collect()),
        (None, Some(one)) => Some(one.iter().copied().map(T::of).collect()),
        (Some(a), Some(b)) => Some(a.iter().zip(b).map(|(a, b)| T::of(a * b)).collect()),
    })
}
