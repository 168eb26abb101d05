//! Elementwise rules: a formula over [`Real`] as one operation with one kernel forward, one
//! backward, and any further derivative.

mod along;
mod body;
mod in_place;
mod tiles;

use std::fmt::Debug;

use crate::element::Float;
use crate::op::{Cotangents, Vjp};
use crate::real::{Literal, Real};

pub(crate) use along::Along;
pub(crate) use in_place::InPlace;

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
    fn kernels<T: Float>() -> &'static Kernels<Self, T> {
        const { &Kernels::vectors::<I, O>() }
    }

    /// Whether ∂y/∂xᵢ is 1 everywhere, so that a cotangent is handed on and not copied.
    fn passes(&self, input: usize) -> bool {
        let _ = input;
        false
    }
}

/// A kernel of a rule over slices of the given length, or of one number that stands for all.
type Pass<R, T> = fn(&R, usize, &[&[T]], &mut [&mut [T]]);

/// The kernels of a rule: its values, and the cotangents of its inputs; both for single numbers, where slices of slices
/// would take longer than the arithmetic; and the cotangents as variables.
#[doc(hidden)]
pub struct Kernels<R, T: Float> {
    pub(crate) forward: Pass<R, T>,
    pub(crate) backward: Pass<R, T>,
    pub(crate) value: fn(&R, &[T], &mut [T]),
    pub(crate) slopes: fn(&R, &[T], &[T], &mut [T]),
    pub(crate) pull: for<'a, 't> fn(&R, &Vjp<'a, 't, T>) -> Cotangents<'t, T>,
}

impl<R, T: Float> Kernels<R, T> {
    /// For a rule that is worth vectors.
    pub(crate) const fn vectors<const I: usize, const O: usize>() -> Self
    where
        R: Rule<I, O>,
    {
        Kernels { forward: body::forward, backward: body::backward, ..Self::number() }
    }

    /// For a rule that calls a library, or that is seldom hot: a plain loop, which takes a fraction of the time to
    /// compile.
    pub(crate) const fn number<const I: usize, const O: usize>() -> Self
    where
        R: Rule<I, O>,
    {
        Kernels {
            forward: body::forward_by_number,
            backward: body::backward_by_number,
            value: body::value,
            slopes: body::slopes,
            pull: crate::ops::rule_op::pull,
        }
    }
}

/// Rules of this crate: a type, its name in messages, its formula, and whether it is read `by number`. Statics, so that
/// the kernels are compiled here.
macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident $name:literal $([$($data:ident: $t:ty),*])? ($($x:ident),+)
      $(passes $passes:pat,)? $(by $one:ident,)? = $y:expr;)*) => {$(
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
                fn kernels<T: $crate::Float>() -> &'static $crate::rule::Kernels<Self, T> {
                    static SINGLE: $crate::rule::Kernels<$rule, f32> =
                        $crate::rule::kernels_of!(INPUTS $($one)?);
                    static DOUBLE: $crate::rule::Kernels<$rule, f64> =
                        $crate::rule::kernels_of!(INPUTS $($one)?);
                    T::choose(&SINGLE, &DOUBLE)
                }
            }
        };
    )*};
}
pub(crate) use rules;

/// The kernels of one precision.
macro_rules! kernels_of {
    ($inputs:ident) => {
        $crate::rule::Kernels::vectors::<$inputs, 1>()
    };
    ($inputs:ident number) => {
        $crate::rule::Kernels::number::<$inputs, 1>()
    };
}
pub(crate) use kernels_of;

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
///
/// A branch is `R::select(condition, then, else)`, where `R` is whatever the formula is being read as and a
/// condition is `a.less(b)` or `a.equals(b)`; a number on its own is `R::lit(1.0)`. The side that is not taken
/// has no influence, be it infinite or NaN.
///
/// ```
/// # use gradus_autograd::{fused, Tape, Tensor};
/// // Huber's loss: a parabola near 0, straight lines outside.
/// let huber = fused!(|x, delta| {
///     let line = delta * (x.abs() - delta * 0.5);
///     R::select(x.abs().less(delta), x * x * 0.5, line)
/// });
/// let tape = Tape::<f64>::new();
/// let x = tape.var(Tensor::from([0.5, -3.0]));
/// let y = huber(x, tape.number(1.0));
/// assert_eq!(y.value().to_vec(), [0.125, 2.5]);
/// assert_eq!(y.sum().backward()[x].to_vec(), [0.5, -1.0]);
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
