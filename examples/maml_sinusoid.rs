//! Few-shot learning: initial weights from which five points and one step of SGD are enough.
//!
//! What one learns: a step of an optimiser is an operation on the tape. The loss after the step has a gradient
//! with respect to the weights before it, and Adam follows that gradient. This is MAML (Finn et al. 2017); the
//! rate of the inner steps is learned along with the weights.
//!
//! `--short` learns for a moment only.
use gradus::optim::Positive;
use gradus::prelude::*;
use std::f64::consts::PI;

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/charts/maml_sinusoid.svg");

/// One sinusoid: five points to learn from, and others to be tested on.
struct Task {
    few: [Tensor; 2],
    test: [Tensor; 2],
}

impl Task {
    fn new(rng: &mut Rng, x: Tensor) -> Self {
        let (amplitude, phase) = (0.1 + 4.9 * rng.uniform(), PI * rng.uniform());
        let wave = |x: Tensor| {
            let y = x.map(|x| (amplitude * (f64::from(x) - phase).sin()) as f32);
            [x, y]
        };
        Task { few: wave(Tensor::rand(&[5, 1], -5.0, 5.0, rng)), test: wave(x) }
    }

    /// A task with ten test points, to learn from.
    fn train(rng: &mut Rng) -> Self {
        let x = Tensor::rand(&[10, 1], -5.0, 5.0, rng);
        Task::new(rng, x)
    }
}

#[derive(Clone, Debug, Module)]
struct Net {
    l1: Dense,
    l2: Dense,
    l3: Dense,
}

impl Layer for Net {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        self.l3.forward(self.l2.forward(self.l1.forward(x)))
    }
}

/// A network, and the rate at which it learns a task.
#[derive(Clone, Module)]
struct Learner {
    net: Net,
    rate: Positive,
}

impl Learner {
    fn loss<'t>(&self, tape: &'t Tape, [x, y]: &[Tensor; 2]) -> Var<'t> {
        self.net.forward(tape.constant(x.clone())).mse(tape.constant(y.clone()))
    }

    /// Steps of SGD on the five points. On this tape the network is then the one that has learned the task.
    fn adapt(&self, tape: &Tape, task: &Task, steps: usize) {
        let mut sgd = Sgd::new(0.0).unrolled(tape).with(|h| &mut h.lr, self.rate.var(tape));
        for _ in 0..steps {
            sgd.step(&self.net, self.loss(tape, &task.few));
        }
    }

    /// The error on the test points after one step, a mean over tasks.
    fn meta_loss<'t>(&self, tape: &'t Tape, tasks: &[Task]) -> Var<'t> {
        let start: Vec<_> = self.net.params().iter().map(|(_, p)| (*p, tape.param(p))).collect();
        let mut sum = tape.number(0.0);
        for task in tasks {
            self.adapt(tape, task, 1);
            sum = sum + self.loss(tape, &task.test);
            start.iter().for_each(|(param, weights)| tape.rebind(param, *weights));
        }
        sum / tasks.len() as f64
    }

    /// The mean error on the test points after so many steps.
    fn test(&self, tasks: &[Task], steps: usize) -> f64 {
        let error = |task| {
            let tape = Tape::new();
            self.adapt(&tape, task, steps);
            f64::from(self.loss(&tape, &task.test).item())
        };
        tasks.iter().map(error).sum::<f64>() / tasks.len() as f64
    }

    /// With the rate that is best for so many steps: no learner shall lose for a rate that does not suit it.
    fn at_its_best_rate(&self, tasks: &[Task], steps: usize) -> f64 {
        let rates = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2];
        let error =
            |&rate: &f64| Learner { rate: Positive::new(rate), ..self.clone() }.test(tasks, steps);
        rates.iter().map(error).filter(|e| e.is_finite()).fold(f64::INFINITY, f64::min)
    }

    /// The curve it draws for a task after so many steps.
    fn curve(&self, task: &Task, steps: usize) -> Vec<(f64, f64)> {
        let tape = Tape::new();
        self.adapt(&tape, task, steps);
        points(&task.test[0], &self.net.forward(tape.constant(task.test[0].clone())).value())
    }
}

