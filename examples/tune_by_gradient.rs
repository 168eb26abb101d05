//! Hyperparameters tuned by gradients: learning rate, weight decay, both penalties and the dropout rate of the
//! reference model, through the whole training run.
//!
//! What one learns: a training run is a function of its hyperparameters. `hypergradient` differentiates it, and an
//! optimiser takes steps on them as on any parameters. A gradient costs the same for any number of them, and so the
//! learning rate is four here, one for each quarter of the run, where a random search does better with one.
use std::error::Error;

use gradus::optim::{Fraction, Positive, Unroll, hypergradient};
use gradus::prelude::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data-sets/breast_cancer.csv");
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/charts/tune_by_gradient.svg");
/// Steps of one training run: 20 epochs of 3 batches.
const STEPS: usize = 60;
/// Parts of a run with a learning rate of their own.
const PARTS: usize = 4;

#[derive(Module)]
struct Model {
    l1: Dense,
    norm: BatchNorm,
    l2: Dense,
}

#[derive(Clone, Module)]
struct Hyper {
    lr: [Positive; PARTS],
    decay: Positive,
    kernel_l2: Positive,
    bias_l1: Positive,
    dropout: Fraction,
}

impl Hyper {
    fn new([lr, decay, kernel_l2, bias_l1, dropout]: [f64; 5]) -> Self {
        Hyper {
            lr: [(); PARTS].map(|()| Positive::new(lr)),
            decay: Positive::new(decay),
            kernel_l2: Positive::new(kernel_l2),
            bias_l1: Positive::new(bias_l1),
            dropout: Fraction::new(dropout),
        }
    }

    /// The learning rate at step `k`.
    fn lr(&self, k: usize) -> &Positive {
        &self.lr[k * PARTS / STEPS]
    }

    fn row(&self) -> String {
        let lr: Vec<_> = self.lr.iter().map(|lr| format!("{:6.4}", lr.value())).collect();
        let [decay, l2, l1] = [&self.decay, &self.kernel_l2, &self.bias_l1].map(Positive::value);
        format!("{}  {decay:7.4}  {l2:9.5}  {l1:7.5}  {:7.3}", lr.join(" "), self.dropout.value())
    }
}

struct Task {
    model: Model,
    batches: Vec<(Tensor, Tensor)>,
    val: (Tensor, Tensor),
    test: (Tensor, Tensor),
}

impl Task {
    fn logits<'t>(&self, model: &Model, hyper: &Hyper, x: Var<'t>) -> Var<'t> {
        let h = model.norm.forward(model.l1.forward(x)).relu();
        model.l2.forward(h.concrete_dropout(hyper.dropout.var(x.tape()), 0.5))
    }

    /// Cross-entropy and penalties on the batch of step `k`.
    fn train<'t>(&self, model: &Model, hyper: &Hyper, tape: &'t Tape, k: usize) -> Var<'t> {
        let (x, y) = &self.batches[k % self.batches.len()];
        let logits = self.logits(model, hyper, tape.constant(x.clone()));
        let mut loss = logits.bce_with_logits(tape.constant(y.clone()));
        let (l2, l1) = (L2(hyper.kernel_l2.var(tape)), L1(hyper.bias_l1.var(tape)));
        for (path, param) in model.params() {
            match path.rsplit('.').next() {
                Some("kernel") => loss = loss + l2.penalty(tape.param(param)),
                Some("bias") => loss = loss + l1.penalty(tape.param(param)),
                _ => {}
            }
        }
        loss
    }

    fn loss<'t>(
        &self,
        model: &Model,
        hyper: &Hyper,
        tape: &'t Tape,
        (x, y): &(Tensor, Tensor),
    ) -> Var<'t> {
        let logits = self.logits(model, hyper, tape.constant(x.clone()));
        logits.bce_with_logits(tape.constant(y.clone()))
    }

    /// An ordinary training run; the losses on the validation and the test part.
    fn run(&self, hyper: &Hyper) -> [f64; 2] {
        let mut model = Model {
            l1: self.model.l1.clone(),
            norm: self.model.norm.clone(),
            l2: self.model.l2.clone(),
        };
        let mut adam = AdamW::new(0.0).weight_decay(hyper.decay.value());
        for k in 0..STEPS {
            adam.set_lr(hyper.lr(k).value());
            let tape = Tape::training(k as u64);
            let gradients = self.train(&model, hyper, &tape, k).backward();
            adam.step(&mut model, &gradients);
        }
        let tape = Tape::inference();
        [&self.val, &self.test].map(|part| self.loss(&model, hyper, &tape, part).item().into())
    }

    /// One step of `outer` on the hyperparameters; the validation loss before it.
    fn tune(&self, hyper: &mut Hyper, outer: &mut Adam) -> Result<f64, Box<dyn Error>> {
        let (adam, h, model) = (AdamW::new(0.0), &*hyper, &self.model);
        let found = hypergradient(
            h,
            model,
            Unroll::steps(STEPS),
            |tape, k| {
                let adam = adam.unrolled(tape).with(|a| &mut a.lr, h.lr(k).var(tape));
                adam.with(|a| &mut a.weight_decay, h.decay.var(tape))
            },
            |tape, k| self.train(model, h, tape, k),
            |tape| self.loss(model, h, tape, &self.val),
        )?;
        outer.step(hyper, &found.gradients);
        Ok(found.loss.into())
    }
}

