//! What augmentation costs a training step: the workload `mlp` on images that stay the same, on shuffled batches, and on
//! augmented ones, made ahead by one thread; one thread trains.
//! `cargo run --release -p gradus-benches --example augment [rounds]`.
//!
//! On Linux, times are those that a thread was on a processor, so that what else runs on the machine does not count. The
//! ratio is what the thread that trains pays; the other thread keeps up as long as it makes a batch in less time than a
//! step takes.

use std::error::Error;
use std::time::Instant;

use gradus_autograd::{Rng, Tape, Tensor};
use gradus_data::augment::{
    ElasticTransform, GaussianNoise, HorizontalFlip, RandomPerspective, RandomRotation,
    RandomTranslation,
};
use gradus_data::{Augment, Batch, Dataset};
use gradus_nn::Layer;
use gradus_optim::{Adam, Step};

const BATCH: usize = 128;
/// Batches of an epoch, which is a measurement.
const STEPS: usize = 60;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(15), |rounds| rounds.parse())?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    pool.install(|| measure(rounds))
}

/// Seconds that this thread has been on a processor; of the clock on the wall, where Linux does not say.
fn now(start: Instant) -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok());
    nanos.map_or_else(|| start.elapsed().as_secs_f64(), |nanos| nanos * 1e-9)
}

fn measure(rounds: usize) -> Result<(), Box<dyn Error + Send + Sync>> {
    let (rng, begin) = (&mut Rng::new(1), Instant::now());
    let x = Tensor::<f32>::rand(&[BATCH * STEPS, 784], 0.0, 1.0, rng);
    let y = Tensor::from_fn(&[BATCH * STEPS, 1], |_| rng.below(10) as f32);
    let data = Dataset::new(x, y)?;
    let typical = Augment::new(1)
        .images([1, 28, 28])
        .add(RandomTranslation::new(0.1, 0.1))
        .add(RandomRotation::new(10.0))
        .add(HorizontalFlip)
        .with_probability(0.5)
        .add(GaussianNoise::new(0.05));

    println!(
        "microseconds to make a batch of {BATCH} images of 28 x 28, minimum of {rounds} rounds"
    );
    let one =
        |transform: &dyn Fn(Augment) -> Augment| transform(Augment::new(1).images([1, 28, 28]));
    let kinds: [(&str, Option<Augment>); 8] = [
        ("shuffled", None),
        ("shift", Some(one(&|a| a.add(RandomTranslation::new(0.1, 0.1))))),
        ("rotation", Some(one(&|a| a.add(RandomRotation::new(10.0))))),
        ("flip", Some(one(&|a| a.add(HorizontalFlip)))),
        ("noise", Some(one(&|a| a.add(GaussianNoise::new(0.05))))),
        ("perspective", Some(one(&|a| a.add(RandomPerspective::new(0.3))))),
        ("elastic", Some(one(&|a| a.add(ElasticTransform::new(8.0, 3.0))))),
        ("shift, rotation, flip, noise", Some(typical.clone())),
    ];
    for (name, augment) in &kinds {
        let mut best = f64::INFINITY;
        for round in 0..rounds as u64 {
            let mut batches = data.batches(BATCH)?.shuffled(1);
            if let Some(augment) = augment {
                batches = batches.augmented(augment)?;
            }
            let start = now(begin);
            batches.epoch(round).for_each(drop);
            best = best.min((now(begin) - start) * 1e6 / STEPS as f64);
        }
        println!("{name:30}{best:8.1}");
    }

    let mut model = gradus_benches::perceptron(&[784, 512, 256, 10]);
    let mut adam = Adam::new(1e-3);
    let mut step = |batch: &Batch| -> Result<(), Box<dyn Error + Send + Sync>> {
        let tape = Tape::training(0);
        let classes = batch.classes()?;
        let loss = model.forward(tape.constant(batch.x.clone())).cross_entropy(&classes);
        adam.step(&mut model, &loss.backward());
        Ok(())
    };
    // Taken in turn, so that what else the machine does meets all alike.
    let plain = data.batches(BATCH)?;
    let shuffled = plain.shuffled(1).workers(1);
    let ways = [("views of the data", plain), ("shuffled", shuffled)];
    let ways = [&ways[..], &[("augmented", shuffled.augmented(&typical)?)]].concat();
    let mut times = vec![Vec::new(); ways.len()];
    for round in 0..rounds as u64 {
        for (at, (_, batches)) in ways.iter().enumerate() {
            let start = now(begin);
            for batch in batches.epoch(round) {
                step(&batch)?;
            }
            times[at].push((now(begin) - start) * 1e3 / STEPS as f64);
        }
    }
    println!("\n{:30}{:>8}{:>9}{:>14}", "ms a step of `mlp`", "min", "median", "min, ratio");
    times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
    for ((name, _), of) in ways.iter().zip(&times) {
        println!("{name:30}{:8.3}{:9.3}{:14.3}", of[0], of[rounds / 2], of[0] / times[0][0]);
    }
    Ok(())
}
