//! Elementwise rules: a formula over [`Real`] as one operation with one kernel forward, one
//! backward, and any further derivative.

use std::fmt::Debug;
use std::iter::zip;

use crate::element::Float;
use crate::kernel::map::{Body, run};
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
pub trait Rule<const I: usize, const O: usize>:
    Copy + PartialEq + Debug + Send + Sync + 'static
{
    /// The name in error messages and graphs.
    fn name(&self) -> &'static str;

    /// The formula. Mark it `#[inline(always)]`: only then can it be vectorised.
    fn eval<R: Real>(&self, x: [R; I]) -> [R; O]
    where
        f64: Literal<R>;

    /// The compiled kernels; rules of this crate are compiled in it, once, and not in every crate that
    /// uses them.
    #[doc(hidden)]
    fn kernels<T: Float>() -> Kernels<Self, T> {
        Kernels { forward: forward::<T, Self, I, O>, backward: backward::<T, Self, I, O> }
    }

    /// Whether ∂y/∂xᵢ is 1 everywhere, so that a cotangent is handed on and not copied.
    fn passes(&self, input: usize) -> bool {
        let _ = input;
        false
    }
}

/// A kernel of a rule over slices of equal length.
#[doc(hidden)]
pub type Pass<R, T> = fn(&R, &[&[T]], &mut [&mut [T]]);

/// The kernels of a rule: its values, and the cotangents of its inputs.
#[doc(hidden)]
pub struct Kernels<R, T> {
    pub(crate) forward: Pass<R, T>,
    pub(crate) backward: Pass<R, T>,
}

pub(crate) fn forward<T: Float, R: Rule<I, O>, const I: usize, const O: usize>(
    rule: &R,
    ins: &[&[T]],
    outs: &mut [&mut [T]],
) {
    run(&Forward(*rule), ins, outs);
}

pub(crate) fn backward<T: Float, R: Rule<I, O>, const I: usize, const O: usize>(
    rule: &R,
    ins: &[&[T]],
    outs: &mut [&mut [T]],
) {
    run(&Backward(*rule), ins, outs);
}

/// Rules of this crate: a type, its name in messages, its formula.
macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident $name:literal $([$($data:ident: $t:ty),*])? ($($x:ident),+)
      $(passes $passes:pat,)? = $y:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub(crate) struct $rule $(($(pub $t),*))?;

        const _: () = {
            const INPUTS: usize = [$(stringify!($x)),+].len();

            impl $crate::Rule<INPUTS, 1> for $rule {
                fn name(&self) -> &'static str {
                    $name
                }
                #[inline(always)]
                fn eval<R: $crate::Real>(&self, [$($x),+]: [R; INPUTS]) -> [R; 1]
                where
                    f64: $crate::Literal<R>,
                {
                    $(let $rule($($data),*) = *self;)?
                    [$y]
                }
                $(fn passes(&self, input: usize) -> bool {
                    matches!(input, $passes)
                })?
                fn kernels<T: $crate::Float>() -> $crate::rule::Kernels<Self, T> {
                    $crate::rule::compiled!(single f32 $rule INPUTS);
                    $crate::rule::compiled!(double f64 $rule INPUTS);
                    T::choose(single(), double())
                }
            }
        };
    )*};
}
pub(crate) use rules;

/// The kernels of one type, as functions without type parameters, so that they are compiled here.
macro_rules! compiled {
    ($name:ident $t:ident $rule:ident $inputs:ident) => {
        fn $name() -> $crate::rule::Kernels<$rule, $t> {
            fn forward(rule: &$rule, ins: &[&[$t]], outs: &mut [&mut [$t]]) {
                $crate::rule::forward::<$t, $rule, $inputs, 1>(rule, ins, outs);
            }
            fn backward(rule: &$rule, ins: &[&[$t]], outs: &mut [&mut [$t]]) {
                $crate::rule::backward::<$t, $rule, $inputs, 1>(rule, ins, outs);
            }
            $crate::rule::Kernels { forward, backward }
        }
    };
}
pub(crate) use compiled;

