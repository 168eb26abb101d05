//! At an optimum, the path that led there does not matter: the implicit function theorem.

use std::iter::zip;

use gradus_autograd::{Float, Module, Tape, Tensor, Var};

use super::forward::dot;
use super::run::{Run, check};
use super::{Hypergradient, HypergradientError, Unroll};
use crate::StepError;
use crate::constrained::refuse;

/// How H·x = v is solved, H being the second derivative of the training loss. Only products with H are needed.
#[derive(Clone, Copy, Debug)]
pub enum Solver {
    /// Conjugate gradients (Pedregosa 2016): for a minimum. Stops when the residual has fallen to `tolerance`.
    ConjugateGradient {
        /// The most products with H.
        iterations: usize,
        /// ‖Hx − v‖/‖v‖ that is asked for.
        tolerance: f64,
        /// δ of H + δ·1, for directions that are almost flat.
        damping: f64,
    },
    /// rate·Σ (1 − rate·H)ⁱ·v, the Neumann series (Lorraine et al. 2020): the unrolled last steps of gradient descent with
    /// this rate. An approximation, the better the more terms.
    Neumann {
        /// How many terms.
        terms: usize,
        /// Below 2 divided by the largest curvature.
        rate: f64,
    },
}

/// The derivative of a validation loss with respect to hyperparameters of the *training loss*, where `model` is at a
/// minimum of it: −∂²L/∂h∂w · H⁻¹ · ∂V/∂w + ∂V/∂h (implicit function theorem; Bengio 2000, Lorraine et al. 2020).
/// The learning rate and its like have no influence on where the minimum is. Away from a minimum this is another
/// number: look at [`unsettled`](Hypergradient::unsettled), which should be small beside the loss.
///
/// ```
/// use gradus_autograd::{Param, Tape, Tensor};
/// use gradus_optim::{Positive, Solver, implicit_hypergradient};
///
/// // (w − 3)² + λ·w² is smallest at w = 3/(1 + λ).
/// let lambda = Positive::new(0.5_f64);
/// let w = Param::new(Tensor::scalar(2.0));
/// let found = implicit_hypergradient(
///     &lambda,
///     &w,
///     Solver::ConjugateGradient { iterations: 10, tolerance: 1e-12, damping: 0.0 },
///     |tape| {
///         let w = tape.param(&w);
///         (w - 3.0).powf(2.0) + lambda.var(tape) * w * w
///     },
///     |tape| tape.param(&w),
/// )?;
/// // dw/d(ln λ) = −3·λ/(1 + λ)²
/// let slope = found.gradients.param(&lambda.log).unwrap().item();
/// assert!((slope + 3.0 * 0.5 / (1.5 * 1.5_f64)).abs() < 1e-12);
/// assert!(found.unsettled.abs() < 1e-12); // w = 2 is the minimum
/// # Ok::<(), gradus_optim::HypergradientError>(())
/// ```
///
/// # Errors
/// A loss that is not a single number or not finite, a derivative that is not finite, a hyperparameter that nothing
/// depends on, a training loss that is not convex here, a solver that does not reach its tolerance or diverges, a
/// parameter with a constraint.
pub fn implicit_hypergradient<T: Float>(
    hyper: &(impl Module<T> + ?Sized),
    model: &(impl Module<T> + ?Sized),
    solver: Solver,
    train: impl for<'t> Fn(&'t Tape<T>) -> Var<'t, T>,
    validate: impl for<'t> Fn(&'t Tape<T>) -> Var<'t, T>,
) -> Result<Hypergradient<T>, HypergradientError> {
    if let Err(StepError::Constrained { path }) = refuse(model) {
        return Err(HypergradientError::Constrained { path });
    }
    let run = Run::new(hyper, model, Unroll::steps(1), &|_, _, _| Ok(T::ZERO), &validate)?;
    let tape = Tape::training(0);
    let hyper = run.hyper_on(&tape);
    let trained = run.params.iter().filter(|param| param.is_trained());
    let weights: Vec<Var<T>> = trained.map(|param| tape.param(param)).collect();

    let loss = train(&tape);
    let train_loss = check("training loss", None, loss)?;
    let slopes = loss.try_grad(&weights);
    let slopes: Vec<(Var<T>, Var<T>)> =
        zip(slopes, &weights).filter_map(|(g, w)| Some((g?, *w))).collect();
    if slopes.is_empty() {
        return Err(HypergradientError::NotTrained { step: None });
    }
    let (slopes, weights): (Vec<_>, Vec<_>) = slopes.into_iter().unzip();

    let validation = run.validation(&tape)?;
    let wrt = [&weights[..], &hyper].concat();
    let mut found = tape.pull(&[(validation, Tensor::ones(&validation.shape()))], &wrt);
    let direct = found.split_off(weights.len());
    let zeros = |x: &Var<T>| Tensor::zeros(&x.shape());
    let target: Vector<T> =
        Vector(zip(found, &weights).map(|(g, w)| g.unwrap_or_else(|| zeros(w))).collect());

    // H is symmetric: Hᵀx is a vector-Jacobian product of the gradient.
    let pull = |x: &Vector<T>, wrt: &[Var<'_, T>]| {
        let outputs: Vec<_> = zip(&slopes, &x.0).map(|(g, x)| (*g, x.clone())).collect();
        tape.pull(&outputs, wrt)
    };
    let times_h = |x: &Vector<T>| {
        let found = pull(x, &weights);
        Vector(zip(found, &weights).map(|(g, w)| g.unwrap_or_else(|| zeros(w))).collect())
    };
    let x = solver.solve(&target, times_h)?;
    // To the minimum it is −H⁻¹ times the slope; x is H⁻¹ times that of the validation loss.
    let unsettled = -x.dot(&Vector(slopes.iter().map(|slope| slope.value()).collect()));

    let through = pull(&x, &hyper);
    let sum = |(direct, through): (Option<Tensor<T>>, Option<Tensor<T>>)| match (direct, through) {
        (direct, None) => direct,
        (direct, Some(through)) => {
            let mut sum = Vector(vec![through.map(|x| T::ZERO - x)]);
            if let Some(direct) = direct {
                sum.add(1.0, &Vector(vec![direct]));
            }
            sum.0.pop()
        }
    };
    let gradients = zip(direct, through).map(sum).collect();
    let found = run.result(validation.item(), vec![train_loss], gradients, Vec::new())?;
    Ok(Hypergradient { unsettled: T::of(unsettled), ..found })
}

