//! Wrong shapes panic at the user's line, with the operation and the shapes.

use gradus_autograd::check::{GradCheck, gradcheck};
use gradus_autograd::{
    Activation, Backward, Dims, MAX_RANK, Op, Outputs, Rng, Tape, Tensor, Var, Vjp, fused,
};
use gradus_tests::panics::{panic_text, panics};

fn zeros<'t>(tape: &'t Tape<f64>, shape: &[usize]) -> Var<'t, f64> {
    tape.var(Tensor::zeros(shape))
}

// Each call of `panics` and its closure stand on one line: the line is compared.

#[test]
#[rustfmt::skip]
fn elementwise() {
    let tape = Tape::new();
    let (a, b) = (zeros(&tape, &[2, 3]), zeros(&tape, &[4]));
    panics("add: shapes do not broadcast: [[2, 3], [4]]", || a + b);
    panics("sub: shapes do not broadcast: [[2, 3], [4]]", || a - b);
    panics("mul: shapes do not broadcast: [[2, 3], [4]]", || a * b);
    panics("div: shapes do not broadcast: [[2, 3], [4]]", || a / b);
    panics("pow: shapes do not broadcast: [[2, 3], [4]]", || a.pow(b));
    panics("minimum: shapes do not broadcast: [[2, 3], [4]]", || a.minimum(b));
    panics("maximum: shapes do not broadcast: [[2, 3], [4]]", || a.maximum(b));
    panics("fused: shapes do not broadcast: [[2, 3], [4]]", || fused!(|a, b| a * b + 1.0)(a, b));
}

#[test]
#[rustfmt::skip]
fn where_() {
    let tape = Tape::new();
    let (a, b) = (zeros(&tape, &[2, 3]), zeros(&tape, &[4]));
    let (mask, wide) = (Tensor::full(&[2, 3], true), Tensor::full(&[5], true));
    panics("where: shapes do not broadcast: [[2, 3], [2, 3], [4]]", || tape.where_(&mask, a, b));
    panics("where: shapes do not broadcast: [[5], [2, 3], [2, 3]]", || tape.where_(&wide, a, a));
}

#[test]
#[rustfmt::skip]
fn matmul() {
    let tape = Tape::new();
    let of = |shape: &[usize]| zeros(&tape, shape);
    let (a, b) = (of(&[32, 700]), of(&[784, 128]));
    panics("matmul: inner sizes differ: [32, 700] · [784, 128] (700 vs 784)", || a.matmul(b));
    let (a, b) = (of(&[3]), of(&[4]));
    panics("matmul: inner sizes differ: [3] · [4] (3 vs 4)", || a.matmul(b));
    let (a, b) = (of(&[2, 4, 3]), of(&[5, 3, 6]));
    panics("matmul: leading axes do not broadcast: [2, 4, 3] · [5, 3, 6]", || a.matmul(b));
    let (a, b) = (of(&[]), of(&[3, 6]));
    panics("matmul: a single number has no matrix product: [] · [3, 6]", || a.matmul(b));
    // Through the cases that are built on others.
    let (a, b) = (of(&[3]), of(&[5, 4, 6]));
    panics("matmul: inner sizes differ: [3] · [5, 4, 6] (3 vs 4)", || a.matmul(b));
    let (a, b) = (of(&[2, 5, 3]), of(&[4, 6]));
    panics("matmul: inner sizes differ: [2, 5, 3] · [4, 6] (3 vs 4)", || a.matmul(b));
}

#[test]
#[rustfmt::skip]
fn linear() {
    let tape = Tape::new();
    let of = |shape: &[usize]| zeros(&tape, shape);
    let (x, w, flat, b) = (of(&[8, 3]), of(&[4, 5]), of(&[4]), of(&[4]));
    panics("linear: input [8, 3] does not fit weight [4, 5] [inputs, outputs] (3 vs 4)", || x.linear(w, None, Activation::Relu));
    panics("linear: the weight is a matrix [inputs, outputs], not [4]", || x.linear(flat, None, Activation::Relu));
    let w = of(&[3, 5]);
    panics("linear: bias [4] does not fit weight [3, 5] [inputs, outputs]", || x.linear(w, Some(b), Activation::Identity));
    let x = of(&[]);
    panics("linear: input [] does not fit weight [3, 5] [inputs, outputs] (nothing vs 3)", || x.linear(w, None, Activation::Tanh));
}

