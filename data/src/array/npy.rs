//! NumPy's `.npy`.

use std::io::{Read, Write};
use std::path::Path;

use gradus_autograd::{Element, Tensor};

use super::Array;
use super::bytes::fill;
use super::header::parse;
use crate::file::{MOST_BYTES, open, save};
use crate::{DataError, FormatError, Place};

const MAGIC: &[u8] = b"\x93NUMPY";
/// The longest header that is read, as in NumPy.
const MOST_HEADER: usize = 10_000;

/// How to read and write a `.npy` file, which holds one array: `numpy.load` and `numpy.save`.
///
/// All three versions of the format, either order of bytes, either order of axes; see [`Array`] for
/// the types. Pickled objects, records, texts and complex numbers are refused, and so is anything
/// behind the array. A header is never trusted: memory is asked for as bytes come in.
///
/// The format is NumPy's NEP 1.
///
/// ```
/// use gradus_autograd::Tensor;
/// use gradus_data::Npy;
/// # fn main() -> Result<(), gradus_data::DataError> {
/// # let dir = std::env::temp_dir().join(format!("gradus-npy-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir).expect("a folder");
/// # let path = dir.join("x.npy");
/// let x = Tensor::from([[1.5, 2.5], [3.5, 4.5]]);
/// Npy::new().write_path(&x.clone().into(), &path)?;
/// assert_eq!(Npy::new().read_path(&path)?.to_tensor::<f64>(), x);
/// # std::fs::remove_dir_all(&dir).expect("cleaned");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "nothing is read before `read` or `read_path`"]
pub struct Npy {
    most_bytes: u64,
}

impl Default for Npy {
    fn default() -> Self {
        Npy::new()
    }
}

impl Npy {
    /// Arrays of at most 4 GiB.
    pub fn new() -> Self {
        Npy { most_bytes: MOST_BYTES }
    }

    /// The most bytes of an array; more are an error.
    pub fn most_bytes(self, most_bytes: u64) -> Self {
        Npy { most_bytes }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When the file cannot be read, is no `.npy`, is cut or too long, or holds what is not read.
    pub fn read_path(&self, path: impl AsRef<Path>) -> Result<Array, DataError> {
        let (source, file) = open(path.as_ref())?;
        self.array(source, &file)
    }

    /// As [`Npy::read_path`], from any source of bytes.
    ///
    /// # Errors
    /// Those of [`Npy::read_path`].
    pub fn read(&self, source: impl Read) -> Result<Array, DataError> {
        self.array(source, &Place::default())
    }

    pub(super) fn array(&self, mut source: impl Read, file: &Place) -> Result<Array, DataError> {
        let wrong = |why| DataError::Format { at: Box::new(file.clone()), why };
        let mut start = [0; 8];
        fill(&mut source, &mut start, "header", file)?;
        if start[..6] != *MAGIC {
            return Err(wrong(FormatError::Magic { format: "NumPy array (.npy)" }));
        }
        let length = match start[6..] {
            [1, 0] => {
                let mut length = [0; 2];
                fill(&mut source, &mut length, "header", file)?;
                usize::from(u16::from_le_bytes(length))
            }
            [2 | 3, 0] => {
                let mut length = [0; 4];
                fill(&mut source, &mut length, "header", file)?;
                u32::from_le_bytes(length) as usize
            }
            _ => return Err(wrong(FormatError::Version { major: start[6], minor: start[7] })),
        };
        if length > MOST_HEADER {
            return Err(wrong(FormatError::LongHeader { length, most: MOST_HEADER }));
        }
        let mut header = vec![0; length];
        fill(&mut source, &mut header, "header", file)?;
        // Field names alone could be more than ASCII, and records are not read.
        let text = std::str::from_utf8(&header).ok().filter(|text| text.is_ascii());
        let not_ascii = || FormatError::Header { why: "it is not ASCII".to_owned() };
        let layout = text.ok_or_else(not_ascii).and_then(parse).map_err(wrong)?;
        layout.read(source, self.most_bytes, file)
    }

    /// Writes a file: version 1.0, little endian. A file of that name is replaced at the end, or not
    /// at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_path(&self, array: &Array, path: impl AsRef<Path>) -> Result<(), DataError> {
        save(path.as_ref(), |file, place| {
            let mut buffered = std::io::BufWriter::new(file);
            write(array, &mut buffered)
                .and_then(|()| buffered.flush())
                .map_err(|source| DataError::Write { at: Box::new(place.clone()), source })
        })
    }

    /// As [`Npy::write_path`], to anything that takes bytes.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn write(&self, array: &Array, sink: impl Write) -> Result<(), DataError> {
        write(array, sink)
            .map_err(|source| DataError::Write { at: Box::new(Place::default()), source })
    }
}

pub(super) fn write(array: &Array, mut sink: impl Write) -> std::io::Result<()> {
    let element = match array {
        Array::Bool(_) => "|b1",
        Array::U8(_) => "|u1",
        Array::I32(_) => "<i4",
        Array::I64(_) => "<i8",
        Array::F32(_) => "<f4",
        Array::F64(_) => "<f8",
    };
    let shape = match array.shape() {
        [n] => format!("({n},)"),
        shape => {
            let lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
            format!("({})", lengths.join(", "))
        }
    };
    let header = format!("{{'descr': '{element}', 'fortran_order': False, 'shape': {shape}, }}");
    // The numbers start at a multiple of 64 bytes, behind spaces and a line end.
    let total = (MAGIC.len() + 4 + header.len() + 1).next_multiple_of(64);
    let length = total - MAGIC.len() - 4;
    sink.write_all(MAGIC)?;
    sink.write_all(&[1, 0])?;
    sink.write_all(&(length as u16).to_le_bytes())?;
    writeln!(sink, "{header:<width$}", width = length - 1)?;
    match array {
        Array::Bool(tensor) => put(tensor, sink, |x| [u8::from(x)]),
        Array::U8(tensor) => put(tensor, sink, |x| [x]),
        Array::I32(tensor) => put(tensor, sink, i32::to_le_bytes),
        Array::I64(tensor) => put(tensor, sink, i64::to_le_bytes),
        Array::F32(tensor) => put(tensor, sink, f32::to_le_bytes),
        Array::F64(tensor) => put(tensor, sink, f64::to_le_bytes),
    }
}

/// Writes the numbers in row-major order, some at a time.
fn put<T: Element, const N: usize>(
    tensor: &Tensor<T>,
    mut sink: impl Write,
    bytes: impl Fn(T) -> [u8; N],
) -> std::io::Result<()> {
    let tensor = tensor.contiguous();
    for some in tensor.as_slice().unwrap_or_default().chunks(4096) {
        let some: Vec<u8> = some.iter().flat_map(|&x| bytes(x)).collect();
        sink.write_all(&some)?;
    }
    Ok(())
}
