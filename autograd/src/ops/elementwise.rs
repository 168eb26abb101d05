//! Elementwise operations: formulas over [`Real`], whose derivatives follow (`real/dual.rs`).

use std::iter::zip;

use smallvec::SmallVec;

use crate::element::Float;
use crate::kernel::map::{self, Block, In, Out, Slices};
use crate::kernel::simd::{Kernel, dispatch};
use crate::op::{Backward, Cotangents, Op, Outputs, Vjp};
use crate::pool::Storage;
use crate::real::{Dual, Real, Sym};
use crate::rule::{InPlace, Rule, rules};
use crate::tape::{Tape, Var};
use crate::tensor::layout::{self, Strides};
use crate::tensor::{Dims, Tensor};

/// A rule as an operation.
#[derive(Debug)]
pub(crate) struct Elementwise<R, const I: usize, const O: usize>(pub R);

/// Applying a [`Rule`] to variables.
pub trait Fuse<const I: usize, const O: usize>: Rule<I, O> {
    /// The results of the rule, one fused operation. The inputs broadcast together.
    ///
    /// # Panics
    /// When the shapes do not broadcast.
    #[track_caller]
    fn fuse<'t, T: Float>(self, x: [Var<'t, T>; I]) -> [Var<'t, T>; O] {
        const { assert!(I > 0 && O > 0, "a rule has inputs and results") };
        let results = x[0].tape().apply_all(Elementwise::<Self, I, O>(self), &x);
        std::array::from_fn(|i| results[i])
    }

    /// The rule in place, without a tape: an optimiser's step. Its first `O` inputs are `states`, which
    /// the results replace; then come `inputs`, of the same shape; then `scalars`, the same for every
    /// element. The numbers have the same bits as those of [`fuse`](Fuse::fuse).
    ///
    /// # Panics
    /// When the shapes differ or the counts do not add up to `I`.
    #[track_caller]
    fn update<T: Float>(self, states: [&mut Tensor<T>; O], inputs: &[&Tensor<T>], scalars: &[T]) {
        let counts = (O, inputs.len(), scalars.len());
        assert!(
            O + inputs.len() + scalars.len() == I,
            "{}: {counts:?} states, inputs and scalars are not {I} inputs",
            self.name()
        );
        let shape = states[0].shape;
        let same =
            inputs.iter().all(|x| x.shape == shape) && states.iter().all(|s| s.shape == shape);
        assert!(same, "{}: states and inputs differ in shape", self.name());
        let inputs: SmallVec<[Tensor<T>; 2]> = inputs.iter().map(|x| x.contiguous()).collect();
        // A state that somebody else still holds, a tape most often, is read where it is and gets a new
        // buffer: copying it first would cost as much as the step.
        let mut moved = [false; O];
        let mut olds: SmallVec<[Tensor<T>; 3]> = SmallVec::new();
        let mut number = 0;
        let states = states.map(|state| {
            if !state.is_contiguous() || state.storage.unique().is_none() {
                moved[number] = true;
                let fresh = Tensor::build(shape, |_| {});
                olds.push(std::mem::replace(state, fresh).contiguous());
            }
            number += 1;
            state
        });
        let ins: Slices<T> = olds.iter().chain(&inputs).map(Tensor::dense).collect();
        let mut states = states.map(|state| state.make_mut());
        let body = InPlace { rule: self, moved, scalars };
        map::in_place(&|ins, states| map::run(&body, ins, states), &ins, &mut states);
    }
}

impl<R: Rule<I, O>, const I: usize, const O: usize> Fuse<I, O> for R {}

/// A tensor as an input of the kernel, broadcast to `shape`.
fn read<'a, T: Float>(x: &'a Tensor<T>, shape: &Dims) -> In<'a, T> {
    let strides = if x.shape == *shape { x.strides } else { x.broadcast_to(shape).strides };
    In { data: x.raw(), strides }
}

/// The strides of a row-major tensor of shape `from`, read as `to`; summed over where it repeats.
fn spread(from: &Dims, to: &Dims) -> Strides {
    let (strides, new) = (from.row_major(), to.len() - from.len());
    let step = |axis: usize| match axis.checked_sub(new) {
        Some(at) if axis < to.len() && from[at] == to[axis] => strides[at],
        _ => 0,
    };
    std::array::from_fn(step)
}

