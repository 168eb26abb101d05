//! Nested array literals: `[[1., 2.], [3., 4.]]` as a tensor `[2, 2]`.

use super::layout::Dims;
use crate::element::Element;

/// A number, or an array of [`Nested`]s of equal shape.
pub trait Nested<T> {
    #[doc(hidden)]
    fn push_shape(shape: &mut Dims);
    #[doc(hidden)]
    fn flatten_into(&self, data: &mut Vec<T>);
}

macro_rules! number {
    ($($t:ty)*) => {$(
        impl Nested<$t> for $t {
            fn push_shape(_: &mut Dims) {}
            fn flatten_into(&self, data: &mut Vec<$t>) {
                data.push(*self);
            }
        }
    )*};
}
number!(f32 f64 i32 i64 u8 bool);

impl<T: Element, A: Nested<T>, const N: usize> Nested<T> for [A; N] {
    fn push_shape(shape: &mut Dims) {
        shape.push(N);
        A::push_shape(shape);
    }
    fn flatten_into(&self, data: &mut Vec<T>) {
        self.iter().for_each(|part| part.flatten_into(data));
    }
}
