//! Parameters, and the trait that finds them in a model.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::element::Float;
use crate::tape::Var;
use crate::tensor::{Rng, Tensor};

/// What makes a parameter this one and no other: stays when the model is moved, and differs in a clone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ParamId(u64);

impl ParamId {
    fn next() -> Self {
        // Only tells parameters apart; no result depends on its value.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        ParamId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// How a parameter gets its first values.
pub trait Initializer<T: Float>: fmt::Debug + Send + Sync {
    /// Values for a parameter of the given shape.
    fn sample(&self, shape: &[usize], rng: &mut Rng) -> Tensor<T>;
}

/// A penalty on a parameter that is added to the loss.
pub trait Regularizer<T: Float>: fmt::Debug + Send + Sync {
    /// The penalty, a single number.
    fn penalty<'t>(&self, weight: Var<'t, T>) -> Var<'t, T>;
}

/// Where a parameter has to stay: its value is projected there after each update.
pub trait Constraint<T: Float>: fmt::Debug + Send + Sync {
    /// The value that takes the place of `weight`, of the same shape: a function of it alone. By operations on
    /// variables, so that a step that is recorded can be differentiated through the projection.
    fn project<'t>(&self, weight: Var<'t, T>) -> Var<'t, T>;
}

/// A tensor of a model: trained by gradients, or a running statistic.
///
/// ```
/// use gradus_autograd::{Param, Tape, Tensor};
/// let w = Param::new(Tensor::from([1.0, 2.0]));
/// let tape = Tape::new();
/// let loss = (tape.param(&w) * tape.param(&w)).sum();
/// assert_eq!(loss.backward().param(&w).unwrap().to_vec(), [2.0, 4.0]);
/// ```
pub struct Param<T: Float = f32> {
    id: ParamId,
    value: Tensor<T>,
    trained: bool,
    /// Whether the zeros that it holds only stand for what its initialiser will draw.
    awaits_values: bool,
    /// See [`Param::derived`].
    is_derived: bool,
    /// See [`Param::smallest_batch`].
    smallest_batch: usize,
    initializer: Option<Arc<dyn Initializer<T>>>,
    regularizer: Option<Arc<dyn Regularizer<T>>>,
    constraint: Option<Arc<dyn Constraint<T>>>,
}

impl<T: Float> Param<T> {
    /// A trained parameter with the given value.
    pub fn new(value: Tensor<T>) -> Self {
        Param {
            id: ParamId::next(),
            value,
            trained: true,
            awaits_values: false,
            is_derived: false,
            smallest_batch: 1,
            initializer: None,
            regularizer: None,
            constraint: None,
        }
    }

    /// A trained parameter of the given shape, zeros until [`Module::init`] draws its values.
    #[track_caller]
    pub fn drawn(shape: &[usize], initializer: Arc<dyn Initializer<T>>) -> Self {
        let zeros = Param::new(Tensor::zeros(shape));
        Param { initializer: Some(initializer), awaits_values: true, ..zeros }
    }

    /// A trained parameter of the given shape that starts by the first values of another one, such as the length of
    /// what was drawn: zeros until its layer gives it a value, in [`Module::visit_mut`], and again after
    /// [`Module::init`].
    #[track_caller]
    pub fn derived(shape: &[usize]) -> Self {
        let zeros = Param::new(Tensor::zeros(shape));
        Param { is_derived: true, awaits_values: true, ..zeros }
    }

    /// A value that no gradient trains: a running statistic, a fixed embedding.
    pub fn statistic(value: Tensor<T>) -> Self {
        Param { trained: false, ..Param::new(value) }
    }

    /// With a note that a batch needs that many samples in training: two for a variance.
    pub fn with_smallest_batch(self, samples: usize) -> Self {
        Param { smallest_batch: samples, ..self }
    }

    /// With another initialiser, for the next [`Module::init`]; the value stays until then.
    pub fn initialized_by(mut self, initializer: Arc<dyn Initializer<T>>) -> Self {
        self.initializer = Some(initializer);
        self
    }

    /// With a penalty on its values.
    pub fn regularized(mut self, regularizer: Option<Arc<dyn Regularizer<T>>>) -> Self {
        self.regularizer = regularizer;
        self
    }

    /// With a constraint, which holds from the first step of an optimiser on; the value stays until then.
    pub fn constrained(mut self, constraint: Option<Arc<dyn Constraint<T>>>) -> Self {
        self.constraint = constraint;
        self
    }

    /// Its identity.
    pub fn id(&self) -> ParamId {
        self.id
    }

    /// Its value.
    pub fn value(&self) -> &Tensor<T> {
        &self.value
    }

    /// Its value, for changing it in place.
    pub fn value_mut(&mut self) -> &mut Tensor<T> {
        self.awaits_values = false;
        &mut self.value
    }

    /// Gives it another value.
    ///
    /// # Panics
    /// When the shape differs.
    #[track_caller]
    pub fn set(&mut self, value: Tensor<T>) {
        assert!(
            value.shape() == self.value.shape(),
            "set: the parameter has shape {:?}, the value {:?}",
            self.value.shape(),
            value.shape()
        );
        *self.value_mut() = value;
    }

    /// Whether it was made to be [drawn](Param::drawn) or [derived](Param::derived), and nobody has done so or given it
    /// a value.
    pub fn awaits_values(&self) -> bool {
        self.awaits_values
    }

    /// The fewest samples of a batch in training that it can be worked out from: 1, unless said otherwise.
    pub fn smallest_batch(&self) -> usize {
        self.smallest_batch
    }

    /// Whether gradients train it.
    pub fn is_trained(&self) -> bool {
        self.trained
    }