/// Elements of a tile: computed into an array and then copied out. Writing them to slices one by one,
/// the compiler would have to prove that no two slices overlap, and gives up; with arrays of fixed
/// length there is also no bounds check and no remainder in the loop, and it always vectorises.
const TILE: usize = 64;
/// The tile of what is left at the end, filled up to its length.
const REST: usize = 16;

/// `N` elements of each operand from `start` on.
#[inline(always)]
fn whole<'a, T, const N: usize, const J: usize>(x: &[&'a [T]; J], start: usize) -> [&'a [T; N]; J] {
    std::array::from_fn(|i| match x[i][start..].first_chunk() {
        Some(tile) => tile,
        None => unreachable!("a whole tile is left"),
    })
}

/// What is left of each operand from `start` on, filled up.
#[inline(always)]
fn padded<T: Float, const N: usize, const J: usize>(x: &[&[T]; J], start: usize) -> [[T; N]; J] {
    let mut tiles = [[T::ONE; N]; J];
    for (tile, x) in zip(&mut tiles, x) {
        let rest = &x[start..];
        tile[..rest.len()].copy_from_slice(rest);
    }
    tiles
}

/// Writes a tile to each output that is wanted.
#[inline(always)]
fn write<T: Float, const N: usize>(
    outs: &mut [&mut [T]],
    start: usize,
    n: usize,
    tiles: &[[T; N]],
) {
    for (out, tile) in zip(outs, tiles) {
        if !out.is_empty() {
            out[start..start + n].copy_from_slice(&tile[..n]);
        }
    }
}

/// Runs `$tile::<N>(start, …)` over all elements, in tiles. A macro and not a closure: only what is
/// inlined for certain is compiled with vector instructions.
macro_rules! in_tiles {
    ($len:expr, $outs:expr, |$start:ident, $read:ident| $tile:expr) => {{
        let (len, mut $start) = ($len, 0);
        while $start + TILE <= len {
            macro_rules! $read {
                ($x:expr) => {
                    whole::<T, TILE, _>($x, $start)
                };
            }
            write($outs, $start, TILE, &$tile);
            $start += TILE;
        }
        while $start + REST <= len {
            macro_rules! $read {
                ($x:expr) => {
                    whole::<T, REST, _>($x, $start)
                };
            }
            write($outs, $start, REST, &$tile);
            $start += REST;
        }
        if $start < len {
            macro_rules! $read {
                ($x:expr) => {
                    padded::<T, REST, _>($x, $start).each_ref()
                };
            }
            write($outs, $start, len - $start, &$tile);
        }
    }};
}

/// A rule as a kernel: reading 1.
pub(crate) struct Forward<R, const I: usize, const O: usize>(pub R);

