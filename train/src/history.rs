//! What training leaves behind: a table, one row an epoch.

use std::fmt;
use std::path::Path;

use crate::{TrainError, file};

/// The numbers of one evaluation, or of one epoch: `loss`, `accuracy`, `val_loss` …
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores(pub(crate) Vec<(String, f64)>);

impl Scores {
    /// The number of that name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(have, _)| have == name).map(|(_, value)| *value)
    }
    /// The loss.
    pub fn loss(&self) -> f64 {
        self.get("loss").unwrap_or(f64::NAN)
    }
    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
    /// The names of the columns of a table of epochs, as a line of CSV.
    pub(crate) fn csv_header(&self) -> String {
        self.iter().fold("epoch".to_owned(), |line, (name, _)| line + "," + name) + "\n"
    }
    /// The row of an epoch, as a line of CSV.
    pub(crate) fn csv_row(&self, epoch: usize) -> String {
        self.iter().fold(epoch.to_string(), |line, (_, value)| format!("{line},{value}")) + "\n"
    }
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, (name, value)) in self.iter().enumerate() {
            write!(f, "{}{name} {value:.4}", if count > 0 { "  " } else { "" })?;
        }
        Ok(())
    }
}

/// One row an epoch: loss and metrics of training and validation, and the learning rate.
///
/// Losses contain the penalties and are means over samples, as in Keras; those of training are taken
/// while the weights change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    pub(crate) epochs: Vec<Scores>,
    pub(crate) restored: Option<usize>,
}

impl History {
    /// The rows.
    pub fn epochs(&self) -> &[Scores] {
        &self.epochs
    }
    /// One column, an entry an epoch; empty if there is none of that name.
    pub fn column(&self, name: &str) -> Vec<f64> {
        self.epochs.iter().filter_map(|epoch| epoch.get(name)).collect()
    }
    /// The last row.
    pub fn last(&self) -> Option<&Scores> {
        self.epochs.last()
    }
    /// The epoch, from 0, whose weights the model has: the last one, unless a callback such as
    /// [`EarlyStopping`](crate::EarlyStopping) restored those of a better one.
    pub fn kept_epoch(&self) -> Option<usize> {
        self.restored.or(self.epochs.len().checked_sub(1))
    }

    /// The table as CSV, with a header; numbers are exact.
    pub fn to_csv(&self) -> String {
        let header = self.epochs.first().map_or("epoch\n".to_owned(), Scores::csv_header);
        let rows = self.epochs.iter().enumerate().map(|(epoch, row)| row.csv_row(epoch));
        std::iter::once(header).chain(rows).collect()
    }

    /// Writes the table as CSV, making the folders above it. The file is there as a whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<(), TrainError> {
        file::replace(path.as_ref(), self.to_csv().as_bytes())
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.epochs.first() else { return f.write_str("no epochs") };
        let widths: Vec<usize> = first.iter().map(|(name, _)| name.len().max(8)).collect();
        write!(f, "epoch")?;
        for ((name, _), width) in first.iter().zip(&widths) {
            write!(f, "  {name:>width$}")?;
        }
        for (epoch, row) in self.epochs.iter().enumerate() {
            write!(f, "\n{epoch:>5}")?;
            for ((name, value), width) in row.iter().zip(&widths) {
                match name {
                    "lr" => write!(f, "  {value:>width$.1e}")?,
                    _ => write!(f, "  {value:>width$.4}")?,
                }
            }
        }
        Ok(())
    }
}
