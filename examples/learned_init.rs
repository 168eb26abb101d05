//! Learning the scale of the first weights, so that a network of 50 layers trains at all.
//!
//! What one learns: a hypergradient goes through training back to before its first step. There the weights are
//! drawn, w = gain·ε/√fan-in, and the gain is a hyperparameter as any other. At gain 1 each layer of ReLU
//! halves the signal's power, and 50 layers leave nothing to train with. Theory (He et al. 2015) says √2.
//!
//! `--short` learns for a moment only.
use gradus::autograd::Path;
use gradus::optim::{HypergradientError, Positive, Unroll, hypergradient};
use gradus::prelude::*;

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/charts/learned_init.svg");
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data-sets/wine_data.csv");

/// The rate of SGD.
const RATE: f64 = 0.05;

/// 50 layers of ReLU, then logits that start at 0: before the first step the network says nothing, and what it
/// says after it comes of what it has learned.
#[derive(Module)]
struct Net {
    deep: Vec<Dense<f64>>,
    last: Dense<f64>,
}

impl Net {
    fn new(seed: u64) -> Self {
        let dense = |i| {
            let inputs = if i == 0 { 13 } else { 32 };
            let std = 1.0 / f64::from(inputs).sqrt();
            let dense = Dense::new(32).inputs(inputs as usize).activation(Relu);
            dense.kernel_initializer(Normal { mean: 0.0, std })
        };
        let last = Dense::new(3).inputs(32).kernel_initializer(Zeros);
        Net { deep: (0..50).map(dense).collect(), last }.init(seed)
    }

    /// Its kernels on this tape are from now on those times the gain.
    fn scale<'t>(&self, tape: &'t Tape<f64>, gain: Var<'t, f64>) {
        scale_init(&self.deep, tape, |path| path.ends_with("kernel").then_some(gain));
    }

    fn loss<'t>(&self, tape: &'t Tape<f64>, data: &Dataset<f64>) -> Var<'t, f64> {
        let x = self.deep.iter().fold(tape.constant(data.x().clone()), |x, l| l.forward(x));
        self.last.forward(x).cross_entropy(&data.classes().expect("a column of classes"))
    }
}

/// At any gain, no step is longer than the rate.
fn sgd() -> Sgd<f64> {
    Sgd::new(RATE).clip(Clip::GlobalNorm(1.0))
}

/// Trains from the scaled weights, with a rate that falls to nothing; the loss before each step.
fn train(gain: f64, train: &Dataset<f64>, steps: usize) -> Vec<f64> {
    let mut net = Net::new(100);
    for dense in &mut net.deep {
        dense.visit_mut(Path::root(), &mut |_, param| param.set(param.value().map(|w| w * gain)));
    }
    let mut sgd = sgd();
    let mut losses = Vec::new();
    for step in 0..steps {
        sgd.set_lr(RATE * (1.0 - step as f64 / steps as f64));
        let tape = Tape::new();
        let loss = net.loss(&tape, train);
        losses.push(loss.item());
        sgd.step(&mut net, &loss.backward());
    }
    losses
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let short = std::env::args().any(|arg| arg == "--short");
    let (rounds, steps) = if short { (5, 20) } else { (60, 400) };
    let data: Dataset<f64> = Csv::new().skip_lines(1).no_header().read_path(DATA)?;
    let [mut learn, mut val] = data.split([0.7, 0.3], Split::stratified(0))?;
    let scaler = StandardScaler::fit(&learn)?;
    scaler.apply(&mut learn)?;
    scaler.apply(&mut val)?;

    // Every round draws other weights: the gain is to suit them all. Slopes range over twenty orders of
    // magnitude, so only their signs count, and the step shrinks from round to round.
    let mut gain = Positive::new(1.0);
    println!("round     gain   validation loss after 20 steps   its slope");
    for round in 0..rounds {
        let net = Net::new(round);
        let found = hypergradient(
            &gain,
            &net,
            Unroll::steps(20),
            |tape, _| sgd().unrolled(tape),
            |tape, step| {
                if step == 0 {
                    net.scale(tape, gain.var(tape));
                }
                net.loss(tape, &learn)
            },
            |tape| net.loss(tape, &val),
        );
        let (loss, slope) = match found {
            Ok(found) => (found.loss, found.gradients.param(&gain.log).expect("a slope").item()),
            // Training has exploded: the gain is too large.
            Err(
                HypergradientError::NotFinite { .. }
                | HypergradientError::NotFiniteSlope { .. }
                | HypergradientError::Step { .. },
            ) => (f64::NAN, f64::INFINITY),
            Err(error) => return Err(error.into()),
        };
        if round % (rounds / 20).max(1) == 0 {
            println!("{round:>5}   {:.4}   {loss:>29.6}   {slope:>9.1e}", gain.value());
        }
        let sign = Gradients::of_params([(&gain.log, Tensor::scalar(slope.signum()))]);
        let left = 1.0 - round as f64 / rounds as f64;
        Sgd::new(0.04 * left).step(&mut gain, &sign);
    }

    let (learned, theory) = (gain.value(), std::f64::consts::SQRT_2);
    let [plain, tuned, he] = [1.0, learned, theory].map(|gain| train(gain, &learn, steps));
    let line = |losses: &[f64]| (0..).map(f64::from).zip(losses.to_vec()).collect::<Vec<_>>();
    Chart::new("50 layers, first weights of three scales")
        .x("step of SGD")
        .y("training loss")
        .line("gain 1", line(&plain))
        .line(format!("gain {learned:.3}, learned"), line(&tuned))
        .line("gain √2, theory", line(&he))
        .save(CHART)?;
    let note = if short { "(a moment of training only) " } else { "" };
    println!("\nchart: {CHART}");
    println!(
        "{note}learned gain {learned:.3}: loss {:.3} after {steps} steps; {:.3} at gain √2, {:.3} at gain 1",
        tuned[steps - 1],
        he[steps - 1],
        plain[steps - 1]
    );
    Ok(())
}
