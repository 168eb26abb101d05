//! Places in files.

use std::fmt;
use std::path::PathBuf;

/// A place in a file, as far as it is known: `iris.csv, line 3, column 2 (width)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The file, if it was read by its path.
    pub file: Option<PathBuf>,
    /// The entry of an archive.
    pub entry: Option<String>,
    /// The line, from 1.
    pub line: Option<u64>,
    /// The column, from 1.
    pub column: Option<usize>,
    /// The column's name in the header.
    pub name: Option<String>,
}

impl Place {
    /// As something that is written.
    pub(super) fn output(&self) -> String {
        if *self == Place::default() { "the output".into() } else { self.to_string() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{}, line {line}", file.display())?,
            (Some(file), None) => write!(f, "{}", file.display())?,
            (None, Some(line)) => write!(f, "line {line}")?,
            (None, None) => f.write_str("the input")?,
        }
        if let Some(entry) = &self.entry {
            write!(f, ", entry {entry}")?;
        }
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        match &self.name {
            Some(name) => write!(f, " ({name})"),
            None => Ok(()),
        }
    }
}
