//! Gradient checks: derivatives against differences, in f64, to the second order.
//!
//! A wrong factor that is detached from the graph has the right first derivative and a wrong second
//! one; so both orders are checked, for every subset of inputs that could be tracked, by the fast
//! pass and by the recorded one.

use std::fmt;

use crate::element::Float;
use crate::tape::{Tape, Var};
use crate::tensor::{Rng, Tensor};

/// The step of the differences, relative to max(1, |x|). With four points the error is of the order
/// of h⁴ = 1e-12, as is that of rounding, ε/h.
const STEP: f64 = 1e-3;
/// |analytic − numeric| may be this, times max(1, |analytic|, |numeric|).
const TOLERANCE: f64 = 1e-7;
/// Of up to so many inputs, every subset is checked.
const ALL_SUBSETS: usize = 8;

/// Checks the first and second derivatives of `f` at the given inputs, for every subset of them; of more than
/// eight inputs, for each one, each pair, and all. Keep inputs away from kinks by 0.01: a difference across one
/// means nothing.
///
/// Where `f` takes a derivative itself, it asks by [`vjp`](Var::vjp) or [`try_grad`](Var::try_grad), not by
/// [`grad`](Var::grad): in some of the subsets, what it asks about is a constant, and `grad` panics.
///
/// ```
/// use gradus_autograd::{Tensor, check::gradcheck};
/// let (x, w) = (Tensor::from([[0.3, -1.2]]), Tensor::from([[0.5], [2.0]]));
/// gradcheck(|v| v[0].matmul(v[1]).tanh(), &[x, w]).unwrap();
///
/// // A factor cut out of the graph is found, and named:
/// let wrong = gradcheck(|v| v[0].tanh() * v[0].detach(), &[Tensor::from([0.5])]);
/// assert!(wrong.unwrap_err().to_string().starts_with("mul: order 1, input 0, element [0]"));
/// ```
///
/// # Errors
/// The first derivative that differs from its difference quotient.
///
/// # Panics
/// When there are no inputs: nothing would be checked.
#[track_caller]
pub fn gradcheck(
    f: impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>,
    inputs: &[Tensor<f64>],
) -> Result<(), Box<WrongGradient>> {
    GradCheck::default().run(f, inputs)
}

/// A function that is checked. What is generic over closures would be compiled once for each of them, and checks are
/// what tests are full of.
type Checked<'f> = dyn for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64> + 'f;

/// A gradient check with other settings than [`gradcheck`].
///
/// ```
/// use gradus_autograd::{Tensor, check::GradCheck};
/// let check = GradCheck { training: Some(7), ..GradCheck::default() };
/// check.run(|v| v[0].dropout(0.5), &[Tensor::from([1.0, 2.0, 3.0])]).unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct GradCheck {
    /// The highest order that is checked: 1 or 2.
    pub order: u8,
    /// Differences use x ± h and x ± 2h, h = `step` · max(1, |x|).
    pub step: f64,
    /// The largest difference, relative to max(1, |analytic|, |numeric|).
    pub tolerance: f64,
    /// The seed of a tape in training mode; `None` for evaluation mode.
    pub training: Option<u64>,
}

impl Default for GradCheck {
    fn default() -> Self {
        GradCheck { order: 2, step: STEP, tolerance: TOLERANCE, training: None }
    }
}

/// A derivative that differs from its difference quotient.
#[derive(Clone, Debug, PartialEq)]
pub struct WrongGradient {
    /// The operation that made the result.
    pub operation: String,
    /// 1, or 2 for the derivative of the gradient.
    pub order: u8,
    /// `backward` or `grad`: the fast pass or the recorded one.
    pub pass: &'static str,
    /// Which inputs were tracked.
    pub tracked: Vec<usize>,
    /// The input.
    pub input: usize,
    /// The index of its element.
    pub element: Vec<usize>,
    /// The number of the result's element, in row-major order.
    pub result: usize,
    /// The derivative.
    pub analytic: f64,
    /// The difference quotient.
    pub numeric: f64,
    /// The step of the differences.
    pub step: f64,
}

