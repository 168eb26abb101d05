//! CSV files: strict, because a number that is misread is never noticed again.

mod cell;
mod column;
mod text;

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use csv::StringRecord;
use gradus_autograd::{Float, Tensor};

use crate::file::{MOST_BYTES, open};
use crate::{DataError, Dataset, Place, Unknown};
use text::{Rows, check_quotes, read_text, skip_lines};

pub use cell::Missing;
pub use column::Column;

/// How to read a CSV file: by default with a header, the label in the last column, every cell a
/// finite number.
///
/// Cells may be quoted and have spaces around them; lines may end with `\n` or `\r\n`; blank lines
/// and a byte order mark are skipped. All else is an error that names the line and the column.
///
/// ```
/// use gradus_data::{Csv, Dataset};
/// # fn main() -> Result<(), gradus_data::DataError> {
/// let file = "width,height,kind\n1.5,2,cat\n3,4.5,dog\n";
/// let data: Dataset = Csv::new().categories("kind", ["cat", "dog"]).read(file.as_bytes())?;
/// assert_eq!(data.x().to_vec(), [1.5, 2., 3., 4.5]);
/// assert_eq!(data.classes()?.to_vec(), [0, 1]);
/// assert_eq!(data.feature_names(), ["width", "height"]);
///
/// // A first line that is neither a header nor data:
/// let file = "2,2,malignant,benign\n17.99,10.38,0\n13.54,14.36,1\n";
/// let data: Dataset = Csv::new().skip_lines(1).no_header().read(file.as_bytes())?;
/// assert_eq!(data.len(), 2);
///
/// let error = Csv::new().read::<f32>("a,b,label\n1,x,0\n".as_bytes()).unwrap_err();
/// assert!(error.to_string().starts_with("line 2, column 2 (b): \"x\" is not a number"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is read before `read` or `read_path`"]
pub struct Csv {
    delimiter: char,
    header: bool,
    skip: usize,
    label: Column,
    categories: Vec<(Column, Vec<String>)>,
    missing: Missing,
    marks: Vec<String>,
    unknown: Unknown,
    allow_non_finite: bool,
    most_bytes: u64,
}

/// A CSV file as a table of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Table<T: Float = f32> {
    /// The header's names; none without a header.
    pub names: Vec<String>,
    /// The numbers, `[rows, columns]`.
    pub values: Tensor<T>,
}

impl Default for Csv {
    fn default() -> Self {
        Csv::new()
    }
}

impl Csv {
    /// Commas, a header, the label in the last column, no missing cells.
    pub fn new() -> Self {
        Csv {
            delimiter: ',',
            header: true,
            skip: 0,
            label: Column::Last,
            categories: Vec::new(),
            missing: Missing::Error,
            marks: Vec::new(),
            unknown: Unknown::Error,
            allow_non_finite: false,
            most_bytes: MOST_BYTES,
        }
    }

    /// The character between two cells.
    pub fn delimiter(self, delimiter: char) -> Self {
        Csv { delimiter, ..self }
    }

    /// The first line is data.
    pub fn no_header(self) -> Self {
        Csv { header: false, ..self }
    }

    /// Leaves out the first `lines` lines of the file, whatever they say.
    pub fn skip_lines(self, lines: usize) -> Self {
        Csv { skip: lines, ..self }
    }

    /// The column that is the target; all others are features.
    pub fn label(self, column: impl Into<Column>) -> Self {
        Csv { label: column.into(), ..self }
    }

    /// A column of texts: each is read as its position among these.
    pub fn categories<S: Into<String>>(
        mut self,
        column: impl Into<Column>,
        texts: impl IntoIterator<Item = S>,
    ) -> Self {
        self.categories.push((column.into(), texts.into_iter().map(Into::into).collect()));
        self
    }

    /// What a missing cell is: an error, or NaN. It is never 0.
    pub fn missing(self, missing: Missing) -> Self {
        Csv { missing, ..self }
    }

    /// Texts that mark a missing cell, as an empty cell does: `["?", "NA"]`.
    pub fn missing_marks<S: Into<String>>(self, marks: impl IntoIterator<Item = S>) -> Self {
        Csv { marks: marks.into_iter().map(Into::into).collect(), ..self }
    }

