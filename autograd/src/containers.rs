//! What holds modules is a module: lists, tuples, boxes, options; and settings are, which hold none.

use crate::element::Float;
use crate::param::{Module, Param, Path};

/// What they iterate over, by index.
macro_rules! items {
    ($([$($g:tt)*] $t:ty),*) => {$(
        impl<T: Float, $($g)*> Module<T> for $t {
            fn visit<'m>(&'m self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &'m Param<T>)) {
                self.iter().enumerate().for_each(|(i, m)| m.visit(path.item(i), f));
            }
            fn visit_mut(&mut self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &mut Param<T>)) {
                self.iter_mut().enumerate().for_each(|(i, m)| m.visit_mut(path.item(i), f));
            }
        }
    )*};
}
items!([M: Module<T>] Vec<M>, [M: Module<T>, const N: usize] [M; N]);

impl<T: Float, M: Module<T> + ?Sized> Module<T> for Box<M> {
    fn visit<'m>(&'m self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &'m Param<T>)) {
        (**self).visit(path, f);
    }
    fn visit_mut(&mut self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &mut Param<T>)) {
        (**self).visit_mut(path, f);
    }
}

impl<T: Float, M: Module<T>> Module<T> for Option<M> {
    fn visit<'m>(&'m self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &'m Param<T>)) {
        self.iter().for_each(|m| m.visit(path, f));
    }
    fn visit_mut(&mut self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &mut Param<T>)) {
        self.iter_mut().for_each(|m| m.visit_mut(path, f));
    }
}

macro_rules! tuples {
    ($(($($m:ident $i:tt),+))*) => {$(
        impl<T: Float, $($m: Module<T>),+> Module<T> for ($($m,)+) {
            fn visit<'m>(&'m self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &'m Param<T>)) {
                $(self.$i.visit(path.item($i), f);)+
            }
            fn visit_mut(&mut self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &mut Param<T>)) {
                $(self.$i.visit_mut(path.item($i), f);)+
            }
        }
    )*};
}
tuples!((A 0) (A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3) (A 0, B 1, C 2, D 3, E 4)
        (A 0, B 1, C 2, D 3, E 4, F 5));

/// Settings: no parameters.
macro_rules! settings {
    ($($t:ty)*) => {$(
        impl<T: Float> Module<T> for $t {
            fn visit<'m>(&'m self, _: Path<'_>, _: &mut dyn FnMut(Path<'_>, &'m Param<T>)) {}
            fn visit_mut(&mut self, _: Path<'_>, _: &mut dyn FnMut(Path<'_>, &mut Param<T>)) {}
        }
    )*};
}
settings!(crate::Activation bool u8 i32 i64 u32 u64 usize f32 f64 char String &'static str);