#[test]
#[rustfmt::skip]
fn shapes() {
    let tape = Tape::new();
    let x = zeros(&tape, &[2, 3]);
    panics("reshape: [2, 3] has 6 elements, [4, 2] has 8", || x.reshape(&[4, 2]));
    panics("broadcast_to: [2, 3] cannot be broadcast to [2, 6]", || x.broadcast_to(&[2, 6]));
    panics("broadcast_to: [2, 3] cannot be broadcast to [3]", || x.broadcast_to(&[3]));
    panics("slice: 1..4 is outside of axis 1 of [2, 3]", || x.slice(-1, 1..4));
    panics("slice: axis 2 is out of range for a tensor with 2 axes", || x.slice(2, 0..1));
    panics("permute: [0, 0] does not name each axis of [2, 3] once", || x.permute(&[0, 0]));
    panics("permute: [0] does not name each axis of [2, 3] once", || x.permute(&[0]));
    panics("permute: [0, 5] does not name each axis of [2, 3] once", || x.permute(&[0, 5]));
    panics("transpose: axis 2 is out of range for a tensor with 2 axes", || x.transpose(0, 2));
    panics("unsqueeze: axis 4 is out of range for a tensor with 3 axes", || x.unsqueeze(4));
}

#[test]
#[rustfmt::skip]
fn concat() {
    let tape = Tape::new();
    let (a, b, c) = (zeros(&tape, &[2, 3]), zeros(&tape, &[2, 4]), zeros(&tape, &[2]));
    panics("concat: parts 0 and 1 differ beside axis 0: [2, 3] and [2, 4]", || tape.concat(&[a, b], 0));
    panics("concat: parts 0 and 2 differ beside axis 1: [2, 3] and [2]", || tape.concat(&[a, b, c], 1));
    panics("concat: axis 2 is out of range for a tensor with 2 axes", || tape.concat(&[a, b], 2));
    panics("concat: there are no parts", || tape.concat(&[], 0));
}

#[test]
#[rustfmt::skip]
fn reductions() {
    let tape = Tape::new();
    let (x, none) = (zeros(&tape, &[2, 3]), zeros(&tape, &[0, 3]));
    panics("sum: axis 2 is out of range for a tensor with 2 axes", || x.sum_axes(&[2]));
    panics("mean: axis -2 is named twice in [0, -2]", || x.mean_axes(&[0, -2]));
    panics("var: axis -3 is out of range for a tensor with 2 axes", || x.var_axes(&[-3], 1));
    panics("max: axis 7 is out of range for a tensor with 2 axes", || x.max_axes(&[7]));
    panics("max: shape [0, 3] has no elements to choose from", || none.max());
    panics("softmax: axis 2 is out of range for a tensor with 2 axes", || x.softmax(2));
    panics("log_softmax: axis -3 is out of range for a tensor with 2 axes", || x.log_softmax(-3));
}

#[test]
#[rustfmt::skip]
fn gather() {
    let tape = Tape::new();
    let x = zeros(&tape, &[2, 3]);
    let (flat, tall) = (Tensor::from([0_i64]), Tensor::from([[0_i64], [0], [0]]));
    panics("gather: an index of shape [1] does not fit into [2, 3] beside axis 1", || x.gather(1, &flat));
    panics("gather: an index of shape [3, 1] does not fit into [2, 3] beside axis 1", || x.gather(1, &tall));
    let (behind, before) = (Tensor::from([[3_i64]]), Tensor::from([[-1_i64]]));
    panics("gather: index 3 is outside of axis 1 of [2, 3]", || x.gather(1, &behind));
    panics("gather: index -1 is outside of axis 1 of [2, 3]", || x.gather(1, &before));
}

