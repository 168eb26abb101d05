//! Hyperparameters tuned by gradients: learning rate, weight decay, both penalties and the dropout rate of the
//! reference model, through the whole training run; then with a learning rate for each epoch.
//!
//! What one learns: a training run is a function of its hyperparameters. `hypergradient` differentiates it, and an
//! optimiser takes steps on them as on any parameters. More of them cost a gradient nothing.
use std::error::Error;
use std::time::Instant;

use gradus::optim::{Fraction, Positive, Unroll, hypergradient};
use gradus::prelude::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data-sets/breast_cancer.csv");
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/charts/tune_by_gradient.svg");
type Found<T> = Result<T, Box<dyn Error>>;

/// Epochs of a training run, and its steps: 3 batches an epoch.
const EPOCHS: usize = 20;
const STEPS: usize = 3 * EPOCHS;

/// What both searches know beforehand. Random search draws from these ranges, the dropout rate evenly and the
/// others by their logarithm; the gradients start in the middle.
const LR: [f64; 2] = [1e-3, 1e-1];
const PENALTY: [f64; 2] = [1e-5, 1e-1];
const DROPOUT: [f64; 2] = [0.05, 0.8];

#[derive(Clone, Module)]
struct Model {
    l1: Dense,
    norm: BatchNorm,
    l2: Dense,
}

#[derive(Clone, Module)]
struct Hyper {
    /// One for the whole run, or one for each epoch.
    lr: Vec<Positive>,
    decay: Positive,
    kernel_l2: Positive,
    bias_l1: Positive,
    dropout: Fraction,
}

impl Hyper {
    fn by_hand() -> Self {
        Hyper {
            lr: vec![Positive::new(1e-2)],
            decay: Positive::new(1e-3),
            kernel_l2: Positive::new(0.01),
            bias_l1: Positive::new(0.01),
            dropout: Fraction::new(0.5),
        }
    }

    /// Each hyperparameter at a place in its range, from 0 to 1.
    fn at(rates: usize, mut place: impl FnMut() -> f64) -> Self {
        let mut even = |[low, high]: [f64; 2]| low + (high - low) * place();
        let dropout = Fraction::new(even(DROPOUT));
        let mut log = |range: [f64; 2]| Positive::new(even(range.map(f64::ln)).exp());
        let lr = (0..rates).map(|_| log(LR)).collect();
        Hyper { lr, decay: log(PENALTY), kernel_l2: log(PENALTY), bias_l1: log(PENALTY), dropout }
    }

    /// The learning rate of step `k`.
    fn lr(&self, k: usize) -> &Positive {
        &self.lr[k * self.lr.len() / STEPS]
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
        let mut model = self.model.clone();
        let mut adam = AdamW::new(hyper.lr(0).value()).weight_decay(hyper.decay.value());
        for k in 0..STEPS {
            adam.set_lr(hyper.lr(k).value());
            let tape = Tape::training(k as u64);
            let gradients = self.train(&model, hyper, &tape, k).backward();
            adam.step(&mut model, &gradients);
        }
        let tape = Tape::inference();
        [&self.val, &self.test].map(|part| self.loss(&model, hyper, &tape, part).item().into())
    }

    /// The validation loss of such a run and its derivative.
    fn slope(&self, h: &Hyper) -> Found<(f64, Gradients)> {
        let adam = AdamW::new(0.0);
        let found = hypergradient(
            h,
            &self.model,
            Unroll::steps(STEPS),
            |tape, k| {
                let adam = adam.unrolled(tape).with(|a| &mut a.lr, h.lr(k).var(tape));
                adam.with(|a| &mut a.weight_decay, h.decay.var(tape))
            },
            |tape, k| self.train(&self.model, h, tape, k),
            |tape| self.loss(&self.model, h, tape, &self.val),
        )?;
        Ok((found.loss.into(), found.gradients))
    }
}

