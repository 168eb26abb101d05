//! A variational autoencoder on digits (Kingma and Welling 2014): a model that knows how likely an image is, and makes
//! new ones.
//!
//! What one learns: a loss of one's own with a random draw in the middle of the graph. z = µ + σ·ε is a function of µ and
//! σ once ε is drawn, so gradients go through it.
//!
//! A pixel of these images counts how many of 16 points were black. The decoder gives a beta-binomial distribution of
//! that count, 16 throws of a coin that is itself not known for sure; so the bound on the log-likelihood is in nats that
//! any other model of the same counts can be compared with.
//!
//! | arguments | what happens |
//! | --- | --- |
//! | | trains for 150 epochs; draws `target/vae.png`: digits, what is left of them, and new ones |
//! | `--short` | trains for two epochs |
use std::error::Error;

use gradus::prelude::*;

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data-sets/digits.csv");
const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/vae.png");
const PIXELS: usize = 64;
/// Points in a pixel.
const POINTS: f64 = 16.0;
/// Numbers that stand for a digit.
const LATENT: usize = 10;
/// Draws of z for each unseen digit.
const DRAWS: u64 = 20;
/// Digits in a row of the picture, rows of new ones, and how large their pixels are.
const SHOWN: usize = 16;
const NEW: usize = 4;
const ZOOM: usize = 6;

#[derive(Debug, Module)]
struct Vae {
    /// Counts / 16 `[batch, 64]` to µ and ln σ² of z, `[batch, 2·LATENT]`.
    encoder: Sequential,
    /// z to what the two parameters of a beta distribution come from, for each pixel: `[batch, 2·64]`.
    decoder: Sequential,
}

impl Vae {
    fn new(seed: u64) -> Result<Self, Box<dyn Error>> {
        let hidden = || Dense::new(128).activation(Relu).kernel_initializer(HeNormal);
        let encoder = Sequential::new().add(hidden()).add(hidden()).add(Dense::new(2 * LATENT));
        let decoder = Sequential::new().add(hidden()).add(hidden()).add(Dense::new(2 * PIXELS));
        let model = Vae {
            encoder: encoder.build(&[PIXELS], seed)?,
            decoder: decoder.build(&[LATENT], seed)?,
        };
        Ok(model)
    }

    /// ln p(x|z) − KL(q(z|x) ‖ N(0, 1)) with one draw of z, `[batch]`: a bound on ln p(x) from below, in the mean over
    /// draws.
    fn elbo<'t>(&self, x: Var<'t>) -> Var<'t> {
        let [mean, log_var] = self.encode(x);
        let std = (log_var * 0.5).exp();
        let epsilon = Tensor::randn(&mean.shape(), &mut Rng::new(x.tape().draw()));
        let z = mean + std * x.tape().constant(epsilon);
        let divergence = (mean.powf(2.0) + log_var.exp() - 1.0 - log_var).sum_axes(&[1]) * 0.5;
        let [black, white] = self.decode(z);
        log_likelihood(x, black, white) - divergence
    }

    fn encode<'t>(&self, x: Var<'t>) -> [Var<'t>; 2] {
        let both = self.encoder.forward(x / POINTS);
        [both.slice(1, 0..LATENT), both.slice(1, LATENT..2 * LATENT)]
    }

    /// The parameters of each pixel's beta distribution: how many black and white points it has seen, so to speak.
    fn decode<'t>(&self, z: Var<'t>) -> [Var<'t>; 2] {
        let both = self.decoder.forward(z).softplus() + 0.01;
        [both.slice(1, 0..PIXELS), both.slice(1, PIXELS..2 * PIXELS)]
    }

    /// The part of black points that the decoder expects in each pixel.
    fn draw(&self, z: Tensor) -> Tensor {
        let tape = Tape::inference();
        let [black, white] = self.decode(tape.constant(z));
        (black / (black + white)).value()
    }
}