fn points(x: &Tensor, y: &Tensor) -> Vec<(f64, f64)> {
    std::iter::zip(x.to_vec(), y.to_vec()).map(|(x, y)| (x.into(), y.into())).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let short = std::env::args().any(|arg| arg == "--short");
    let (rounds, batch) = if short { (200, 10) } else { (16000, 20) };
    let first = Dense::new(40)
        .inputs(1)
        .kernel_initializer(Uniform { low: -1.0, high: 1.0 })
        .bias_initializer(Uniform { low: -3.0, high: 3.0 });
    let net = Net {
        l1: first.activation(Relu),
        l2: Dense::new(40).inputs(40).activation(Relu),
        l3: Dense::new(1).inputs(40),
    }
    .init(0);
    let random = Learner { net, rate: Positive::new(0.01) };
    let (mut meta, mut joint) = (random.clone(), random.clone());
    let mut outer = Adam::new(1e-3).group(|path| path == "rate.log", |h| h.lr = 1e-2);
    let mut adam = Adam::new(1e-3);

    let mut rng = Rng::new(1);
    println!("round   error after one step   rate of the step");
    for round in 1..=rounds {
        let tasks: Vec<_> = (0..batch).map(|_| Task::train(&mut rng)).collect();
        let tape = Tape::new();
        let loss = meta.meta_loss(&tape, &tasks);
        outer.step(&mut meta, &loss.backward());
        if round % (rounds / 10) == 0 {
            println!("{round:>5}   {:>20.3}   {:>16.4}", loss.item(), meta.rate.value());
        }
        // The ordinary way, on the same data: one network for all tasks.
        let tape = Tape::new();
        let all = tasks.iter().flat_map(|task| [&task.few, &task.test]);
        let sum = all.fold(tape.number(0.0), |sum, data| sum + joint.loss(&tape, data));
        adam.step(&mut joint.net, &(sum / f64::from(2 * batch)).backward());
    }

    let grid = Tensor::linspace(-5.0, 5.0, 101).reshape(&[101, 1]);
    let mut rng = Rng::new(2);
    let tasks: Vec<_> = (0..200).map(|_| Task::new(&mut rng, grid.clone())).collect();
    println!("\n{} new tasks         before   1 step   10 steps", tasks.len());
    let row = |name: &str, e: [f64; 3]| {
        println!("{name:<20}  {:>6.3}   {:>6.3}   {:>8.3}", e[0], e[1], e[2])
    };
    let errors = [0, 1, 10].map(|steps| meta.test(&tasks, steps));
    let others = [&joint, &random].map(|l| [0, 1, 10].map(|s| l.at_its_best_rate(&tasks, s)));
    row("meta-learned", errors);
    row("trained on all tasks", others[0]);
    row("random", others[1]);

    let task = &tasks[0];
    Chart::new("A new sinusoid from five points")
        .x("x")
        .y("y")
        .line("truth", points(&task.test[0], &task.test[1]))
        .points("the five points", points(&task.few[0], &task.few[1]))
        .line("meta-learned, before", meta.curve(task, 0))
        .line("meta-learned, 1 step", meta.curve(task, 1))
        .line("meta-learned, 10 steps", meta.curve(task, 10))
        .line("trained on all tasks, 10 steps", joint.curve(task, 10))
        .save(CHART)?;
    let note = if short { "(a moment of training only) " } else { "" };
    println!("\nchart: {CHART}");
    println!(
        "{note}5-shot error: {:.2} after one step, {:.2} after ten; {:.2} and {:.2} without meta-learning",
        errors[1], errors[2], others[0][1], others[0][2]
    );
    Ok(())
}