fn task(seed: u64) -> Found<Task> {
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

/// What a search found: the losses with the lowest validation loss, how that fell from run to run, and the time.
struct Search {
    losses: [f64; 2],
    curve: Vec<f64>,
    seconds: f64,
}

/// Any search: `next` gives the validation loss of a run, and the hyperparameters of that run.
fn search(
    task: &Task,
    runs: usize,
    mut next: impl FnMut() -> Found<(f64, Hyper)>,
) -> Found<Search> {
    let (start, mut curve) = (Instant::now(), Vec::new());
    let mut best = (f64::INFINITY, Hyper::by_hand());
    for _ in 0..runs {
        let other = next()?;
        if other.0 < best.0 {
            best = other;
        }
        curve.push(best.0);
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(Search { losses: task.run(&best.1), curve, seconds })
}

fn at_random(task: &Task, rates: usize, runs: usize, seed: u64) -> Found<Search> {
    let mut rng = Rng::new(seed);
    search(task, runs, || {
        let hyper = Hyper::at(rates, || rng.uniform());
        Ok((task.run(&hyper)[0], hyper))
    })
}

fn by_gradient(task: &Task, rates: usize, runs: usize) -> Found<Search> {
    // After a few steps a run with other hyperparameters is quite another one: old slopes say little. The length of a
    // step was chosen on other splits than those below; many numbers fit the validation part too well with long ones.
    let mut outer = Adam::new(if rates == 1 { 1.0 } else { 0.3 }).betas(0.8, 0.95);
    let mut hyper = Hyper::at(rates, || 0.5);
    search(task, runs, || {
        let (loss, gradients) = task.slope(&hyper)?;
        let now = hyper.clone();
        outer.step(&mut hyper, &gradients);
        Ok((loss, now))
    })
}

fn mean(all: &[Search], number: impl Fn(&Search) -> f64) -> f64 {
    all.iter().map(number).sum::<f64>() / all.len() as f64
}

fn main() -> Found<()> {
    let short = std::env::args().any(|arg| arg == "--short");
    let (splits, rounds, trials) = if short { (2, 4, 6) } else { (20, 20, 50) };
    let names = ["by hand", "random, 5", "random, 24", "hypergradients, 5", "hypergradients, 24"];
    let mut found = names.map(|_| Vec::new());
    println!("validation loss    {}", names.join("   "));
    for seed in 0..splits {
        let task = task(seed)?;
        found[0].push(search(&task, 1, || Ok((task.run(&Hyper::by_hand())[0], Hyper::by_hand())))?);
        found[1].push(at_random(&task, 1, trials, seed)?);
        found[2].push(at_random(&task, EPOCHS, trials, seed)?);
        found[3].push(by_gradient(&task, 1, rounds)?);
        found[4].push(by_gradient(&task, EPOCHS, rounds)?);
        let [a, b, c, d, e] = found.each_ref().map(|all| all[all.len() - 1].losses[0]);
        println!("split {seed}             {a:.4}   {b:9.4}   {c:10.4}   {d:17.4}   {e:18.4}");
    }

    println!("\nmean of {splits} splits     steps  seconds  validation loss  test loss");
    let mut chart = Chart::new("5 or 24 hyperparameters of the reference model")
        .x("training steps spent")
        .y("best validation loss, mean of the splits");
    let end = trials * STEPS;
    for (name, all) in names.iter().zip(&found) {
        let runs = all[0].curve.len();
        let (steps, seconds) = (runs * STEPS, mean(all, |s| s.seconds));
        let [val, test] = [0, 1].map(|i| mean(all, |s| s.losses[i]));
        println!("{name:18}  {steps:5}  {seconds:7.2}  {val:15.4}  {test:9.4}");
        let after = |run: usize| ((run * STEPS) as f64, mean(all, |s| s.curve[run - 1]));
        let line = (1..=runs).map(after).chain((runs == 1).then_some((end as f64, val)));
        chart = chart.line(*name, line);
    }
    chart.save(CHART)?;
    let after = |which: usize, run: usize| mean(&found[which], |s| s.curve[run - 1]);
    let (random, tuned) = (after(1, trials).min(after(2, trials)), after(4, rounds));
    let reached = (1..=rounds).find(|&run| after(4, run) <= random);
    let reached = reached.map_or("not reached".into(), |run| format!("after {}", run * STEPS));
    let note = if short { "(a moment of training only) " } else { "" };
    println!(
        "\nchart: {CHART}\n{note}validation loss {random:.4} by random search after {end} steps; by hypergradients {reached}, {tuned:.4} in the end"
    );
    Ok(())
}
