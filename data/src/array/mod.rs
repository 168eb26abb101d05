//! Arrays in files: NumPy's `.npy` and `.npz`, and IDX, the format of MNIST.

mod bytes;
mod header;
mod idx;
mod npy;
#[cfg(feature = "compressed")]
mod npz;

use gradus_autograd::{Element, Float, Tensor};

pub use idx::Idx;
pub use npy::Npy;
#[cfg(feature = "compressed")]
pub use npz::Npz;

/// An array as a file has it, in the file's type of numbers.
///
/// Integers of 8 and 16 bits, but `u8`, come as `i32`, `u32` as `i64` and half precision as `f32`:
/// every number is kept exactly. [`Array::to_tensor`] makes numbers to compute with.
///
/// ```
/// use gradus_autograd::Tensor;
/// use gradus_data::{Array, Npy};
/// # fn main() -> Result<(), gradus_data::DataError> {
/// let mut file = Vec::new();
/// Npy::new().write(&Tensor::from([[1, 2], [3, 4]]).into(), &mut file)?;
///
/// let array = Npy::new().read(&file[..])?;
/// assert_eq!((array.shape(), array.kind()), (&[2, 2][..], "i32"));
/// let x: Tensor<f32> = array.to_tensor();
/// assert_eq!(x.to_vec(), [1., 2., 3., 4.]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    /// True and false.
    Bool(Tensor<bool>),
    /// Bytes, as images have them.
    U8(Tensor<u8>),
    /// Whole numbers of 32 bits.
    I32(Tensor<i32>),
    /// Whole numbers of 64 bits.
    I64(Tensor<i64>),
    /// Single precision.
    F32(Tensor<f32>),
    /// Double precision.
    F64(Tensor<f64>),
}

/// The same expression for the tensor of whatever type.
macro_rules! each {
    ($array:expr, $tensor:ident => $do:expr) => {
        match $array {
            Array::Bool($tensor) => $do,
            Array::U8($tensor) => $do,
            Array::I32($tensor) => $do,
            Array::I64($tensor) => $do,
            Array::F32($tensor) => $do,
            Array::F64($tensor) => $do,
        }
    };
}

impl Array {
    /// The length of each axis.
    pub fn shape(&self) -> &[usize] {
        each!(self, tensor => tensor.shape())
    }

    /// The type of the numbers: `"f32"`, `"u8"` and so on.
    pub fn kind(&self) -> &'static str {
        match self {
            Array::Bool(_) => "bool",
            Array::U8(_) => "u8",
            Array::I32(_) => "i32",
            Array::I64(_) => "i64",
            Array::F32(_) => "f32",
            Array::F64(_) => "f64",
        }
    }

    /// The numbers as `f32` or `f64`, rounded where these hold them not exactly; true is 1.
    pub fn to_tensor<T: Float>(&self) -> Tensor<T> {
        match self {
            Array::Bool(tensor) => tensor.map(|x| if x { T::ONE } else { T::ZERO }),
            Array::U8(tensor) => tensor.map(|x| T::of(f64::from(x))),
            Array::I32(tensor) => tensor.map(|x| T::of(f64::from(x))),
            // The nearest number is meant.
            Array::I64(tensor) => tensor.map(|x| T::of(x as f64)),
            Array::F32(tensor) => tensor.cast(),
            Array::F64(tensor) => tensor.cast(),
        }
    }

    /// The bytes of all numbers.
    #[cfg(feature = "compressed")]
    fn bytes(&self) -> u64 {
        fn of<T: Element>(tensor: &Tensor<T>) -> u64 {
            (tensor.len() * size_of::<T>()) as u64
        }
        each!(self, tensor => of(tensor))
    }

    /// Numbers whose first axis varies fastest, as Fortran has them: `shape` counts the other way.
    fn transposed(self) -> Self {
        fn turn<T: Element>(tensor: &Tensor<T>) -> Tensor<T> {
            let order: Vec<usize> = (0..tensor.rank()).rev().collect();
            tensor.permute(&order).contiguous()
        }
        match &self {
            Array::Bool(tensor) => Array::Bool(turn(tensor)),
            Array::U8(tensor) => Array::U8(turn(tensor)),
            Array::I32(tensor) => Array::I32(turn(tensor)),
            Array::I64(tensor) => Array::I64(turn(tensor)),
            Array::F32(tensor) => Array::F32(turn(tensor)),
            Array::F64(tensor) => Array::F64(turn(tensor)),
        }
    }
}

macro_rules! from_tensor {
    ($($variant:ident $t:ty)*) => {$(
        impl From<Tensor<$t>> for Array {
            fn from(tensor: Tensor<$t>) -> Self {
                Array::$variant(tensor)
            }
        }
    )*};
}
from_tensor!(Bool bool  U8 u8  I32 i32  I64 i64  F32 f32  F64 f64);
