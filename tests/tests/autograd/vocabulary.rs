//! The operations beyond the first ones: their words when shapes do not fit, their corners, tapes that look at every
//! value, drawings.

use gradus_autograd::{
    ClassOptions, Op, PadMode, Param, Reduction, Tape, Tensor, Var, per_sample_gradients,
};
use gradus_tests::panics::{panic_text, panics};

fn zeros<'t>(tape: &'t Tape<f64>, shape: &[usize]) -> Var<'t, f64> {
    tape.var(Tensor::zeros(shape))
}

// Each call of `panics` and its closure stand on one line: the line is compared.

#[test]
#[rustfmt::skip]
fn arrangement() {
    let tape = Tape::new();
    let x = zeros(&tape, &[2, 3]);
    let (far, square) = (Tensor::from([3_i64]), Tensor::from([[0_i64]]));
    panics("index_select: index 3 is outside of axis 1 of [2, 3]", || x.index_select(1, &far));
    panics("index_select: the index is a list of numbers, [n], and not of shape [1, 1]", || x.index_select(1, &square));
    panics("index_add: slices of shape [2, 3] for 1 numbers along axis 0 of [2, 3]: they would be [1, 3]", || x.index_add(0, &Tensor::from([1_i64]), x));
    panics("scatter_add: an index of shape [1, 1] is larger than the elements, [0, 1]", || x.scatter_add(0, &square, zeros(&tape, &[0, 1])));
    panics("slice_step: a step of 0 never gets to the end", || x.slice_step(0, None, None, 0));
    panics("repeat: [2] has no count for each axis of [2, 3]", || x.repeat(&[2]));
    panics("pad: [(1, 1)] are not a pair for each axis of [2, 3]", || x.pad(&[(1, 1)], PadMode::Reflect));
    panics("pad: 2 and 0 elements beside axis 0 of [2, 3]: Reflect takes fewer than there are", || x.pad(&[(2, 0), (0, 0)], PadMode::Reflect));
    panics("squeeze: axis 0 of [2, 3] has not size 1", || x.squeeze(0));
    panics("flatten: axis 1 of [2, 3] comes after axis 0", || x.flatten(1, 0));
    panics("split: sizes [1, 1] do not add up to the 3 of axis 1 of [2, 3]", || x.split(&[1, 1], 1));
    panics("chunk: there are no 0 parts", || x.chunk(0, 0));
    panics("stack: there are no parts", || tape.stack(&[], 0));
    panics("stack: parts 0 and 1 differ in shape: [2, 3] and [3]", || tape.stack(&[x, zeros(&tape, &[3])], 0));
    panics("tril: [3] is not a matrix [.., m, n]", || zeros(&tape, &[3]).tril(0));
    panics("diagonal: [3] is not a matrix [.., m, n]", || zeros(&tape, &[3]).diagonal(0));
    panics("trace: [3] is not a matrix [.., m, n]", || zeros(&tape, &[3]).trace());
    panics("diag: [] is neither a vector nor a matrix", || zeros(&tape, &[]).diag());
    panics("masked_select: a mask of shape [3] for elements of shape [2, 3]", || x.masked_select(&Tensor::full(&[3], true)));
    panics("unfold: patches of [3, 1], [1, 1] apart, do not fit into images of [2, 2]", || zeros(&tape, &[1, 1, 2, 2]).unfold([3, 1], [1, 1]));
    panics("glu: axis 1 of [2, 3] has no two halves", || x.glu(1));
    panics("clamp: the lower bound 1 is not below the upper bound 0", || x.clamp(1.0, 0.0));
    panics("topk: axis 1 of [2, 3] has fewer than 4 elements", || x.topk(4, 1, true));
    panics("argmax: axis 0 of [0] has no elements to choose from", || zeros(&tape, &[0]).argmax(0));
    panics("one_hot: class 2 is not one of 0 to 1", || Tensor::<f32>::one_hot(&Tensor::from([2_i64]), 2));
    panics("norm: p is 0 and not positive", || x.norm_axes(0.0, &[0]));
}