fn task(seed: u64) -> Result<Task, Box<dyn Error>> {
    let data: Dataset = Csv::new().skip_lines(1).no_header().read_path(DATA)?;
    let [mut train, mut val, mut test] = data.split([0.6, 0.2, 0.2], Split::stratified(seed))?;
    let scaler = StandardScaler::fit(&train)?;
    for part in [&mut train, &mut val, &mut test] {
        scaler.apply(part)?;
    }
    let whole = |part: &Dataset| (part.x().clone(), part.y().clone());
    let batches = train.batches(128)?.shuffled(1);
    let batches = batches.epoch(0).map(|batch| (batch.x.clone(), batch.y.clone())).collect();
    let model = Model {
        l1: Dense::new(50).inputs(30).kernel_initializer(HeNormal),
        norm: BatchNorm::new().momentum(0.9).channels(50),
        l2: Dense::new(1).inputs(50).kernel_initializer(GlorotNormal),
    };
    Ok(Task { model: model.init(seed), batches, val: whole(&val), test: whole(&test) })
}

/// The best validation loss so far, the test loss of that trial, and how the former fell from trial to trial.
#[derive(Default)]
struct Best {
    losses: [f64; 2],
    curve: Vec<f64>,
}

impl Best {
    fn add(&mut self, losses: [f64; 2]) {
        if self.curve.is_empty() || losses[0] < self.losses[0] {
            self.losses = losses;
        }
        self.curve.push(self.losses[0]);
    }
}

const BY_HAND: [f64; 5] = [1e-2, 1e-3, 0.01, 0.01, 0.5];
/// The middle of what the random search draws from.
const START: [f64; 5] = [1e-2, 1e-3, 1e-3, 1e-3, 0.4];

fn by_gradient(task: &Task, rounds: usize) -> Result<Best, Box<dyn Error>> {
    let (mut hyper, mut outer, mut best) = (Hyper::new(START), Adam::new(0.5), Best::default());
    println!(
        "round  validation loss  lr of each quarter             decay  kernel l2  bias l1  dropout"
    );
    for round in 0..rounds {
        let trial = hyper.clone();
        outer.set_lr(0.5 * 0.9_f64.powf(round as f64));
        let loss = task.tune(&mut hyper, &mut outer)?;
        println!("{round:5}  {loss:15.4}  {}", trial.row());
        // The run of the hypergradient is this one; a trial by itself also gives the test loss.
        best.add(task.run(&trial));
    }
    Ok(best)
}

fn by_random_search(task: &Task, trials: usize, seed: u64) -> Best {
    let (mut rng, mut best) = (Rng::new(seed), Best::default());
    for _ in 0..trials {
        let mut uniform = |low: f64, high: f64| low + (high - low) * rng.uniform();
        let rate = uniform(0.05, 0.8);
        let mut log = |low: f64, high: f64| uniform(low.ln(), high.ln()).exp();
        let [lr, decay] = [log(1e-3, 1e-1), log(1e-5, 1e-1)];
        let [l2, l1] = [log(1e-5, 1e-1), log(1e-5, 1e-1)];
        best.add(task.run(&Hyper::new([lr, decay, l2, l1, rate])));
    }
    best
}

/// Point by point over the splits, against the training steps spent.
fn mean(all: &[Best]) -> Vec<(f64, f64)> {
    let at =
        |trial: usize| all.iter().map(|best| best.curve[trial]).sum::<f64>() / all.len() as f64;
    (0..all[0].curve.len()).map(|trial| (((trial + 1) * STEPS) as f64, at(trial))).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let short = std::env::args().any(|arg| arg == "--short");
    let (splits, rounds, trials) = if short { (2, 4, 6) } else { (10, 20, 50) };
    let [mut hand, mut random, mut tuned] = [const { Vec::new() }; 3];
    for seed in 0..splits {
        println!("split {seed}");
        let task = task(seed)?;
        let mut best = Best::default();
        best.add(task.run(&Hyper::new(BY_HAND)));
        hand.push(best);
        random.push(by_random_search(&task, trials, seed));
        tuned.push(by_gradient(&task, rounds)?);
    }

    println!("\nmean of {splits} splits    training steps  validation loss  test loss");
    let row = |name: &str, trials: usize, all: &[Best]| {
        let mean = |i: usize| all.iter().map(|best| best.losses[i]).sum::<f64>() / all.len() as f64;
        println!("{name:18}  {:16}  {:15.4}  {:9.4}", trials * STEPS, mean(0), mean(1));
        mean(0)
    };
    let by_hand = row("set by hand", 1, &hand);
    let by_search = row("random search", trials, &random);
    let by_gradient = row("hypergradients", rounds, &tuned);

    let same = mean(&random)[rounds.min(trials) - 1].1;
    println!("random search after as many steps as the hypergradients: {same:.4}");

    let end = (trials * STEPS) as f64;
    Chart::new("Five hyperparameters of the reference model")
        .x("training steps spent")
        .y("best validation loss, mean of the splits")
        .line("hypergradients", mean(&tuned))
        .line("random search", mean(&random))
        .line("set by hand", [(0.0, by_hand), (end, by_hand)])
        .save(CHART)?;
    println!("\nchart: {CHART}");
    println!(
        "validation loss {by_gradient:.4} by {rounds} hypergradients, {by_search:.4} by {trials} random trials, {by_hand:.4} by hand"
    );
    Ok(())
}
