//! RMSprop, centred or with momentum.

use gradus_autograd::{Float, Literal, Real, Rule};

use crate::formula::{decays, hyperparameters, mean, root, setters, weight_decays};
use crate::{Formulas, Optimizer, UpdateRule};

/// v′ = ρ·v + (1 − ρ)·g², a′ = ρ·a + (1 − ρ)·g, d = g/(√(v′ − a′²) + ε), b′ = µ·b + d, p·shrink − lr·b′; without a or b
/// where these are not wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
struct RMSpropRule<const CENTERED: bool, const MOMENTUM: bool> {
    epsilon_in_root: bool,
}

impl<const CENTERED: bool, const MOMENTUM: bool> RMSpropRule<CENTERED, MOMENTUM> {
    #[inline(always)]
    fn apply<R: Real>(&self, [p, v, a, b, g]: [R; 5], numbers: [R; 6]) -> [R; 4]
    where
        f64: Literal<R>,
    {
        let [lr, shrink, rho, epsilon, momentum, decay] = numbers;
        let g = g + decay * p;
        let v = mean(rho, v, g * g);
        let (a, square) = match CENTERED {
            true => {
                let (a, zero) = (mean(rho, a, g), R::lit(0.0));
                let variance = v - a * a;
                // Rounding can make it negative where all gradients are alike.
                (a, R::select(zero.less(variance), variance, zero))
            }
            false => (a, v),
        };
        let length = match self.epsilon_in_root {
            true => (square + epsilon).sqrt(),
            false => root(square) + epsilon,
        };
        let b = if MOMENTUM { momentum * b + g / length } else { g / length };
        [p * shrink - lr * b, v, a, b]
    }
}

/// The rule for one set of moments, which stand in the order v, a, b. Names of a macro are not those of its caller: so
/// `a` and `b` are given, too.
macro_rules! rule {
    ($inputs:literal, $outputs:literal, $centered:literal, $momentum:literal,
        $a:ident $b:ident [$($moment:ident),*]) => {
        impl Rule<$inputs, $outputs> for RMSpropRule<$centered, $momentum> {
            fn name(&self) -> &'static str {
                "rmsprop"
            }
            #[inline(always)]
            #[allow(unused_variables, reason = "not every form has every moment")]
            fn eval<R: Real>(&self, inputs: [R; $inputs]) -> [R; $outputs]
            where
                f64: Literal<R>,
            {
                let ($a, $b) = (R::lit(0.0), R::lit(0.0));
                let [p, v, $($moment,)* g, numbers @ ..] = inputs;
                let [p, v, $a, $b] = self.apply([p, v, $a, $b, g], numbers);
                [p, v, $($moment),*]
            }
        }
    };
}
rule!(9, 2, false, false, a b []);
rule!(10, 3, false, true, a b [b]);
rule!(10, 3, true, false, a b [a]);
rule!(11, 4, true, true, a b [a, b]);

/// The numbers of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
struct RMSpropStep {
    decoupled: bool,
}

impl Rule<5, 6> for RMSpropStep {
    fn name(&self) -> &'static str {
        "rmsprop_step"
    }
    #[inline(always)]
    fn eval<R: Real>(&self, [lr, rho, epsilon, momentum, weight_decay]: [R; 5]) -> [R; 6]
    where
        f64: Literal<R>,
    {
        let [shrink, decay] = decays(self.decoupled, lr, weight_decay);
        [lr, shrink, rho, epsilon, momentum, decay]
    }
}

/// The hyperparameters of [`RMSprop`].
#[derive(Clone, Debug, PartialEq)]
pub struct RMSpropHyper {
    /// The learning rate.
    pub lr: f64,
    /// The weight of the old mean square: PyTorch's `alpha`.
    pub rho: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// The weight of the old direction.
    pub momentum: f64,
    /// λ of a penalty or of a decoupled decay.
    pub weight_decay: f64,
    /// Whether the decay is decoupled from the gradient.
    pub decoupled: bool,
    /// Whether the square of the mean gradient is taken from the mean square.
    pub centered: bool,
    /// Whether ε is added under the root, as in Keras.
    pub epsilon_in_root: bool,
}

/// RMSprop (Tieleman and Hinton 2012): a gradient divided by the root of the moving mean of its square. With the
/// conventions of PyTorch, ρ = 0.99 and ε = 1e-8 beside the root; [`keras`](Optimizer::keras) has those of Keras.
///
/// ```
/// use gradus_optim::RMSprop;
/// let rmsprop: RMSprop = RMSprop::new(1e-2).rho(0.9).momentum(0.9).centered(true);
/// assert_eq!(rmsprop.hyper().rho, 0.9);
/// ```
pub type RMSprop<T = f32> = Optimizer<RMSpropHyper, T>;

impl<T: Float> RMSprop<T> {
    /// ρ = 0.99, ε = 1e-8, no momentum, no decay.
    ///
    /// # Panics
    /// When the learning rate is negative or not finite.
    #[track_caller]
    pub fn new(lr: f64) -> Self {
        Optimizer::with_rule(RMSpropHyper {
            lr,
            rho: 0.99,
            epsilon: 1e-8,
            momentum: 0.0,
            weight_decay: 0.0,
            decoupled: false,
            centered: false,
            epsilon_in_root: false,
        })
    }
    /// Whether the second moment is that around the mean.
    pub fn centered(mut self, centered: bool) -> Self {
        self.rule.centered = centered;
        self
    }
    /// Keras' conventions: ρ = 0.9, ε = 1e-7 under the root.
    pub fn keras(mut self) -> Self {
        (self.rule.rho, self.rule.epsilon, self.rule.epsilon_in_root) = (0.9, 1e-7, true);
        self
    }
}

setters!(RMSprop {
    /// The weight of the old mean square.
    rho,
    /// What is added to the root of the mean square.
    epsilon,
    /// The weight of the old direction.
    momentum,
});
weight_decays!(RMSprop);

hyperparameters!(
    RMSpropHyper,
    |h| 1 + usize::from(h.centered) + usize::from(h.momentum != 0.0),
    [lr, rho, epsilon, momentum, weight_decay]
);

impl UpdateRule for RMSpropHyper {
    fn formulas<F: Formulas>(&self, _: u64, run: F) -> F::Out {
        let RMSpropHyper { decoupled, epsilon_in_root, .. } = *self;
        let step = RMSpropStep { decoupled };
        match (self.centered, self.momentum != 0.0) {
            (false, false) => run.run(step, RMSpropRule::<false, false> { epsilon_in_root }),
            (false, true) => run.run(step, RMSpropRule::<false, true> { epsilon_in_root }),
            (true, false) => run.run(step, RMSpropRule::<true, false> { epsilon_in_root }),
            (true, true) => run.run(step, RMSpropRule::<true, true> { epsilon_in_root }),
        }
    }
}