#[test]
#[rustfmt::skip]
fn products_and_losses() {
    let tape = Tape::new();
    let (x, v) = (zeros(&tape, &[2, 3]), zeros(&tape, &[3]));
    panics("dot: [2, 3] and [3] are not vectors of one length", || x.dot(v));
    panics("outer: [2, 3] and [3] are not vectors", || x.outer(v));
    panics("einsum: `ij,jk` is for 2 operands, not 1", || tape.einsum("ij,jk", &[x]));
    panics("einsum: `i` in `i->i` names 1 axes of an operand of shape [2, 3]", || tape.einsum("i->i", &[x]));
    panics("einsum: in `ij,jk->ik`, `j` stands for sizes [2, 3] of [[2, 3], [2, 3]]", || tape.einsum("ij,jk->ik", &[x, x]));
    panics("einsum: `k` on the right of `ij->ik` is in no operand", || tape.einsum("ij->ik", &[x]));
    panics("einsum: `?` in `i?->i` is not a letter", || tape.einsum("i?->i", &[x]));
    panics("einsum: an axis twice on the right of `ij->ii`", || tape.einsum("ij->ii", &[x]));
    panics("inverse: [2, 3] is not a square matrix [.., n, n]", || x.inverse());
    panics("solve: a matrix [2, 2] and a right side [3, 1] have not as many rows", || zeros(&tape, &[2, 2]).solve(zeros(&tape, &[3, 1])));
    panics("huber_loss: predictions [2, 3] and targets [3] differ in shape", || x.huber_loss(v, 1.0, Reduction::Mean));
    panics("cross_entropy_loss: logits [2, 3] are not [n, classes, ..], or classes [3] are not [n, ..]", || x.cross_entropy_loss(&Tensor::from([0_i64, 1, 2]), ClassOptions::default()));
    panics("nll_loss: row 1 has class 3, but there are 3 classes", || x.nll_loss(&Tensor::from([0_i64, 3]), ClassOptions::default()));
    panics("jvp: a tangent of shape [3] for a variable of shape [2, 3]", || x.jvp(&[x], &[v]));
    panics("hvp: 0 vectors for 1 variables", || x.sum().hvp(&[x], &[]));
    panics("jacobian: the variable is a constant and has no derivative", || x.jacobian(tape.number(1.0)));
}

/// Empty and rank-0 inputs, negative axes, ends that are cut off.
#[test]
fn corners_of_shapes() {
    let tape = Tape::<f64>::new();
    let (empty, one) = (zeros(&tape, &[0, 3]), tape.var(Tensor::scalar(2.0)));
    assert_eq!(empty.prod().item(), 1.0);
    assert_eq!(empty.prod_axes(&[0]).value().to_vec(), [1.0; 3]);
    assert_eq!(empty.prod().backward()[empty].shape(), [0, 3]);
    assert_eq!(empty.cumsum(0).shape()[..], [0, 3]);
    assert_eq!(empty.cumprod(0).sum().backward()[empty].shape(), [0, 3]);
    assert_eq!(empty.sort(0, false).0.shape()[..], [0, 3]);
    assert_eq!(empty.logsumexp_axes(&[0]).value().to_vec(), [f64::NEG_INFINITY; 3]);
    assert_eq!(empty.flip(&[0, 1]).shape()[..], [0, 3]);
    assert_eq!(empty.roll(2, 0).shape()[..], [0, 3]);
    assert_eq!(empty.repeat(&[2, 2]).shape()[..], [0, 6]);
    assert_eq!(empty.chunk(2, 0).len(), 0);
    assert_eq!(zeros(&tape, &[0, 0]).det().item(), 1.0);
    assert_eq!(one.prod().backward()[one].item(), 1.0);
    assert_eq!(one.norm().backward()[one].item(), 1.0);
    assert_eq!(one.flatten(0, -1).shape()[..], [1]);
    let x = tape.var(Tensor::arange(5.0));
    assert_eq!(x.slice_step(0, Some(-100), Some(100), 3).value().to_vec(), [0.0, 3.0]);
    assert_eq!(x.slice_step(0, Some(3), Some(1), 1).shape()[..], [0]);
    assert_eq!(x.slice_step(0, Some(-2), Some(-100), -2).value().to_vec(), [3.0, 1.0]);
}

