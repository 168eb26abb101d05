//! Operations on sequences: the fused passes against differences to order 2 and against what they are composed of.
use gradus_autograd::check::{dot_test, gradcheck};
use gradus_autograd::*;

/// |fused − composed|, relative to 1.
const SAME: f64 = 1e-13;

fn t(shape: &[usize], seed: u64) -> Tensor<f64> {
    Tensor::rand(shape, -1.0, 1.0, &mut Rng::new(seed))
}

#[track_caller]
fn checked(f: impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64> + Copy, inputs: &[Tensor<f64>]) {
    gradcheck(f, inputs).unwrap_or_else(|error| panic!("{error}"));
    assert!(dot_test(f, inputs, 1) < 1e-12);
}

/// x, h0, c0, w_ih, w_hh, bias.
fn lstm_inputs(steps: usize) -> Vec<Tensor<f64>> {
    let shapes: [&[usize]; 6] = [&[steps, 1, 2], &[1, 1], &[1, 1], &[4, 2], &[4, 1], &[4]];
    shapes.iter().zip(1..).map(|(shape, seed)| t(shape, seed)).collect()
}

fn lstm<'t>(v: &[Var<'t, f64>], reverse: bool) -> [Var<'t, f64>; 2] {
    v[0].lstm([v[1], v[2]], [v[3], v[4]], v[5], reverse)
}

#[test]
fn lstm_has_the_right_derivatives() {
    checked(|v| lstm(v, false)[0].sum(), &lstm_inputs(1));
    checked(
        |v| {
            let [y, c] = lstm(v, true);
            (y + c.slice(0, 0..1)).sum()
        },
        &lstm_inputs(2),
    );
}

/// A batch and more steps: the fast pass against that through the composition.
#[test]
fn lstm_passes_agree() {
    let shapes: [&[usize]; 6] = [&[5, 3, 4], &[3, 6], &[3, 6], &[24, 4], &[24, 6], &[24]];
    for reverse in [false, true] {
        let tape = Tape::new();
        let v: Vec<_> = shapes.iter().zip(1..).map(|(s, seed)| tape.var(t(s, seed))).collect();
        let [y, c] = lstm(&v, reverse);
        let loss = (y * y).sum() + c.tanh().sum();
        let fast = loss.backward();
        for (x, slow) in v.iter().zip(loss.grad(&v)) {
            let close = |(a, b): (f64, f64)| (a - b).abs() < 1e-12;
            assert!(fast[*x].to_vec().into_iter().zip(slow.value().to_vec()).all(close));
        }
    }
}

#[test]
fn lstm_backwards_is_lstm_of_the_reversed_sequence() {
    let inputs = lstm_inputs(4);
    let tape = Tape::new();
    let v: Vec<_> = inputs.iter().map(|x| tape.var(x.clone())).collect();
    let [y, c] = lstm(&v, true);
    let mut flipped = v.clone();
    flipped[0] = v[0].flip(&[0]);
    let [y_flipped, c_flipped] = lstm(&flipped, false);
    assert_eq!(y.value(), y_flipped.flip(&[0]).value());
    assert_eq!(c.value(), c_flipped.flip(&[0]).value());
}

#[test]
fn lstm_of_nothing() {
    for [batch, inputs, units] in [[0, 2, 2], [2, 0, 2], [2, 2, 0]] {
        let tape = Tape::<f64>::new();
        let of = |shape: &[usize]| tape.var(Tensor::ones(shape));
        let (x, state) = (of(&[3, batch, inputs]), [of(&[batch, units]), of(&[batch, units])]);
        let [y, _] = x.lstm(
            state,
            [of(&[4 * units, inputs]), of(&[4 * units, units])],
            of(&[4 * units]),
            false,
        );
        assert_eq!(y.shape()[..], [3, batch, units]);
        assert_eq!(y.sum().backward()[x], Tensor::zeros(&[3, batch, inputs]));
    }
}

fn attend<'t>(v: &[Var<'t, f64>], causal: bool) -> Var<'t, f64> {
    v[0].attention(v[1], v[2], v.get(3).copied(), causal, 0.0)
}

#[test]
fn attention_has_the_right_derivatives() {
    let plain = [t(&[2, 2, 3], 1), t(&[2, 4, 3], 2), t(&[2, 4, 2], 3)];
    checked(|v| attend(v, false).tanh().sum(), &plain);
    let heads = [t(&[2, 2, 3, 2], 1), t(&[2, 2, 3, 2], 2), t(&[2, 2, 3, 2], 3)];
    checked(|v| attend(v, true).tanh().sum(), &heads);
    let masked = [t(&[2, 3], 1), t(&[3, 3], 2), t(&[3, 2], 3), t(&[2, 3], 4)];
    checked(|v| attend(v, false).tanh().sum(), &masked);
    let broadcast =
        [t(&[2, 2, 2, 2], 1), t(&[2, 2, 3, 2], 2), t(&[2, 2, 3, 2], 3), t(&[2, 1, 1, 3], 4)];
    checked(|v| attend(v, true).tanh().sum(), &broadcast);
}

/// Heads side by side in one matrix, as a layer has them: strided queries, keys and values.
#[test]
fn attention_reads_strided_heads() {
    checked(
        |v| {
            let parts: Vec<_> = v[0]
                .split(&[4, 4, 4], -1)
                .into_iter()
                .map(|part| part.reshape(&[2, 3, 2, 2]).transpose(1, 2))
                .collect();
            attend(&parts, true).transpose(1, 2).reshape(&[2, 3, 4]).tanh().sum()
        },
        &[t(&[2, 3, 12], 1)],
    );
}

