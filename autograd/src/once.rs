//! What is compiled in this crate, once for each precision. As methods of generic types it would be compiled again in
//! every crate that uses it, and a program of a few lines would take as long to build as the library.

use std::panic::Location;

use crate::kernel::map::{self, Block};
use crate::op::{Backward, Outputs};
use crate::ops::rule_op::{self, AnyRule};
use crate::tape::{Recorded, Tape, Var};
use crate::tensor::{Dims, Tensor};

/// Functions that are compiled here; what they do is said where they are.
pub trait Once: Sized {
    fn note(
        tape: &Tape<Self>,
        outputs: &mut Outputs<Self>,
        inputs: &[Var<'_, Self>],
        op: Option<Recorded<Self>>,
        location: &'static Location<'static>,
    ) -> (u32, u32)
    where
        Self: crate::Float;
    fn values(rule: &dyn AnyRule<Self>, shape: &Dims, x: &[&Tensor<Self>]) -> Outputs<Self>
    where
        Self: crate::Float;
    fn cotangents(rule: &dyn AnyRule<Self>, cx: &mut Backward<'_, Self>)
    where
        Self: crate::Float;
    fn in_place(body: &Block<Self>, ins: &[&[Self]], states: &mut [&mut [Self]]);
}

macro_rules! once {
    ($($t:ty)*) => {$(
        impl Once for $t {
            fn note(
                tape: &Tape<$t>,
                outputs: &mut Outputs<$t>,
                inputs: &[Var<'_, $t>],
                op: Option<Recorded<$t>>,
                location: &'static Location<'static>,
            ) -> (u32, u32) {
                tape.note(outputs, inputs, op, location)
            }
            fn values(rule: &dyn AnyRule<$t>, shape: &Dims, x: &[&Tensor<$t>]) -> Outputs<$t> {
                rule_op::values(rule, shape, x)
            }
            fn cotangents(rule: &dyn AnyRule<$t>, cx: &mut Backward<'_, $t>) {
                rule_op::cotangents(rule, cx);
            }
            fn in_place(body: &Block<$t>, ins: &[&[$t]], states: &mut [&mut [$t]]) {
                map::in_place(body, ins, states);
            }
        }
    )*};
}
once!(f32 f64);