/// NaN is the largest, wherever it stands; equals keep their order.
#[test]
fn order_with_nan_and_ties() {
    let tape = Tape::<f64>::new();
    let x = tape.var(Tensor::from([2.0, f64::NAN, 1.0, 2.0]));
    let (sorted, index) = x.sort(0, false);
    assert_eq!(index.to_vec(), [2, 0, 3, 1]);
    assert!(sorted.value().to_vec()[3].is_nan());
    assert_eq!(x.sort(0, true).1.to_vec(), [1, 0, 3, 2]);
    assert_eq!((x.argmax(0).item(), x.argmin(0).item()), (1, 1));
    assert!(x.median(0).0.item().is_nan());
    assert_eq!(x.cummax(0).1.to_vec(), [0, 1, 1, 1]);
    let even = tape.var(Tensor::from([4.0, 1.0, 3.0, 2.0]));
    let (middle, index) = even.median(0);
    assert_eq!((middle.item(), index.item()), (2.0, 3));
}

/// The last one written stays, and only it gets a gradient.
#[test]
fn scatter_to_one_place() {
    let tape = Tape::<f64>::new();
    let (x, src) = (zeros(&tape, &[2]), tape.var(Tensor::from([5.0, 6.0, 7.0])));
    let y = x.scatter(0, &Tensor::from([1_i64, 1]), src);
    assert_eq!(y.value().to_vec(), [0.0, 6.0]);
    let grads = y.sum().backward();
    assert_eq!((grads[x].to_vec(), grads[src].to_vec()), (vec![1.0, 0.0], vec![0.0, 1.0, 0.0]));
}

/// Kinks and far ends: NUMERICS rows 1, 6, 7, 12, 13, 33.
#[test]
fn corners_of_functions() {
    let tape = Tape::<f64>::new();
    let slope = |x: f64, f: &dyn for<'t> Fn(Var<'t, f64>) -> Var<'t, f64>| {
        let tape = Tape::new();
        let x = tape.var(Tensor::scalar(x));
        f(x).backward()[x].item()
    };
    assert_eq!(slope(1.0, &|x| x.clamp(-1.0, 1.0)), 1.0);
    assert_eq!(slope(0.0, &|x| x.relu6()), 1.0);
    assert_eq!(slope(0.0, &|x| x.leaky_relu(0.25)), 0.25);
    assert_eq!(slope(0.0, &|x| x.elu(0.5)), 0.5);
    assert_eq!(slope(3.0, &|x| x.hardsigmoid()), 1.0 / 6.0);
    assert_eq!(slope(-1000.0, &|x| x.log_sigmoid()), 1.0);
    assert_eq!(slope(1000.0, &|x| x.log_sigmoid()), 0.0);
    assert_eq!(slope(-1000.0, &|x| x.silu()), 0.0);
    assert_eq!(slope(-1000.0, &|x| x.mish()), 0.0);
    assert_eq!(slope(-1000.0, &|x| x.elu(1.0)), 0.0);
    assert!(slope(f64::NAN, &|x| x.clamp(-1.0, 1.0)).is_nan());
    assert!(slope(f64::NAN, &|x| x.leaky_relu(0.1)).is_nan());
    assert!(slope(f64::NAN, &|x| x.hardsigmoid()).is_nan());
    assert!(slope(f64::NAN, &|x| x.hardswish()).is_nan());
    assert!(slope(f64::NAN, &|x| x.elu(1.0)).is_nan());
    let x = tape.var(Tensor::full(&[3], 2.0));
    assert_eq!(x.std(1).backward()[x].to_vec(), [0.0; 3]);
    let x = tape.var(Tensor::from([f64::NEG_INFINITY; 2]));
    let y = x.logsumexp();
    assert_eq!((y.item(), y.backward()[x].to_vec()), (f64::NEG_INFINITY, vec![0.0; 2]));
    let (y, x) = (tape.var(Tensor::scalar(0.0)), tape.var(Tensor::scalar(0.0)));
    let grads = (y.atan2(x) + y.hypot(x)).backward();
    assert_eq!((grads[y].item(), grads[x].item()), (0.0, 0.0));
}

