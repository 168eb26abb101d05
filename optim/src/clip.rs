//! Gradient clipping.

use gradus_autograd::{Float, Gradients, Module, Path, Tape, Var};

use crate::StepError;

/// How gradients are kept small: as a setting of an [`Optimizer`](crate::Optimizer::clip), or as an operation on
/// variables, whose threshold may be a variable, too.
///
/// ```
/// use gradus_autograd::{Tape, Tensor};
/// use gradus_optim::Clip;
///
/// let tape = Tape::<f64>::new();
/// let (a, b) = (tape.var(Tensor::from([3.0])), tape.var(Tensor::from([0.0, 4.0])));
/// let max = tape.var(Tensor::scalar(1.0));
/// let clipped = Clip::GlobalNorm(max).apply(&[Some(a), Some(b)]);
/// assert_eq!(clipped[1].unwrap().value().to_vec(), [0.0, 0.8]); // the norm of all was 5
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clip<N = f64> {
    /// Each element between −c and c.
    Value(N),
    /// Each gradient scaled down to an L2 norm of at most c: g·c/max(‖g‖, c).
    Norm(N),
    /// All gradients scaled down together, so that the L2 norm of all their elements is at most c.
    GlobalNorm(N),
}

impl<N> Clip<N> {
    /// With another threshold.
    pub(crate) fn map<M>(self, f: impl FnOnce(N) -> M) -> Clip<M> {
        match self {
            Clip::Value(c) => Clip::Value(f(c)),
            Clip::Norm(c) => Clip::Norm(f(c)),
            Clip::GlobalNorm(c) => Clip::GlobalNorm(f(c)),
        }
    }
}

impl<'t, T: Float> Clip<Var<'t, T>> {
    /// The gradients, clipped: differentiable to any order. `None` stays `None`.
    pub fn apply(self, gradients: &[Option<Var<'t, T>>]) -> Vec<Option<Var<'t, T>>> {
        let each = |clip: &dyn Fn(Var<'t, T>) -> Var<'t, T>| {
            gradients.iter().map(|g| g.map(clip)).collect()
        };
        // max(‖g‖, c) has no slope in g where nothing is clipped, so that the root may be that of 0.
        let scale = |squares: Var<'t, T>, c: Var<'t, T>| c / squares.sqrt().maximum(c);
        match self {
            Clip::Value(c) => each(&|g| g.maximum(-c).minimum(c)),
            Clip::Norm(c) => each(&|g| g * scale((g * g).sum(), c)),
            Clip::GlobalNorm(c) => {
                let squares = gradients.iter().flatten().map(|&g| (g * g).sum());
                match squares.reduce(|a, b| a + b) {
                    Some(squares) => {
                        let scale = scale(squares, c);
                        each(&|g| g * scale)
                    }
                    None => gradients.to_vec(),
                }
            }
        }
    }
}

impl Clip {
    /// The gradients of a model, clipped: by the operations above, so that a step on a tape has the same bits.
    pub(crate) fn gradients<T: Float>(
        self,
        model: &dyn Module<T>,
        gradients: &Gradients<T>,
    ) -> Result<Gradients<T>, StepError> {
        let tape = Tape::new();
        let (mut params, mut given) = (Vec::new(), Vec::new());
        model.visit(Path::root(), &mut |path, param| {
            if let Some(gradient) = gradients.param(param).filter(|_| param.is_trained()) {
                params.push((path.to_string(), param));
                given.push(Some(tape.constant(gradient.clone())));
            }
        });
        let clipped = self.map(|c| tape.number(c)).apply(&given);
        let clipped: Vec<_> = clipped.into_iter().flatten().map(|g| g.value()).collect();
        if clipped.iter().any(|g| g.first_non_finite().is_some()) {
            // One NaN makes the norm of all NaN: it came from the gradient that is not finite itself.
            let is_bad =
                |g: &Option<Var<T>>| g.is_some_and(|g| g.value().first_non_finite().is_some());
            let at = given.iter().position(is_bad).unwrap_or(0);
            return Err(StepError::NotFinite { path: params[at].0.clone() });
        }
        Ok(Gradients::of_params(params.into_iter().map(|(_, param)| param).zip(clipped)))
    }
}