    /// Freezes it (`false`) or lets gradients train it again.
    pub fn set_trained(&mut self, trained: bool) {
        self.trained = trained;
    }

    /// The penalty on its values.
    pub fn regularizer(&self) -> Option<&dyn Regularizer<T>> {
        self.regularizer.as_deref()
    }

    /// What its values have to keep to.
    pub fn constraint(&self) -> Option<&dyn Constraint<T>> {
        self.constraint.as_deref()
    }

    /// What its constraint makes of an updated value; the same, if it has none.
    ///
    /// # Panics
    /// When the constraint changes the shape.
    #[track_caller]
    pub fn project<'t>(&self, weight: Var<'t, T>) -> Var<'t, T> {
        let Some(constraint) = &self.constraint else { return weight };
        let projected = constraint.project(weight);
        assert!(
            projected.shape() == weight.shape(),
            "project: {constraint:?} makes a value of shape {:?} of a parameter of shape {:?}",
            projected.shape(),
            weight.shape()
        );
        projected
    }
}

impl<T: Float> Clone for Param<T> {
    /// The same value under a new identity: two models can be on one tape.
    fn clone(&self) -> Self {
        Param {
            id: ParamId::next(),
            value: self.value.clone(),
            initializer: self.initializer.clone(),
            regularizer: self.regularizer.clone(),
            constraint: self.constraint.clone(),
            ..*self
        }
    }
}

impl<T: Float> fmt::Debug for Param<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Param {:?}", self.value.shape())
    }
}

/// Where a parameter is in a model: `l1.kernel`, `blocks.3.norm.gamma`. Kept on the stack; a text is
/// made only when one asks for it.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    name: Name<'a>,
}

#[derive(Clone, Copy)]
enum Name<'a> {
    Text(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    /// The model itself.
    pub fn root() -> Path<'static> {
        Path { parent: None, name: Name::Text("") }
    }
    /// A field.
    pub fn field(&'a self, name: &'a str) -> Path<'a> {
        Path { parent: Some(self), name: Name::Text(name) }
    }
    /// An item of a list or tuple.
    pub fn item(&'a self, index: usize) -> Path<'a> {
        Path { parent: Some(self), name: Name::Index(index) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            if parent.parent.is_some() {
                write!(f, "{parent}.")?;
            }
            match self.name {
                Name::Text(name) => f.write_str(name)?,
                Name::Index(index) => write!(f, "{index}")?,
            }
        }
        Ok(())
    }
}

/// A part of a model: something with parameters. `#[derive(Module)]` writes it for a struct whose
/// fields are modules, parameters or plain settings.
#[diagnostic::on_unimplemented(
    message = "`{Self}` holds no parameters of `{T}`: it is no `Module<{T}>`",
    label = "no module of `{T}`",
    note = "a field of a derived `Module` that is a setting is left out by `#[module(skip)]`",
    note = "a part with parameters is a module by `#[derive(Module)]`"
)]
pub trait Module<T: Float> {
    /// Shows each parameter with its path, always in the same order.
    fn visit<'m>(&'m self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &'m Param<T>));

    /// As [`visit`](Module::visit), for changing them.
    fn visit_mut(&mut self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &mut Param<T>));

    /// All parameters with their paths.
    fn params(&self) -> Vec<(String, &Param<T>)> {
        let mut all = Vec::new();
        self.visit(Path::root(), &mut |path, param| all.push((path.to_string(), param)));
        all
    }

    /// The parameter at a path.
    fn param(&self, path: &str) -> Option<&Param<T>> {
        self.params().into_iter().find(|(at, _)| at == path).map(|(_, param)| param)
    }

    /// Gives a constraint to the parameters whose path `holds`, once they are there: for those that no setting of their
    /// layer reaches, such as the scales of a norm.
    ///
    /// ```
    /// use gradus_autograd::{Constraint, Module, Param, Tensor, Var};
    ///
    /// #[derive(Debug)]
    /// struct AtMostOne;
    /// impl Constraint<f32> for AtMostOne {
    ///     fn project<'t>(&self, weight: Var<'t>) -> Var<'t> {
    ///         weight.clamp(f64::NEG_INFINITY, 1.0)
    ///     }
    /// }
    /// let model = vec![Param::new(Tensor::zeros(&[2])), Param::new(Tensor::zeros(&[3]))];
    /// let model = model.constrain(|path| path == "1", AtMostOne);
    /// assert!(model[0].constraint().is_none() && model[1].constraint().is_some());
    /// ```
    fn constrain(
        mut self,
        holds: impl Fn(&str) -> bool,
        constraint: impl Constraint<T> + 'static,
    ) -> Self
    where
        Self: Sized,
    {
        let constraint: Arc<dyn Constraint<T>> = Arc::new(constraint);
        self.visit_mut(Path::root(), &mut |path, param| {
            if holds(&path.to_string()) {
                param.constraint = Some(constraint.clone());
            }
        });
        self
    }

    /// Draws the first value of every parameter that has an initialiser. Each draws from a generator of its own,
    /// named by its path: no two get the same values, and adding a layer changes no other.
    fn init(mut self, seed: u64) -> Self
    where
        Self: Sized,
    {
        self.visit_mut(Path::root(), &mut |path, param| {
            param.awaits_values |= param.is_derived;
            if let Some(initializer) = param.initializer.clone() {
                let mut rng = Rng::named(seed, &path.to_string());
                let value = initializer.sample(param.value.shape(), &mut rng);
                param.set(value);
            }
        });
        self
    }
}

impl<T: Float> Module<T> for Param<T> {
    fn visit<'m>(&'m self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &'m Param<T>)) {
        f(path, self);
    }
    fn visit_mut(&mut self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &mut Param<T>)) {
        f(path, self);
    }
}
