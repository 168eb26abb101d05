//! CSV files: strict, because a number that is misread is never noticed again.

use std::io::Read;
use std::path::Path;

use csv::StringRecord;
use gradus_autograd::{Float, Tensor};

use crate::text::{Rows, check_quotes, read_text, skip_lines};
use crate::{DataError, Dataset, Place};

/// The most bytes that are read unless [`Csv::most_bytes`] says otherwise: 4 GiB.
const MOST_BYTES: u64 = 1 << 32;
/// Characters of a cell, and names of a header, that an error message shows.
const SHOWN: usize = 40;

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
    allow_non_finite: bool,
    most_bytes: u64,
}

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

/// What a missing cell is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// An error.
    #[default]
    Error,
    /// NaN; to be filled (see [`Dataset::with_x`]) or left out ([`Dataset::complete`]). The label
    /// must be there all the same.
    Nan,
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
            if !rows.next(&mut record)? {
                return Err(DataError::NoRows { at: Box::new(file.clone()) });
            }
        }

        let width = rows.width;
        let categories = self.categories_by_column(&names, width, file)?;
        let mut values: Vec<T> = Vec::new();
        loop {
            for (column, cell) in record.iter().enumerate() {
                let value = self.cell(cell.trim(), categories[column]);
                values.push(value.map_err(|wrong| {
                    wrong.at(rows.place(Some(column), &names), cell.trim(), categories[column])
                })?);
            }
            if !rows.next(&mut record)? {
                break;
            }
        }
        Ok(Table { names, values: Tensor::new(&[values.len() / width, width], values) })
    }

    /// The number that a cell says.
    fn cell<T: Float>(&self, text: &str, categories: Option<&[String]>) -> Result<T, Wrong> {
        if text.is_empty() || self.marks.iter().any(|mark| mark == text) {
            return match self.missing {
                Missing::Error => Err(Wrong::Missing),
                Missing::Nan => Ok(T::of(f64::NAN)),
            };
        }
        if let Some(known) = categories {
            let at = known.iter().position(|each| each == text).ok_or(Wrong::Unknown)?;
            return Ok(T::of(at as f64));
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
enum Wrong {
    Missing,
    NotANumber,
    NonFinite,
    Overflow(&'static str),
    Unknown,
}

impl Wrong {
    fn at(self, at: Box<Place>, cell: &str, known: Option<&[String]>) -> DataError {
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

impl Column {
    fn find(&self, names: &[String], width: usize, file: &Place) -> Result<usize, DataError> {
        let at = Box::new(file.clone());
        match self {
            Column::Last => Ok(width - 1),
            Column::Index(index) if *index < width => Ok(*index),
            Column::Index(index) => {
                let there = format!("the last of {width} columns is {}", width - 1);
                Err(DataError::NoColumn { at, column: index.to_string(), there })
            }
            Column::Name(name) => {
                let mut all = names.iter().enumerate().filter(|(_, each)| *each == name);
                match (all.next(), all.next()) {
                    (Some((index, _)), None) => Ok(index),
                    (Some(_), Some(_)) => {
                        Err(DataError::AmbiguousColumn { at, name: name.clone() })
                    }
                    (None, _) => {
                        let there = match names.len() {
                            0 => "the file is read without a header".to_owned(),
                            n => {
                                let dots = if n > SHOWN { ", …" } else { "" };
                                let shown = names[..n.min(SHOWN)].join(", ");
                                format!("the header has {shown}{dots}")
                            }
                        };
                        Err(DataError::NoColumn { at, column: format!("{name:?}"), there })
                    }
                }
            }
        }
    }
}

fn open(path: &Path) -> Result<(std::fs::File, Place), DataError> {
    let file = Place { file: Some(path.to_owned()), ..Place::default() };
    match std::fs::File::open(path) {
        Ok(source) => Ok((source, file)),
        Err(source) => Err(DataError::Io { at: Box::new(file), source }),
    }
}