/// The cotangents of the inputs that are asked for; in place of the others stands an empty tensor.
fn pull_all<T: Float>(
    body: &Block<T>,
    shape: &Dims,
    inputs: &[&Tensor<T>],
    cotangents: &[Tensor<T>],
    asked: &[bool],
) -> SmallVec<[Tensor<T>; 3]> {
    let operands = || inputs.iter().copied().chain(cotangents);
    let nothing = Dims::new(&[0]);
    let shapes: SmallVec<[Dims; 6]> =
        zip(inputs, asked).map(|(x, &asked)| if asked { x.shape } else { nothing }).collect();
    Tensor::build_all(&shapes, |outs| {
        if operands().all(|x| x.shape == *shape && x.is_contiguous()) {
            let ins: Slices<T> = operands().map(|x| x.dense()).collect();
            return map::contiguous(body, &ins, outs);
        }
        let outs = outs.drain(..).enumerate().map(|(i, data)| {
            // What nobody asks for is not written: its slice is empty.
            let strides = match asked[i] {
                true => spread(&inputs[i].shape, shape),
                false => Strides::default(),
            };
            let add = asked[i] && inputs[i].shape != *shape;
            if add {
                data.fill(T::ZERO);
            }
            Out { data, strides, add }
        });
        let outs = outs.collect();
        map::map(body, shape, operands().map(|x| read(x, shape)).collect(), outs);
    })
}

impl<T: Float, R: Rule<I, O>, const I: usize, const O: usize> Op<T> for Elementwise<R, I, O> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let mut shape = x[0].shape;
        for other in &x[1..] {
            if other.shape != shape {
                shape = match layout::broadcast(&shape, &other.shape) {
                    Some(both) => both,
                    None => {
                        let shapes: Vec<_> = x.iter().map(|x| x.shape).collect();
                        panic!("{}: shapes do not broadcast: {shapes:?}", self.0.name());
                    }
                };
            }
        }
        let pass = R::kernels().forward;
        let body = |ins: &[&[T]], outs: &mut [&mut [T]]| pass(&self.0, ins, outs);
        if O == 1 && shape.is_empty() {
            let ins: [&[T]; I] = std::array::from_fn(|i| &x[i].raw()[..1]);
            let mut y = [T::ZERO];
            map::contiguous(&body, &ins, &mut [&mut y]);
            return [Tensor::scalar(y[0])].into();
        }
        Tensor::build_all(&[shape; O], |outs| {
            if x.iter().all(|x| x.shape == shape && x.is_contiguous()) {
                let ins: [&[T]; I] = std::array::from_fn(|i| x[i].dense());
                return map::contiguous(&body, &ins, outs);
            }
            let strides = shape.row_major();
            let outs = outs.drain(..).map(|data| Out { data, strides, add: false }).collect();
            map::map(&body, &shape, x.iter().map(|x| read(x, &shape)).collect(), outs);
        })
    }

    fn backward(&self, cx: &mut Backward<'_, T>) -> bool {
        let shape = cx.output(0).shape;
        let passes = |i: usize| O == 1 && self.0.passes(i);
        let asked: [bool; I] = std::array::from_fn(|i| cx.needs(i) && !passes(i));
        let inputs: [&Tensor<T>; I] = std::array::from_fn(|i| cx.input(i));
        let pass = R::kernels().backward;
        let body = |ins: &[&[T]], outs: &mut [&mut [T]]| pass(&self.0, ins, outs);
        if O == 1 && shape.is_empty() {
            let g = [cx.scalar_cotangent(0)];
            let mut found = [g[0]; I];
            if asked.contains(&true) {
                let mut ins: Slices<T> = inputs.iter().map(|x| &x.raw()[..1]).collect();
                ins.push(&g);
                map::contiguous(&body, &ins, &mut found.each_mut().map(std::slice::from_mut));
            }
            for (i, found) in found.into_iter().enumerate() {
                cx.give_scalar(i, if passes(i) { g[0] } else { found });
            }
            return true;
        }
        let cotangents: [Tensor<T>; O] = std::array::from_fn(|o| cx.cotangent(o));
        if asked.contains(&true) {
            let found = pull_all(&body, &shape, &inputs, &cotangents, &asked);
            for (i, found) in found.into_iter().enumerate() {
                if asked[i] {
                    cx.give(i, found);
                }
            }
        }
        let last = (0..I).rev().find(|&i| passes(i) && cx.needs(i));
        for i in (0..I).filter(|&i| passes(i) && Some(i) != last) {
            cx.give(i, cotangents[0].clone());
        }
        if let (Some(i), Some(cotangent)) = (last, cotangents.into_iter().next()) {
            cx.give(i, cotangent);
        }
        true
    }

    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        let read = |i: usize| {
            let x = Sym::Var(cx.input(i));
            if cx.needs(i) { Dual::input(x, i) } else { Dual::constant(x) }
        };
        let x: [Dual<Sym<T>, I>; I] = std::array::from_fn(read);
        let output = cx.output(0);
        let y = output.tape().remembering::<Self, _>(output, || self.0.eval(x));
        let pull = |i: usize| {
            let mut sum = Sym::no_tangent();
            for (o, y) in y.iter().enumerate() {
                if !y.tangents[i].is_no_tangent() {
                    sum = sum + Sym::Var(cx.cotangent_of(o)).carry(y.tangents[i]);
                }
            }
            match sum {
                Sym::Var(sum) => Some(sum),
                Sym::Number(_) => None,
            }
        };
        (0..I).map(|i| if cx.needs(i) { pull(i) } else { None }).collect()
    }
}

