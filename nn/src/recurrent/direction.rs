//! The parameters of a recurrent layer, under PyTorch's names.

use gradus_autograd::{Float, Module, Param, Path};

use super::{Cell, Recurrent};

/// The parameters of one layer in one direction.
#[derive(Clone, Debug)]
pub(super) struct Direction<T: Float> {
    pub w_ih: Param<T>,
    pub w_hh: Param<T>,
    pub biases: Option<[Param<T>; 2]>,
}

impl<C: Cell, T: Float> Module<T> for Recurrent<C, T> {
    fn visit<'m>(&'m self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &'m Param<T>)) {
        let ways = self.ways();
        for (at, direction) in self.directions.iter().enumerate() {
            let [w_ih, w_hh, b_ih, b_hh] = names(at, ways);
            direction.w_ih.visit(path.field(&w_ih), f);
            direction.w_hh.visit(path.field(&w_hh), f);
            if let Some([input, recurrent]) = &direction.biases {
                input.visit(path.field(&b_ih), f);
                recurrent.visit(path.field(&b_hh), f);
            }
        }
    }
    fn visit_mut(&mut self, path: Path<'_>, f: &mut dyn FnMut(Path<'_>, &mut Param<T>)) {
        let ways = self.ways();
        for (at, direction) in self.directions.iter_mut().enumerate() {
            let [w_ih, w_hh, b_ih, b_hh] = names(at, ways);
            direction.w_ih.visit_mut(path.field(&w_ih), f);
            direction.w_hh.visit_mut(path.field(&w_hh), f);
            if let Some([input, recurrent]) = &mut direction.biases {
                input.visit_mut(path.field(&b_ih), f);
                recurrent.visit_mut(path.field(&b_hh), f);
            }
        }
    }
}

/// PyTorch's names of the parameters of a direction.
fn names(at: usize, ways: usize) -> [String; 4] {
    let (layer, way) = (at / ways, if at % ways == 1 { "_reverse" } else { "" });
    ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map(|stem| format!("{stem}_l{layer}{way}"))
}
