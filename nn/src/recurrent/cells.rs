//! What recurrent networks differ in: a direction of a layer, from one state to the next.

use std::fmt::Debug;

use gradus_autograd::{Activation, Float, Tensor, Var};

/// The weights of a direction of a layer on a tape: w_ih `[gates·units, inputs]`, w_hh `[gates·units, units]`, and the two
/// biases, `[gates·units]`.
pub struct Weights<'t, T: Float> {
    pub(super) w_ih: Var<'t, T>,
    pub(super) w_hh: Var<'t, T>,
    pub(super) biases: Option<[Var<'t, T>; 2]>,
}

impl<'t, T: Float> Weights<'t, T> {
    /// The sum of both biases, where a cell does not tell them apart.
    fn bias(&self) -> Option<Var<'t, T>> {
        self.biases.map(|[input, recurrent]| input + recurrent)
    }
    fn parts(&self) -> [Option<Var<'t, T>>; 2] {
        self.biases.map_or([None, None], |biases| biases.map(Some))
    }
}

/// A kind of recurrent network: what takes a layer from one step to the next.
pub trait Cell: Clone + Debug + Default + Send + Sync + 'static {
    /// The kind of layer, as [`Layer::kind`](crate::Layer::kind).
    const KIND: &'static str;
    /// How many blocks of `units` rows the weights have.
    const GATES: usize;
    /// How many states are carried on: h, or h and c.
    const STATES: usize;

    /// A sequence x `[steps, batch, inputs]` from states `[batch, units]`: the outputs `[steps, batch, units]`, each at the
    /// place of its step, and the last states.
    #[doc(hidden)]
    #[track_caller]
    fn run<'t, T: Float>(
        &self,
        x: Var<'t, T>,
        states: &[Var<'t, T>],
        weights: &Weights<'t, T>,
        reverse: bool,
    ) -> (Var<'t, T>, Vec<Var<'t, T>>);
}

/// The last state of a sequence: that at its end, or, backwards, at its beginning.
#[track_caller]
fn last<'t, T: Float>(y: Var<'t, T>, reverse: bool) -> Var<'t, T> {
    let [steps, batch, units] = y.shape()[..] else { unreachable!("a sequence has three axes") };
    let at = if reverse { 0 } else { steps - 1 };
    y.slice(0, at..at + 1).reshape(&[batch, units])
}

/// The outputs of all steps of z `[steps, batch, width]`, one after the other.
#[track_caller]
fn each_step<'t, T: Float>(
    z: Var<'t, T>,
    mut h: Var<'t, T>,
    reverse: bool,
    step: impl Fn(Var<'t, T>, Var<'t, T>) -> Var<'t, T>,
) -> (Var<'t, T>, Vec<Var<'t, T>>) {
    let [steps, batch, width] = z.shape()[..] else { unreachable!("a sequence has three axes") };
    let mut outputs = z.split(&vec![1; steps], 0);
    let order: &mut dyn Iterator<Item = &mut Var<'t, T>> =
        if reverse { &mut outputs.iter_mut().rev() } else { &mut outputs.iter_mut() };
    for place in order {
        h = step(place.reshape(&[batch, width]), h);
        *place = h;
    }
    (z.tape().stack(&outputs, 0), vec![h])
}

/// h′ = tanh(w_ih·x + w_hh·h + b), or with ReLU instead (Elman 1990).
#[derive(Clone, Debug, Default)]
pub struct RnnCell {
    pub(super) relu: bool,
}

impl Cell for RnnCell {
    const KIND: &'static str = "rnn";
    const GATES: usize = 1;
    const STATES: usize = 1;

    fn run<'t, T: Float>(
        &self,
        x: Var<'t, T>,
        states: &[Var<'t, T>],
        weights: &Weights<'t, T>,
        reverse: bool,
    ) -> (Var<'t, T>, Vec<Var<'t, T>>) {
        let z = x.linear(weights.w_ih.t(), weights.bias(), Activation::Identity);
        let w_hh = weights.w_hh.t();
        each_step(z, states[0], reverse, |z, h| {
            let z = z + h.matmul(w_hh);
            if self.relu { z.relu() } else { z.tanh() }
        })
    }
}

/// The long short-term memory, [`Var::lstm`].
#[derive(Clone, Debug, Default)]
pub struct LstmCell;

impl Cell for LstmCell {
    const KIND: &'static str = "lstm";
    const GATES: usize = 4;
    const STATES: usize = 2;

    fn run<'t, T: Float>(
        &self,
        x: Var<'t, T>,
        states: &[Var<'t, T>],
        weights: &Weights<'t, T>,
        reverse: bool,
    ) -> (Var<'t, T>, Vec<Var<'t, T>>) {
        let bias = weights
            .bias()
            .unwrap_or_else(|| x.tape().constant(Tensor::zeros(&[weights.w_hh.shape()[0]])));
        let [y, c] = x.lstm([states[0], states[1]], [weights.w_ih, weights.w_hh], bias, reverse);
        (y, vec![last(y, reverse), last(c, reverse)])
    }
}

/// The gated recurrent unit (Cho et al. 2014): r, z = σ of the first two blocks of x·w_ihᵀ + b_ih + h·w_hhᵀ + b_hh,
/// n = tanh(x·w_inᵀ + b_in + r·(h·w_hnᵀ + b_hn)), h′ = (1 − z)·n + z·h.
#[derive(Clone, Debug, Default)]
pub struct GruCell {
    /// n = tanh(.. + (r·h)·w_hnᵀ + b_hn) instead.
    pub(super) reset_before: bool,
}

impl Cell for GruCell {
    const KIND: &'static str = "gru";
    const GATES: usize = 3;
    const STATES: usize = 1;

    fn run<'t, T: Float>(
        &self,
        x: Var<'t, T>,
        states: &[Var<'t, T>],
        weights: &Weights<'t, T>,
        reverse: bool,
    ) -> (Var<'t, T>, Vec<Var<'t, T>>) {
        let units = weights.w_hh.shape()[1];
        let sizes = [2 * units, units];
        let [b_ih, b_hh] = weights.parts();
        let linear = Activation::Identity;
        let z = x.linear(weights.w_ih.t(), b_ih, linear);
        let mixed = |n: Var<'t, T>, z: Var<'t, T>, h: Var<'t, T>| n + z * (h - n);
        if !self.reset_before {
            let w_hh = weights.w_hh.t();
            return each_step(z, states[0], reverse, |x, h| {
                let (x, r) = (x.split(&sizes, 1), h.linear(w_hh, b_hh, linear).split(&sizes, 1));
                let gates = (x[0] + r[0]).sigmoid().chunk(2, 1);
                mixed((x[1] + gates[0] * r[1]).tanh(), gates[1], h)
            });
        }
        let w_hh: Vec<_> = weights.w_hh.split(&sizes, 0).into_iter().map(Var::t).collect();
        let b_hh: Vec<_> = match b_hh {
            Some(bias) => bias.split(&sizes, 0).into_iter().map(Some).collect(),
            None => vec![None, None],
        };
        each_step(z, states[0], reverse, |x, h| {
            let x = x.split(&sizes, 1);
            let gates = (x[0] + h.linear(w_hh[0], b_hh[0], linear)).sigmoid().chunk(2, 1);
            let n = x[1] + (gates[0] * h).linear(w_hh[1], b_hh[1], linear);
            mixed(n.tanh(), gates[1], h)
        })
    }
}
