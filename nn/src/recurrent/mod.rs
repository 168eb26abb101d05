//! Recurrent layers: Elman's network, the long short-term memory, the gated recurrent unit.
//!
//! Parameters have PyTorch's names, layout and order of gates (`weight_ih_l0` `[gates·units, inputs]`, `weight_hh_l0`,
//! `bias_ih_l0`, `bias_hh_l0`; `_reverse` behind those of the way back), so that weights saved there load by name. From
//! Keras: `kernel` and `recurrent_kernel` are these transposed, its one bias is `bias_ih`; an LSTM has the same order of
//! gates, i, f, c (here g), o; a GRU has z before r.

mod cells;
mod direction;

use std::sync::Arc;

use gradus_autograd::{Constraint, Float, Initializer, Param, Rng, Tensor, Var};

pub use cells::{Cell, GruCell, LstmCell, RnnCell, Weights};

use self::direction::Direction;
use crate::init::Uniform;
use crate::{BuildError, Layer};

/// Elman's network, h′ = tanh(w_ih·x + b_ih + w_hh·h + b_hh): see [`Recurrent`]. Keras' `SimpleRNN`.
pub type Rnn<T = f32> = Recurrent<RnnCell, T>;
/// The long short-term memory: see [`Recurrent`].
pub type Lstm<T = f32> = Recurrent<LstmCell, T>;
/// The gated recurrent unit: see [`Recurrent`].
pub type Gru<T = f32> = Recurrent<GruCell, T>;

/// A recurrent network over x `[batch, steps, inputs]`. The result is that of the last step, `[batch, units]`, or, with
/// [`return_sequences`](Recurrent::return_sequences), those of all steps, `[batch, steps, units]`; twice the units if
/// [`bidirectional`](Recurrent::bidirectional), the way back behind the way forth.
///
/// All parameters start uniformly within ±1/√units, as in PyTorch.
///
/// ```
/// use gradus_autograd::{Module, Tape, Tensor};
/// use gradus_nn::{Dense, Layer, Lstm, Sequential};
/// let model = Sequential::new()
///     .add(Lstm::new(8).layers(2).bidirectional())
///     .add(Dense::new(1))
///     .build(&[5, 3], 1)?; // five steps of three numbers; any other number of steps will do, too
/// let tape = Tape::<f32>::new();
/// assert_eq!(model.forward(tape.constant(Tensor::zeros(&[2, 7, 3]))).shape()[..], [2, 1]);
/// assert_eq!(model.param("lstm.weight_ih_l1_reverse").unwrap().value().shape(), [32, 16]);
/// # Ok::<(), gradus_nn::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Recurrent<C: Cell, T: Float = f32> {
    /// Each layer's way forth, and its way back if there is one; empty until the inputs are known.
    directions: Vec<Direction<T>>,
    settings: Settings<C, T>,
}

#[derive(Clone, Debug)]
struct Settings<C, T: Float> {
    cell: C,
    units: usize,
    layers: usize,
    is_bidirectional: bool,
    use_bias: bool,
    dropout: f32,
    return_sequences: bool,
    kernel_initializer: Arc<dyn Initializer<T>>,
    recurrent_initializer: Arc<dyn Initializer<T>>,
    bias_initializers: [Arc<dyn Initializer<T>>; 2],
    kernel_constraint: Option<Arc<dyn Constraint<T>>>,
    recurrent_constraint: Option<Arc<dyn Constraint<T>>>,
    bias_constraint: Option<Arc<dyn Constraint<T>>>,
}

impl<C: Cell, T: Float> Recurrent<C, T> {
    /// A layer with `units` outputs; its inputs follow when the model is built, or from [`Recurrent::inputs`].
    pub fn new(units: usize) -> Self {
        let limit = 1.0 / (units.max(1) as f64).sqrt();
        let start: Arc<dyn Initializer<T>> = Arc::new(Uniform { low: -limit, high: limit });
        let settings = Settings {
            cell: C::default(),
            units,
            layers: 1,
            is_bidirectional: false,
            use_bias: true,
            dropout: 0.0,
            return_sequences: false,
            kernel_initializer: start.clone(),
            recurrent_initializer: start.clone(),
            bias_initializers: [start.clone(), start],
            kernel_constraint: None,
            recurrent_constraint: None,
            bias_constraint: None,
        };
        Recurrent { directions: vec![], settings }
    }