impl<R, const I: usize, const O: usize> Forward<R, I, O> {
    #[inline(always)]
    fn tile<T: Float, const FMA: bool, const N: usize>(&self, x: [&[T; N]; I]) -> [[T; N]; O]
    where
        R: Rule<I, O>,
    {
        let mut out = [[T::ZERO; N]; O];
        for k in 0..N {
            let x: [Num<T, FMA>; I] = std::array::from_fn(|i| Num(x[i][k]));
            let y = self.0.eval(x);
            for o in 0..O {
                out[o][k] = y[o].0;
            }
        }
        out
    }
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Body<T> for Forward<R, I, O> {
    #[inline(always)]
    fn run<const FMA: bool>(&self, ins: &[&[T]], outs: &mut [&mut [T]]) {
        let len = ins[0].len();
        let x: [&[T]; I] = std::array::from_fn(|i| &ins[i][..len]);
        if len == 1 {
            let one = self.tile::<T, FMA, 1>(whole(&x, 0));
            return write(outs, 0, 1, &one);
        }
        in_tiles!(len, outs, |start, read| self.tile::<T, FMA, _>(read!(&x)));
    }
}

/// A rule in place: reading 1 again, for optimisers. The first `O` inputs are the old states, which are
/// the outputs' own contents; or, where `moved`, the first of the kernel's inputs, for a state that
/// somebody else still holds. Then come the kernel's other inputs, then `scalars`.
pub(crate) struct InPlace<'a, R, T, const I: usize, const O: usize> {
    pub rule: R,
    pub moved: [bool; O],
    pub scalars: &'a [T],
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> InPlace<'_, R, T, I, O> {
    /// Each input from element `start` on; scalars from the start of their constant.
    #[inline(always)]
    fn operands<'t>(
        &self,
        ins: &[&'t [T]],
        states: &'t [&mut [T]],
        constants: &'t [[T; TILE]; I],
        start: usize,
    ) -> [&'t [T]; I] {
        let mut operands = [&[][..]; I];
        let mut next = 0;
        for i in 0..I {
            operands[i] = if i >= I - self.scalars.len() {
                &constants[i]
            } else if i < O && !self.moved[i] {
                &states[i][start..]
            } else {
                next += 1;
                &ins[next - 1][start..]
            };
        }
        operands
    }
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Body<T> for InPlace<'_, R, T, I, O> {
    #[inline(always)]
    fn run<const FMA: bool>(&self, ins: &[&[T]], states: &mut [&mut [T]]) {
        let len = states[0].len();
        let mut constants = [[T::ONE; TILE]; I];
        for (tile, &x) in zip(&mut constants[I - self.scalars.len()..], self.scalars) {
            tile.fill(x);
        }
        let (body, mut start) = (Forward(self.rule), 0);
        while start + TILE <= len {
            let x = self.operands(ins, states, &constants, start);
            let y = body.tile::<T, FMA, TILE>(whole(&x, 0));
            write(states, start, TILE, &y);
            start += TILE;
        }
        while start < len {
            let n = REST.min(len - start);
            let x = self.operands(ins, states, &constants, start);
            let mut rests = [[T::ONE; REST]; I];
            for (rest, x) in zip(&mut rests, x) {
                let n = if x.len() < REST { n } else { REST };
                rest[..n].copy_from_slice(&x[..n]);
            }
            let y = body.tile::<T, FMA, REST>(rests.each_ref());
            write(states, start, n, &y);
            start += n;
        }
    }
}

/// The cotangents of a rule's inputs, from its inputs and the cotangents of its results: reading 2.
pub(crate) struct Backward<R, const I: usize, const O: usize>(pub R);

impl<R, const I: usize, const O: usize> Backward<R, I, O> {
    #[inline(always)]
    fn tile<T: Float, const FMA: bool, const N: usize>(
        &self,
        x: [&[T; N]; I],
        g: [&[T; N]; O],
    ) -> [[T; N]; I]
    where
        R: Rule<I, O>,
    {
        let mut out = [[T::ZERO; N]; I];
        for k in 0..N {
            let x: [Dual<Num<T, FMA>, I>; I] =
                std::array::from_fn(|i| Dual::input(Num(x[i][k]), i));
            let y = self.0.eval(x);
            for (i, out) in out.iter_mut().enumerate() {
                let mut sum = T::ZERO;
                for o in 0..O {
                    sum += Num::<T, FMA>(g[o][k]).carry(y[o].tangents[i]).0;
                }
                out[k] = sum;
            }
        }
        out
    }
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Body<T> for Backward<R, I, O> {
    #[inline(always)]
    fn run<const FMA: bool>(&self, ins: &[&[T]], outs: &mut [&mut [T]]) {
        let len = ins[0].len();
        let x: [&[T]; I] = std::array::from_fn(|i| &ins[i][..len]);
        let g: [&[T]; O] = std::array::from_fn(|o| &ins[I + o][..len]);
        if len == 1 {
            let one = self.tile::<T, FMA, 1>(whole(&x, 0), whole(&g, 0));
            return write(outs, 0, 1, &one);
        }
        in_tiles!(len, outs, |start, read| self.tile::<T, FMA, _>(read!(&x), read!(&g)));
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