#[test]
#[rustfmt::skip]
fn losses() {
    let tape = Tape::new();
    let (x, t) = (zeros(&tape, &[2, 3]), zeros(&tape, &[2, 1]));
    panics("mse: predictions [2, 3] and targets [2, 1] differ in shape", || x.mse(t));
    panics("bce_with_logits: predictions [2, 3] and targets [2, 1] differ in shape", || x.bce_with_logits(t));
    // Shapes of other axes, but the same numbers.
    let (column, row) = (zeros(&tape, &[4, 1]), zeros(&tape, &[4]));
    panics("mse: predictions [4, 1] and targets [4] differ in shape: reshape the targets to [4, 1]", || column.mse(row));
    panics("bce_with_logits: predictions [4] and targets [4, 1] differ in shape: reshape the targets to [4]", || row.bce_with_logits(column));
    let (three, wrong, below) = (Tensor::from([0_i64, 1, 2]), Tensor::from([0_i64, 3]), Tensor::from([-1_i64, 3]));
    panics("cross_entropy: logits [2, 3] are not [n, classes], or classes [3] are not [n]", || x.cross_entropy(&three));
    panics("cross_entropy: row 1 has class 3, but there are 3 classes", || x.cross_entropy(&wrong));
    panics("cross_entropy: row 0 has class -1, but there are 3 classes", || x.cross_entropy(&below));
    let (none, no_rows) = (Tensor::from(Vec::<i64>::new()), zeros(&tape, &[0, 3]));
    panics("cross_entropy: logits [0, 3] have no rows to take the mean of", || no_rows.cross_entropy(&none));
}

#[test]
#[rustfmt::skip]
fn norms() {
    let tape = Tape::new();
    let of = |shape: &[usize]| zeros(&tape, shape);
    let (x, one, gamma, beta) = (of(&[4, 3]), of(&[1, 3]), of(&[3]), of(&[4]));
    panics("batch_norm: beta [4] does not fit axis 1 of [4, 3]", || x.batch_norm(gamma, beta, 1, 1e-3));
    panics("batch_norm: gamma [4] does not fit axis 1 of [4, 3]", || x.batch_norm(beta, gamma, -1, 1e-3));
    panics("batch_norm: axis 2 is out of range for a tensor with 2 axes", || x.batch_norm(gamma, gamma, 2, 1e-3));
    panics("batch_norm: input [1, 3] has 1 value(s) a channel: in training mode it needs at least 2", || one.batch_norm(gamma, gamma, 1, 1e-3));
    panics("dropout: rate 1.5 is not within 0 to 1", || x.dropout(1.5));
    panics("dropout: rate NaN is not within 0 to 1", || x.dropout(f32::NAN));
}

#[test]
#[rustfmt::skip]
fn normalise_with_statistics_that_do_not_fit() {
    let tape = Tape::new();
    let (x, ok, wrong) = (zeros(&tape, &[4, 3]), zeros(&tape, &[3]), zeros(&tape, &[4]));
    panics("normalise: var [4] does not fit axis 1 of [4, 3]", || x.normalise([ok, wrong, ok, ok], 1, 1e-3));
}

#[test]
#[rustfmt::skip]
fn gradients() {
    let tape = Tape::new();
    let x = zeros(&tape, &[2, 3]);
    let (unused, fixed) = (zeros(&tape, &[1]), tape.constant(Tensor::scalar(1.0)));
    panics("backward: the variable has shape [2, 3], not a single number: reduce it with `sum()` or `mean()`", || x.backward());
    panics("grad: the variable has shape [2, 3], not a single number: reduce it with `sum()` or `mean()`", || x.grad(&[x]));
    panics("backward: the variable depends on no leaf: make inputs with `tape.var` (not `constant`), on a tape that records", || fixed.backward());
    panics("backward_with: the variable has shape [2, 3], its cotangent [3, 2]", || x.backward_with(Tensor::zeros(&[3, 2])));
    panics("vjp: the variable has shape [2, 3], its cotangent []", || x.vjp(&[x], fixed));
    let y = x.sum();
    let grads = (y * y).backward();
    panics("no gradient: the loss does not depend on the variable", || grads[unused].len());
    panics("no gradient: the variable is a constant (made by `constant`, `detach` or without recording)", || grads[fixed].len());
    panics("no gradient: the variable is not a leaf; ask for it with `loss.grad(&[x])`", || grads[y].len());
    let other = Tape::new();
    let elsewhere = zeros(&other, &[2, 3]);
    panics("no gradient: the variable is on another tape than the loss", || grads[elsewhere].len());
}

