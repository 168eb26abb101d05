//! Elementwise rules: a formula over [`Real`] as one operation with one kernel forward, one
//! backward, and any further derivative.

use std::fmt::Debug;
use std::iter::zip;

use crate::element::Float;
use crate::kernel::map::Body;
use crate::real::{Dual, Literal, Num, Real};

/// A function of `I` numbers with `O` results, applied element by element.
///
/// [`fused!`](crate::fused) writes one from a closure. By hand, for a rule with data of its own or
/// several results:
///
/// ```
/// use gradus_autograd::{Fuse, Literal, Real, Rule, Tape, Tensor};
///
/// /// Cartesian to polar coordinates.
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// struct Norm { eps: f64 }
///
/// impl Rule<2, 1> for Norm {
///     fn name(&self) -> &'static str { "norm" }
///     fn eval<R: Real>(&self, [x, y]: [R; 2]) -> [R; 1] where f64: Literal<R> {
///         [(x * x + y * y + self.eps).sqrt()]
///     }
/// }
///
/// let tape = Tape::<f32>::new();
/// let (x, y) = (tape.var(Tensor::from([3.0, 5.0])), tape.var(Tensor::from([4.0, 12.0])));
/// let [r] = Norm { eps: 0.0 }.fuse([x, y]);
/// assert_eq!(r.value().to_vec(), [5.0, 13.0]);
/// ```
pub trait Rule<const I: usize, const O: usize>: Copy + PartialEq + Debug + Send + Sync + 'static {
    /// The name in error messages and graphs.
    fn name(&self) -> &'static str;

    /// The formula. Mark it `#[inline(always)]`: only then can it be vectorised.
    fn eval<R: Real>(&self, x: [R; I]) -> [R; O]
    where
        f64: Literal<R>;

    /// Whether ∂y/∂xᵢ is 1 everywhere, so that a cotangent is handed on and not copied.
    fn passes(&self, input: usize) -> bool {
        let _ = input;
        false
    }
}

/// Elements that are computed before they are written. Writing them one by one would have the
/// compiler prove, for every pair of slices, that they do not overlap, and give up.
const TILE: usize = 64;

/// Writes `values(k)` to element `k` of each output that is wanted.
#[inline(always)]
fn tiles<T: Float, const O: usize>(
    len: usize,
    outs: &mut [&mut [T]],
    values: impl Fn(usize) -> [T; O],
) {
    let mut tile = [[T::ZERO; TILE]; O];
    for start in (0..len).step_by(TILE) {
        let n = TILE.min(len - start);
        for k in 0..n {
            let y = values(start + k);
            for o in 0..O {
                tile[o][k] = y[o];
            }
        }
        for (out, tile) in zip(&mut *outs, &tile) {
            if !out.is_empty() {
                out[start..start + n].copy_from_slice(&tile[..n]);
            }
        }
    }
}

/// The same for a single element, which needs no tile.
#[inline(always)]
fn single<T: Float, const O: usize>(outs: &mut [&mut [T]], values: [T; O]) {
    for (out, y) in zip(outs, values) {
        if let Some(out) = out.first_mut() {
            *out = y;
        }
    }
}

/// A rule as a kernel: reading 1.
pub(crate) struct Forward<R, const I: usize, const O: usize>(pub R);

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Body<T> for Forward<R, I, O> {
    #[inline(always)]
    fn run<const FMA: bool>(&self, ins: &[&[T]], outs: &mut [&mut [T]]) {
        let len = ins[0].len();
        let ins: [&[T]; I] = std::array::from_fn(|i| &ins[i][..len]);
        let value = |k: usize| {
            let x: [Num<T, FMA>; I] = std::array::from_fn(|i| Num(ins[i][k]));
            self.0.eval(x).map(|y| y.0)
        };
        if len == 1 {
            return single(outs, value(0));
        }
        tiles(len, outs, value);
    }
}

/// The cotangents of a rule's inputs, from its inputs and the cotangents of its results: reading 2.
pub(crate) struct Backward<R, const I: usize, const O: usize>(pub R);

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Body<T> for Backward<R, I, O> {
    #[inline(always)]
    fn run<const FMA: bool>(&self, ins: &[&[T]], outs: &mut [&mut [T]]) {
        let len = ins[0].len();
        let x: [&[T]; I] = std::array::from_fn(|i| &ins[i][..len]);
        let g: [&[T]; O] = std::array::from_fn(|o| &ins[I + o][..len]);
        let value = |k: usize| {
            let x: [Dual<Num<T, FMA>, I>; I] =
                std::array::from_fn(|i| Dual::input(Num(x[i][k]), i));
            let y = self.0.eval(x);
            std::array::from_fn(|i| {
                let mut cotangent = Num::<T, FMA>(T::ZERO);
                for o in 0..O {
                    cotangent = cotangent + Num(g[o][k]).carry(y[o].tangents[i]);
                }
                cotangent.0
            })
        };
        if len == 1 {
            return single(outs, value(0));
        }
        tiles::<T, I>(len, outs, value);
    }
}

/// A function of variables from a formula, as one fused operation.
///
/// The parameters are variables of shapes that broadcast together; numbers stand on either side of
/// an operator. It runs as one kernel, its first derivative as another, and it can be differentiated
/// any number of times. A rule sees nothing of its surroundings: pass what it needs as a parameter
/// (a number or a variable of one element does).
///
/// ```
/// use gradus_autograd::{fused, Tape, Tensor};
///
/// let gate = fused!(|x, w, b| (x * w + b).tanh() * x);
/// let tape = Tape::<f64>::new();
/// let x = tape.var(Tensor::from([0.5, -1.0]));
/// let (w, b) = (tape.var(Tensor::scalar(2.0)), tape.var(Tensor::scalar(0.1)));
/// let y = gate(x, w, b).sum();
/// assert!((y.item() - (0.5 * 1.1_f64.tanh() + 1.9_f64.tanh())).abs() < 1e-15);
/// let grads = y.backward();
/// assert_eq!(grads[w].shape(), [0; 0]); // as w itself
/// ```
#[macro_export]
macro_rules! fused {
    (|$($x:ident),+ $(,)?| $body:expr) => {{
        #[derive(Clone, Copy, Debug, PartialEq)]
        struct Fused;
        impl $crate::Rule<{ [$(stringify!($x)),+].len() }, 1> for Fused {
            fn name(&self) -> &'static str {
                "fused"
            }
            #[inline(always)]
            fn eval<R: $crate::Real>(
                &self,
                [$($x),+]: [R; { [$(stringify!($x)),+].len() }],
            ) -> [R; 1]
            where
                f64: $crate::Literal<R>,
            {
                [$body]
            }
        }
        #[track_caller]
        fn call<'t, T: $crate::Float>($($x: $crate::Var<'t, T>),+) -> $crate::Var<'t, T> {
            let [y] = $crate::Fuse::fuse(Fused, [$($x),+]);
            y
        }
        call
    }};
}
