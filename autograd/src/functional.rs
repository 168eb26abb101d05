//! Derivatives as wholes: Jacobians, Hessians, their products with vectors, gradients of single samples.
//!
//! Products of vectors with Jacobians are [`Var::vjp`] and [`Tape::vjp`]. All that is returned as variables can be
//! differentiated again.

use crate::element::Float;
use crate::param::Module;
use crate::tape::{Tape, Var};
use crate::tensor::{Dims, Tensor};

impl<'t, T: Float> Var<'t, T> {
    /// The product of the Jacobian with vectors: the change of this variable along `tangents`, one for each of
    /// `wrt`. Worked out as the derivative of a vector-Jacobian product by its vector, so that there are no second
    /// rules for it.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var(Tensor::from([1.0, 2.0]));
    /// let v = tape.constant(Tensor::from([1.0, 10.0]));
    /// assert_eq!((x * x).jvp(&[x], &[v]).value().to_vec(), [2.0, 40.0]);
    /// ```
    ///
    /// # Panics
    /// When a tangent has another shape than its variable, or there are not as many.
    #[track_caller]
    pub fn jvp(self, wrt: &[Var<'t, T>], tangents: &[Var<'t, T>]) -> Var<'t, T> {
        assert!(
            wrt.len() == tangents.len(),
            "jvp: {} tangents for {} variables",
            tangents.len(),
            wrt.len()
        );
        for (x, v) in std::iter::zip(wrt, tangents) {
            assert!(
                x.shape() == v.shape(),
                "jvp: a tangent of shape {:?} for a variable of shape {:?}",
                v.shape(),
                x.shape()
            );
        }
        // Linear in w, so its value does not matter.
        let w = self.tape().var(Tensor::zeros(&self.shape()));
        let pulled = self.vjp(wrt, w);
        let products = std::iter::zip(pulled, tangents).filter_map(|(g, &v)| Some((g? * v).sum()));
        let pushed = products.reduce(|a, b| a + b).and_then(|sum| sum.try_grad(&[w])[0]);
        pushed.unwrap_or_else(|| self.zeros_like())
    }

    /// All derivatives of all elements by all elements of `x`: the axes of this variable, then those of `x`. One
    /// pass for each element of this variable.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var(Tensor::from([1.0, 2.0]));
    /// let j = (x * x.sum()).jacobian(x);
    /// assert_eq!(j.value(), Tensor::from([[4.0, 1.0], [2.0, 5.0]]));
    /// ```
    ///
    /// # Panics
    /// When `x` is a constant, or both together have more than six axes.
    #[track_caller]
    pub fn jacobian(self, x: Var<'t, T>) -> Var<'t, T> {
        assert!(x.is_tracked(), "jacobian: the variable is a constant and has no derivative");
        let (tape, from, to) = (self.tape(), self.shape(), x.shape());
        let shape: Dims = from.iter().chain(&*to).copied().collect();
        if shape.product() == 0 {
            return tape.constant(Tensor::zeros(&shape));
        }
        let row = |at: usize| {
            let mut one = Tensor::zeros(&from);
            one.make_mut()[at] = T::ONE;
            self.vjp(&[x], tape.constant(one))[0].unwrap_or_else(|| x.zeros_like())
        };
        let rows: Vec<Var<T>> = (0..from.product()).map(row).collect();
        tape.concat(&rows.iter().map(|row| row.reshape(&[to.product()])).collect::<Vec<_>>(), 0)
            .reshape(&shape)
    }

    /// All second derivatives of this single number: the axes of `x` twice.
    ///
    /// # Panics
    /// When this is not a single number, `x` is a constant, or has more than three axes.
    #[track_caller]
    pub fn hessian(self, x: Var<'t, T>) -> Var<'t, T> {
        let gradient = self.grad(&[x])[0];
        if !gradient.is_tracked() {
            let shape: Dims = x.shape().iter().chain(&*x.shape()).copied().collect();
            return self.tape().constant(Tensor::zeros(&shape));
        }
        gradient.jacobian(x)
    }

    /// The product of the Hessian of this single number with vectors, one for each of `wrt`: two passes, whatever
    /// the size (Pearlmutter 1994).
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let x = tape.var(Tensor::from([1.0, 2.0]));
    /// let v = tape.constant(Tensor::from([1.0, 0.0]));
    /// assert_eq!(x.powf(3.0).sum().hvp(&[x], &[v])[0].value().to_vec(), [6.0, 0.0]);
    /// ```
    ///
    /// # Panics
    /// When this is not a single number, a variable is a constant, or shapes differ.
    #[track_caller]
    pub fn hvp(self, wrt: &[Var<'t, T>], vectors: &[Var<'t, T>]) -> Vec<Var<'t, T>> {
        assert!(
            wrt.len() == vectors.len(),
            "hvp: {} vectors for {} variables",
            vectors.len(),
            wrt.len()
        );
        let gradients = self.grad(wrt);
        let mut along = self.tape().number(0.0);
        for (g, &v) in std::iter::zip(&gradients, vectors) {
            assert!(
                g.shape() == v.shape(),
                "hvp: a vector of shape {:?} for a variable of shape {:?}",
                v.shape(),
                g.shape()
            );
            along = along + (*g * v).sum();
        }
        along.grad(wrt)
    }
}

/// The gradients of single samples, by the path of each trained parameter: `[samples, ..]` of the loss of each
/// sample. A pass over a tape of its own, in evaluation mode, for each, so that memory does not grow with the
/// samples but for the result. A parameter that a loss does not depend on gets zeros.
///
/// ```
/// use gradus_autograd::{Param, Tensor, per_sample_gradients};
///
/// let w = Param::new(Tensor::from([1.0_f64, 1.0]));
/// let x = Tensor::from([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
/// let grads = per_sample_gradients(&w, 3, |tape, i| {
///     (tape.param(&w) * tape.constant(x.row(i))).sum()
/// });
/// assert_eq!(grads[0].1, x);
/// ```
#[track_caller]
pub fn per_sample_gradients<T: Float, M: Module<T> + ?Sized>(
    model: &M,
    samples: usize,
    loss: impl for<'t> Fn(&'t Tape<T>, usize) -> Var<'t, T>,
) -> Vec<(String, Tensor<T>)> {
    let params: Vec<_> = model.params().into_iter().filter(|(_, p)| p.is_trained()).collect();
    let stacked = |shape: &[usize]| {
        let shape: Dims = std::iter::once(samples).chain(shape.iter().copied()).collect();
        Tensor::build(shape.counted("per_sample_gradients"), |data| data.fill(T::ZERO))
    };
    let mut all: Vec<Tensor<T>> = params.iter().map(|(_, p)| stacked(p.value().shape())).collect();
    for i in 0..samples {
        let tape = Tape::new();
        let gradients = loss(&tape, i).backward();
        for ((_, param), all) in std::iter::zip(&params, &mut all) {
            if let Some(found) = gradients.param(param) {
                let n = found.len();
                all.make_mut()[i * n..][..n].copy_from_slice(&found.to_vec());
            }
        }
    }
    std::iter::zip(params, all).map(|((path, _), all)| (path, all)).collect()
}
