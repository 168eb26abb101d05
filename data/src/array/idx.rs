//! IDX: the format of MNIST and its kin.

use std::io::Read;
use std::path::Path;

use super::Array;
use super::bytes::{Kind, Layout, fill};
use crate::file::{MOST_BYTES, open};
use crate::{DataError, FormatError, Place};

/// How to read an IDX file, which holds one array: `train-images-idx3-ubyte`.
///
/// A file that is compressed by gzip is read as well, with the feature `compressed`; its name does
/// not matter. Anything behind the array is an error.
///
/// The format is described at the end of LeCun, Cortes and Burges' page on MNIST: two zeros, a type,
/// the number of axes, their lengths, the numbers; the first byte of each number is the largest.
///
/// ```
/// use gradus_data::{Array, Dataset, Idx};
/// # fn main() -> Result<(), gradus_data::DataError> {
/// let images = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 9, 255, 0, 51];
/// let labels = [0, 0, 8, 1, 0, 0, 0, 2, 7, 3];
/// let images = Idx::new().read(&images[..])?;
/// let labels = Idx::new().read(&labels[..])?;
/// assert_eq!((images.shape(), images.kind()), (&[2, 1, 2][..], "u8"));
///
/// let x = images.to_tensor::<f32>().map(|x| x / 255.);
/// let data: Dataset = Dataset::new(x, labels.to_tensor())?;
/// assert_eq!(data.classes()?.to_vec(), [7, 3]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "nothing is read before `read` or `read_path`"]
pub struct Idx {
    most_bytes: u64,
}

impl Default for Idx {
    fn default() -> Self {
        Idx::new()
    }
}

impl Idx {
    /// Arrays of at most 4 GiB.
    pub fn new() -> Self {
        Idx { most_bytes: MOST_BYTES }
    }

    /// The most bytes of an array, decompressed; more are an error.
    pub fn most_bytes(self, most_bytes: u64) -> Self {
        Idx { most_bytes }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When the file cannot be read, is no IDX file, is cut or too long, or damaged.
    pub fn read_path(&self, path: impl AsRef<Path>) -> Result<Array, DataError> {
        let (source, file) = open(path.as_ref())?;
        self.maybe_compressed(source, &file)
    }

    /// As [`Idx::read_path`], from any source of bytes.
    ///
    /// # Errors
    /// Those of [`Idx::read_path`].
    pub fn read(&self, source: impl Read) -> Result<Array, DataError> {
        self.maybe_compressed(source, &Place::default())
    }

    fn maybe_compressed(&self, mut source: impl Read, file: &Place) -> Result<Array, DataError> {
        let mut start = [0; 2];
        fill(&mut source, &mut start, "header", file)?;
        let source = start.chain(source);
        match start {
            #[cfg(feature = "compressed")]
            [0x1f, 0x8b] => self.array(flate2::read::MultiGzDecoder::new(source), file),
            #[cfg(not(feature = "compressed"))]
            [0x1f, 0x8b] => {
                Err(DataError::Format { at: Box::new(file.clone()), why: FormatError::Compressed })
            }
            _ => self.array(source, file),
        }
    }

    fn array(&self, mut source: impl Read, file: &Place) -> Result<Array, DataError> {
        let wrong = |why| DataError::Format { at: Box::new(file.clone()), why };
        let mut start = [0; 4];
        fill(&mut source, &mut start, "header", file)?;
        let [0, 0, kind, axes] = start else {
            return Err(wrong(FormatError::Magic { format: "IDX file" }));
        };
        let kind = match kind {
            0x08 => Kind::U8,
            0x09 => Kind::I8,
            0x0b => Kind::I16,
            0x0c => Kind::I32,
            0x0d => Kind::F32,
            0x0e => Kind::F64,
            _ => return Err(wrong(FormatError::Kind { kind: format!("type {kind:#04x}") })),
        };
        if axes == 0 {
            return Err(wrong(FormatError::Header { why: "it has no axes".to_owned() }));
        }
        let mut lengths = vec![0; usize::from(axes) * 4];
        fill(&mut source, &mut lengths, "header", file)?;
        let (lengths, _) = lengths.as_chunks();
        let shape = lengths.iter().map(|&length| u32::from_be_bytes(length) as usize).collect();
        let layout = Layout { kind, big_endian: true, fortran: false, shape };
        layout.read(source, self.most_bytes, file)
    }
}