/// Σ over the pixels of ln C(16, x)·B(x + a, 16 − x + b)/B(a, b): the beta-binomial distribution.
fn log_likelihood<'t>(x: Var<'t>, a: Var<'t>, b: Var<'t>) -> Var<'t> {
    let ln_beta = |a: Var<'t>, b: Var<'t>| a.lgamma() + b.lgamma() - (a + b).lgamma();
    let white = -x + POINTS;
    // C(n, k) = 1/((n + 1)·B(k + 1, n − k + 1))
    let ln_ways = -ln_beta(x + 1.0, white + 1.0) - (POINTS + 1.0).ln();
    (ln_ways + ln_beta(x + a, white + b) - ln_beta(a, b)).sum_axes(&[1])
}

fn main() -> Result<(), Box<dyn Error>> {
    let short = std::env::args().any(|arg| arg == "--short");
    let digits: Dataset = Csv::new().no_header().read_path(DIGITS)?;
    let [train, test] = digits.split([0.8, 0.2], Split::stratified(0))?;

    let mut model = Vae::new(0)?;
    let epochs = if short { 2 } else { 150 };
    let mut adam = Adam::new(2e-3);
    let mut rate = CosineDecay { initial: 2e-3, end: 1e-5, epochs };
    let batches = train.batches(64)?.shuffled(0);
    for epoch in 0..epochs {
        adam.set_lr(rate.rate(epoch, 0.0));
        let mut sum = 0.0;
        for (number, batch) in batches.epoch(epoch as u64).enumerate() {
            let tape = Tape::training((epoch as u64) << 32 | number as u64);
            let loss = -model.elbo(tape.constant(batch.x.clone())).mean();
            sum += f64::from(loss.item());
            adam.step(&mut model, &loss.backward());
        }
        if epoch % 25 == 24 {
            println!("epoch {:>3}: {:.1} nats in training", epoch + 1, -sum / batches.len() as f64);
        }
    }

    let mut elbo = 0.0;
    for seed in 0..DRAWS {
        let tape = Tape::inference();
        tape.reseed(seed);
        elbo += f64::from(model.elbo(tape.constant(test.x().clone())).mean().item()) / DRAWS as f64;
    }

    let old = test.x().slice(0, 0..SHOWN);
    let tape = Tape::inference();
    let [codes, _] = model.encode(tape.constant(old.clone()));
    let rows = [
        old.map(|x| x / POINTS as f32),
        model.draw(codes.value()),
        model.draw(Tensor::randn(&[NEW * SHOWN, LATENT], &mut Rng::new(1))),
    ];
    save_image(&picture(&rows), PICTURE)?;
    println!("picture written to {PICTURE}");

    println!(
        "{elbo:.1} nats for an unseen digit, or more; {:.1} if its pixels were independent of each other",
        independent(train.x(), test.x())
    );
    Ok(())
}

/// Images one behind the other, all of a group before the next, in rows of [`SHOWN`].
fn picture(groups: &[Tensor]) -> Tensor {
    let side = 9 * ZOOM;
    let all: Vec<Vec<f32>> = groups
        .iter()
        .flat_map(|group| (0..group.shape()[0]).map(|i| group.row(i).to_vec()))
        .collect();
    Tensor::from_fn(&[1, all.len() / SHOWN * side, SHOWN * side], |at| {
        let image = &all[at[1] / side * SHOWN + at[2] / side];
        match [at[1] % side / ZOOM, at[2] % side / ZOOM] {
            [8, _] | [_, 8] => 0.5,
            [y, x] => image[y * 8 + x],
        }
    })
}

/// The log-likelihood of an image if each pixel had a distribution of its own, whatever the others are: how often each
/// count was there in training, and once more.
fn independent(train: &Tensor, test: &Tensor) -> f64 {
    let counts = POINTS as usize + 1;
    let mut seen = vec![1.0; PIXELS * counts];
    let place = |at: usize, x: f32| at % PIXELS * counts + x as usize;
    train.to_vec().into_iter().enumerate().for_each(|(at, x)| seen[place(at, x)] += 1.0);
    let all = (train.shape()[0] + counts) as f64;
    let logs = test.to_vec().into_iter().enumerate().map(|(at, x)| (seen[place(at, x)] / all).ln());
    logs.sum::<f64>() / test.shape()[0] as f64
}
