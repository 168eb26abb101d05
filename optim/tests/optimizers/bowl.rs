//! Every optimiser, in both precisions, goes down a bowl that is ten times steeper one way than the other.

use gradus_autograd::{Float, Param, Tape, Tensor};
use gradus_optim::*;

/// Of the loss, which is about 100 at first.
const DOWN: f64 = 1.0;

fn all<T: Float>() -> Vec<(&'static str, Box<dyn Step<T>>)> {
    vec![
        ("sgd", Box::new(Sgd::new(0.02).momentum(0.9).dampening(0.1))),
        ("adam", Box::new(Adam::new(0.05).amsgrad(true))),
        ("rmsprop", Box::new(RMSprop::new(0.02).centered(true).momentum(0.5))),
        ("rmsprop of keras", Box::new(RMSprop::new(0.02).keras())),
        ("adagrad", Box::new(Adagrad::new(0.5))),
        ("adadelta", Box::new(Adadelta::new(1.0).epsilon(1e-3))),
        ("adamax", Box::new(Adamax::new(0.05))),
        ("nadam", Box::new(NAdam::new(0.05))),
        ("radam", Box::new(RAdam::new(0.05))),
        ("lion", Box::new(Lion::new(0.02))),
        ("schedule-free", Box::new(ScheduleFreeAdamW::new(0.1).warmup(10))),
        ("lamb", Box::new(Lamb::new(0.02))),
        ("adafactor", Box::new(Adafactor::new(0.05))),
        ("muon", Box::new(Muon::new(0.02).adam_lr_ratio(1.0))),
        ("accumulated", Box::new(Adam::new(0.1).accumulate(2))),
    ]
}

fn down<T: Float>() {
    for (name, mut optimizer) in all::<T>() {
        let start = |x: &[f64]| Tensor::new(&[x.len()], x.iter().map(|&x| T::of(x)).collect());
        let matrix = start(&[3.0, -2.0, 1.0, 2.0]).reshape(&[2, 2]);
        let mut model = vec![Param::new(matrix), Param::new(start(&[-2.0, 1.5]))];
        let mut last = f64::INFINITY;
        for _ in 0..400 {
            let tape = Tape::new();
            let [matrix, vector] = [0, 1].map(|at| tape.param(&model[at]));
            let loss = (matrix - 1.0).powf(2.0).sum() + (vector + 1.0).powf(2.0).sum() * 10.0;
            last = loss.item().to_f64();
            optimizer.step(&mut model, &loss.backward());
        }
        assert!(last < DOWN, "{name}: {last}");
    }
}

#[test]
fn every_optimiser_goes_down() {
    down::<f32>();
    down::<f64>();
}
