//! Adagrad.

use gradus_autograd::{Float, Literal, Real, Rule};

use crate::formula::{decays, hyperparameters, root, setters, weight_decays};
use crate::{Formulas, Optimizer, UpdateRule};

/// s′ = s + start + g², p·shrink − rate·g/(√s′ + ε).
#[derive(Clone, Copy, Debug, PartialEq)]
struct AdagradRule {
    epsilon_in_root: bool,
}

impl Rule<8, 2> for AdagradRule {
    fn name(&self) -> &'static str {
        "adagrad"
    }
    #[inline(always)]
    fn eval<R: Real>(&self, [p, s, g, rate, shrink, epsilon, start, decay]: [R; 8]) -> [R; 2]
    where
        f64: Literal<R>,
    {
        let g = g + decay * p;
        let s = s + start + g * g;
        let length = match self.epsilon_in_root {
            true => (s + epsilon).sqrt(),
            false => root(s) + epsilon,
        };
        [p * shrink - rate * (g / length), s]
    }
}

/// The numbers of a step: the sum of squares starts with the first one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct AdagradStep {
    step: f64,
    initial_accumulator: f64,
    decoupled: bool,
}

impl Rule<4, 5> for AdagradStep {
    fn name(&self) -> &'static str {
        "adagrad_step"
    }
    #[inline(always)]
    fn eval<R: Real>(&self, [lr, lr_decay, epsilon, weight_decay]: [R; 4]) -> [R; 5]
    where
        f64: Literal<R>,
    {
        let rate = lr / (1.0 + lr_decay * (R::lit(self.step) - 1.0));
        let start = if self.step == 1.0 { self.initial_accumulator } else { 0.0 };
        let [shrink, decay] = decays(self.decoupled, lr, weight_decay);
        [rate, shrink, epsilon, R::lit(start), decay]
    }
}

/// The hyperparameters of [`Adagrad`].
#[derive(Clone, Debug, PartialEq)]
pub struct AdagradHyper {
    /// The learning rate.
    pub lr: f64,
    /// By how much the divisor of the learning rate, which is 1 in the first step, grows with each step.
    pub lr_decay: f64,
    /// Added to the root of the sum of squares.
    pub epsilon: f64,
    /// λ of a penalty or of a decoupled decay.
    pub weight_decay: f64,
    /// Whether the decay is decoupled from the gradient.
    pub decoupled: bool,
    /// What the sum of squares starts with.
    pub initial_accumulator: f64,
    /// Whether ε is added under the root, as in Keras.
    pub epsilon_in_root: bool,
}

/// Adagrad (Duchi, Hazan and Singer 2011): a gradient divided by the root of the sum of all its squares. With the
/// conventions of PyTorch, ε = 1e-10 beside the root; [`keras`](Optimizer::keras) has those of Keras.
///
/// ```
/// use gradus_optim::Adagrad;
/// let adagrad: Adagrad = Adagrad::new(0.1).initial_accumulator(0.1);
/// assert_eq!(adagrad.hyper().epsilon, 1e-10);
/// ```
pub type Adagrad<T = f32> = Optimizer<AdagradHyper, T>;

impl<T: Float> Adagrad<T> {
    /// ε = 1e-10, a sum that starts with 0, no decay.
    ///
    /// # Panics
    /// When the learning rate is negative or not finite.
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        Optimizer::with_rule(AdagradHyper {
            lr,
            lr_decay: 0.0,
            epsilon: 1e-10,
            weight_decay: 0.0,
            decoupled: false,
            initial_accumulator: 0.0,
            epsilon_in_root: false,
        })
    }
    /// Keras' conventions: a sum that starts with 0.1, ε = 1e-7 under the root.
    pub fn keras(mut self) -> Self {
        let rule = &mut self.rule;
        (rule.initial_accumulator, rule.epsilon, rule.epsilon_in_root) = (0.1, 1e-7, true);
        self
    }
}

setters!(Adagrad {
    /// By how much the divisor of the learning rate grows with each step.
    lr_decay,
    /// What is added to the root of the sum of squares.
    epsilon,
    /// What the sum of squares starts with.
    initial_accumulator,
});
weight_decays!(Adagrad);

hyperparameters!(AdagradHyper, |_h| 1, [lr, lr_decay, epsilon, weight_decay]);

impl UpdateRule for AdagradHyper {
    fn formulas<F: Formulas>(&self, step: u64, run: F) -> F::Out {
        let AdagradHyper { initial_accumulator, decoupled, epsilon_in_root, .. } = *self;
        let numbers = AdagradStep { step: step as f64, initial_accumulator, decoupled };
        run.run(numbers, AdagradRule { epsilon_in_root })
    }
}
