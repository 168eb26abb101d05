//! Augmentation: what each transform does, and that the same seed gives the same images anywhere.

use gradus_autograd::{Rng, Tensor};
use gradus_data::Dataset;

mod batches;
mod errors;
mod transforms;

/// Random images with one-hot targets of three classes.
fn images(shape: &[usize; 4], seed: u64) -> Dataset<f64> {
    let x = Tensor::rand(shape, 0.0, 1.0, &mut Rng::new(seed));
    let y = Tensor::from_fn(&[shape[0], 3], |at| f64::from(u8::from(at[0] % 3 == at[1])));
    Dataset::new(x, y).unwrap()
}