    /// Sets the number of inputs, for use outside of a [`Sequential`](crate::Sequential). A setting after it that changes
    /// what parameters there are, or how they start, makes them anew.
    #[track_caller]
    pub fn inputs(mut self, inputs: usize) -> Self {
        self.make(inputs);
        self
    }

    /// So many layers on top of each other; 1 by default.
    pub fn layers(self, layers: usize) -> Self {
        self.with(|s| s.layers = layers)
    }

    /// Reads the sequence from its end as well, with weights of its own.
    pub fn bidirectional(self) -> Self {
        self.with(|s| s.is_bidirectional = true)
    }

    /// Dropout of what goes from one layer to the next; not behind the last one.
    pub fn dropout(self, rate: f32) -> Self {
        self.set(|s| s.dropout = rate)
    }

    /// Whether the outputs of all steps are returned, or that of the last one only (the default, as in Keras).
    pub fn return_sequences(self, all: bool) -> Self {
        self.set(|s| s.return_sequences = all)
    }

    /// Leaves the biases out.
    pub fn no_bias(self) -> Self {
        self.with(|s| s.use_bias = false)
    }

    /// How the weights of the inputs start.
    pub fn kernel_initializer(self, initializer: impl Initializer<T> + 'static) -> Self {
        self.with(|s| s.kernel_initializer = Arc::new(initializer))
    }

    /// How the weights of the state start.
    pub fn recurrent_initializer(self, initializer: impl Initializer<T> + 'static) -> Self {
        self.with(|s| s.recurrent_initializer = Arc::new(initializer))
    }

    /// How both biases start.
    pub fn bias_initializer(self, initializer: impl Initializer<T> + 'static) -> Self {
        let start: Arc<dyn Initializer<T>> = Arc::new(initializer);
        self.with(|s| s.bias_initializers = [start.clone(), start])
    }

    /// Where each step leaves the weights of the inputs: those of a unit run along axis 1.
    pub fn kernel_constraint(self, constraint: impl Constraint<T> + 'static) -> Self {
        self.with(|s| s.kernel_constraint = Some(Arc::new(constraint)))
    }

    /// Where each step leaves the weights of the state: those of a unit run along axis 1.
    pub fn recurrent_constraint(self, constraint: impl Constraint<T> + 'static) -> Self {
        self.with(|s| s.recurrent_constraint = Some(Arc::new(constraint)))
    }

    /// Where each step leaves both biases.
    pub fn bias_constraint(self, constraint: impl Constraint<T> + 'static) -> Self {
        self.with(|s| s.bias_constraint = Some(Arc::new(constraint)))
    }