    /// What a text is that is none of its column's categories: an error, or NaN, which a
    /// [`OneHotEncoder`](crate::OneHotEncoder) can ignore. The label must be known all the same.
    pub fn unknown(self, unknown: Unknown) -> Self {
        Csv { unknown, ..self }
    }

    /// Reads `nan` and `inf` as the numbers that they name. The label must be finite all the same.
    pub fn allow_non_finite(self) -> Self {
        Csv { allow_non_finite: true, ..self }
    }

    /// The most bytes that are read; more are an error. 4 GiB unless set.
    pub fn most_bytes(self, most_bytes: u64) -> Self {
        Csv { most_bytes, ..self }
    }

    /// Reads a file as features `[n, columns − 1]` and targets `[n, 1]`.
    ///
    /// # Errors
    /// When the file cannot be read, and whatever [`Csv`] lists; each names the file and the line.
    pub fn read_path<T: Float>(&self, path: impl AsRef<Path>) -> Result<Dataset<T>, DataError> {
        let (source, file) = open(path.as_ref())?;
        self.dataset(source, &file)
    }

    /// As [`Csv::read_path`], from any source of bytes.
    ///
    /// # Errors
    /// Those of [`Csv::read_path`].
    pub fn read<T: Float>(&self, source: impl Read) -> Result<Dataset<T>, DataError> {
        self.dataset(source, &Place::default())
    }

    /// Reads a file as one table, without telling features from label.
    ///
    /// # Errors
    /// Those of [`Csv::read_path`].
    pub fn read_table_path<T: Float>(&self, path: impl AsRef<Path>) -> Result<Table<T>, DataError> {
        let (source, file) = open(path.as_ref())?;
        self.table(source, &file)
    }

    /// As [`Csv::read_table_path`], from any source of bytes.
    ///
    /// ```
    /// # use gradus_data::{Csv, Table};
    /// # fn main() -> Result<(), gradus_data::DataError> {
    /// let table: Table = Csv::new().delimiter(';').read_table("year;spots\n1700;5\n".as_bytes())?;
    /// assert_eq!(table.names, ["year", "spots"]);
    /// assert_eq!(table.values.to_vec(), [1700., 5.]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`Csv::read_path`].
    pub fn read_table<T: Float>(&self, source: impl Read) -> Result<Table<T>, DataError> {
        self.table(source, &Place::default())
    }

    /// The different texts of a column, sorted: what [`Csv::categories`] takes for it. Missing cells
    /// are none of them.
    ///
    /// ```
    /// # use gradus_data::Csv;
    /// # fn main() -> Result<(), gradus_data::DataError> {
    /// let file = "kind,label\ndog,1\ncat,0\ndog,1\n";
    /// assert_eq!(Csv::new().distinct("kind", file.as_bytes())?, ["cat", "dog"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the file cannot be read, is no table, or has no such column.
    pub fn distinct(
        &self,
        column: impl Into<Column>,
        source: impl Read,
    ) -> Result<Vec<String>, DataError> {
        self.texts(&column.into(), source, &Place::default())
    }

    /// As [`Csv::distinct`], of a file.
    ///
    /// # Errors
    /// Those of [`Csv::distinct`].
    pub fn distinct_path(
        &self,
        column: impl Into<Column>,
        path: impl AsRef<Path>,
    ) -> Result<Vec<String>, DataError> {
        let (source, file) = open(path.as_ref())?;
        self.texts(&column.into(), source, &file)
    }

    fn texts(
        &self,
        column: &Column,
        source: impl Read,
        file: &Place,
    ) -> Result<Vec<String>, DataError> {
        let mut texts = BTreeSet::new();
        let (mut found, mut is_first) = (0, true);
        self.rows(source, file, |rows, names, record| {
            if std::mem::take(&mut is_first) {
                found = column.find(names, rows.width, file)?;
            }
            let text = record[found].trim();
            if !self.is_missing(text) && !texts.contains(text) {
                texts.insert(text.to_owned());
            }
            Ok(())
        })?;
        Ok(texts.into_iter().collect())
    }

