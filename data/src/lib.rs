//! From a file to batches: what a training run needs to know about its data.
//!
//! | here | is |
//! | --- | --- |
//! | [`Dataset`] | features and targets of the same samples, in memory |
//! | [`Csv`], [`Table`] | a reader that would rather fail than guess |
//! | [`Npy`], `Npz`, [`Idx`], [`Array`] | arrays in files: NumPy's formats, and MNIST's |
//! | `ImageFolder` | a folder of images for each class; with the feature `images` |
//! | `save_image` | a picture to look at; with the feature `images` |
//! | [`Split`] | training, validation and test parts |
//! | [`Folds`]: [`KFold`], [`LeaveOneOut`], [`ShuffleSplit`], [`TimeSeriesSplit`] | which rows a cross-validation trains and tests on |
//! | [`Preprocess`]: [`StandardScaler`], [`MinMaxScaler`], [`RobustScaler`], [`OneHotEncoder`], [`OrdinalEncoder`], [`SimpleImputer`] | learnt from the training part alone, applied to all |
//! | [`Augment`], [`augment`] | images as they might have been: turned, moved, mixed |
//! | [`Batches`], [`Batch`] | a plan of mini-batches, and one of them |
//! | [`DataError`] | what was wrong, and where |
//!
//! What does not live here: downloading, data that does not fit into memory, models, and the
//! training loop. All that comes in and goes out are tensors, and no tape is seen.
//!
//! Two rules hold throughout. Whatever depends on data returns a [`DataError`] that names the place
//! (line and column, sample, part); nothing is silently dropped, doubled or read as 0. And whatever
//! is random is a function of a seed: the same seed gives the same bits on every machine.
//!
//! ```
//! use gradus_data::{Csv, Dataset, Preprocess, Split, StandardScaler};
//! # fn main() -> Result<(), gradus_data::DataError> {
//! # let rows: String = (0..50).map(|i| format!("{i},{},{}\n", i * i, i % 2)).collect();
//! # let file = format!("width,height,label\n{rows}");
//! let data: Dataset = Csv::new().read(file.as_bytes())?;
//! let [mut train, mut val, mut test] = data.split([0.6, 0.2, 0.2], Split::stratified(7))?;
//!
//! let scaler = StandardScaler::fit(&train)?;
//! for part in [&mut train, &mut val, &mut test] {
//!     scaler.apply(part)?;
//! }
//!
//! let batches = train.batches(8)?.shuffled(7);
//! for epoch in 0..2 {
//!     for batch in batches.epoch(epoch) {
//!         assert_eq!(batch.x.shape()[1..], [2]);
//!         assert_eq!(batch.y.shape()[1..], [1]);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod array;
pub mod augment;
mod batch;
mod csv;
mod dataset;
mod error;
mod file;
#[cfg(feature = "images")]
mod image_folder;
mod prefetch;
mod preprocess;
#[cfg(feature = "images")]
mod save_image;
mod split;

#[cfg(feature = "compressed")]
pub use array::Npz;
pub use array::{Array, Idx, Npy};
pub use augment::Augment;
pub use batch::{Batch, BatchIter, Batches};
pub use csv::{Column, Csv, Missing, Table};
pub use dataset::Dataset;
pub use error::{DataError, FoldsError, FormatError, Place};
#[cfg(feature = "images")]
pub use image_folder::ImageFolder;
pub use preprocess::{
    MinMaxScaler, OneHotEncoder, OrdinalEncoder, Preprocess, RobustScaler, SimpleImputer,
    StandardScaler, Unknown,
};
#[cfg(feature = "images")]
pub use save_image::save_image;
pub use split::{Fold, Folds, KFold, LeaveOneOut, ShuffleSplit, Split, TimeSeriesSplit};
