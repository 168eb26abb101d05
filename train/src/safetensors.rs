//! Named tensors as a safetensors file.

use std::path::Path;
use std::{fs, io};

use gradus_autograd::{Element, Tensor};
use gradus_optim::{Entry, StateDict, StateError};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::file::{replace, shown};
use crate::{TrainError, Weights};

impl<T: gradus_autograd::Float> Weights<T> {
    /// Writes them to a [safetensors](https://huggingface.co/docs/safetensors) file, an entry a path. The file is
    /// there as a whole or not at all: it is written beside its place, synced and renamed.
    ///
    /// ```no_run
    /// # use gradus_autograd::{Module, Param, Tensor};
    /// # use gradus_train::Weights;
    /// # let mut model = vec![Param::<f32>::new(Tensor::from([1.0, 2.0]))];
    /// Weights::of(&model).save("model.safetensors")?;
    /// Weights::load("model.safetensors")?.apply(&mut model)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the file cannot be written. An older one is still there then.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), TrainError> {
        save_safetensors(path, &self.state_dict())
    }

    /// Reads them from a safetensors file.
    ///
    /// # Errors
    /// When there is none, it is malformed, or an entry is not of type `T`.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TrainError> {
        let path = path.as_ref();
        let state = load_safetensors(path)?;
        Weights::from_state_dict(state).map_err(|source| content(path, source))
    }
}

/// What is wrong with what a file holds.
pub(crate) fn content(path: &Path, source: StateError) -> TrainError {
    TrainError::Content { path: shown(path), source }
}

/// Writes named tensors as a safetensors file, as a whole or not at all. The same tensors give the same bytes.
///
/// # Errors
/// When the file cannot be written. An older one is still there then.
pub fn save_safetensors(path: impl AsRef<Path>, tensors: &StateDict) -> Result<(), TrainError> {
    let path = path.as_ref();
    let wrong = |why: safetensors::SafeTensorError| TrainError::Format {
        path: shown(path),
        why: why.to_string(),
    };
    let bytes: Vec<(&str, Dtype, &[usize], Vec<u8>)> = tensors
        .iter()
        .map(|(name, entry)| {
            let (dtype, bytes) = to_bytes(entry);
            (name, dtype, entry.shape(), bytes)
        })
        .collect();
    let views = bytes.iter().map(|(name, dtype, shape, bytes)| {
        TensorView::new(*dtype, shape.to_vec(), bytes).map(|view| (*name, view))
    });
    let views = views.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    replace(path, &safetensors::serialize(views, None).map_err(wrong)?)
}

/// Reads a safetensors file. Never allocates what a file merely claims.
///
/// # Errors
/// When there is none, it is malformed, or an entry has a type or a shape that no tensor here has; the error names it.
pub fn load_safetensors(path: impl AsRef<Path>) -> Result<StateDict, TrainError> {
    let path = path.as_ref();
    let read = || match fs::metadata(path)?.is_file() {
        true => fs::read(path),
        // A device or a pipe may never end.
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")),
    };
    let bytes = read().map_err(|source| TrainError::Read { path: shown(path), source })?;
    parse(&bytes).map_err(|why| TrainError::Format { path: shown(path), why })
}

fn parse(bytes: &[u8]) -> Result<StateDict, String> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|why| format!("it is not a whole safetensors file ({why})"))?;
    let mut tensors = StateDict::new();
    for (name, view) in file.iter() {
        let shape = view.shape();
        let elements = shape.iter().try_fold(1_usize, |count, &n| count.checked_mul(n.max(1)));
        // Axes without elements let any size stand beside them.
        if shape.len() > 6 || elements.is_none_or(|count| count > isize::MAX as usize / 8) {
            return Err(format!("no tensor here can have the shape {shape:?} of `{name}`"));
        }
        let entry = from_bytes(view.dtype(), shape, view.data());
        let why = || format!("`{name}` is of {:?}, which no tensor here is", view.dtype());
        tensors.insert(name, entry.ok_or_else(why)??);
    }
    Ok(tensors)
}

fn to_bytes(entry: &Entry) -> (Dtype, Vec<u8>) {
    fn flat<E: Element, const N: usize>(x: &Tensor<E>, bytes: fn(E) -> [u8; N]) -> Vec<u8> {
        x.to_vec().into_iter().flat_map(bytes).collect()
    }
    match entry {
        Entry::F32(x) => (Dtype::F32, flat(x, f32::to_le_bytes)),
        Entry::F64(x) => (Dtype::F64, flat(x, f64::to_le_bytes)),
        Entry::I32(x) => (Dtype::I32, flat(x, i32::to_le_bytes)),
        Entry::I64(x) => (Dtype::I64, flat(x, i64::to_le_bytes)),
        Entry::U8(x) => (Dtype::U8, x.to_vec()),
        Entry::Bool(x) => (Dtype::BOOL, flat(x, |b| [u8::from(b)])),
        _ => unreachable!("all types of a tensor are here"),
    }
}

/// `None` for a type that no tensor has.
fn from_bytes(dtype: Dtype, shape: &[usize], data: &[u8]) -> Option<Result<Entry, String>> {
    fn tensor<E: Element, const N: usize>(
        shape: &[usize],
        data: &[u8],
        of: fn([u8; N]) -> E,
    ) -> Tensor<E> {
        Tensor::new(shape, data.as_chunks().0.iter().map(|&bytes| of(bytes)).collect())
    }
    Some(Ok(match dtype {
        Dtype::F32 => tensor(shape, data, f32::from_le_bytes).into(),
        Dtype::F64 => tensor(shape, data, f64::from_le_bytes).into(),
        Dtype::I32 => tensor(shape, data, i32::from_le_bytes).into(),
        Dtype::I64 => tensor(shape, data, i64::from_le_bytes).into(),
        Dtype::U8 => tensor(shape, data, |[byte]| byte).into(),
        Dtype::BOOL => match data.iter().find(|&&byte| byte > 1) {
            Some(byte) => return Some(Err(format!("the byte {byte} is no truth value"))),
            None => tensor(shape, data, |[byte]| byte == 1).into(),
        },
        _ => return None,
    }))
}