/// A vector of the space of all weights.
#[derive(Clone)]
struct Vector<T: Float>(Vec<Tensor<T>>);

impl<T: Float> Vector<T> {
    fn dot(&self, other: &Self) -> f64 {
        zip(&self.0, &other.0).map(|(a, b)| dot(a, b)).sum()
    }

    /// self + scale·other
    fn add(&mut self, scale: f64, other: &Self) {
        for (a, b) in zip(&mut self.0, &other.0) {
            zip(a.make_mut(), b.to_vec()).for_each(|(a, b)| *a += T::of(scale) * b);
        }
    }

    fn scaled(&self, scale: f64) -> Self {
        Vector(self.0.iter().map(|x| x.map(|x| T::of(scale) * x)).collect())
    }
}

impl Solver {
    fn solve<T: Float>(
        self,
        target: &Vector<T>,
        times_h: impl Fn(&Vector<T>) -> Vector<T>,
    ) -> Result<Vector<T>, HypergradientError> {
        let norm = target.dot(target).sqrt();
        if norm == 0.0 {
            return Ok(target.clone());
        }
        match self {
            Solver::ConjugateGradient { iterations, tolerance, damping } => {
                let mut x = target.scaled(0.0);
                let (mut residual, mut direction) = (target.clone(), target.clone());
                let mut square = norm * norm;
                for _ in 0..iterations {
                    if square.sqrt() <= tolerance * norm {
                        break;
                    }
                    let mut image = times_h(&direction);
                    image.add(damping, &direction);
                    let curvature = direction.dot(&image);
                    if curvature.is_nan() || curvature <= 0.0 {
                        let curvature = curvature / direction.dot(&direction);
                        return Err(HypergradientError::NotConvex { curvature });
                    }
                    let step = square / curvature;
                    x.add(step, &direction);
                    residual.add(-step, &image);
                    let next = residual.dot(&residual);
                    direction = direction.scaled(next / square);
                    direction.add(1.0, &residual);
                    square = next;
                }
                let residual = square.sqrt() / norm;
                match residual <= tolerance {
                    true => Ok(x),
                    false => Err(HypergradientError::NotSolved { residual, iterations }),
                }
            }
            Solver::Neumann { terms, rate } if terms == 0 || rate.is_nan() || rate <= 0.0 => {
                Err(HypergradientError::Neumann { terms, rate })
            }
            Solver::Neumann { terms, rate } => {
                let mut term = target.scaled(rate);
                let mut x = term.clone();
                for _ in 1..terms {
                    let image = times_h(&term);
                    term.add(-rate, &image);
                    x.add(1.0, &term);
                }
                // The last term is rate times the residual; it grows when the series diverges.
                let residual = term.dot(&term).sqrt() / (rate.abs() * norm);
                match residual <= 1.0 {
                    true => Ok(x),
                    false => Err(HypergradientError::NotSolved { residual, iterations: terms }),
                }
            }
        }
    }
}
