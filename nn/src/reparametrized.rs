//! Layers one weight of which is worked out from others: what weight and spectral norm have in common.

use std::fmt::{self, Write};

use gradus_autograd::{Float, Param, Path, Var};

use crate::{BuildError, Layer};

/// Which weight of the inner layer.
#[derive(Clone, Debug)]
pub(crate) struct Weight {
    /// Its path there.
    pub name: String,
    /// The axis of the outputs, if it was set.
    pub axis: Option<isize>,
}

impl Weight {
    pub fn kernel() -> Self {
        Weight { name: "kernel".into(), axis: None }
    }

    /// The parameter; none if the layer has not been built, or has no such parameter.
    pub fn of<'m, T: Float>(&self, inner: &'m impl Layer<T>) -> Option<&'m Param<T>> {
        let mut found = None;
        inner.visit(Path::root(), &mut |path, param| {
            let mut rest = Rest(&self.name);
            if write!(rest, "{path}").is_ok() && rest.0.is_empty() {
                found = Some(param);
            }
        });
        found
    }

    /// As [`of`](Self::of), in a forward pass.
    #[track_caller]
    pub fn expect<'m, T: Float>(&self, what: &str, inner: &'m impl Layer<T>) -> &'m Param<T> {
        match self.of(inner) {
            Some(weight) => weight,
            None => panic!(
                "{what}: the layer `{}` has no parameter `{}`, or has not been built: set its inputs, or build the model \
                 (one of your own builds its layers in `Layer::build`); `.name(..)` takes another parameter",
                inner.kind(),
                self.name
            ),
        }
    }

    /// As [`of`](Self::of), once the layer is built, with the axis of the outputs.
    pub fn built<'m, T: Float>(
        &self,
        what: &str,
        inner: &'m impl Layer<T>,
    ) -> Result<(&'m Param<T>, usize), BuildError> {
        let fail = |why| Err(BuildError::Setting { layer: inner.kind().into(), why });
        let Some(weight) = self.of(inner) else {
            let there: Vec<String> = inner.params().into_iter().map(|(path, _)| path).collect();
            return fail(format!(
                "{what} finds no parameter `{}` in it, but {there:?}: name one by `.name(..)`",
                self.name
            ));
        };
        let shape = weight.value().shape();
        match self.axis(inner.kind(), shape.len()) {
            Some(axis) => Ok((weight, axis)),
            None => {
                let axis = self.wanted(inner.kind());
                fail(format!(
                    "`{}` {shape:?} has no axis {axis} of outputs: name one by `.axis(..)`",
                    self.name
                ))
            }
        }
    }

    /// The axis of the outputs in a parameter of that rank, if there is one.
    pub fn axis(&self, kind: &str, rank: usize) -> Option<usize> {
        let axis = self.wanted(kind);
        let axis = if axis < 0 { axis + rank as isize } else { axis };
        usize::try_from(axis).ok().filter(|&axis| axis < rank)
    }

    /// The axis that was set, or the first, as PyTorch has it, but the second where a layer has the inputs first.
    fn wanted(&self, kind: &str) -> isize {
        let inputs_first = kind == "dense" || kind.starts_with("conv_transpose");
        self.axis.unwrap_or(isize::from(inputs_first))
    }
}

/// What the layer makes of `x` with another value of a parameter.
#[track_caller]
pub(crate) fn forward_with<'t, T: Float>(
    inner: &impl Layer<T>,
    x: Var<'t, T>,
    param: &Param<T>,
    value: Var<'t, T>,
) -> Var<'t, T> {
    let tape = x.tape();
    let own = tape.param(param);
    tape.rebind(param, value);
    let y = inner.forward(x);
    tape.rebind(param, own);
    y
}

/// What is left of a text when its beginning is taken away, piece by piece: compares a path without making a text of
/// it, since every forward pass does.
struct Rest<'a>(&'a str);

impl Write for Rest<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(piece).ok_or(fmt::Error)?;
        Ok(())
    }
}
