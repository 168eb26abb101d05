//! The values of a model at one moment, in memory and, with the feature `weights`, as a safetensors file.

use gradus_autograd::{Float, Module, Path, Tensor};
use gradus_optim::{StateDict, StateError};

/// The values of all parameters and statistics of a model at one moment, by path. Cheap: buffers are shared
/// until one side writes.
///
/// ```
/// use gradus_autograd::{Param, Tensor};
/// use gradus_train::Weights;
/// let mut model = vec![Param::<f32>::new(Tensor::from([1.0, 2.0]))];
/// let before = Weights::of(&model);
/// model[0].set(Tensor::zeros(&[2]));
/// before.apply(&mut model)?;
/// assert_eq!(model[0].value().to_vec(), [1.0, 2.0]);
/// # Ok::<(), gradus_optim::StateError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Weights<T: Float = f32>(Vec<(String, Tensor<T>)>);

impl<T: Float> Weights<T> {
    /// Those of a model.
    pub fn of(model: &dyn Module<T>) -> Self {
        let mut all = Vec::new();
        model.visit(Path::root(), &mut |path, param| {
            all.push((path.to_string(), param.value().clone()));
        });
        Weights(all)
    }

    /// All, with their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor<T>)> {
        self.0.iter().map(|(path, value)| (path.as_str(), value))
    }

    /// Gives them to a model that has the same paths and shapes.
    ///
    /// # Errors
    /// When the model has a parameter that is not there, or of another shape, and when something is there that the
    /// model does not have. The model has not changed then.
    pub fn apply(&self, model: &mut dyn Module<T>) -> Result<(), StateError> {
        let mut left = self.state_dict();
        let (mut values, mut wrong) = (Vec::new(), None);
        model.visit(Path::root(), &mut |path, param| match left
            .take_shaped::<T>(&path.to_string(), param.value().shape())
        {
            Ok(value) => values.push(value),
            Err(error) => drop(wrong.get_or_insert(error)),
        });
        wrong.map_or(Ok(()), Err)?;
        left.finish()?;
        let mut values = values.into_iter();
        model.visit_mut(Path::root(), &mut |_, param| {
            if let Some(value) = values.next() {
                param.set(value);
            }
        });
        Ok(())
    }

    /// Puts them back into the model that they came from.
    ///
    /// # Panics
    /// When the model has other parameters; [`apply`](Self::apply) gives an error.
    #[track_caller]
    pub fn restore(&self, model: &mut dyn Module<T>) {
        if let Err(error) = self.apply(model) {
            panic!("restore: {error}: the model has other parameters");
        }
    }

    /// As named tensors.
    pub fn state_dict(&self) -> StateDict {
        let mut state = StateDict::new();
        self.iter().for_each(|(path, value)| state.insert_float(path, value));
        state
    }

    /// From named tensors.
    ///
    /// # Errors
    /// When one is not of type `T`.
    pub fn from_state_dict(mut state: StateDict) -> Result<Self, StateError> {
        let paths: Vec<String> = state.iter().map(|(path, _)| path.to_owned()).collect();
        let entry = |path: String| Ok((path.clone(), state.take_tensor(&path)?));
        paths.into_iter().map(entry).collect::<Result<_, _>>().map(Weights)
    }
}
