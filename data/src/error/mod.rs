//! Everything that can be wrong with data, and where.

mod debug;
mod folds;
mod format;
mod place;

pub use folds::FoldsError;
pub use format::FormatError;
pub use place::Place;

/// Why data could not be read, split, scaled or batched.
///
/// Each message says what is wrong, where, and what to do about it. Lines and columns of a file are
/// counted from 1, as editors do; samples, parts and classes from 0, as Rust does.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file cannot be opened or read.
    #[error("{at}: cannot be read: {source}")]
    Io {
        /// The file.
        at: Box<Place>,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file cannot be written.
    #[error("{}: cannot be written: {source}", at.output())]
    Write {
        /// The file.
        at: Box<Place>,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A file of arrays or images that is damaged, or is none.
    #[error("{at}: {why}")]
    Format {
        /// The file.
        at: Box<Place>,
        /// What is wrong with it.
        why: FormatError,
    },
    /// More bytes than the reader's `most_bytes` allows.
    #[error("{at}: more than {most} bytes; allow more with `most_bytes`")]
    TooLarge {
        /// The file.
        at: Box<Place>,
        /// The limit.
        most: u64,
    },
    /// Not UTF-8.
    #[error("{at}: not UTF-8; save the file in that encoding")]
    NotUtf8 {
        /// The line of the first wrong byte.
        at: Box<Place>,
    },
    /// A NUL byte: a binary file, or UTF-16.
    #[error("{at}: a NUL byte, so this is no CSV text in UTF-8")]
    Nul {
        /// The line of the byte.
        at: Box<Place>,
    },
    /// A quote that is never closed.
    #[error("{at}: the quote that opens here is never closed")]
    UnclosedQuote {
        /// Where it opens.
        at: Box<Place>,
    },
    /// Something between a closing quote and the next delimiter.
    #[error("{at}: text after a closing quote; a quote within a quoted cell is written twice")]
    AfterQuote {
        /// Where the quote closes.
        at: Box<Place>,
    },
    /// A delimiter that cannot be told from the cells.
    #[error("delimiter {0:?}: it must be a tab, a space or ASCII punctuation, but none of \".+-")]
    Delimiter(char),
    /// Not even a header.
    #[error("{at}: empty, there is nothing to read")]
    EmptyFile {
        /// The file.
        at: Box<Place>,
    },
    /// A header and nothing below it.
    #[error("{at}: no rows below the header")]
    NoRows {
        /// The file.
        at: Box<Place>,
    },
    /// A header line that consists of numbers: taken for names, a row of data would be lost.
    #[error("{at}: every cell of the header is a number; if this is data, say `no_header()`")]
    HeaderOfNumbers {
        /// The header's line.
        at: Box<Place>,
    },
    /// A row with more or fewer cells than the first line.
    #[error("{at}: found {found} cells, expected {expected} as in the first line")]
    Ragged {
        /// The row's line.
        at: Box<Place>,
        /// The number of cells in the first line that was read.
        expected: usize,
        /// The number of cells in this one.
        found: usize,
    },
    /// An empty cell, or one of [`Csv::missing_marks`](crate::Csv::missing_marks).
    #[error("{at}: the cell is missing; fill it, or read it as NaN with `missing(Missing::Nan)`")]
    MissingCell {
        /// The cell.
        at: Box<Place>,
    },
    /// A cell that is no number.
    #[error("{at}: {text:?} is not a number; a column of texts is read with `categories`")]
    NotANumber {
        /// The cell.
        at: Box<Place>,
        /// Its text (the beginning of it, if it is long).
        text: String,
    },
    /// A cell that says NaN or infinity.
    #[error("{at}: {text:?} is not finite; if that is meant, say `allow_non_finite()`")]
    NonFiniteCell {
        /// The cell.
        at: Box<Place>,
        /// Its text.
        text: String,
    },
    /// A finite number that the element type cannot hold.
    #[error("{at}: {text:?} is too large for {kind}")]
    Overflow {
        /// The cell.
        at: Box<Place>,
        /// Its text.
        text: String,
        /// The element type.
        kind: &'static str,
    },
    /// A cell that is none of the texts given for its column.
    #[error("{at}: {text:?} is none of the categories {known:?}")]
    UnknownCategory {
        /// The cell.
        at: Box<Place>,
        /// Its text.
        text: String,
        /// The texts that [`Csv::categories`](crate::Csv::categories) gave.
        known: Vec<String>,
    },
    /// A column that does not exist.
    #[error("{at}: no column {column}; {there}")]
    NoColumn {
        /// The file.
        at: Box<Place>,
        /// The column asked for.
        column: String,
        /// What there is instead.
        there: String,
    },
    /// A name that stands twice in the header.
    #[error(
        "{at}: another column is named {name:?}, too; rename one, or leave the header out with `skip_lines` and \
         `no_header()`"
    )]
    DuplicateColumn {
        /// The second of them.
        at: Box<Place>,
        /// The name.
        name: String,
    },
    /// A label and nothing to predict it from.
    #[error("{at}: one column, the label, and so no features")]
    NoFeatures {
        /// The file.
        at: Box<Place>,
    },
    /// Features and targets that are not one for each sample.
    #[error("x has shape {x:?} and y {y:?}: the first axis must count the same samples")]
    SampleCounts {
        /// The shape of the features.
        x: Vec<usize>,
        /// The shape of the targets.
        y: Vec<usize>,
    },
    /// A data set, or a part of one, without samples.
    #[error("{what} has no samples")]
    Empty {
        /// What is empty.
        what: String,
    },
    /// A number that is NaN or infinite. [`Dataset::complete`](crate::Dataset::complete) leaves out the samples
    /// with such features.
    #[error("{what}{index:?}{} is {value}: not finite; mend or leave out sample {}",
        name.as_ref().map_or_else(String::new, |name| format!(" ({name})")), index[0])]
    NonFinite {
        /// `x` or `y`.
        what: &'static str,
        /// The index in that tensor; the first number is the sample.
        index: Vec<usize>,
        /// The name of the feature, if it has one.
        name: Option<String>,
        /// The number.
        value: f64,
    },
    /// Targets that are not one label a sample.
    #[error(
        "y has shape {shape:?}: classes need one label a sample, [{samples}] or [{samples}, 1]"
    )]
    NotLabels {
        /// The shape of the targets.
        shape: Vec<usize>,
        /// The number of samples.
        samples: usize,
    },
    /// A label that is not 0, 1, 2 …
    #[error("the label of sample {sample} is {value}: labels are whole numbers from 0 on")]
    BadLabel {
        /// The sample.
        sample: usize,
        /// Its label.
        value: f64,
    },
    /// A label beyond the number of classes.
    #[error("the label of sample {sample} is {label}: of {classes} classes, the last is {}",
        classes.saturating_sub(1))]
    LabelOutOfRange {
        /// The sample.
        sample: usize,
        /// Its label.
        label: i64,
        /// The number of classes.
        classes: usize,
    },
    /// A fraction of a split that is not a positive number.
    #[error("split: fraction {part} is {fraction}: each must be positive")]
    BadFraction {
        /// The part.
        part: usize,
        /// Its fraction.
        fraction: f64,
    },
    /// Fractions of a split that leave something out, or use it twice.
    #[error("split: the fractions {fractions:?} sum to {}, not to 1", (sum * 1e9).round() / 1e9)]
    FractionSum {
        /// The fractions.
        fractions: Vec<f64>,
        /// Their sum.
        sum: f64,
    },
    /// A stratified split of targets that are no classes.
    #[error("stratified split: {0}; split targets that are no classes by `shuffled` alone")]
    NotClasses(Box<DataError>),
    /// A part of a split that would get no sample.
    #[error(
        "split: part {part} (fraction {fraction}) of {samples} samples would be empty; \
         make it larger"
    )]
    EmptyPart {
        /// The part.
        part: usize,
        /// Its fraction.
        fraction: f64,
        /// The number of samples to split.
        samples: usize,
    },
    /// A class that a stratified split cannot put into every part.
    #[error(
        "split: class {class} has {count} samples, too few for all {parts} parts: part {part} \
         (fraction {fraction}) would have none; use larger parts or `Split::shuffled`"
    )]
    ClassTooSmall {
        /// The class.
        class: i64,
        /// How many samples it has.
        count: usize,
        /// The number of parts.
        parts: usize,
        /// The first part that would have none.
        part: usize,
        /// The fraction of that part.
        fraction: f64,
    },
    /// Samples that cannot be divided into the folds asked for.
    #[error("folds: {0}")]
    Folds(#[from] FoldsError),
    /// A row that does not exist.
    #[error("row {row} (entry {entry} of the list) is outside of {samples} samples")]
    RowOutOfRange {
        /// The row.
        row: usize,
        /// Its position in the list of rows.
        entry: usize,
        /// The number of samples.
        samples: usize,
    },
    /// A row in two parts, or twice in one: what is tested would have been trained on.
    #[error("split: row {row} is in part {first} and again in part {second}")]
    RowTwice {
        /// The row.
        row: usize,
        /// The part in which it stands first.
        first: usize,
        /// The part in which it stands again.
        second: usize,
    },
    /// A scaler or an encoder for samples of another shape.
    #[error("fitted on samples of shape {fitted:?}, these have shape {found:?}")]
    ScalerShape {
        /// The shape of a sample at fitting.
        fitted: Vec<usize>,
        /// The shape of a sample now.
        found: Vec<usize>,
    },
    /// A feature whose mean, spread or scaled value is beyond what a number can hold.
    #[error("feature {feature}: its numbers are too large, or too close, to be scaled")]
    ScaleOverflow {
        /// The feature's position in a sample.
        feature: usize,
    },
    /// A feature that no sample has.
    #[error("feature {feature} is missing in every sample: there is nothing to fill it with")]
    AllMissing {
        /// The feature's position in a sample.
        feature: usize,
    },
    /// Samples that are no rows of columns, of which some could be encoded.
    #[error("x has shape {shape:?}: columns of categories need samples in rows, [n, columns]")]
    NotColumns {
        /// The shape of the features.
        shape: Vec<usize>,
    },
    /// A category that was not there at fitting.
    #[error(
        "sample {sample}, feature {feature} is {value}: none of the categories {known:?} of the \
         fit; if that may be, say `unknown(Unknown::Ignore)`"
    )]
    UnknownCode {
        /// The sample.
        sample: usize,
        /// The feature's position.
        feature: usize,
        /// Its number.
        value: f64,
        /// The categories of the fit, or the first of them.
        known: Vec<f64>,
    },
    /// Batches of no samples.
    #[error("batches: the batch size is 0; a batch has at least 1 sample")]
    BatchSize,
    /// Features that are no images, for a pipeline of [`augment`](crate::augment).
    #[error("augment: {}", not_images(features, *images))]
    NotImages {
        /// Their shape.
        features: Vec<usize>,
        /// What [`Augment::images`](crate::Augment::images) says.
        images: Option<[usize; 3]>,
    },
    /// A part that is larger than the image.
    #[error(
        "{transform}: a part of {size:?} does not fit into images of {image:?} (height, width)"
    )]
    CropTooLarge {
        /// The transform.
        transform: String,
        /// The part.
        size: [usize; 2],
        /// The image.
        image: [usize; 2],
    },
    /// A transform with a probability below 1, after which images would differ in size.
    #[error(
        "{transform} makes {after:?} of {before:?} (height, width): with a probability below 1, the images \
        of a batch would differ in size"
    )]
    SizeByChance {
        /// The transform.
        transform: String,
        /// The size of the image before it.
        before: [usize; 2],
        /// The size after it.
        after: [usize; 2],
    },
    /// Class labels under a transform that takes means of targets.
    #[error(
        "augment: the targets are class labels, and a mean of labels is no label: mix one-hot targets \
        (`with_y`) and train with `CategoricalCrossentropy`"
    )]
    MixedLabels,
}

/// What is wrong with features that should be images.
fn not_images(features: &[usize], images: Option<[usize; 3]>) -> String {
    match images {
        None => format!(
            "the features {features:?} are not images [n, channels, height, width]; say `images([channels, height, \
            width])` if they stand in one row"
        ),
        Some(shape) => format!(
            "the features {features:?} are not images of shape {shape:?} in one row each, [n, channels·height·width]"
        ),
    }
}