#[test]
#[rustfmt::skip]
fn two_tapes() {
    let (one, two) = (Tape::new(), Tape::new());
    let (a, b) = (zeros(&one, &[2, 2]), zeros(&two, &[2, 2]));
    let gamma = zeros(&one, &[2]);
    let away = zeros(&two, &[2]);
    panics("add: a variable of another tape: use its value as a constant", || a + b);
    panics("matmul: a variable of another tape: use its value as a constant", || a.matmul(b));
    panics("mse: a variable of another tape: use its value as a constant", || a.mse(b));
    panics("linear: a variable of another tape: use its value as a constant", || a.linear(b, None, Activation::Identity));
    panics("linear: a variable of another tape: use its value as a constant", || a.linear(a, Some(away), Activation::Identity));
    panics("batch_norm: a variable of another tape: use its value as a constant", || a.batch_norm(gamma, away, 1, 1e-3));
    panics("concat: a variable of another tape: use its value as a constant", || one.concat(&[a, b], 0));
    panics("concat: a variable of another tape: use its value as a constant", || two.concat(&[a, a], 0));
    panics("where: a variable of another tape: use its value as a constant", || one.where_(&Tensor::full(&[2, 2], true), a, b));
    panics("fused: a variable of another tape: use its value as a constant", || fused!(|a, b| a * b)(a, b));
    panics("grad: a variable of another tape: use its value as a constant", || a.sum().grad(&[b]));
}

/// The cotangent of `vjp` is a variable as any other.
#[test]
#[rustfmt::skip]
fn a_cotangent_of_another_tape() {
    let (one, two) = (Tape::new(), Tape::new());
    let (a, b) = (zeros(&one, &[2, 2]), zeros(&two, &[2, 2]));
    panics("vjp: a variable of another tape: use its value as a constant", || a.vjp(&[a], b));
}

#[test]
#[rustfmt::skip]
fn tensors() {
    let a = Tensor::<f64>::zeros(&[2, 3]);
    panics("new: shape [2, 3] has 6 elements, the data has 5", || Tensor::new(&[2, 3], vec![0.0_f64; 5]));
    panics("at: index [2, 0] is outside of shape [2, 3]", || a.at(&[2, 0]));
    panics("at: index [1] is outside of shape [2, 3]", || a.at(&[1]));
    panics("item: the tensor has 6 elements, shape [2, 3]", || a.item());
    panics("reshape: [2, 3] has 6 elements, [5] has 5", || a.reshape(&[5]));
    panics("slice: 2..5 is outside of axis 0 of [2, 3]", || a.slice(0, 2..5));
    panics("row: 2 is outside of shape [2, 3]", || a.row(2));
    panics("broadcast_to: [2, 3] cannot be broadcast to [3, 3]", || a.broadcast_to(&[3, 3]));
    panics("permute: [1, 1] does not name each axis of [2, 3] once", || a.permute(&[1, 1]));
    panics("transpose: axis -3 is out of range for a tensor with 2 axes", || a.transpose(0, -3));
    panics("argmax_rows: shape [] has no last axis with elements", || Tensor::scalar(1.0_f64).argmax_rows());
}

/// More axes than a tensor can have, however one gets there.
#[test]
#[rustfmt::skip]
fn too_many_axes() {
    const TEXT: &str = "a tensor has at most 6 axes, not 7: [1, 1, 1, 1, 1, 1, 1]";
    const SHAPE: [usize; MAX_RANK + 1] = [1; MAX_RANK + 1];
    let tape = Tape::new();
    let x = zeros(&tape, &[1; MAX_RANK]);
    panics(TEXT, || Tensor::new(&SHAPE, vec![1.0_f64]));
    panics(TEXT, || Tensor::<f64>::zeros(&SHAPE));
    panics(TEXT, || x.value().reshape(&SHAPE));
    panics(TEXT, || x.reshape(&SHAPE));
    panics(TEXT, || x.unsqueeze(0));
    panics(TEXT, || x.broadcast_to(&SHAPE));
}