/// Many samples: halves of the batch on two threads, the same bits as one by one.
#[test]
fn attention_of_a_batch_is_that_of_its_samples() {
    let inputs = [1, 2, 3].map(|seed| t(&[16, 4, 33, 17], seed));
    let run = |inputs: [Tensor<f64>; 3]| {
        let tape = Tape::new();
        let v = inputs.map(|x| tape.var(x));
        let y = attend(&v, true);
        let gradients = y.tanh().sum().backward();
        (y.value(), v.map(|v| gradients[v].clone()))
    };
    let (y, gradients) = run(inputs.clone());
    for sample in [0, 7, 15] {
        let part = |x: &Tensor<f64>| x.slice(0, sample..sample + 1);
        let (y_one, gradients_one) = run(inputs.each_ref().map(part));
        assert_eq!(part(&y), y_one);
        for (all, one) in gradients.iter().zip(&gradients_one) {
            assert_eq!(&part(all), one);
        }
    }
}

#[test]
fn attention_is_what_it_is_composed_of() {
    let tape = Tape::<f64>::new();
    let [q, k, v] = [1, 2, 3].map(|seed| tape.var(t(&[2, 3, 5, 4], seed)));
    let seen = Tensor::from_fn(&[5, 5], |at| at[1] <= at[0]);
    let scores = q.matmul(k.transpose(-1, -2)) * 0.5 + tape.attention_mask(&seen);
    let composed = scores.softmax(-1).matmul(v).value();
    for y in [
        q.attention(k, v, None, true, 0.0),
        q.attention(k, v, Some(tape.attention_mask(&seen)), false, 0.0),
    ] {
        assert!(
            y.value().to_vec().iter().zip(composed.to_vec()).all(|(a, b)| (a - b).abs() < SAME)
        );
    }
}

/// A query that sees nothing gets 0, and nobody gets NaN.
#[test]
fn attention_without_anything_to_see() {
    let tape = Tape::<f64>::new();
    let [q, k, v] = [1, 2, 3].map(|seed| tape.var(t(&[2, 2], seed)));
    let seen = Tensor::from([[false, false], [true, true]]);
    let y = q.attention(k, v, Some(tape.attention_mask(&seen)), false, 0.0);
    assert_eq!(y.value().slice(0, 0..1).to_vec(), [0.0, 0.0]);
    let gradients = y.tanh().sum().backward();
    assert_eq!(gradients[q].slice(0, 0..1).to_vec(), [0.0, 0.0]);
    assert!([q, k, v].iter().all(|&x| gradients[x].first_non_finite().is_none()));
    let none = tape.var(Tensor::zeros(&[0, 2]));
    assert_eq!(q.attention(none, none, None, false, 0.0).value(), Tensor::zeros(&[2, 2]));
}

#[test]
fn attention_drops_weights_in_training_only() {
    let x = t(&[1, 8, 4], 1);
    let run = |tape: Tape<f64>, rate| {
        let x = tape.constant(x.clone());
        x.attention(x, x, None, false, rate).value()
    };
    let plain = run(Tape::training(1), 0.0);
    assert!(run(Tape::new(), 0.5) == plain);
    assert!(run(Tape::training(1), 0.5) != plain);
    assert!(run(Tape::training(1), 0.5) == run(Tape::training(1), 0.5));
}

#[test]
fn parts_of_a_split_that_nobody_uses() {
    checked(|v| v[0].split(&[1, 2, 1], 1)[1].tanh().sum(), &[t(&[2, 4], 1)]);
    checked(
        |v| {
            let parts = v[0].chunk(2, 0);
            parts[0] * parts[1] + parts[1].tanh()
        },
        &[t(&[2, 3], 1)],
    );
}

/// The message of the panic that `f` ends in.
fn message(f: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let payload = std::panic::catch_unwind(f).expect_err("no panic");
    payload.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn shapes_that_do_not_fit() {
    let lstm = |x: &'static [usize], w_ih: &'static [usize]| {
        message(move || {
            let tape = Tape::<f64>::new();
            let of = |shape: &[usize]| tape.constant(Tensor::zeros(shape));
            of(x).lstm([of(&[2, 4]), of(&[2, 4])], [of(w_ih), of(&[16, 4])], of(&[16]), false);
        })
    };
    assert_eq!(lstm(&[2, 3], &[16, 3]), "lstm: input [2, 3] is not [steps, batch, inputs]");
    assert_eq!(
        lstm(&[5, 2, 3], &[16, 2]),
        "lstm: w_ih [16, 2] does not fit input [5, 2, 3] [steps, batch, inputs] and w_hh [16, 4]: expected [16, 3]"
    );
    let attention = |k: &'static [usize], mask: &'static [usize]| {
        message(move || {
            let tape = Tape::<f64>::new();
            let of = |shape: &[usize]| tape.constant(Tensor::zeros(shape));
            of(&[2, 3, 4]).attention(of(k), of(k), Some(of(mask)), false, 0.0);
        })
    };
    assert_eq!(
        attention(&[2, 5, 3], &[5]),
        "attention: queries [2, 3, 4] [batch.., queries, width], keys [2, 5, 3] [batch.., keys, width] and values \
         [2, 5, 3] [batch.., keys, values] do not fit"
    );
    assert_eq!(
        attention(&[2, 5, 4], &[4, 5]),
        "attention: mask [4, 5] does not broadcast to the scores [2, 3, 5] [batch.., queries, keys]"
    );
}
