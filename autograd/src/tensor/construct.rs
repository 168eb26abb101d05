//! How tensors come to be.

use rand::RngExt;
use rand::SeedableRng;

use super::layout::{Dims, MAX_RANK};
use super::literal::Nested;
use super::{Element, Float, Tensor};
use crate::pool::Storage;

/// The generator behind every random tensor, shuffle and split: ChaCha with 8 rounds, whose stream
/// for a seed is the same on every machine and in every release.
#[derive(Debug)]
pub struct Rng(pub(crate) rand::rngs::ChaCha8Rng);

impl Rng {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Self {
        Rng(rand::rngs::ChaCha8Rng::seed_from_u64(seed))
    }

    /// A generator for one named part of what `seed` seeds: other names, other numbers.
    ///
    /// ```
    /// use gradus_autograd::Rng;
    /// assert_ne!(Rng::named(7, "l1.kernel").uniform(), Rng::named(7, "l2.kernel").uniform());
    /// ```
    pub fn named(seed: u64, name: &str) -> Self {
        // FNV-1a (Fowler, Noll, Vo): a hash that is fixed for all time, unlike the standard one.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, byte| {
            (h ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Rng::new(seed.rotate_left(32) ^ hash)
    }

    /// A number in [0, 1), uniform, with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        self.0.random::<f64>()
    }

    /// A standard normal number (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A whole number below `end`, each with the same probability.
    ///
    /// # Panics
    /// When `end` is 0.
    #[track_caller]
    pub fn below(&mut self, end: usize) -> usize {
        assert!(end > 0, "below: there is no number below 0");
        self.0.random_range(0..end as u64) as usize
    }

