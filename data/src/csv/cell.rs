//! What a cell of a CSV file says.

use gradus_autograd::Float;

use super::Csv;
use crate::{DataError, Place, Unknown};

/// Characters of a cell that an error message shows.
const SHOWN: usize = 40;

/// What a missing cell is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// An error.
    #[default]
    Error,
    /// NaN; to be filled ([`SimpleImputer`](crate::SimpleImputer)) or left out
    /// ([`Dataset::complete`](crate::Dataset::complete)). The label must be there all the same.
    Nan,
}

impl Csv {
    pub(super) fn is_missing(&self, text: &str) -> bool {
        text.is_empty() || self.marks.iter().any(|mark| mark == text)
    }

    /// The number that a cell says.
    pub(super) fn cell<T: Float>(
        &self,
        text: &str,
        categories: Option<&[String]>,
    ) -> Result<T, Wrong> {
        if self.is_missing(text) {
            return match self.missing {
                Missing::Error => Err(Wrong::Missing),
                Missing::Nan => Ok(T::of(f64::NAN)),
            };
        }
        if let Some(known) = categories {
            return match (known.iter().position(|each| each == text), self.unknown) {
                (Some(at), _) => Ok(T::of(at as f64)),
                (None, Unknown::Error) => Err(Wrong::Unknown),
                (None, Unknown::Ignore) => Ok(T::of(f64::NAN)),
            };
        }
        let value: f64 = text.parse().map_err(|_| Wrong::NotANumber)?;
        let number = T::of(value);
        // "inf" and "nan" have no digit; what has one and is not finite was too large.
        match text.contains(|c: char| c.is_ascii_digit()) {
            _ if number.is_finite() => Ok(number),
            true => Err(Wrong::Overflow(std::any::type_name::<T>())),
            false if self.allow_non_finite => Ok(number),
            false => Err(Wrong::NonFinite),
        }
    }
}

/// What can be wrong with a cell, before its place is known.
pub(super) enum Wrong {
    Missing,
    NotANumber,
    NonFinite,
    Overflow(&'static str),
    Unknown,
}

impl Wrong {
    pub(super) fn at(self, at: Box<Place>, cell: &str, known: Option<&[String]>) -> DataError {
        let text = match cell.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &cell[..end]),
            None => cell.to_owned(),
        };
        match self {
            Wrong::Missing => DataError::MissingCell { at },
            Wrong::NotANumber => DataError::NotANumber { at, text },
            Wrong::NonFinite => DataError::NonFiniteCell { at, text },
            Wrong::Overflow(kind) => DataError::Overflow { at, text, kind },
            Wrong::Unknown => {
                DataError::UnknownCategory { at, text, known: known.unwrap_or_default().to_vec() }
            }
        }
    }
}
