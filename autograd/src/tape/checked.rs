//! A tape that looks at every value, and says where the first NaN or infinity was born.

use super::{Node, Tape};
use crate::element::Float;
use crate::tensor::Tensor;

impl<T: Float> Tape<T> {
    /// This tape, looking at every value on the way: the first NaN or infinity panics, at the user's line, with the
    /// operation that made it from finite numbers, going forward as well as backward. It takes time; for looking
    /// for a mistake. An infinite constant is no mistake (a mask is made of them), but what comes of it may be.
    ///
    /// ```should_panic
    /// use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f32>::new().checked();
    /// let x = tape.var(Tensor::from([1.0, -1.0]));
    /// let y = x.ln(); // ln: the first NaN, at [1] of its result of shape [2]; its inputs are numbers
    /// # let _ = y;
    /// ```
    pub fn checked(self) -> Self {
        self.checked.set(true);
        self
    }

    /// Panics if a value that `what` makes of `inputs` is the first of its kind.
    #[track_caller]
    pub(super) fn expect_finite(&self, what: &str, inputs: &[&Tensor<T>], results: &[Tensor<T>]) {
        let number = |x: &T| !x.is_nan();
        let finite = |x: &T| x.is_finite();
        let all =
            |test: &dyn Fn(&T) -> bool| inputs.iter().all(|x| x.with_dense(|x| x.iter().all(test)));
        for (kind, test) in [("NaN", &number as &dyn Fn(&T) -> bool), ("infinity", &finite)] {
            let born = results
                .iter()
                .enumerate()
                .find_map(|(result, y)| Some((result, y, first(y, test)?)));
            let Some((result, y, at)) = born else { continue };
            if !all(test) {
                continue;
            }
            let which =
                if results.len() > 1 { format!("result {result}") } else { "its result".into() };
            let (from, shapes) = match inputs {
                [] => ("it came with the data", String::new()),
                _ if kind == "NaN" => ("its inputs are numbers, of shapes ", shapes(inputs)),
                _ => ("its inputs are finite, of shapes ", shapes(inputs)),
            };
            panic!(
                "{what}: the first {kind}, at {at:?} of {which} of shape {:?}; {from}{shapes}",
                y.shape()
            );
        }
    }

    /// Panics if a cotangent that arrived at the inputs of a node is not finite: all before were.
    #[track_caller]
    pub(super) fn expect_finite_cotangents<'a>(
        &self,
        node: &Node<T>,
        operation: &str,
        cotangents: impl Iterator<Item = (usize, Tensor<T>)> + 'a,
    ) {
        for (input, cotangent) in cotangents {
            if let Some(at) = first(&cotangent, &|x| x.is_finite()) {
                panic!(
                    "backward: the first cotangent that is not finite, at {at:?} of input {input} of `{operation}`, \
                     applied at {}; its value there is {}",
                    node.location,
                    cotangent.at(&at)
                );
            }
        }
    }
}

fn shapes<T: Float>(inputs: &[&Tensor<T>]) -> String {
    let all: Vec<String> = inputs.iter().map(|x| format!("{:?}", x.shape())).collect();
    all.join(" and ")
}

/// The index of the first element that fails.
fn first<T: Float>(x: &Tensor<T>, test: &dyn Fn(&T) -> bool) -> Option<Vec<usize>> {
    let mut at = x.with_dense(|x| x.iter().position(|x| !test(x)))?;
    let mut index = vec![0; x.rank()];
    for axis in (0..x.rank()).rev() {
        index[axis] = at % x.shape()[axis];
        at /= x.shape()[axis];
    }
    Some(index)
}