    fn dataset<T: Float>(&self, source: impl Read, file: &Place) -> Result<Dataset<T>, DataError> {
        let Table { mut names, values } = self.table::<T>(source, file)?;
        let (rows, width) = (values.shape()[0], values.shape()[1]);
        let label = self.label.find(&names, width, file)?;
        if width == 1 {
            return Err(DataError::NoFeatures { at: Box::new(file.clone()) });
        }
        let numbers = values.as_slice().unwrap_or_default();
        let mut x = Vec::with_capacity(rows * (width - 1));
        for row in numbers.chunks_exact(width) {
            x.extend_from_slice(&row[..label]);
            x.extend_from_slice(&row[label + 1..]);
        }
        let classes = self.categories_by_column(&names, width, file)?[label].unwrap_or_default();
        if !names.is_empty() {
            names.remove(label);
        }
        let (x, y) = (Tensor::new(&[rows, width - 1], x), values.slice(1, label..label + 1));
        Ok(Dataset::with_gaps(x, y)?.named(names, classes.to_vec()))
    }

    /// The categories of each column that has any.
    fn categories_by_column(
        &self,
        names: &[String],
        width: usize,
        file: &Place,
    ) -> Result<Vec<Option<&[String]>>, DataError> {
        let mut all = vec![None; width];
        for (column, texts) in &self.categories {
            all[column.find(names, width, file)?] = Some(&texts[..]);
        }
        Ok(all)
    }

    fn table<T: Float>(&self, source: impl Read, file: &Place) -> Result<Table<T>, DataError> {
        let mut values: Vec<T> = Vec::new();
        let mut categories = Vec::new();
        let (names, width) = self.rows(source, file, |rows, names, record| {
            if categories.is_empty() {
                categories = self.categories_by_column(names, rows.width, file)?;
            }
            for (column, cell) in record.iter().enumerate() {
                let value = self.cell(cell.trim(), categories[column]);
                values.push(value.map_err(|wrong| {
                    wrong.at(rows.place(Some(column), names), cell.trim(), categories[column])
                })?);
            }
            Ok(())
        })?;
        Ok(Table { names, values: Tensor::new(&[values.len() / width, width], values) })
    }

    /// Calls `f` with each row below the header, of which there is at least one. The header's names,
    /// and the number of columns.
    fn rows(
        &self,
        source: impl Read,
        file: &Place,
        mut f: impl FnMut(&Rows<'_>, &[String], &StringRecord) -> Result<(), DataError>,
    ) -> Result<(Vec<String>, usize), DataError> {
        // What can stand in a number or end a line cannot stand between two of them.
        let usable =
            |c: char| c == '\t' || c == ' ' || (c.is_ascii_punctuation() && !"\".+-".contains(c));
        let delimiter = match u8::try_from(self.delimiter) {
            Ok(byte) if usable(self.delimiter) => byte,
            _ => return Err(DataError::Delimiter(self.delimiter)),
        };
        let text = read_text(source, self.most_bytes, file)?;
        let from = skip_lines(&text, self.skip);
        check_quotes(&text, from, delimiter, file)?;

        let mut rows = Rows::new(&text, from, delimiter, file);
        let mut record = StringRecord::new();
        if !rows.next(&mut record)? {
            return Err(DataError::EmptyFile { at: Box::new(file.clone()) });
        }
        let mut names = Vec::new();
        if self.header {
            if record.iter().all(|cell| cell.trim().parse::<f64>().is_ok()) {
                return Err(DataError::HeaderOfNumbers { at: rows.place(None, &[]) });
            }
            names = record.iter().map(|cell| cell.trim().to_owned()).collect();
            let mut seen = BTreeSet::new();
            if let Some(second) = names.iter().position(|name| !seen.insert(name)) {
                let at = rows.place(Some(second), &[]);
                return Err(DataError::DuplicateColumn { at, name: names[second].clone() });
            }
            if !rows.next(&mut record)? {
                return Err(DataError::NoRows { at: Box::new(file.clone()) });
            }
        }
        loop {
            f(&rows, &names, &record)?;
            if !rows.next(&mut record)? {
                return Ok((names, rows.width));
            }
        }
    }
}