impl fmt::Display for WrongGradient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WrongGradient { operation, order, pass, tracked, input, element, result, .. } = self;
        write!(
            f,
            "{operation}: order {order}, input {input}, element {element:?}: {pass} gives {:e}, differences give {:e} \
             (result element {result}, tracked inputs {tracked:?}, step {:e})",
            self.analytic, self.numeric, self.step
        )
    }
}

impl std::error::Error for WrongGradient {}

impl GradCheck {
    /// Checks `f` at the given inputs, as [`gradcheck`].
    #[track_caller]
    pub fn run(
        &self,
        f: impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>,
        inputs: &[Tensor<f64>],
    ) -> Result<(), Box<WrongGradient>> {
        assert!(!inputs.is_empty(), "gradcheck: there are no inputs to check");
        self.all(&f, inputs)
    }

    fn all(&self, f: &Checked, inputs: &[Tensor<f64>]) -> Result<(), Box<WrongGradient>> {
        for tracked in subsets(inputs.len()) {
            self.jacobian(1, f, inputs, &tracked)?;
            if self.order > 1 {
                self.jacobian(2, &|x| gradient(f, x, &tracked), inputs, &tracked)?;
            }
        }
        Ok(())
    }

    fn tape(&self) -> Tape<f64> {
        self.training.map_or_else(Tape::new, Tape::training)
    }

