//! Gradient clipping.

use gradus_autograd::{Float, Gradients, Module, Path, Tape, Tensor, Var};

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
    pub(crate) fn threshold(self) -> N {
        let (Clip::Value(c) | Clip::Norm(c) | Clip::GlobalNorm(c)) = self;
        c
    }

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
        match self {
            Clip::Value(c) => each(&|g| g.maximum(-c).minimum(c)),
            Clip::Norm(c) => each(&|g| g * scale(&[g], c)),
            Clip::GlobalNorm(c) => {
                let all: Vec<_> = gradients.iter().flatten().copied().collect();
                if all.is_empty() {
                    return gradients.to_vec();
                }
                let scale = scale(&all, c);
                each(&|g| g * scale)
            }
        }
    }
}

/// c/max(‖g‖, c), the norm being that of all gradients.
fn scale<'t, T: Float>(gradients: &[Var<'t, T>], c: Var<'t, T>) -> Var<'t, T> {
    let norm = |unit: f64| {
        let in_units = |g: Var<'t, T>| if unit == 1.0 { g } else { g / unit };
        let squares = gradients.iter().map(|&g| in_units(g).powf(2.0).sum());
        let norm = squares.reduce(|a, b| a + b).map(|squares| squares.sqrt());
        norm.map_or(c, |norm| if unit == 1.0 { norm } else { norm * unit })
    };
    let mut length = norm(1.0);
    if !length.item().is_finite() {
        // The squares of large numbers are infinite, and all gradients would become 0.
        let largest = gradients.iter().flat_map(|g| g.value().to_vec()).map(|g| g.to_f64().abs());
        length = norm(largest.fold(1.0, f64::max));
    }
    // The maximum has no slope in g where nothing is clipped, so that the root may be that of 0.
    c / length.maximum(c)
}

impl<N> Clip<N> {
    /// Whether a gradient can be clipped: scaling by a norm that is not finite would spread that to all elements,
    /// and NaN has no place between two numbers.
    pub(crate) fn can<T: Float>(&self, gradient: &Tensor<T>) -> bool {
        match self {
            Clip::Value(_) => !gradient.to_vec().into_iter().any(|g| g.is_nan()),
            Clip::Norm(_) | Clip::GlobalNorm(_) => gradient.first_non_finite().is_none(),
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
        let (mut params, mut given, mut result) = (Vec::new(), Vec::new(), Ok(()));
        model.visit(Path::root(), &mut |path, param| {
            if let Some(gradient) = gradients.param(param).filter(|_| param.is_trained()) {
                if result.is_ok() && !self.can(gradient) {
                    result = Err(StepError::not_finite(path));
                }
                params.push(param);
                given.push(Some(tape.constant(gradient.clone())));
            }
        });
        result?;
        let clipped = self.map(|c| tape.number(c)).apply(&given);
        let clipped = clipped.into_iter().flatten().map(|g| g.value());
        Ok(Gradients::of_params(params.into_iter().zip(clipped)))
    }
}
