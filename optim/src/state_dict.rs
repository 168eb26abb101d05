//! What something keeps between steps, as named tensors: what a checkpoint is made of.

use std::any::Any;
use std::collections::BTreeMap;

use gradus_autograd::{Element, Float, Tensor};

/// A tensor of any type.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names say all")]
pub enum Entry {
    F32(Tensor<f32>),
    F64(Tensor<f64>),
    I32(Tensor<i32>),
    I64(Tensor<i64>),
    U8(Tensor<u8>),
    Bool(Tensor<bool>),
}

/// The same of each variant.
macro_rules! each {
    ($entry:expr, $x:ident => $out:expr) => {
        match $entry {
            Entry::F32($x) => $out,
            Entry::F64($x) => $out,
            Entry::I32($x) => $out,
            Entry::I64($x) => $out,
            Entry::U8($x) => $out,
            Entry::Bool($x) => $out,
        }
    };
}

impl Entry {
    /// The shape.
    pub fn shape(&self) -> &[usize] {
        each!(self, x => x.shape())
    }

    /// The type of an element.
    pub fn dtype(&self) -> &'static str {
        match self {
            Entry::F32(_) => "f32",
            Entry::F64(_) => "f64",
            Entry::I32(_) => "i32",
            Entry::I64(_) => "i64",
            Entry::U8(_) => "u8",
            Entry::Bool(_) => "bool",
        }
    }

    /// The tensor, if it is of this type.
    pub fn tensor<T: Element>(&self) -> Option<&Tensor<T>> {
        each!(self, x => (x as &dyn Any).downcast_ref())
    }
}

macro_rules! from {
    ($($t:ty, $variant:ident;)*) => {$(
        impl From<Tensor<$t>> for Entry {
            fn from(tensor: Tensor<$t>) -> Self {
                Entry::$variant(tensor)
            }
        }
        impl From<$t> for Entry {
            fn from(number: $t) -> Self {
                Entry::$variant(Tensor::scalar(number))
            }
        }
    )*};
}
from!(f32, F32; f64, F64; i32, I32; i64, I64; u8, U8; bool, Bool;);

impl From<&[f64]> for Entry {
    fn from(numbers: &[f64]) -> Self {
        Tensor::new(&[numbers.len()], numbers.to_vec()).into()
    }
}

/// A count or a seed: its bits as a whole number with a sign.
impl From<u64> for Entry {
    fn from(count: u64) -> Self {
        count.cast_signed().into()
    }
}

impl From<&str> for Entry {
    fn from(text: &str) -> Self {
        Tensor::new(&[text.len()], text.as_bytes().to_vec()).into()
    }
}

/// Why a state is not what it is taken for. Nothing has been changed.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Something is not there.
    #[error("there is no entry `{name}`")]
    Missing {
        /// What.
        name: String,
    },
    /// Something is there that belongs to nothing.
    #[error("the entry `{name}` belongs to nothing")]
    Extra {
        /// What.
        name: String,
    },
    /// An entry of another type.
    #[error("the entry `{name}` is of {found}, not of {expected}")]
    Dtype {
        /// Which.
        name: String,
        /// Its type.
        found: &'static str,
        /// The type that it should have.
        expected: &'static str,
    },
    /// An entry of another shape.
    #[error("the entry `{name}` has shape {found:?}, not {expected:?}")]
    Shape {
        /// Which.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that it should have.
        expected: Vec<usize>,
    },
    /// An entry whose values make no sense.
    #[error("the entry `{name}` {why}")]
    Value {
        /// Which.
        name: String,
        /// What is wrong.
        why: String,
    },
}

/// The sentence, as [`Display`](std::fmt::Display) has it: a `main` that returns an error prints it so.
impl std::fmt::Debug for StateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl StateError {
    /// The same error about an entry that is a part of `whole`.
    pub fn within(mut self, whole: &str) -> Self {
        use StateError::{Dtype, Extra, Missing, Shape, Value};
        let (Missing { name }
        | Extra { name }
        | Dtype { name, .. }
        | Shape { name, .. }
        | Value { name, .. }) = &mut self;
        name.insert_str(0, &format!("{whole}."));
        self
    }
}

/// Named tensors, as PyTorch's `state_dict`. Put together by [`insert`](Self::insert) and [`nest`](Self::nest), taken
/// apart by `take`; what is left in the end is an [error](Self::finish).
///
/// ```
/// use gradus_optim::StateDict;
/// let mut inner = StateDict::new();
/// inner.insert("wait", 3_u64);
/// let mut state = StateDict::new();
/// state.nest("stopping", inner);
/// assert_eq!(state.iter().next().unwrap().0, "stopping.wait");
/// assert_eq!(state.part("stopping").take_count("wait"), Ok(3));
/// state.finish()?;
/// # Ok::<(), gradus_optim::StateError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateDict(BTreeMap<String, Entry>);