    /// All derivatives of all elements of `f` against differences.
    fn jacobian(
        &self,
        order: u8,
        f: &Checked,
        inputs: &[Tensor<f64>],
        tracked: &[usize],
    ) -> Result<(), Box<WrongGradient>> {
        let tape = self.tape();
        let x = variables(&tape, inputs, tracked);
        let y = f(&x);
        let wrt: Vec<Var<f64>> = tracked.iter().map(|&i| x[i]).collect();
        let differences: Vec<Vec<Vec<f64>>> =
            tracked.iter().map(|&i| self.differences(f, inputs, tracked, i)).collect();
        let results: usize = y.shape().iter().product();
        for result in 0..results {
            let mut one = Tensor::<f64>::zeros(&y.shape());
            one.make_mut()[result] = 1.0;
            let fast = y.is_tracked().then(|| y.backward_with(one.clone()));
            let recorded = y.vjp(&wrt, tape.constant(one));
            for (k, &input) in tracked.iter().enumerate() {
                let zeros = || Tensor::zeros(inputs[input].shape());
                let fast = fast.as_ref().and_then(|g| g.get(x[input]).ok().cloned());
                let recorded = recorded[k].map(|g| g.value());
                for (pass, found) in [("backward", fast), ("grad", recorded)] {
                    let found = found.unwrap_or_else(zeros);
                    assert_eq!(
                        found.shape(),
                        inputs[input].shape(),
                        "the gradient of input {input}"
                    );
                    for (at, analytic) in found.to_vec().into_iter().enumerate() {
                        let numeric = differences[k][at].get(result).copied().unwrap_or(f64::NAN);
                        let scale = analytic.abs().max(numeric.abs()).max(1.0);
                        let equal = (analytic - numeric).abs() <= self.tolerance * scale;
                        if !equal {
                            return Err(Box::new(WrongGradient {
                                operation: y.op_name(),
                                order,
                                pass,
                                tracked: tracked.to_vec(),
                                input,
                                element: index(at, inputs[input].shape()),
                                result,
                                analytic,
                                numeric,
                                step: self.step,
                            }));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// ∂f/∂x for each element of input `i`, by four points.
    fn differences(
        &self,
        f: &Checked,
        inputs: &[Tensor<f64>],
        tracked: &[usize],
        i: usize,
    ) -> Vec<Vec<f64>> {
        let at = |element: usize, by: f64| {
            let mut moved = inputs.to_vec();
            moved[i].make_mut()[element] += by;
            let tape = self.tape();
            f(&variables(&tape, &moved, tracked)).value().to_vec()
        };
        let values = inputs[i].to_vec();
        let quotient = |(element, x): (usize, f64)| {
            let h = self.step * x.abs().max(1.0);
            let [near, far] = [h, 2.0 * h].map(|h| (at(element, h), at(element, -h)));
            (0..near.0.len())
                .map(|r| (8.0 * (near.0[r] - near.1[r]) - (far.0[r] - far.1[r])) / (12.0 * h))
                .collect()
        };
        values.into_iter().enumerate().map(quotient).collect()
    }
}

/// The subsets of `n` inputs that are checked: all, as long as these are not too many.
fn subsets(n: usize) -> Vec<Vec<usize>> {
    if n <= ALL_SUBSETS {
        let members = |subset: u32| (0..n).filter(|i| subset >> i & 1 == 1).collect();
        return (1..1 << n).map(members).collect();
    }
    let one = (0..n).map(|a| vec![a]);
    let two = (0..n).flat_map(|a| (a + 1..n).map(move |b| vec![a, b]));
    one.chain(two).chain([(0..n).collect()]).collect()
}

fn variables<'t>(
    tape: &'t Tape<f64>,
    inputs: &[Tensor<f64>],
    tracked: &[usize],
) -> Vec<Var<'t, f64>> {
    let make = |(i, x): (usize, &Tensor<f64>)| match tracked.contains(&i) {
        true => tape.var(x.clone()),
        false => tape.constant(x.clone()),
    };
    inputs.iter().enumerate().map(make).collect()
}

/// The gradient of ⟨f(x), w⟩ for fixed uneven weights w, all tracked inputs in one row.
fn gradient<'t>(f: &Checked, x: &[Var<'t, f64>], tracked: &[usize]) -> Var<'t, f64> {
    let y = f(x);
    let tape = y.tape();
    let weights = tape.constant(Tensor::rand(&y.shape(), 0.5, 1.5, &mut Rng::new(1)));
    let wrt: Vec<Var<f64>> = tracked.iter().map(|&i| x[i]).collect();
    let found = y.vjp(&wrt, weights);
    let flat = |(x, g): (&Var<'t, f64>, Option<Var<'t, f64>>)| {
        let g = g.unwrap_or_else(|| x.zeros_like());
        g.reshape(&[g.shape().iter().product()])
    };
    tape.concat(&std::iter::zip(&wrt, found).map(flat).collect::<Vec<_>>(), 0)
}

fn index(mut at: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for axis in (0..shape.len()).rev() {
        index[axis] = at % shape[axis];
        at /= shape[axis];
    }
    index
}

/// Whether ⟨J·v, w⟩ = ⟨v, Jᵀ·w⟩ for the derivative J of `f`, where J·v is found by differentiating
/// Jᵀ·w with respect to w. No differences are involved, so it holds to rounding: the relative error is returned.
pub fn dot_test<T: Float>(
    f: impl for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
    inputs: &[Tensor<T>],
    seed: u64,
) -> f64 {
    let (tape, mut rng) = (Tape::new(), Rng::new(seed));
    let x: Vec<Var<T>> = inputs.iter().map(|x| tape.var(x.clone())).collect();
    let y = f(&x);
    let w = tape.var(Tensor::rand(&y.shape(), -1.0, 1.0, &mut rng));
    let (mut backward, mut through) = (0.0, tape.number(0.0));
    for (x, pulled) in std::iter::zip(&x, y.vjp(&x, w)) {
        let Some(pulled) = pulled else { continue };
        let v = tape.constant(Tensor::rand(&x.shape(), -1.0, 1.0, &mut rng));
        through = through + (pulled * v).sum();
        backward = through.item().to_f64();
    }
    let forward = match through.try_grad(&[w])[0] {
        Some(pushed) => (pushed * w.detach()).sum().item().to_f64(),
        None => 0.0,
    };
    (forward - backward).abs() / forward.abs().max(backward.abs()).max(1.0)
}
