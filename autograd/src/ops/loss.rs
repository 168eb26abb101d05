//! Losses, each the mean over all it is given.

use smallvec::smallvec;

use super::softmax::Rows;
use crate::element::Float;
use crate::kernel::simd::dispatch;
use crate::op::{Backward, Cotangents, Op, Outputs, Vjp};
use crate::pool::Storage;
use crate::rule::rules;
use crate::tape::Var;
use crate::tensor::{Dims, Tensor};

/// −mean of the log-probability of the right class, from logits `[n, classes]`.
struct CrossEntropy {
    classes: Storage<i64>,
}

impl std::fmt::Debug for CrossEntropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CrossEntropy")
    }
}

/// Runs the softmax kernel over rows of `x`.
fn rows<T: Float>(x: &Tensor<T>, log: bool) -> Tensor<T> {
    let x = x.contiguous();
    Tensor::build(x.shape, |out| dispatch(Rows { x: x.dense(), width: x.shape[1], log, out }))
}

impl CrossEntropy {
    /// The class of each row.
    fn labels(&self, rows: usize) -> impl Iterator<Item = usize> + '_ {
        self.classes.as_slice()[..rows].iter().map(|&class| class as usize)
    }
}

impl<T: Float> Op<T> for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }
    fn forward(&self, x: &[&Tensor<T>]) -> Outputs<T> {
        let (n, width) = (x[0].shape[0], x[0].shape[1]);
        let log = rows(x[0], true);
        let picked =
            self.labels(n).enumerate().map(|(row, class)| log.dense()[row * width + class]);
        let sum: T = picked.sum();
        [Tensor::scalar(-sum / T::of(n as f64))].into()
    }
    fn backward(&self, cx: &mut Backward<'_, T>) -> bool {
        let (n, width) = (cx.input(0).shape[0], cx.input(0).shape[1]);
        let scale = cx.cotangent(0).item() / T::of(n as f64);
        let mut p = rows(cx.input(0), false);
        for (row, class) in p.make_mut().chunks_exact_mut(width.max(1)).zip(self.labels(n)) {
            row.iter_mut().for_each(|p| *p = *p * scale);
            row[class] = row[class] - scale;
        }
        cx.give(0, p);
        true
    }
    fn vjp<'t>(&self, cx: &Vjp<'_, 't, T>) -> Cotangents<'t, T> {
        cx.through(|x| {
            let (storage, shape) = (self.classes.clone(), Dims::new(&[x[0].shape()[0], 1]));
            let classes = Tensor { storage, shape, strides: shape.row_major(), offset: 0 };
            smallvec![-x[0].log_softmax(1).gather(1, &classes).mean()]
        })
    }
}

rules! {
    SquaredError "mse" (x, t) = (x - t) * (x - t);
    BceWithLogits "bce_with_logits" (z, t) = t * (-z).softplus() + (1.0 - t) * z.softplus();
}

/// What to do where shapes differ by axes of size 1 only, as those of a column of the data and of an
/// output of one unit do; else nothing.
#[doc(hidden)]
pub fn reshape_hint(outputs: &[usize], targets: &[usize]) -> String {
    let sizes = |shape: &[usize]| shape.iter().copied().filter(|&n| n != 1).collect::<Vec<_>>();
    match sizes(outputs) == sizes(targets) {
        true => format!(": reshape the targets to {outputs:?}"),
        false => String::new(),
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// Mean squared error, mean((x − targets)²).
    ///
    /// # Panics
    /// When the shapes differ.
    #[track_caller]
    pub fn mse(self, targets: Var<'t, T>) -> Var<'t, T> {
        self.same_shape("mse", targets);
        let [squares] = crate::Fuse::fuse(SquaredError, [self, targets]);
        squares.mean()
    }

    /// Binary cross-entropy of logits, mean(t·softplus(−z) + (1 − t)·softplus(z)): exact where the
    /// loss is tiny, finite for every finite logit.
    ///
    /// # Panics
    /// When the shapes differ.
    #[track_caller]
    pub fn bce_with_logits(self, targets: Var<'t, T>) -> Var<'t, T> {
        self.same_shape("bce_with_logits", targets);
        let [losses] = crate::Fuse::fuse(BceWithLogits, [self, targets]);
        losses.mean()
    }

    /// Cross-entropy of logits `[n, classes]` with the right class of each row, `[n]`: the mean of
    /// −log softmax.
    ///
    /// ```
    /// # use gradus_autograd::{Tape, Tensor};
    /// let tape = Tape::<f64>::new();
    /// let logits = tape.var(Tensor::zeros(&[2, 4]));
    /// let loss = logits.cross_entropy(&Tensor::from([0_i64, 3]));
    /// assert!((loss.item() - 4_f64.ln()).abs() < 1e-15);
    /// ```
    ///
    /// # Panics
    /// When the shapes do not fit, there are no rows, or a class is out of range.
    #[track_caller]
    pub fn cross_entropy(self, classes: &Tensor<i64>) -> Var<'t, T> {
        let (x, labels) = (self.shape(), classes.contiguous());
        assert!(
            x.len() == 2 && *classes.shape() == x[..1],
            "cross_entropy: logits {x:?} are not [n, classes], or classes {:?} are not [n]",
            classes.shape()
        );
        assert!(x[0] > 0, "cross_entropy: logits {x:?} have no rows to take the mean of");
        let wrong = labels.dense().iter().position(|class| !(0..x[1] as i64).contains(class));
        if let Some(row) = wrong {
            panic!(
                "cross_entropy: row {row} has class {}, but there are {} classes",
                labels.dense()[row],
                x[1]
            );
        }
        let classes = match labels.offset {
            0 => labels.storage.clone(),
            _ => Tensor::build(labels.shape, |out| out.copy_from_slice(labels.dense()))
                .storage
                .clone(),
        };
        self.tape().apply(CrossEntropy { classes }, &[self])
    }

    #[track_caller]
    fn same_shape(self, loss: &str, targets: Var<'t, T>) {
        let (x, t) = (self.shape(), targets.shape());
        assert!(
            x == t,
            "{loss}: predictions {x:?} and targets {t:?} differ in shape{}",
            reshape_hint(&x, &t)
        );
    }
}
