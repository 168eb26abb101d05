//! Weights that PyTorch saved.

use std::path::Path;

use gradus_autograd::{Float, Module, Tensor};
use gradus_optim::{StateDict, StateError};

use crate::safetensors::{content, load_safetensors};
use crate::{TrainError, Weights};

/// What a batch norm of PyTorch saves and nobody needs.
const COUNTER: &str = "num_batches_tracked";

/// The name of a parameter there, and whether its axes are turned.
fn theirs(path: &str, rank: usize, names: &[(&str, &str)]) -> (String, bool) {
    let (module, leaf) = path.rsplit_once('.').unwrap_or(("", path));
    // `a` names the module `a` and all that is in it, the longest name first.
    let within = |(ours, theirs): &(&str, &str)| {
        let rest = module.strip_prefix(*ours)?;
        let whole = rest.is_empty() || rest.starts_with('.') || ours.is_empty();
        whole.then(|| (ours.len(), format!("{theirs}{rest}")))
    };
    let named = names.iter().filter_map(within).max_by_key(|(length, _)| *length);
    let module = named.map_or_else(|| module.to_owned(), |(_, name)| name);
    let (leaf, turned) = match leaf {
        "kernel" => ("weight", rank == 2),
        "gamma" => ("weight", false),
        "beta" => ("bias", false),
        leaf => (leaf, false),
    };
    (if module.is_empty() { leaf.to_owned() } else { format!("{module}.{leaf}") }, turned)
}

impl<T: Float> Weights<T> {
    /// Reads the weights of a model from a file that PyTorch wrote:
    /// `safetensors.torch.save_file(model.state_dict(), path)`.
    ///
    /// `names` are pairs of a module's path here and there, where these differ: `("dense", "0")` for a layer in a
    /// `torch.nn.Sequential`; what is in a module goes with it. The names of parameters need no pair: `kernel` is
    /// `weight`, that of a [`Dense`](gradus_nn::Dense) turned, and `gamma` and `beta` are `weight` and `bias`.
    ///
    /// ```no_run
    /// # use gradus_nn::{Dense, Layer, Sequential};
    /// # use gradus_train::Weights;
    /// # let mut model = Sequential::<f32>::new().add(Dense::new(2)).build(&[3], 0)?;
    /// let names = [("dense", "0"), ("dense_1", "2")];
    /// Weights::load_pytorch("model.safetensors", &model, &names)?.apply(&mut model)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such file, it is malformed, lacks a parameter of the model (the error has both names) or has
    /// one of another type, or holds something that the model does not have.
    pub fn load_pytorch(
        path: impl AsRef<Path>,
        model: &dyn Module<T>,
        names: &[(&str, &str)],
    ) -> Result<Self, TrainError> {
        let path = path.as_ref();
        let state = load_safetensors(path)?;
        renamed(state, model, names).map_err(|source| content(path, source))
    }
}

fn renamed<T: Float>(
    mut state: StateDict,
    model: &dyn Module<T>,
    names: &[(&str, &str)],
) -> Result<Weights<T>, StateError> {
    let mut found = StateDict::new();
    for (path, param) in model.params() {
        let (name, turned) = theirs(&path, param.value().rank(), names);
        let value: Tensor<T> = match state.get(&name) {
            Some(_) => state.take_tensor(&name)?,
            None => {
                let why = format!("is not there; it would be `{path}` of the model");
                return Err(StateError::Value { name, why });
            }
        };
        found.insert_float(path, &if turned { value.t().contiguous() } else { value });
    }
    let counter = |name: &str| name == COUNTER || name.ends_with(&format!(".{COUNTER}"));
    match state.iter().find(|(name, _)| !counter(name)) {
        Some((name, _)) => Err(StateError::Extra { name: name.to_owned() }),
        None => Weights::from_state_dict(found),
    }
}
