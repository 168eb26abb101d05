//! What a run must have in common with one that it goes on with, under the names that a message has for it.

use gradus_autograd::{Float, Tensor};
use gradus_data::Dataset;
use gradus_nn::Layer;
use gradus_optim::StateDict;

use crate::Trainer;
use crate::weighting::Weighted;

impl<T: Float, M: Layer<T>> Trainer<M, T> {
    /// Data, loss, weights and learning rate.
    pub(crate) fn marks(
        &self,
        train: &Weighted<'_, T>,
        validation: Option<&Weighted<'_, T>>,
    ) -> StateDict {
        let mut marks = StateDict::new();
        marks.insert("the loss", self.loss.name());
        marks.insert("the learning rate at the start", self.optimizer.lr());
        let of = |data: &Dataset<T>| digest([data.x(), data.y()]);
        marks.insert("the training data", of(train.data));
        marks.insert("the validation data", validation.map_or(0, |data| of(data.data)));
        let weights = train.weights.as_ref().map(|w| Tensor::new(&[w.len()], w.clone()));
        marks.insert("the weights of samples", digest(&weights));
        let params = self.model.params();
        marks.insert("the model at the start", digest(params.iter().map(|(_, p)| p.value())));
        marks
    }
}

/// A number that stands for the shapes and bits of tensors (FNV-1a, by words).
fn digest<'a, T: Float>(tensors: impl IntoIterator<Item = &'a Tensor<T>>) -> u64 {
    let mix =
        |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
    let of = |hash: u64, tensor: &Tensor<T>| {
        let hash = tensor.shape().iter().fold(hash, |hash, &n| mix(hash, n as u64));
        let tensor = tensor.contiguous();
        let numbers = tensor.as_slice().unwrap_or(&[]).iter();
        numbers.fold(hash, |hash, x| mix(hash, x.to_f64().to_bits()))
    };
    tensors.into_iter().fold(0xcbf2_9ce4_8422_2325, of)
}