    /// The items in random order (Fisher and Yates).
    pub fn shuffle<I>(&mut self, items: &mut [I]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

impl<T: Element> Tensor<T> {
    /// A tensor of the given shape from its elements in row-major order.
    ///
    /// ```
    /// # use gradus_autograd::Tensor;
    /// let a = Tensor::new(&[2, 3], vec![1., 2., 3., 4., 5., 6.]);
    /// assert_eq!(a, Tensor::from([[1., 2., 3.], [4., 5., 6.]]));
    /// ```
    ///
    /// # Panics
    /// When the number of elements is not the product of the shape.
    #[track_caller]
    pub fn new(shape: &[usize], data: Vec<T>) -> Self {
        let shape = Dims::of("new", shape);
        assert!(
            shape.product() == data.len(),
            "new: shape {shape:?} has {} elements, the data has {}",
            shape.product(),
            data.len()
        );
        Tensor { storage: Storage::from_vec(data), shape, strides: shape.row_major(), offset: 0 }
    }

    /// A tensor of rank 0: a single number.
    #[inline]
    pub fn scalar(x: T) -> Self {
        Tensor {
            storage: Storage::One([x]),
            shape: Dims::empty(),
            strides: [0; MAX_RANK],
            offset: 0,
        }
    }

    /// Every element `x`. One number is stored, whatever the shape.
    ///
    /// # Panics
    /// When there would be more elements than memory has addresses, as in every constructor.
    #[track_caller]
    pub fn full(shape: &[usize], x: T) -> Self {
        Tensor::repeat("full", shape, x)
    }

    #[inline]
    #[track_caller]
    fn repeat(what: &str, shape: &[usize], x: T) -> Self {
        Tensor { shape: Dims::of(what, shape), ..Tensor::scalar(x) }
    }

    /// An element for each index, in row-major order.
    #[track_caller]
    pub fn from_fn(shape: &[usize], f: impl FnMut(&[usize]) -> T) -> Self {
        Tensor::by_index("from_fn", shape, f)
    }

    #[track_caller]
    fn by_index(what: &str, shape: &[usize], mut f: impl FnMut(&[usize]) -> T) -> Self {
        let shape = Dims::of(what, shape);
        let mut index: Dims = shape.iter().map(|_| 0).collect();
        Tensor::build(shape, |data| {
            for x in data {
                *x = f(&index);
                for axis in (0..shape.len()).rev() {
                    index[axis] += 1;
                    if index[axis] < shape[axis] {
                        break;
                    }
                    index[axis] = 0;
                }
            }
        })
    }
}

impl<T: Float> Tensor<T> {
    /// All 0, without a buffer of that size until somebody writes.
    #[track_caller]
    pub fn zeros(shape: &[usize]) -> Self {
        Tensor::repeat("zeros", shape, T::ZERO)
    }

    /// All 1; see [`Tensor::zeros`].
    #[track_caller]
    pub fn ones(shape: &[usize]) -> Self {
        Tensor::repeat("ones", shape, T::ONE)
    }

    /// The identity matrix, `[n, n]`.
    #[track_caller]
    pub fn eye(n: usize) -> Self {
        Tensor::by_index("eye", &[n, n], |at| T::of(f64::from(u8::from(at[0] == at[1]))))
    }

    /// For each class a row of zeros with a 1 in its place: `[..]` → `[.., classes]`.
    ///
    /// # Panics
    /// When a class is not one of 0 to `classes` − 1.
    #[track_caller]
    pub fn one_hot(index: &Tensor<i64>, classes: usize) -> Self {
        let wrong = index.to_vec().into_iter().find(|class| !(0..classes as i64).contains(class));
        assert!(
            wrong.is_none(),
            "one_hot: class {} is not one of 0 to {}",
            wrong.unwrap_or(0),
            classes as i64 - 1
        );
        let mut shape = index.shape;
        shape.push(classes);
        let mut hot = Tensor::build(shape.counted("one_hot"), |data| data.fill(T::ZERO));
        for (row, class) in hot.make_mut().chunks_exact_mut(classes.max(1)).zip(index.to_vec()) {
            row[class as usize] = T::ONE;
        }
        hot
    }

    /// `count` numbers from `start` to `end`, both included, evenly spaced, `[count]`.
    ///
    /// ```
    /// # use gradus_autograd::Tensor;
    /// assert_eq!(Tensor::<f32>::linspace(0., 1., 5).to_vec(), [0., 0.25, 0.5, 0.75, 1.]);
    /// ```
    #[track_caller]
    pub fn linspace(start: f64, end: f64, count: usize) -> Self {
        let last = count.max(2) - 1;
        Tensor::by_index("linspace", &[count], |at| {
            let part = at[0] as f64 / last as f64;
            T::of(if at[0] == last { end } else { start + (end - start) * part })
        })
    }

    /// Independent numbers, uniform in [`low`, `high`).
    #[track_caller]
    pub fn rand(shape: &[usize], low: f64, high: f64, rng: &mut Rng) -> Self {
        Tensor::by_index("rand", shape, |_| T::of(low + (high - low) * rng.uniform()))
    }

    /// Independent standard normal numbers.
    ///
    /// ```
    /// # use gradus_autograd::{Rng, Tensor};
    /// let x: Tensor = Tensor::randn(&[100, 3], &mut Rng::new(1));
    /// assert_eq!(x, Tensor::randn(&[100, 3], &mut Rng::new(1)));
    /// ```
    #[track_caller]
    pub fn randn(shape: &[usize], rng: &mut Rng) -> Self {
        Tensor::by_index("randn", shape, |_| T::of(rng.normal()))
    }
}

/// Types that can be counted up: `arange` of `f32`, `f64`, `i32`, `i64`.
pub trait Arange: Element {
    #[doc(hidden)]
    fn count_to(end: Self) -> Vec<Self>;
}

macro_rules! arange {
    ($($t:ty)*) => {$(
        impl Arange for $t {
            fn count_to(end: Self) -> Vec<Self> {
                (0..).map(|i: u32| i as $t).take_while(|&x| x < end).collect()
            }
        }
    )*};
}
arange!(f32 f64 i32 i64);

impl<T: Arange> Tensor<T> {
    /// The whole numbers from 0 up to, without, `end`, in one axis.
    ///
    /// ```
    /// # use gradus_autograd::Tensor;
    /// assert_eq!(Tensor::arange(3_i64).to_vec(), [0, 1, 2]);
    /// ```
    pub fn arange(end: T) -> Self {
        let all = T::count_to(end);
        Tensor::new(&[all.len()], all)
    }
}

impl<T: Element> From<Vec<T>> for Tensor<T> {
    /// One axis.
    fn from(data: Vec<T>) -> Self {
        Tensor::new(&[data.len()], data)
    }
}

impl<T: Element, A: Nested<T>, const N: usize> From<[A; N]> for Tensor<T> {
    /// Nested literals, one axis a level.
    fn from(rows: [A; N]) -> Self {
        let mut data = Vec::new();
        rows.iter().for_each(|row| row.flatten_into(&mut data));
        let mut shape = Dims::new(&[N]);
        A::push_shape(&mut shape);
        Tensor::new(&shape, data)
    }
}