/// A user's operation has the same rights: its panics point at the line that applied it.
#[test]
#[rustfmt::skip]
fn operations_of_users() {
    #[derive(Debug)]
    struct Pairs;
    impl Op<f64> for Pairs {
        fn name(&self) -> &'static str { "pairs" }
        fn forward(&self, x: &[&Tensor<f64>]) -> Outputs<f64> {
            assert!(x[0].len().is_multiple_of(2), "pairs: shape {:?} has an odd number of elements", x[0].shape());
            [x[0].reshape(&[x[0].len() / 2, 2])].into()
        }
        fn vjp<'t>(&self, cx: &Vjp<'_, 't, f64>) -> gradus_autograd::Cotangents<'t, f64> {
            let shape: Dims = cx.input(0).shape();
            cx.wrt([&|| cx.cotangent().reshape(&shape)])
        }
    }
    let tape = Tape::new();
    let (even, odd) = (zeros(&tape, &[4]), zeros(&tape, &[5]));
    assert_eq!(tape.apply(Pairs, &[even]).sum().backward()[even].to_vec(), [1.0; 4]);
    panics("pairs: shape [5] has an odd number of elements", || tape.apply(Pairs, &[odd]));
}

/// A rule that returns a wrong shape or count is told apart from a wrong number, in all three passes.
#[test]
#[rustfmt::skip]
fn wrong_rules_of_users() {
    #[derive(Debug)]
    struct Wrong(&'static [usize], bool);
    impl Op<f64> for Wrong {
        fn name(&self) -> &'static str { "wrong" }
        fn forward(&self, x: &[&Tensor<f64>]) -> Outputs<f64> { [x[1].clone()].into() }
        fn vjp<'t>(&self, cx: &Vjp<'_, 't, f64>) -> gradus_autograd::Cotangents<'t, f64> {
            cx.wrt([&|| cx.input(0), &|| cx.cotangent().tape().constant(Tensor::ones(self.0))])
        }
        fn backward(&self, cx: &mut Backward<'_, f64>) -> bool {
            if self.1 { cx.give(1, Tensor::ones(self.0)) }
            self.1
        }
    }
    #[derive(Debug)]
    struct Short;
    impl Op<f64> for Short {
        fn name(&self) -> &'static str { "short" }
        fn forward(&self, x: &[&Tensor<f64>]) -> Outputs<f64> { [x[1].clone()].into() }
        fn vjp<'t>(&self, cx: &Vjp<'_, 't, f64>) -> gradus_autograd::Cotangents<'t, f64> {
            cx.wrt([&|| cx.input(0)])
        }
    }
    let tape = Tape::new();
    let (a, b) = (zeros(&tape, &[2]), zeros(&tape, &[2, 3]));
    for (shape, word) in [(&[3, 2][..], "[3, 2]"), (&[3], "[3]"), (&[], "[]"), (&[2, 2, 2], "[2, 2, 2]")] {
        let text = format!("wrong: its rule returns a cotangent of shape {word} for input 1 of shape [2, 3]");
        let at_rule = |f: &dyn Fn()| assert_eq!(panic_text(f), text);
        at_rule(&|| drop(tape.apply(Wrong(shape, false), &[a, b]).sum().backward()));
        at_rule(&|| drop(tape.apply(Wrong(shape, true), &[a, b]).sum().backward()));
        at_rule(&|| drop(tape.apply(Wrong(shape, false), &[a, b]).sum().grad(&[b])));
    }
    let wide = tape.apply(Wrong(&[4, 2, 3], false), &[a, b]).sum();
    assert_eq!(wide.backward()[b].to_vec(), [4.0; 6], "what can be summed over is summed over");
    assert_eq!(wide.grad(&[b])[0].value().to_vec(), [4.0; 6]);
    let text = "short: its rule returns 1 cotangents for 2 inputs (use `None` for one without a derivative)";
    assert_eq!(panic_text(|| drop(tape.apply(Short, &[a, b]).sum().backward())), text);
}

/// More elements than can be counted or have addresses: a product that wrapped around would pass for small.
#[test]
#[rustfmt::skip]
fn more_elements_than_addresses() {
    const HUGE: usize = 1 << 32;
    let text = |op: &str, shape: &str| format!("{op}: a tensor of shape {shape} would have more elements than memory has addresses");
    let square = |op: &str| text(op, "[4294967296, 4294967296]");
    panics(&square("new"), || Tensor::<f64>::new(&[HUGE, HUGE], vec![]));
    panics(&square("full"), || Tensor::full(&[HUGE, HUGE], 1_u8));
    panics(&square("zeros"), || Tensor::<f64>::zeros(&[HUGE, HUGE]));
    panics(&square("ones"), || Tensor::<f64>::ones(&[HUGE, HUGE]));
    panics(&square("from_fn"), || Tensor::from_fn(&[HUGE, HUGE], |_| 1.0));
    panics(&square("eye"), || Tensor::<f64>::eye(HUGE));
    panics(&square("rand"), || Tensor::<f64>::rand(&[HUGE, HUGE], 0.0, 1.0, &mut Rng::new(1)));
    panics(&square("randn"), || Tensor::<f64>::randn(&[HUGE, HUGE], &mut Rng::new(1)));
    panics(&text("zeros", "[2305843009213693952]"), || Tensor::<f64>::zeros(&[1 << 61]));
    panics(&text("zeros", "[4294967296, 0, 4294967296]"), || Tensor::<f64>::zeros(&[HUGE, 0, HUGE]));
    let (none, one) = (Tensor::<f64>::zeros(&[0]), Tensor::scalar(1.0));
    panics(&square("reshape"), || none.reshape(&[HUGE, HUGE]));
    panics(&square("broadcast_to"), || one.broadcast_to(&[HUGE, HUGE]));
    // Views of single numbers, which take no memory; what is made of them would.
    let tape = Tape::<f64>::inference();
    let of = |shape: &[usize]| tape.constant(Tensor::zeros(shape));
    let (column, row, long) = (of(&[HUGE, 1]), of(&[HUGE]), of(&[1 << 59]));
    panics(&square("add"), || column + row);
    panics(&square("fused"), || fused!(|a, b| a * b)(column, row));
    panics(&square("broadcast_to"), || row.broadcast_to(&[HUGE, HUGE]));
    panics(&square("matmul"), || column.matmul(row.unsqueeze(0)));
    panics(&square("linear"), || column.linear(row.unsqueeze(0), None, Activation::Identity));
    let (left, right) = (of(&[HUGE, 1, 1, 1]), of(&[HUGE, 1, 1]));
    panics(&text("matmul", "[4294967296, 4294967296, 1, 1]"), || left.matmul(right));
    panics(&text("concat", "[1729382256910270464]"), || tape.concat(&[long, long, long], 0));
    assert_eq!(of(&[HUGE, 1 << 20]).shape()[..], [HUGE, 1 << 20], "a view may be wide");
}

/// A gradient of −0 is one of 0: the sign says nothing, and is not shown.
#[test]
fn zeros_are_printed_without_a_sign() {
    let x = Tensor::from([-0.0, 0.0, -1e-9, -0.5]);
    assert_eq!(x.to_string(), "[         0,          0, -1.0000e-9,       -0.5]");
    assert_eq!(format!("{x:.2}"), "[ 0.00,  0.00,  0.00, -0.50]");
    assert_eq!(format!("{x:.0?}"), "Tensor [4] [0, 0, 0, 0]");
    assert_eq!(format!("{:?}", Tensor::scalar(-0.0_f32)), "Tensor [] 0");
    assert_eq!(Tensor::from([-f64::INFINITY]).to_string(), "[-inf]");
}

#[test]
#[rustfmt::skip]
fn checks_without_inputs() {
    panics("gradcheck: there are no inputs to check", || gradcheck(|_| unreachable!(), &[]));
    panics("gradcheck: there are no inputs to check", || GradCheck::default().run(|_| unreachable!(), &[]));
}

/// A panic that is caught leaves the tape usable.
#[test]
fn a_tape_survives_a_caught_panic() {
    let tape = Tape::new();
    let x = tape.var(Tensor::from([1.0, 2.0]));
    let three = zeros(&tape, &[3]);
    panics("add: shapes do not broadcast: [[2], [3]]", || x + three);
    assert_eq!((x * x).sum().backward()[x].to_vec(), [2.0, 4.0]);
}

#[test]
fn a_variable_cannot_outlive_its_tape() {
    let tests = trybuild::TestCases::new();
    tests.compile_fail("tests/compile_fail/*.rs");
}
