//! What is learnt from the training part and applied to all: scaling, encoding.

mod affine;
mod encode;
mod impute;
mod min_max;
mod robust;
mod standard;

use gradus_autograd::{Float, Tensor};

pub use encode::{OneHotEncoder, OrdinalEncoder, Unknown};
pub use impute::SimpleImputer;
pub use min_max::MinMaxScaler;
pub use robust::RobustScaler;
pub use standard::StandardScaler;

use crate::{DataError, Dataset};

/// What was learnt from a training part, by the type's `fit`, and is applied to it and to all other
/// parts. So nothing of a test part gets into the training.
///
/// | | |
/// | --- | --- |
/// | [`StandardScaler`] | mean 0, standard deviation 1 |
/// | [`MinMaxScaler`] | from 0 to 1, or any range |
/// | [`RobustScaler`] | median 0, interquartile range 1: outliers change nothing |
/// | [`OneHotEncoder`] | a column of categories as one column of 0 and 1 for each |
/// | [`OrdinalEncoder`] | a column of categories as 0, 1, 2 … |
/// | [`SimpleImputer`] | gaps filled with the mean, the median or the most frequent number |
/// | `(A, B)` | first `A`, then `B`, which was fitted on what `A` gives |
///
/// ```
/// # use gradus_autograd::Tensor;
/// use gradus_data::{Dataset, MinMaxScaler, Preprocess};
/// # fn main() -> Result<(), gradus_data::DataError> {
/// # let y = Tensor::from([[0.], [1.]]);
/// let mut train: Dataset = Dataset::new(Tensor::from([[1.], [3.]]), y.clone())?;
/// let mut test: Dataset = Dataset::new(Tensor::from([[2.], [4.]]), y)?;
/// let scaler = MinMaxScaler::fit(&train)?;
/// for part in [&mut train, &mut test] {
///     scaler.apply(part)?;
/// }
/// assert_eq!((train.x().to_vec(), test.x().to_vec()), (vec![0., 1.], vec![0.5, 1.5]));
/// # Ok(())
/// # }
/// ```
pub trait Preprocess<T: Float = f32> {
    /// Features `[n, …]` as the model is to see them. What is NaN or infinite stays so.
    ///
    /// # Errors
    /// When the samples have another shape than those of the fit, when a finite number would become
    /// infinite, and when a category is not known.
    fn transform(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError>;

    /// Features that were transformed, `[n, …]`, as they were before.
    ///
    /// # Errors
    /// Those of [`Preprocess::transform`].
    fn inverse(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError>;

    /// The names of the features after [`Preprocess::transform`], from those before.
    fn feature_names(&self, names: &[String]) -> Vec<String> {
        names.to_vec()
    }

    /// Transforms the features of a data set. On an error the data set stays as it was.
    ///
    /// # Errors
    /// Those of [`Preprocess::transform`].
    fn apply(&self, data: &mut Dataset<T>) -> Result<(), DataError> {
        let names = self.feature_names(data.feature_names());
        data.set_x(self.transform(data.x())?, names)
    }
}

impl<T: Float, P: Preprocess<T> + ?Sized> Preprocess<T> for Box<P> {
    fn transform(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError> {
        (**self).transform(x)
    }

    fn inverse(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError> {
        (**self).inverse(x)
    }

    fn feature_names(&self, names: &[String]) -> Vec<String> {
        (**self).feature_names(names)
    }
}

impl<T: Float, A: Preprocess<T>, B: Preprocess<T>> Preprocess<T> for (A, B) {
    fn transform(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError> {
        self.1.transform(&self.0.transform(x)?)
    }

    fn inverse(&self, x: &Tensor<T>) -> Result<Tensor<T>, DataError> {
        self.0.inverse(&self.1.inverse(x)?)
    }

    fn feature_names(&self, names: &[String]) -> Vec<String> {
        self.1.feature_names(&self.0.feature_names(names))
    }
}