    /// Changes what leaves the parameters as they are.
    fn set(mut self, change: impl FnOnce(&mut Settings<C, T>)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Changes what parameters follow from: those that are there already are made anew.
    #[track_caller]
    fn with(self, change: impl FnOnce(&mut Settings<C, T>)) -> Self {
        let mut changed = self.set(change);
        if let Some(first) = changed.directions.first() {
            changed.make(first.w_ih.value().shape()[1]);
        }
        changed
    }

    #[track_caller]
    fn make(&mut self, inputs: usize) {
        let s = &self.settings;
        let (wide, ways) = (C::GATES * s.units, self.ways());
        let direction = |at: usize| {
            let inputs = if at < ways { inputs } else { ways * s.units };
            let bias = |start: &Arc<dyn Initializer<T>>| {
                Param::drawn(&[wide], start.clone()).constrained(s.bias_constraint.clone())
            };
            Direction {
                w_ih: Param::drawn(&[wide, inputs], s.kernel_initializer.clone())
                    .constrained(s.kernel_constraint.clone()),
                w_hh: Param::drawn(&[wide, s.units], s.recurrent_initializer.clone())
                    .constrained(s.recurrent_constraint.clone()),
                biases: s.use_bias.then(|| s.bias_initializers.each_ref().map(bias)),
            }
        };
        self.directions = (0..s.layers * ways).map(direction).collect();
    }

    fn ways(&self) -> usize {
        if self.settings.is_bidirectional { 2 } else { 1 }
    }

    /// The outputs of all steps `[batch, steps, ways·units]`, and the last states `[layers·ways, batch, units]`.
    #[track_caller]
    fn run<'t>(
        &self,
        x: Var<'t, T>,
        first: Option<&[Var<'t, T>]>,
    ) -> (Var<'t, T>, Vec<Var<'t, T>>) {
        let (tape, shape) = (x.tape(), x.shape());
        let Some(made) = self.directions.first() else {
            panic!(
                "{}: the number of inputs is not known: set it with `.inputs(n)`, or build the model (one of your own \
                 builds its layers in `Layer::build`)",
                C::KIND
            );
        };
        let inputs = made.w_ih.value().shape()[1];
        let [batch, steps, width] = shape[..] else {
            panic!("{}: input {shape:?} is not [batch, steps, inputs]", C::KIND)
        };
        assert!(
            width == inputs && steps > 0,
            "{}: input {shape:?} is not [batch, steps, inputs] with {inputs} inputs and at least one step",
            C::KIND
        );
        let (ways, units) = (self.ways(), self.settings.units);
        let zeros = tape.constant(Tensor::zeros(&[batch, units]));
        let expected = [self.directions.len(), batch, units];
        for state in first.unwrap_or_default() {
            let state = state.shape();
            assert!(
                *state == expected,
                "{}: initial state {state:?} does not fit input {shape:?}: expected {expected:?} [layers·directions, batch, units]",
                C::KIND
            );
        }
        let state = |state: usize, at: usize| match first {
            Some(first) => first[state].slice(0, at..at + 1).reshape(&[batch, units]),
            None => zeros,
        };
        let mut x = x.transpose(0, 1);
        let mut last = vec![vec![]; C::STATES];
        for (layer, directions) in self.directions.chunks(ways).enumerate() {
            if layer > 0 {
                x = x.dropout(self.settings.dropout);
            }
            let mut outputs = vec![];
            for (way, direction) in directions.iter().enumerate() {
                let states: Vec<_> = (0..C::STATES).map(|s| state(s, layer * ways + way)).collect();
                let weights = Weights {
                    w_ih: tape.param(&direction.w_ih),
                    w_hh: tape.param(&direction.w_hh),
                    biases: direction.biases.as_ref().map(|b| b.each_ref().map(|b| tape.param(b))),
                };
                let (y, ends) = self.settings.cell.run(x, &states, &weights, way == 1);
                outputs.push(y);
                last.iter_mut().zip(ends).for_each(|(all, end)| all.push(end));
            }
            x = if ways == 1 { outputs[0] } else { tape.concat(&outputs, -1) };
        }
        let stacked = |states: Vec<Var<'t, T>>| match states[..] {
            [one] => one.unsqueeze(0),
            _ => tape.stack(&states, 0),
        };
        (x.transpose(0, 1), last.into_iter().map(stacked).collect())
    }
}

impl<T: Float> Rnn<T> {
    /// ReLU instead of tanh.
    pub fn relu(self) -> Self {
        self.set(|s| s.cell.relu = true)
    }
}

impl<T: Float> Gru<T> {
    /// Whether the reset gate is applied behind the matrix product (the default, as in PyTorch, cuDNN and Keras) or to
    /// the state before it (`false`, as in the paper of 2014).
    pub fn reset_after(self, after: bool) -> Self {
        self.set(|s| s.cell.reset_before = !after)
    }
}

