//! NumPy's `.npz`: a zip archive of `.npy` files.

use std::collections::BTreeMap;
use std::io::{Read, Seek, Write};
use std::path::Path;

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::Array;
use super::npy::{Npy, write};
use crate::file::{MOST_BYTES, open, save};
use crate::{DataError, FormatError, Place};

/// How to read and write a `.npz` file, which holds arrays by name: `numpy.load`, `numpy.savez` and
/// `numpy.savez_compressed`. With the feature `compressed`. Of two entries of the same name the last
/// one counts, as in NumPy.
///
/// ```
/// use gradus_autograd::Tensor;
/// use gradus_data::Npz;
/// # fn main() -> Result<(), gradus_data::DataError> {
/// # let dir = std::env::temp_dir().join(format!("gradus-npz-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir).expect("a folder");
/// # let path = dir.join("arrays.npz");
/// let (x, y) = (Tensor::from([[1.5, 2.5], [3.5, 4.5]]), Tensor::from([0_i64, 1]));
/// Npz::new().write_path([("x", &x.clone().into()), ("y", &y.into())], &path)?;
///
/// let arrays = Npz::new().read_path(&path)?;
/// assert_eq!(arrays["x"].to_tensor::<f64>(), x);
/// assert_eq!(arrays["y"].kind(), "i64");
/// # std::fs::remove_dir_all(&dir).expect("cleaned");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "nothing is read before `read` or `read_path`"]
pub struct Npz {
    most_bytes: u64,
}

impl Default for Npz {
    fn default() -> Self {
        Npz::new()
    }
}

impl Npz {
    /// Arrays of at most 4 GiB together.
    pub fn new() -> Self {
        Npz { most_bytes: MOST_BYTES }
    }

    /// The most bytes of all arrays together, decompressed; more are an error.
    pub fn most_bytes(self, most_bytes: u64) -> Self {
        Npz { most_bytes }
    }

    /// Reads a file: its arrays, by name.
    ///
    /// # Errors
    /// When the file cannot be read, is no archive or a damaged one, and when an entry is no `.npy`
    /// file that [`Npy`] reads.
    pub fn read_path(&self, path: impl AsRef<Path>) -> Result<BTreeMap<String, Array>, DataError> {
        let (source, file) = open(path.as_ref())?;
        self.arrays(std::io::BufReader::new(source), &file)
    }

    /// As [`Npz::read_path`], from any source of bytes: `std::io::Cursor` makes one of a slice.
    ///
    /// # Errors
    /// Those of [`Npz::read_path`].
    pub fn read(&self, source: impl Read + Seek) -> Result<BTreeMap<String, Array>, DataError> {
        self.arrays(source, &Place::default())
    }

    fn arrays(
        &self,
        source: impl Read + Seek,
        file: &Place,
    ) -> Result<BTreeMap<String, Array>, DataError> {
        let mut archive = ZipArchive::new(source).map_err(|error| archive_error(error, file))?;
        let (mut arrays, mut left) = (BTreeMap::new(), self.most_bytes);
        for at in 0..archive.len() {
            let entry = archive.by_index(at).map_err(|error| archive_error(error, file))?;
            let name = entry.name().map_err(|error| archive_error(error, file))?.into_owned();
            let place = Place { entry: Some(name.clone()), ..file.clone() };
            let wrong = |why| DataError::Format { at: Box::new(place.clone()), why };
            let Some(key) = name.strip_suffix(".npy") else {
                return Err(wrong(FormatError::NotNpy));
            };
            let array =
                Npy::new().most_bytes(left).array(entry, &place).map_err(|error| match error {
                    DataError::TooLarge { at, .. } => {
                        DataError::TooLarge { at, most: self.most_bytes }
                    }
                    error => error,
                })?;
            left = left.saturating_sub(array.bytes());
            arrays.insert(key.to_owned(), array);
        }
        Ok(arrays)
    }

    /// Writes arrays, compressed. A file of that name is replaced at the end, or not at all. The same
    /// arrays give the same bytes.
    ///
    /// # Errors
    /// When the file cannot be written, and when two arrays have the same name.
    pub fn write_path<'a>(
        &self,
        arrays: impl IntoIterator<Item = (&'a str, &'a Array)>,
        path: impl AsRef<Path>,
    ) -> Result<(), DataError> {
        save(path.as_ref(), |file, place| {
            let io = |source| DataError::Write { at: Box::new(place.clone()), source };
            let failed = |error| match error {
                ZipError::Io(source) => io(source),
                error => archive_error(error, place),
            };
            let mut archive = ZipWriter::new(std::io::BufWriter::new(file));
            for (name, array) in arrays {
                let options = SimpleFileOptions::default()
                    .compression_method(CompressionMethod::Deflated)
                    .large_file(true);
                let entry = format!("{name}.npy");
                archive.start_file(entry, options).map_err(failed)?;
                write(array, &mut archive).map_err(io)?;
            }
            let mut sink = archive.finish().map_err(failed)?;
            sink.flush().map_err(io)
        })
    }
}

fn archive_error(error: ZipError, file: &Place) -> DataError {
    let at = Box::new(file.clone());
    match error {
        ZipError::Io(source) => DataError::Io { at, source },
        error => DataError::Format { at, why: FormatError::Archive { why: error.to_string() } },
    }
}
