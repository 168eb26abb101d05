//! Activation checkpointing: the same bits, less memory, any order.

use gradus::autograd::check::gradcheck;
use gradus::prelude::*;

fn block<'t>(x: Var<'t, f64>) -> Var<'t, f64> {
    let h = (x * 1.3).tanh().dropout(0.4);
    (h.softmax(-1) * h + x.sigmoid()).dropout(0.2)
}

#[test]
fn the_same_bits_with_and_without() {
    let x = Tensor::<f64>::randn(&[8, 12], &mut Rng::new(1));
    let run = |checkpointed: bool| {
        let tape = Tape::training(3);
        let leaf = tape.var(x.clone());
        let mut h = leaf;
        for _ in 0..4 {
            h = if checkpointed { h.checkpoint(block) } else { block(h) };
        }
        let loss = h.powf(2.0).sum();
        let first = loss.grad(&[leaf])[0];
        let second = first.powf(2.0).sum().backward()[leaf].to_vec();
        [vec![loss.item()], loss.backward()[leaf].to_vec(), first.value().to_vec(), second]
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn values_come_back_when_they_are_asked_for() {
    let tape = Tape::<f64>::new();
    let x = tape.var(Tensor::from([1.0, 2.0]));
    let mut inside = None;
    let y = x.checkpoint(|x| {
        let h = x * x;
        inside = Some(h);
        h * x
    });
    let h = inside.expect("a variable");
    assert_eq!(h.shape()[..], [2]);
    assert_eq!(h.value().to_vec(), [1.0, 4.0]);
    // Used again outside.
    let z = (h * 3.0 + y).sum();
    assert_eq!(z.backward()[x].to_vec(), [6.0 + 3.0, 12.0 + 12.0]);
    assert_eq!((h + 1.0).value().to_vec(), [2.0, 5.0]);
}

#[test]
fn nested_and_inside_an_unrolled_run() {
    let at = [Tensor::from([[0.3, -0.8], [1.2, 0.1]])];
    gradcheck(
        |x| {
            let inner = x[0].checkpoint(|x| x.tanh().checkpoint(|x| (x * x).sigmoid()) * x);
            inner.checkpoint(|x| x.exp() * x).sum()
        },
        &at,
    )
    .unwrap();

    let model = Dense::<f64>::new(3).inputs(3).init(2);
    let run = |checkpointed: bool| {
        let tape = Tape::training(1);
        let lr = tape.var(Tensor::scalar(0.1));
        let mut sgd = Sgd::new(0.0).unrolled(&tape).with(|h| &mut h.lr, lr);
        let x = tape.constant(Tensor::linspace(-1.0, 1.0, 6).reshape(&[2, 3]));
        for _ in 0..3 {
            let y = match checkpointed {
                true => x.checkpoint(|x| model.forward(x).tanh().dropout(0.3)),
                false => model.forward(x).tanh().dropout(0.3),
            };
            sgd.step(&model, y.powf(2.0).sum());
        }
        model.forward(x).sum().grad(&[lr])[0].item()
    };
    assert_eq!(run(true).to_bits(), run(false).to_bits());
    assert!(run(true) != 0.0);
}

#[test]
fn batch_norm_inside_notes_its_statistics() {
    let norm = BatchNorm::<f64>::new().channels(3);
    let run = |checkpointed: bool| {
        let mut norm = norm.clone();
        let tape = Tape::training(1);
        let x = tape.var(Tensor::linspace(-1.0, 2.0, 12).reshape(&[4, 3]));
        let y = match checkpointed {
            true => x.checkpoint(|x| norm.forward(x.tanh()).tanh()),
            false => norm.forward(x.tanh()).tanh(),
        };
        let gradients = y.powf(2.0).sum().backward();
        gradients.apply_updates(&mut norm);
        let mut all: Vec<_> = norm.params().iter().map(|(_, p)| p.value().to_vec()).collect();
        all.push(gradients[x].to_vec());
        all
    };
    assert_eq!(run(true), run(false));
}

/// A part may need a value of one before, which needs one of another, and so on: no recursion.
#[test]
fn a_long_chain_of_parts_that_need_each_other() {
    let tape = Tape::<f32>::new();
    let x = tape.var(Tensor::from([0.5, -0.5]));
    let (mut inside, mut y) = (x, x);
    for _ in 0..20_000 {
        let before = inside;
        y = y.checkpoint(|y| {
            inside = before * 0.5;
            inside + y * 0.25
        });
    }
    let loss = y.sum();
    assert_eq!(loss.backward()[x].to_vec(), loss.backward()[x].to_vec());
}
