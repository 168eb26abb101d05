//! stub
#![allow(unsafe_code)]
#[derive(Clone, Copy)]
pub struct Mat<'a, T> { pub data: &'a [T], pub rs: usize, pub cs: usize }
pub trait Product: Copy { fn mm(m: usize, k: usize, n: usize, a: Mat<Self>, b: Mat<Self>, c: &mut [Self], acc: bool); }
macro_rules! p { ($t:ty, $f:ident) => { impl Product for $t { fn mm(m: usize, k: usize, n: usize, a: Mat<Self>, b: Mat<Self>, c: &mut [Self], acc: bool) {
 unsafe { matrixmultiply::$f(m,k,n,1.0,a.data.as_ptr(),a.rs as isize,a.cs as isize,b.data.as_ptr(),b.rs as isize,b.cs as isize,if acc {1.0} else {0.0},c.as_mut_ptr(),n as isize,1) } } } } }
p!(f32, sgemm); p!(f64, dgemm);
pub fn gemm<T: Product>(m: usize, k: usize, n: usize, a: Mat<T>, b: Mat<T>, c: &mut [T], acc: bool) { T::mm(m,k,n,a,b,c,acc) }