/// Adds to a cotangent that has already arrived; in place if nobody else holds it.
pub(crate) fn accumulate<T: Float>(sum: &mut Tensor<T>, more: &Tensor<T>) {
    struct AddTo<'a, T>(&'a mut [T], &'a [T]);
    impl<T: Float> Kernel for AddTo<'_, T> {
        type Out = ();
        #[inline(always)]
        fn run<const FMA: bool>(self) {
            zip(self.0, self.1).for_each(|(y, &x)| *y += x);
        }
    }
    if let (Storage::One([a]), Storage::One([b])) = (&mut sum.storage, &more.storage)
        && sum.shape.is_empty()
    {
        *a += *b;
        return;
    }
    let more = more.contiguous();
    dispatch(AddTo(sum.make_mut(), more.dense()));
}

rules! {
    Add "add" (a, b) passes 0 | 1, = a + b;
    Sub "sub" (a, b) passes 0, = a - b;
    Mul "mul" (a, b) = a * b;
    Div "div" (a, b) = a / b;
    Neg "neg" (x) = -x;
    Scale "mul" [c: f64] (x) = x * c;
    Shift "add" [c: f64] (x) passes 0, = x + c;
    Carry "carry" (tangent, slope) = tangent.carry(slope);
    Exp "exp" (x) = x.exp();
    ExpM1 "exp_m1" (x) = x.exp_m1();
    Ln "ln" (x) = x.ln();
    Ln1p "ln_1p" (x) = x.ln_1p();
    Sqrt "sqrt" (x) = x.sqrt();
    Sin "sin" (x) = x.sin();
    Cos "cos" (x) = x.cos();
    Tanh "tanh" (x) = x.tanh();
    Sigmoid "sigmoid" (x) = x.sigmoid();
    Softplus "softplus" (x) = x.softplus();
    Erf "erf" (x) = x.erf();
    Abs "abs" (x) = x.abs();
    Sign "sign" (x) = x.sign();
    Relu "relu" (x) = x.relu();
    Gelu "gelu" (x) = x.gelu();
    Pow "pow" (x, y) = x.pow(y);
    Powi "powi" [n: i32] (x) = x.powi(n);
    Minimum "minimum" (a, b) = a.minimum(b);
    Maximum "maximum" (a, b) = a.maximum(b);
    Less "less" (a, b) = R::select(a.less(b), R::lit(1.0), R::lit(0.0));
    Equals "equals" (a, b) = R::select(a.equals(b), R::lit(1.0), R::lit(0.0));
    Where "where" (mask, a, b) = R::select(R::lit(0.5).less(mask), a, b);
}

macro_rules! operator {
    ($trait:ident $method:ident $rule:ident, $x:ident $c:ident => $right:expr, $left:expr) => {
        impl<'t, T: Float> std::ops::$trait for Var<'t, T> {
            type Output = Var<'t, T>;
            #[track_caller]
            fn $method(self, other: Var<'t, T>) -> Var<'t, T> {
                self.binary($rule, other)
            }
        }
        impl<'t, T: Float> std::ops::$trait<f64> for Var<'t, T> {
            type Output = Var<'t, T>;
            #[track_caller]
            fn $method(self, $c: f64) -> Var<'t, T> {
                let $x = self;
                $right
            }
        }
        impl<'t, T: Float> std::ops::$trait<Var<'t, T>> for f64 {
            type Output = Var<'t, T>;
            #[track_caller]
            fn $method(self, $x: Var<'t, T>) -> Var<'t, T> {
                let $c = self;
                $left
            }
        }
    };
}

operator!(Add add Add, x c => x.unary(Shift(c)), x.unary(Shift(c)));
operator!(Sub sub Sub, x c => x.unary(Shift(-c)), x.unary(Neg).unary(Shift(c)));
operator!(Mul mul Mul, x c => x.unary(Scale(c)), x.unary(Scale(c)));
operator!(Div div Div, x c => x / x.tape().number(c), x.tape().number(c) / x);

impl<'t, T: Float> std::ops::Neg for Var<'t, T> {
    type Output = Var<'t, T>;
    #[track_caller]
    fn neg(self) -> Var<'t, T> {
        self.unary(Neg)
    }
}