macro_rules! one_state {
    ($($t:ident)*) => {$(
        impl<T: Float> $t<T> {
            /// The outputs of all steps, `[batch, steps, units]`, and the last state, from the first one; both states are
            /// `[layers·directions, batch, units]`, as in PyTorch, and zeros if not given.
            ///
            /// # Panics
            /// As [`forward`](Layer::forward), and when the state does not fit.
            #[track_caller]
            pub fn forward_with<'t>(
                &self,
                x: Var<'t, T>,
                h0: Option<Var<'t, T>>,
            ) -> (Var<'t, T>, Var<'t, T>) {
                let (y, last) = self.run(x, h0.as_ref().map(std::slice::from_ref));
                (y, last[0])
            }
        }
    )*};
}
one_state!(Rnn Gru);

impl<T: Float> Lstm<T> {
    /// Biases start as 0, that of the forget gate as 1, as in Keras (Jozefowicz et al. 2015).
    pub fn unit_forget_bias(self) -> Self {
        self.with(|s| s.bias_initializers = [Arc::new(UnitForget), Arc::new(crate::init::Zeros)])
    }

    /// The outputs of all steps, `[batch, steps, units]`, and the last h and c, from the first ones; states are
    /// `[layers·directions, batch, units]`, as in PyTorch, and zeros if not given.
    ///
    /// # Panics
    /// As [`forward`](Layer::forward), and when a state does not fit.
    #[track_caller]
    pub fn forward_with<'t>(
        &self,
        x: Var<'t, T>,
        state: Option<[Var<'t, T>; 2]>,
    ) -> (Var<'t, T>, [Var<'t, T>; 2]) {
        let (y, last) = self.run(x, state.as_ref().map(<[_; 2]>::as_slice));
        (y, [last[0], last[1]])
    }
}

/// 1 in the second quarter, 0 elsewhere.
#[derive(Debug)]
struct UnitForget;

impl<T: Float> Initializer<T> for UnitForget {
    fn sample(&self, shape: &[usize], _: &mut Rng) -> Tensor<T> {
        let units = shape[0] / 4;
        Tensor::from_fn(shape, |at| T::of(f64::from(u8::from(at[0] / units.max(1) == 1))))
    }
}

impl<C: Cell, T: Float> Layer<T> for Recurrent<C, T> {
    /// # Panics
    /// When the layer has not been built, or x is not `[batch, steps, inputs]` with at least one step.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let (y, last) = self.run(x, None);
        if self.settings.return_sequences {
            return y;
        }
        let (h, ways) = (last[0], self.ways());
        let [all, batch, units] = h.shape()[..] else { unreachable!("a state has three axes") };
        h.slice(0, all - ways..all).transpose(0, 1).reshape(&[batch, ways * units])
    }

    fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
        let s = &self.settings;
        let setting = |why: String| Err(BuildError::Setting { layer: C::KIND.into(), why });
        let fail = |why: String| {
            Err(BuildError::Input { layer: C::KIND.into(), input: input.to_vec(), why })
        };
        if s.units == 0 || s.layers == 0 {
            return setting("it needs at least one unit and one layer".into());
        }
        if !(0.0..=1.0).contains(&s.dropout) {
            return setting(format!("dropout {} is not within 0 to 1", s.dropout));
        }
        match (input, self.directions.first()) {
            ([steps, inputs], _) if *steps == 0 || *inputs == 0 => {
                fail("it needs at least one step and one feature".into())
            }
            ([_, inputs], Some(made)) if made.w_ih.value().shape()[1] != *inputs => {
                fail(format!("it was made for {} features", made.w_ih.value().shape()[1]))
            }
            ([_, _], Some(_)) => Ok(()),
            ([_, inputs], None) => {
                self.make(*inputs);
                Ok(())
            }
            _ => fail("it needs a sequence, [steps, features]".into()),
        }
    }

    fn kind(&self) -> &'static str {
        C::KIND
    }
}
