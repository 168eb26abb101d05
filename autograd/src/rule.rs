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

/// The numbers of one element, to be computed in a loop. A trait and not a closure: a closure cannot
/// be marked `#[inline(always)]`, and one that is not inlined is compiled without vector instructions.
trait Lane<T, const O: usize> {
    fn at<const FMA: bool>(&self, k: usize) -> [T; O];
    /// The same for `n` elements from `start` on: slices whose length the compiler knows, so that it
    /// can drop the bounds checks, each of which is a jump out of the loop.
    fn part(&self, start: usize, n: usize) -> Self;
}

/// Writes the numbers of element `k` to element `k` of each output that is wanted.
#[inline(always)]
fn write<T: Float, const FMA: bool, const O: usize>(
    len: usize,
    outs: &mut [&mut [T]],
    lane: impl Lane<T, O>,
) {
    if len == 1 {
        for (out, y) in zip(outs, lane.at::<FMA>(0)) {
            if let Some(out) = out.first_mut() {
                *out = y;
            }
        }
        return;
    }
    let mut tile = [[T::ZERO; TILE]; O];
    for start in (0..len).step_by(TILE) {
        let n = TILE.min(len - start);
        let part = lane.part(start, n);
        for k in 0..n {
            let y = part.at::<FMA>(k);
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

/// A rule as a kernel: reading 1.
pub(crate) struct Forward<R, const I: usize, const O: usize>(pub R);

struct Values<'a, T, R, const I: usize> {
    rule: R,
    x: [&'a [T]; I],
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Lane<T, O> for Values<'_, T, R, I> {
    #[inline(always)]
    fn at<const FMA: bool>(&self, k: usize) -> [T; O] {
        let x: [Num<T, FMA>; I] = std::array::from_fn(|i| Num(self.x[i][k]));
        let y = self.rule.eval(x);
        std::array::from_fn(|o| y[o].0)
    }
    #[inline(always)]
    fn part(&self, start: usize, n: usize) -> Self {
        Values { rule: self.rule, x: std::array::from_fn(|i| &self.x[i][start..start + n]) }
    }
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Body<T> for Forward<R, I, O> {
    #[inline(always)]
    fn run<const FMA: bool>(&self, ins: &[&[T]], outs: &mut [&mut [T]]) {
        let len = ins[0].len();
        let x = std::array::from_fn(|i| &ins[i][..len]);
        write::<T, FMA, O>(len, outs, Values::<T, R, I> { rule: self.0, x });
    }
}

/// The cotangents of a rule's inputs, from its inputs and the cotangents of its results: reading 2.
pub(crate) struct Backward<R, const I: usize, const O: usize>(pub R);

struct Pulled<'a, T, R, const I: usize, const O: usize> {
    rule: R,
    x: [&'a [T]; I],
    g: [&'a [T]; O],
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Lane<T, I> for Pulled<'_, T, R, I, O> {
    #[inline(always)]
    fn at<const FMA: bool>(&self, k: usize) -> [T; I] {
        let x: [Dual<Num<T, FMA>, I>; I] = std::array::from_fn(|i| Dual::input(Num(self.x[i][k]), i));
        let y = self.rule.eval(x);
        let mut cotangents = [T::ZERO; I];
        for i in 0..I {
            for o in 0..O {
                cotangents[i] += Num::<T, FMA>(self.g[o][k]).carry(y[o].tangents[i]).0;
            }
        }
        cotangents
    }
    #[inline(always)]
    fn part(&self, start: usize, n: usize) -> Self {
        let x = std::array::from_fn(|i| &self.x[i][start..start + n]);
        let g = std::array::from_fn(|o| &self.g[o][start..start + n]);
        Pulled { rule: self.rule, x, g }
    }
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Body<T> for Backward<R, I, O> {
    #[inline(always)]
    fn run<const FMA: bool>(&self, ins: &[&[T]], outs: &mut [&mut [T]]) {
        let len = ins[0].len();
        let x = std::array::from_fn(|i| &ins[i][..len]);
        let g = std::array::from_fn(|o| &ins[I + o][..len]);
        write::<T, FMA, I>(len, outs, Pulled::<T, R, I, O> { rule: self.0, x, g });
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
