//! Pooling as layers.

use gradus_autograd::{Float, Pool, Var};
use gradus_derive::Module;

use crate::{BuildError, Layer};

/// A shape of one sample that is too short for the windows.
fn expect_axes(kind: &str, axes: usize, input: &[usize]) -> Result<(), BuildError> {
    if input.len() > axes {
        return Ok(());
    }
    let why = format!("it takes [channels] and {axes} axes behind them");
    Err(BuildError::Input { layer: kind.into(), input: input.into(), why })
}

macro_rules! layer {
    ($(#[$doc:meta])* $layer:ident $call:ident $setting:ty, $($d:literal $name:ident)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Module)]
        pub struct $layer<const D: usize>(#[module(skip)] $setting);

        impl<T: Float, const D: usize> Layer<T> for $layer<D> {
            #[track_caller]
            fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
                x.$call(Layer::<T>::kind(self), self.0)
            }
            fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
                expect_axes(Layer::<T>::kind(self), D, input)
            }
            fn kind(&self) -> &'static str {
                ["", $(concat!(stringify!($call), stringify!($d), "d")),*][D.min(3)]
            }
        }
        $(
            #[doc = concat!("[`", stringify!($layer), "`] over the last ", stringify!($d), " axes.")]
            pub type $name = $layer<$d>;
        )*
    };
}

layer! {
    /// The largest element of each window over the last `D` axes. The first of equals gets the gradient.
    ///
    /// ```
    /// use gradus_autograd::{Pool, Tape, Tensor};
    /// use gradus_nn::{Layer, MaxPool2d};
    /// let tape = Tape::<f32>::new();
    /// let x = tape.constant(Tensor::zeros(&[2, 3, 8, 8]));
    /// assert_eq!(MaxPool2d::new(2).forward(x).shape()[..], [2, 3, 4, 4]);
    /// assert_eq!(MaxPool2d::new(Pool::new(3).stride(2).padding(1)).forward(x).shape()[..], [2, 3, 4, 4]);
    /// ```
    MaxPool max_pool Pool<D>, 1 MaxPool1d 2 MaxPool2d 3 MaxPool3d
}
layer! {
    /// The mean of each window over the last `D` axes.
    AvgPool avg_pool Pool<D>, 1 AvgPool1d 2 AvgPool2d 3 AvgPool3d
}
layer! {
    /// The largest element of as many windows as asked for over each of the last `D` axes.
    AdaptiveMaxPool adaptive_max_pool [usize; D], 1 AdaptiveMaxPool1d 2 AdaptiveMaxPool2d 3 AdaptiveMaxPool3d
}
layer! {
    /// The mean of as many windows as asked for over each of the last `D` axes.
    AdaptiveAvgPool adaptive_avg_pool [usize; D], 1 AdaptiveAvgPool1d 2 AdaptiveAvgPool2d 3 AdaptiveAvgPool3d
}

macro_rules! new {
    ($($layer:ident)*) => {$(
        impl<const D: usize> $layer<D> {
            /// Windows of a size, side by side, or with settings as [`Pool`] has them.
            pub fn new(windows: impl Into<Pool<D>>) -> Self {
                $layer(windows.into())
            }
        }
    )*};
}
new!(MaxPool AvgPool);

macro_rules! adaptive {
    ($($layer:ident)*) => {$(
        impl<const D: usize> $layer<D> {
            /// So many windows over each axis.
            pub fn new(size: [usize; D]) -> Self {
                $layer(size)
            }
        }
    )*};
}
adaptive!(AdaptiveMaxPool AdaptiveAvgPool);

macro_rules! global {
    ($($(#[$doc:meta])* $layer:ident $kind:literal $call:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, Module)]
        pub struct $layer;

        impl<T: Float> Layer<T> for $layer {
            #[track_caller]
            fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
                let rank = x.rank();
                assert!(rank > 2, "{}: {:?} has no axes behind its channels", $kind, x.shape());
                x.$call(&(2..rank as isize).collect::<Vec<_>>())
            }
            fn build(&mut self, input: &[usize]) -> Result<(), BuildError> {
                expect_axes($kind, 1, input)
            }
            fn kind(&self) -> &'static str {
                $kind
            }
        }
    )*};
}

global! {
    /// The mean over all axes behind the channels, `[batch, channels, ..]` → `[batch, channels]`.
    GlobalAvgPool "global_avg_pool" mean_axes;
    /// The largest over all axes behind the channels, `[batch, channels, ..]` → `[batch, channels]`.
    GlobalMaxPool "global_max_pool" max_axes;
}
