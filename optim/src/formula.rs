//! What the formulas and the settings of several rules share.

use gradus_autograd::{Literal, Real};

/// √x, whose slope at 0, which is infinite, is taken as 0. Where no gradient has come yet, a second moment is 0, and
/// so is the first one that it divides: the update has its exact derivative through that one alone.
#[inline(always)]
pub(crate) fn root<R: Real>(square: R) -> R {
    let zero = R::lit(0.0);
    let none = square.equals(zero);
    R::select(none, zero, R::select(none, R::lit(1.0), square).sqrt())
}

/// The factor of a parameter before the update, and how much of it is added to its gradient: 1 − lr·λ and 0 if the
/// decay is decoupled, else 1 and λ.
#[inline(always)]
pub(crate) fn decays<R: Real>(decoupled: bool, lr: R, decay: R) -> [R; 2]
where
    f64: Literal<R>,
{
    match decoupled {
        true => [1.0 - lr * decay, R::lit(0.0)],
        false => [R::lit(1.0), decay],
    }
}

/// keep·old + (1 − keep)·new
#[inline(always)]
pub(crate) fn mean<R: Real>(keep: R, old: R, new: R) -> R
where
    f64: Literal<R>,
{
    keep * old + (1.0 - keep) * new
}

/// [`Hyperparameters`](crate::Hyperparameters) of a struct: the number of moments, and the fields that a gradient can
/// be taken for, the learning rate first; another method of the trait, if it is not the default.
macro_rules! hyperparameters {
    ($rule:ty, |$own:ident| $moments:expr, [$lr:ident $(, $field:ident)*] $(, { $($other:tt)* })?) => {
        impl $crate::Hyperparameters for $rule {
            fn moments(&self) -> usize {
                let $own = self;
                $moments
            }
            fn lr(&self) -> f64 {
                self.$lr
            }
            fn set_lr(&mut self, lr: f64) {
                self.$lr = lr;
            }
            fn hyper(&mut self) -> smallvec::SmallVec<[&mut f64; 8]> {
                smallvec::smallvec![&mut self.$lr $(, &mut self.$field)*]
            }
            $($($other)*)?
        }
    };
}
pub(crate) use hyperparameters;

/// Methods of an optimiser that set fields of its rule.
macro_rules! setters {
    ($name:ident { $($(#[$doc:meta])* $field:ident,)* }) => {
        impl<T: gradus_autograd::Float> $name<T> {$(
            $(#[$doc])*
            pub fn $field(mut self, $field: f64) -> Self {
                self.rule.$field = $field;
                self
            }
        )*}
    };
}
pub(crate) use setters;

/// The two methods that set a weight decay.
macro_rules! weight_decays {
    ($name:ident) => {
        impl<T: gradus_autograd::Float> $name<T> {
            /// λ of an L2 penalty λ/2·Σw², added to the gradient as λ·w: PyTorch's `weight_decay`.
            pub fn weight_decay(mut self, decay: f64) -> Self {
                (self.rule.weight_decay, self.rule.decoupled) = (decay, false);
                self
            }
            /// λ of a decay that takes lr·λ·w from a weight, apart from the gradient: Keras' `weight_decay`.
            pub fn decoupled_weight_decay(mut self, decay: f64) -> Self {
                (self.rule.weight_decay, self.rule.decoupled) = (decay, true);
                self
            }
        }
    };
}
pub(crate) use weight_decays;

/// The method that sets both weights of the moments.
macro_rules! betas {
    ($name:ident) => {
        impl<T: gradus_autograd::Float> $name<T> {
            /// The weights of the old moments.
            pub fn betas(self, beta1: f64, beta2: f64) -> Self {
                self.beta1(beta1).beta2(beta2)
            }
        }
    };
}
pub(crate) use betas;
