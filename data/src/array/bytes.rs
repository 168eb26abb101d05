//! Numbers from bytes. What a header claims is checked against a limit, and against the bytes that
//! there really are before memory is asked for.

use std::io::Read;

use gradus_autograd::Tensor;

use super::Array;
use crate::{DataError, FormatError, Place};

/// The most axes of a tensor.
const MOST_AXES: usize = 6;
/// The most elements of a tensor, counting an axis without elements as one with one.
const MOST_ELEMENTS: usize = isize::MAX as usize / 8;

/// How numbers stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    I64,
    F16,
    F32,
    F64,
}

impl Kind {
    /// The bytes of a number.
    pub(super) fn size(self) -> usize {
        match self {
            Kind::Bool | Kind::U8 | Kind::I8 => 1,
            Kind::U16 | Kind::I16 | Kind::F16 => 2,
            Kind::U32 | Kind::I32 | Kind::F32 => 4,
            Kind::I64 | Kind::F64 => 8,
        }
    }
}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) kind: Kind,
    pub(super) big_endian: bool,
    /// Whether the first axis varies fastest.
    pub(super) fortran: bool,
    pub(super) shape: Vec<usize>,
}

impl Layout {
    /// Reads the array, which must be all that is left of the source.
    pub(super) fn read(
        &self,
        mut source: impl Read,
        most: u64,
        file: &Place,
    ) -> Result<Array, DataError> {
        let wrong = |why| DataError::Format { at: Box::new(file.clone()), why };
        let claimed = self.bytes().map_err(wrong)?;
        if claimed > most {
            return Err(DataError::TooLarge { at: Box::new(file.clone()), most });
        }
        // The buffer grows with what is read, so a claim that is wrong costs nothing.
        let mut bytes = Vec::new();
        let io = |source| DataError::Io { at: Box::new(file.clone()), source };
        source.by_ref().take(claimed).read_to_end(&mut bytes).map_err(io)?;
        if (bytes.len() as u64) < claimed {
            let (what, found) = ("data", bytes.len() as u64);
            return Err(wrong(FormatError::Truncated { what, expected: claimed, found }));
        }
        // Also what makes a decompressor check its sum.
        if source.read(&mut [0]).map_err(io)? != 0 {
            return Err(wrong(FormatError::Trailing { expected: claimed }));
        }
        self.decode(&bytes).map_err(wrong)
    }

    /// The bytes of all numbers.
    fn bytes(&self) -> Result<u64, FormatError> {
        if self.shape.len() > MOST_AXES {
            return Err(FormatError::Axes { axes: self.shape.len() });
        }
        let count = self.shape.iter().try_fold(1_usize, |count, &n| count.checked_mul(n.max(1)));
        match count.filter(|&count| count <= MOST_ELEMENTS) {
            None => Err(FormatError::Shape { shape: self.shape.clone() }),
            Some(_) if self.shape.contains(&0) => Ok(0),
            Some(count) => Ok((count * self.kind.size()) as u64),
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Array, FormatError> {
        let mut shape = self.shape.clone();
        if self.fortran {
            shape.reverse();
        }
        /// The numbers of a type, which has `from_be_bytes` and `from_le_bytes`, each mapped.
        macro_rules! numbers {
            ($t:ty) => {
                numbers!($t, |x| x)
            };
            ($t:ty, $map:expr) => {{
                let (words, _) = bytes.as_chunks();
                let words = words.iter().copied();
                let all = match self.big_endian {
                    true => words.map(<$t>::from_be_bytes).map($map).collect(),
                    false => words.map(<$t>::from_le_bytes).map($map).collect(),
                };
                Tensor::new(&shape, all)
            }};
        }
        let array = match self.kind {
            Kind::Bool => match bytes.iter().find(|&&byte| byte > 1) {
                Some(&byte) => return Err(FormatError::Bool { byte }),
                None => Array::Bool(numbers!(u8, |x| x == 1)),
            },
            Kind::U8 => Array::U8(Tensor::new(&shape, bytes.to_vec())),
            Kind::I8 => Array::I32(numbers!(i8, i32::from)),
            Kind::U16 => Array::I32(numbers!(u16, i32::from)),
            Kind::I16 => Array::I32(numbers!(i16, i32::from)),
            Kind::U32 => Array::I64(numbers!(u32, i64::from)),
            Kind::I32 => Array::I32(numbers!(i32)),
            Kind::I64 => Array::I64(numbers!(i64)),
            Kind::F16 => Array::F32(numbers!(u16, half)),
            Kind::F32 => Array::F32(numbers!(f32)),
            Kind::F64 => Array::F64(numbers!(f64)),
        };
        Ok(if self.fortran { array.transposed() } else { array })
    }
}

/// Fills the buffer, or says how many bytes of it there were.
pub(super) fn fill(
    mut source: impl Read,
    buffer: &mut [u8],
    what: &'static str,
    file: &Place,
) -> Result<(), DataError> {
    let (mut filled, expected) = (0, buffer.len());
    while filled < expected {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => {
                let why = FormatError::Truncated {
                    what,
                    expected: expected as u64,
                    found: filled as u64,
                };
                return Err(DataError::Format { at: Box::new(file.clone()), why });
            }
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(DataError::Io { at: Box::new(file.clone()), source }),
        }
    }
    Ok(())
}

/// Half precision (IEEE 754 binary16), exactly.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2_f32.powi(-24),
        0x1f if fraction == 0.0 => f32::INFINITY,
        0x1f => f32::NAN,
        _ => (1024.0 + fraction) * 2_f32.powi(exponent - 25),
    };
    sign * size
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn half_precision_is_exact() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x0001, 2_f32.powi(-24)),
            (0x03ff, 1023.0 * 2_f32.powi(-24)),
            (0x0400, 2_f32.powi(-14)),
            (0x3555, 0.333_251_95),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:#x}");
        }
        assert!(half(0x7e00).is_nan() && half(0x8000).is_sign_negative());
    }
}