#[test]
fn wholes_of_derivatives() {
    let tape = Tape::<f64>::new();
    let x = tape.var(Tensor::from([1.0, 2.0]));
    let y = x.powf(3.0).sum() * x.prod();
    // f = (x³ + y³)·x·y
    let h = y.hessian(x);
    assert_eq!(h.value(), Tensor::from([[24.0, 36.0], [36.0, 48.0]]));
    let v = tape.constant(Tensor::from([1.0, -1.0]));
    assert_eq!(y.hvp(&[x], &[v])[0].value().to_vec(), [-12.0, -12.0]);
    assert_eq!(x.sum().hessian(x).value(), Tensor::from([[0.0, 0.0], [0.0, 0.0]]));
    assert_eq!(tape.number(1.0).jvp(&[x], &[v]).item(), 0.0);
    let w = (Param::new(Tensor::from([1.0, 2.0])), Param::new(Tensor::scalar(3.0)));
    let grads = per_sample_gradients(&w, 2, |tape, i| tape.param(&w.0).sum() * (i + 1) as f64);
    assert_eq!(grads[0], ("0".into(), Tensor::from([[1.0, 1.0], [2.0, 2.0]])));
    assert_eq!(grads[1], ("1".into(), Tensor::from([0.0, 0.0])));
}

#[test]
#[rustfmt::skip]
fn a_checked_tape_says_where_it_began() {
    let tape = Tape::<f64>::new().checked();
    let x = tape.var(Tensor::from([[1.0, 0.0, -1.0]]));
    panics("ln: the first NaN, at [0, 2] of its result of shape [1, 3]; its inputs are numbers, of shapes [1, 3]", || x.ln());
    panics("div: the first infinity, at [0, 1] of its result of shape [1, 3]; its inputs are finite, of shapes [] and [1, 3]", || 1.0 / x);
    panics("var: the first NaN, at [1] of its result of shape [2]; it came with the data", || tape.var(Tensor::from([0.0, f64::NAN])));
    // A mask of infinities is none; what comes of it may be.
    let mask = tape.constant(Tensor::from([0.0, f64::NEG_INFINITY, 0.0]));
    let masked = (x + mask).softmax(1);
    assert_eq!(masked.value().to_vec()[1], 0.0);
    panics("sub: the first NaN, at [1] of its result of shape [3]; its inputs are numbers, of shapes [3] and [3]", || mask - mask);
    let (root, line) = (x.abs().sqrt(), line!());
    let text = panic_text(|| root.sum().backward());
    let at = format!("backward: the first cotangent that is not finite, at [0, 1] of input 0 of `sqrt`, applied at {}:{line}:", file!());
    assert!(text.starts_with(&at) && text.ends_with("; its value there is inf"), "{text}");
    assert!(panic_text(|| root.sum().grad(&[x])).contains("`sqrt`"));
}

/// An operation that is not in the drawing's own language: quotes and backslashes are escaped.
#[test]
fn a_drawing_has_names_shapes_and_arrows() {
    #[derive(Debug)]
    struct Odd;
    impl Op<f64> for Odd {
        fn name(&self) -> &'static str {
            "a \"b\" \\"
        }
        fn forward(&self, x: &[&Tensor<f64>]) -> gradus_autograd::Outputs<f64> {
            [x[0].clone()].into()
        }
        fn vjp<'t>(
            &self,
            cx: &gradus_autograd::Vjp<'_, 't, f64>,
        ) -> gradus_autograd::Cotangents<'t, f64> {
            cx.wrt([&|| cx.cotangent()])
        }
    }
    let w = Param::new(Tensor::from([1.0, 2.0]));
    let tape = Tape::<f64>::new();
    let unused = tape.var(Tensor::scalar(1.0)).exp();
    let p = tape.param(&w);
    let y = tape.apply(Odd, &[p + tape.number(2.0)]).sum();
    let drawing = y.to_dot(Some(&(w,)));
    for part in [
        "n2 [label=\"0\\n[2]\"",
        "label=\"add (2)\\n[2]\"",
        "label=\"a \\\"b\\\" \\\\\\n[2]\"",
        "label=\"sum\\n[]\"",
        "n2 -> n4;",
    ] {
        assert!(drawing.contains(part), "{part} is not in\n{drawing}");
    }
    assert!(!drawing.contains("exp"), "what is not used is not drawn: {:?}\n{drawing}", unused);
}
