//! Rows of a table by number: words, characters, categories.

use std::sync::Arc;

use gradus_autograd::{Constraint, Float, Initializer, Param, Rng, Tape, Tensor, Var};
use gradus_derive::Module;

use crate::init::Normal;
use crate::{BuildError, Layer};

/// y\[..\] = weight\[x\[..\]\]: indices of any shape `[batch..]`, weight `[size, width]`, result `[batch.., width]`.
///
/// The parameter is `weight`, in PyTorch's layout, and starts as N(0, 1), as there. Keras calls it `embeddings` and
/// starts it as `Uniform { low: -0.05, high: 0.05 }`.
///
/// ```
/// use gradus_autograd::{Module, Tape, Tensor};
/// use gradus_nn::{Embedding, Layer};
/// let layer = Embedding::new(10, 4).padding_idx(0).init(1);
/// let tape = Tape::<f32>::new();
/// let y = layer.look_up(&tape, &Tensor::from([[3_i64, 0], [7, 3]]));
/// assert_eq!(y.shape()[..], [2, 2, 4]);
/// assert_eq!(y.value().slice(1, 1..2).slice(0, 0..1).to_vec(), [0.0; 4]);
/// // In a row of layers, the indices come as a variable.
/// assert_eq!(layer.forward(tape.constant(Tensor::from([[3.0, 0.0]]))).shape()[..], [1, 2, 4]);
/// ```
#[derive(Clone, Debug, Module)]
pub struct Embedding<T: Float = f32> {
    weight: Param<T>,
    #[module(skip)]
    initializer: Arc<dyn Initializer<T>>,
    #[module(skip)]
    padding: Option<usize>,
}

/// As `inner`, with zeros in one row.
#[derive(Debug)]
struct ZeroRow<T: Float> {
    inner: Arc<dyn Initializer<T>>,
    row: usize,
}

impl<T: Float> Initializer<T> for ZeroRow<T> {
    fn sample(&self, shape: &[usize], rng: &mut Rng) -> Tensor<T> {
        let (mut values, width) = (self.inner.sample(shape, rng), shape[1]);
        values.make_mut()[self.row * width..][..width].fill(T::of(0.0));
        values
    }
}

impl<T: Float> Embedding<T> {
    /// A table of `size` rows of `width` numbers each.
    #[track_caller]
    pub fn new(size: usize, width: usize) -> Self {
        let initializer: Arc<dyn Initializer<T>> = Arc::new(Normal { mean: 0.0, std: 1.0 });
        let weight = Param::drawn(&[size, width], initializer.clone());
        Embedding { weight, initializer, padding: None }
    }

    /// The row that stands for nothing, such as the end of a short sentence: it starts as zeros and gets no gradient.
    ///
    /// # Panics
    /// When there is no such row.
    #[track_caller]
    pub fn padding_idx(mut self, row: usize) -> Self {
        let shape = self.weight.value().shape();
        assert!(row < shape[0], "embedding: padding_idx {row} is not a row of a table {shape:?}");
        self.padding = Some(row);
        self.started()
    }

    /// How the table starts.
    pub fn initializer(mut self, initializer: impl Initializer<T> + 'static) -> Self {
        self.initializer = Arc::new(initializer);
        self.started()
    }

    /// Where each step leaves the table: Keras' `embeddings_constraint`. A row runs along axis 1.
    pub fn constraint(mut self, constraint: impl Constraint<T> + 'static) -> Self {
        self.weight = self.weight.constrained(Some(Arc::new(constraint)));
        self
    }

    fn started(mut self) -> Self {
        let inner = self.initializer.clone();
        self.weight = self.weight.initialized_by(match self.padding {
            Some(row) => Arc::new(ZeroRow { inner, row }),
            None => inner,
        });
        self
    }

    /// The rows at the given indices, `[batch..]` → `[batch.., width]`.
    ///
    /// # Panics
    /// When an index is not a row of the table.
    #[track_caller]
    pub fn look_up<'t>(&self, tape: &'t Tape<T>, index: &Tensor<i64>) -> Var<'t, T> {
        let table = self.weight.value().shape();
        let [size, width] = [table[0], table[1]];
        let outside =
            index.to_vec().into_iter().find(|&i| !usize::try_from(i).is_ok_and(|i| i < size));
        if let Some(outside) = outside {
            panic!("embedding: index {outside} is not a row of the table {table:?} [size, width]");
        }
        let flat = index.reshape(&[index.len()]);
        let mut y = tape.param(&self.weight).index_select(0, &flat);
        if let Some(padding) = self.padding {
            let trained = flat.map(|i| i != padding as i64);
            if !trained.all() {
                y = tape.where_(&trained.reshape(&[flat.len(), 1]), y, y.detach());
            }
        }
        let shape: Vec<usize> = index.shape().iter().copied().chain([width]).collect();
        y.reshape(&shape)
    }
}

impl<T: Float> Layer<T> for Embedding<T> {
    /// # Panics
    /// When an element of x is not a whole number, or not a row of the table.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let index = x.value();
        if let Some(broken) = index.to_vec().into_iter().find(|i| i.to_f64().fract() != 0.0) {
            panic!(
                "embedding: the input holds {broken}, which is not a whole number and so no index"
            );
        }
        self.look_up(x.tape(), &index.map(|i| i.to_f64() as i64))
    }

    fn build(&mut self, _: &[usize]) -> Result<(), BuildError> {
        let shape = self.weight.value().shape();
        if shape.contains(&0) {
            let why = format!("a table {shape:?} [size, width] has no rows or no columns");
            return Err(BuildError::Setting { layer: "embedding".into(), why });
        }
        Ok(())
    }

    fn kind(&self) -> &'static str {
        "embedding"
    }
}