impl<'t, T: Float> Var<'t, T> {
    #[track_caller]
    fn unary(self, rule: impl Rule<1, 1>) -> Var<'t, T> {
        self.tape().apply(Elementwise::<_, 1, 1>(rule), &[self])
    }
    #[track_caller]
    fn binary(self, rule: impl Rule<2, 1>, other: Var<'t, T>) -> Var<'t, T> {
        self.tape().apply(Elementwise::<_, 2, 1>(rule), &[self, other])
    }
}

/// Elementwise functions of one variable.
macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident $rule:ident;)*) => {
        impl<'t, T: Float> Var<'t, T> {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(self) -> Var<'t, T> {
                self.unary($rule)
            }
        )*}
    };
}

functions! {
    /// e^x
    exp Exp;
    /// e^x − 1, exact near 0.
    exp_m1 ExpM1;
    /// Natural logarithm.
    ln Ln;
    /// ln(1 + x), exact near 0.
    ln_1p Ln1p;
    /// √x. The derivative at 0 is infinite, and not hidden.
    sqrt Sqrt;
    /// Sine, in radians.
    sin Sin;
    /// Cosine, in radians.
    cos Cos;
    /// Hyperbolic tangent.
    tanh Tanh;
    /// 1 / (1 + e^−x); finite derivatives everywhere.
    sigmoid Sigmoid;
    /// ln(1 + e^x), finite for every finite x, without a threshold.
    softplus Softplus;
    /// The error function.
    erf Erf;
    /// |x|; the derivative at 0 is 0.
    abs Abs;
    /// −1, 0 or 1; NaN for NaN. The derivative is 0.
    sign Sign;
    /// max(x, 0); the derivative at 0 is 0, as in PyTorch and JAX.
    relu Relu;
    /// x/2·(1 + erf(x/√2)): the exact form (Hendrycks and Gimpel 2016), not the one with tanh.
    gelu Gelu;
}

impl<'t, T: Float> Var<'t, T> {
    /// x^y, elementwise with broadcasting.
    ///
    /// Negative x with whole y works. The derivative in x is 0 where y is 0 and 1 where y is 1, also
    /// at x = 0; the derivative in y is 0 where x is 0 and y ≥ 0, as in PyTorch.
    #[track_caller]
    pub fn pow(self, exponent: Var<'t, T>) -> Var<'t, T> {
        self.binary(Pow, exponent)
    }

    /// x^c for a constant. Whole c up to 64 is computed by multiplication.
    #[track_caller]
    pub fn powf(self, c: f64) -> Var<'t, T> {
        match c.fract() == 0.0 && c.abs() <= 64.0 {
            true => self.unary(Powi(c as i32)),
            false => self.pow(self.tape().number(c)),
        }
    }

    /// The smaller of two, elementwise; NaN if either is. At a tie each gets half of the gradient.
    #[track_caller]
    pub fn minimum(self, other: Var<'t, T>) -> Var<'t, T> {
        self.binary(Minimum, other)
    }

    /// A cotangent times a slope; 0 where either is, even if the other is infinite or NaN.
    #[track_caller]
    pub(crate) fn carry(self, slope: Var<'t, T>) -> Var<'t, T> {
        self.binary(Carry, slope)
    }

    /// 1 where two are equal, else 0; without a derivative.
    #[track_caller]
    pub(crate) fn indicator_of(self, other: Var<'t, T>) -> Var<'t, T> {
        self.binary(Equals, other)
    }

    /// The larger of two, elementwise; NaN if either is. At a tie each gets half of the gradient.
    #[track_caller]
    pub fn maximum(self, other: Var<'t, T>) -> Var<'t, T> {
        self.binary(Maximum, other)
    }
}

impl<T: Float> Tape<T> {
    /// `a` where `mask` holds, else `b`, elementwise with broadcasting. The one that was not taken
    /// gets a gradient of exactly 0, even where it is infinite or NaN.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var(Tensor::from([0.0, 4.0]));
    /// let y = tape.where_(&x.value().map(|x| x > 0.0), x.ln(), tape.number(-1.0));
    /// assert_eq!(y.sum().backward()[x].to_vec(), [0.0, 0.25]);
    /// ```
    #[track_caller]
    pub fn where_<'t>(&'t self, mask: &Tensor<bool>, a: Var<'t, T>, b: Var<'t, T>) -> Var<'t, T> {
        let mask = self.constant(mask.map(|m| if m { T::ONE } else { T::ZERO }));
        self.apply(Elementwise::<_, 3, 1>(Where), &[mask, a, b])
    }
}

/// A rule of tensors, for the forward and fast backward passes of other operations.
pub(crate) fn evaluate<T: Float, R: Rule<I, 1>, const I: usize>(
    rule: R,
    x: [&Tensor<T>; I],
) -> Tensor<T> {
    let mut results = Elementwise::<R, I, 1>(rule).forward(&x);
    match results.pop() {
        Some(result) => result,
        None => unreachable!("a rule with one result has one"),
    }
}
