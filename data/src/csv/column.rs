//! Columns, by name or by position.

use crate::{DataError, Place};

/// Names of a header that an error message shows.
const SHOWN: usize = 40;

/// A column: `Column::Last`, a name from the header (`"label"`) or an index from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// The last one.
    Last,
    /// By its name in the header.
    Name(String),
    /// By its position, from 0.
    Index(usize),
}

impl From<&str> for Column {
    fn from(name: &str) -> Self {
        Column::Name(name.to_owned())
    }
}

impl From<usize> for Column {
    fn from(index: usize) -> Self {
        Column::Index(index)
    }
}

impl Column {
    pub(crate) fn find(
        &self,
        names: &[String],
        width: usize,
        file: &Place,
    ) -> Result<usize, DataError> {
        let at = Box::new(file.clone());
        match self {
            Column::Last => Ok(width - 1),
            Column::Index(index) if *index < width => Ok(*index),
            Column::Index(index) => {
                let there = format!("the last of {width} columns is {}", width - 1);
                Err(DataError::NoColumn { at, column: index.to_string(), there })
            }
            Column::Name(name) => names.iter().position(|each| each == name).ok_or_else(|| {
                let there = match names.len() {
                    0 => "the file is read without a header".to_owned(),
                    n => {
                        let dots = if n > SHOWN { ", …" } else { "" };
                        let shown = names[..n.min(SHOWN)].join(", ");
                        format!("the header has {shown}{dots}")
                    }
                };
                DataError::NoColumn { at, column: format!("{name:?}"), there }
            }),
        }
    }
}