impl StateDict {
    /// With nothing in it.
    pub fn new() -> Self {
        StateDict::default()
    }
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// All entries, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(name, entry)| (name.as_str(), entry))
    }
    /// An entry.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.0.get(name)
    }

    /// Adds an entry: a tensor, a number, a count, a text.
    pub fn insert(&mut self, name: impl Into<String>, entry: impl Into<Entry>) {
        self.0.insert(name.into(), entry.into());
    }
    /// Adds a tensor of either precision.
    pub fn insert_float<T: Float>(&mut self, name: impl Into<String>, tensor: &Tensor<T>) {
        let any = tensor as &dyn Any;
        match (any.downcast_ref::<Tensor<f32>>(), any.downcast_ref::<Tensor<f64>>()) {
            (Some(single), _) => self.insert(name, single.clone()),
            (_, Some(double)) => self.insert(name, double.clone()),
            _ => unreachable!("a `Float` is f32 or f64"),
        }
    }
    /// Adds all entries of another one, with `prefix.` before their names.
    pub fn nest(&mut self, prefix: &str, other: StateDict) {
        self.0.extend(other.0.into_iter().map(|(name, entry)| (format!("{prefix}.{name}"), entry)));
    }

    /// Takes out the entries whose names begin with `prefix.`, without it.
    pub fn part(&mut self, prefix: &str) -> StateDict {
        let prefix = format!("{prefix}.");
        let (own, rest) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|(name, _)| name.starts_with(&prefix));
        self.0 = rest;
        let own: BTreeMap<String, Entry> = own;
        StateDict(own.into_iter().map(|(name, e)| (name[prefix.len()..].to_owned(), e)).collect())
    }

    /// Takes out an entry.
    ///
    /// # Errors
    /// When there is none.
    pub fn take(&mut self, name: &str) -> Result<Entry, StateError> {
        self.0.remove(name).ok_or_else(|| StateError::Missing { name: name.to_owned() })
    }
    /// Takes out a tensor.
    ///
    /// # Errors
    /// When there is none of that type.
    pub fn take_tensor<T: Element>(&mut self, name: &str) -> Result<Tensor<T>, StateError> {
        let entry = self.take(name)?;
        let wrong = || StateError::Dtype {
            name: name.to_owned(),
            found: entry.dtype(),
            expected: std::any::type_name::<T>(),
        };
        entry.tensor().cloned().ok_or_else(wrong)
    }
    /// Takes out a tensor of a shape.
    ///
    /// # Errors
    /// When there is none of that type and shape.
    pub fn take_shaped<T: Element>(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<Tensor<T>, StateError> {
        let tensor = self.take_tensor::<T>(name)?;
        if tensor.shape() == shape {
            return Ok(tensor);
        }
        let (found, expected) = (tensor.shape().to_vec(), shape.to_vec());
        Err(StateError::Shape { name: name.to_owned(), found, expected })
    }
    /// Takes out a number.
    ///
    /// # Errors
    /// When there is none.
    pub fn take_number(&mut self, name: &str) -> Result<f64, StateError> {
        Ok(self.take_shaped::<f64>(name, &[])?.item())
    }
    /// Takes out a list of numbers.
    ///
    /// # Errors
    /// When there is none.
    pub fn take_numbers(&mut self, name: &str) -> Result<Vec<f64>, StateError> {
        Ok(self.take_tensor::<f64>(name)?.to_vec())
    }
    /// Takes out a count.
    ///
    /// # Errors
    /// When there is none.
    pub fn take_count(&mut self, name: &str) -> Result<u64, StateError> {
        Ok(self.take_shaped::<i64>(name, &[])?.item().cast_unsigned())
    }
    /// Takes out a text.
    ///
    /// # Errors
    /// When there is none.
    pub fn take_text(&mut self, name: &str) -> Result<String, StateError> {
        let bytes = self.take_tensor::<u8>(name)?.to_vec();
        let wrong = |_| StateError::Value { name: name.to_owned(), why: "is no text".into() };
        String::from_utf8(bytes).map_err(wrong)
    }
    /// What `take` gives, or `None` if there is no such entry.
    ///
    /// # Errors
    /// When there is one that is wrong.
    pub fn optional<V>(
        &mut self,
        name: &str,
        take: fn(&mut Self, &str) -> Result<V, StateError>,
    ) -> Result<Option<V>, StateError> {
        self.0.contains_key(name).then(|| take(self, name)).transpose()
    }

    /// Whether all entries were taken.
    ///
    /// # Errors
    /// When one is left; the error names it.
    pub fn finish(self) -> Result<(), StateError> {
        match self.0.into_keys().next() {
            Some(name) => Err(StateError::Extra { name }),
            None => Ok(()),
        }
    }
}
