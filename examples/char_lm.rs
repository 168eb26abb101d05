//! What letter comes next: a small Transformer and an LSTM against counts of letters.
//!
//! What one learns: embeddings, layers that must not see what comes later, a loop with batches of one's own, and what an
//! honest baseline is. Bits a character say how well a model foretells the text: with b bits, it hesitates between 2^b
//! letters.
//!
//! | arguments | what happens |
//! | --- | --- |
//! | | reads the documentation of this project |
//! | `PATH` | reads this text; a megabyte or more shows what the networks are good for |
//! | `--short` | trains for some steps only |
use std::collections::{BTreeMap, HashMap};
use std::error::Error;

use gradus::autograd::{Activation::Gelu, Rng};
use gradus::nn::{Embedding, LayerNorm, Lstm, PositionalEncoding, TransformerEncoderLayer};
use gradus::optim::Clip;
use gradus::prelude::*;

/// Letters that a network looks at.
const WINDOW: usize = 64;
const BATCH: usize = 32;
/// Letters that are seen less often are one and the same.
const RARE: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut path, mut steps) = (None, 1500);
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "--short" => steps = 30,
            flag if flag.starts_with('-') => return Err("usage: char_lm [PATH] [--short]".into()),
            file => path = Some(file.to_owned()),
        }
    }
    let text = match path {
        Some(path) => std::fs::read_to_string(&path).map_err(|why| format!("{path}: {why}"))?,
        None => documentation()?,
    };
    let (letters, vocabulary) = encode(&text);
    if letters.len() < 100 * WINDOW {
        return Err(format!("{} letters are too few to learn from", letters.len()).into());
    }
    let (train, test) = letters.split_at(letters.len() / 10 * 9);
    let size = vocabulary.len();
    println!(
        "{} letters to learn from, {} to foretell, {size} different ones\n",
        train.len(),
        test.len()
    );

    let counts = Counts::of(train, size);
    let (order, baseline) = (1..=6)
        .map(|order| (order, counts.bits(order, test)))
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .ok_or("no orders")?;

    let lstm = Sequential::new()
        .add(Embedding::new(size, 64))
        .add(Lstm::new(160).return_sequences(true))
        .add(Dropout::new(0.2))
        .add(Dense::new(size))
        .build(&[WINDOW], 1)?;
    let block = || TransformerEncoderLayer::new(96, 4).feed_forward(384).activation(Gelu).causal();
    let transformer = Sequential::new()
        .add(Embedding::new(size, 96))
        .add(PositionalEncoding::learned(WINDOW))
        .add(block().pre_norm())
        .add(block().pre_norm())
        .add(LayerNorm::new())
        .add(Dense::new(size))
        .build(&[WINDOW], 1)?;
    let mut bits = vec![];
    for (name, mut model, rate) in [("LSTM", lstm, 4e-3), ("Transformer", transformer, 2e-3)] {
        println!("{name}");
        fit(&mut model, train, test, rate, steps);
        println!("  it writes: {:?}\n", write(&model, &test[..WINDOW], &vocabulary));
        bits.push(format!("{name} {:.3}", bits_of(&model, test)));
    }
    println!("bits a character: {}, counts of {order} letters {baseline:.3}", bits.join(", "));
    Ok(())
}

/// The texts of this project, one after the other.
fn documentation() -> Result<String, Box<dyn Error>> {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut files: Vec<_> = std::fs::read_dir(format!("{root}/docs"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "md"));
    files.extend(
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]
            .map(|name| format!("{root}/{name}").into()),
    );
    files.sort();
    Ok(files.iter().map(std::fs::read_to_string).collect::<Result<Vec<_>, _>>()?.concat())
}

/// The text in numbers, and what these stand for; the first one for all that is rare.
fn encode(text: &str) -> (Vec<usize>, Vec<char>) {
    let mut seen: BTreeMap<char, usize> = BTreeMap::new();
    text.chars().for_each(|c| *seen.entry(c).or_default() += 1);
    let frequent = seen.into_iter().filter(|(_, count)| *count >= RARE).map(|(c, _)| c);
    let vocabulary: Vec<char> = std::iter::once('\u{fffd}').chain(frequent).collect();
    let numbers: HashMap<char, usize> = vocabulary.iter().copied().zip(0..).collect();
    (text.chars().map(|c| numbers.get(&c).copied().unwrap_or(0)).collect(), vocabulary)
}

/// Windows that begin at the given places, and the letters that follow each of their letters.
fn windows(text: &[usize], places: &[usize]) -> (Tensor, Tensor<i64>) {
    let part = |at: &usize, shift: usize| text[at + shift..][..WINDOW].to_vec();
    let all = |shift| places.iter().flat_map(move |at| part(at, shift)).collect::<Vec<_>>();
    let x: Vec<f32> = all(0).into_iter().map(|letter| letter as f32).collect();
    let y: Vec<i64> = all(1).into_iter().map(|letter| letter as i64).collect();
    (Tensor::new(&[places.len(), WINDOW], x), Tensor::from(y))
}

/// Trains on windows from anywhere; the rate falls to 0.
fn fit(model: &mut Sequential, train: &[usize], test: &[usize], rate: f64, steps: usize) {
    let mut rng = Rng::new(1);
    let mut adam = AdamW::new(rate).clip(Clip::GlobalNorm(1.0));
    for step in 0..steps {
        let places: Vec<usize> = (0..BATCH).map(|_| rng.below(train.len() - WINDOW)).collect();
        let (x, y) = windows(train, &places);
        let tape = Tape::training(step as u64);
        let logits = model.forward(tape.constant(x));
        let loss = logits.reshape(&[BATCH * WINDOW, logits.shape()[2]]).cross_entropy(&y);
        let warm_up = (step as f64 / 50.0).min(1.0);
        adam.set_lr(rate * warm_up * (1.0 - step as f64 / steps as f64));
        adam.step(model, &loss.backward());
        if (step + 1) % steps.div_ceil(3) == 0 || step + 1 == steps {
            let (seen, new) = (loss.item() / std::f32::consts::LN_2, bits_of(model, test));
            println!("  step {:>5}: {seen:.3} bits in training, {new:.3} in the test", step + 1);
        }
    }
}

/// Bits a character, each of which is foretold from at least half a window.
fn bits_of(model: &Sequential, text: &[usize]) -> f64 {
    let places: Vec<usize> = (0..text.len() - WINDOW).step_by(WINDOW / 2).collect();
    let (mut bits, mut count) = (0.0, 0);
    for places in places.chunks(BATCH) {
        let (x, y) = windows(text, places);
        let tape = Tape::inference();
        let logs = model.forward(tape.constant(x)).log_softmax(-1);
        let size = logs.shape()[2];
        let right = logs.reshape(&[y.len(), size]).gather(1, &y.reshape(&[y.len(), 1])).value();
        for window in right.to_vec().chunks(WINDOW) {
            bits -= window[WINDOW / 2..].iter().map(|x| f64::from(*x)).sum::<f64>();
            count += WINDOW / 2;
        }
    }
    bits / std::f64::consts::LN_2 / f64::from(count as u32)
}

/// What follows, always the likeliest but for a little chance.
fn write(model: &Sequential, start: &[usize], vocabulary: &[char]) -> String {
    let (mut text, mut rng) = (start.to_vec(), Rng::new(1));
    for _ in 0..60 {
        let (x, _) = windows(&[&text[text.len() - WINDOW..], &[0]].concat(), &[0]);
        let tape = Tape::inference();
        let logits = model.forward(tape.constant(x)).slice(1, WINDOW - 1..WINDOW);
        let likely = (logits * 2.0).softmax(-1).value().to_vec();
        let mut left = rng.uniform() as f32;
        let chosen = likely.iter().position(|p| {
            left -= p;
            left < 0.0
        });
        text.push(chosen.unwrap_or(0));
    }
    text[WINDOW..].iter().map(|&letter| vocabulary[letter]).collect()
}

/// How often each letter follows the letters before it.
struct Counts<'a> {
    size: usize,
    after: HashMap<&'a [usize], HashMap<usize, usize>>,
}

impl<'a> Counts<'a> {
    const LONGEST: usize = 6;

    fn of(text: &'a [usize], size: usize) -> Self {
        let mut after: HashMap<&[usize], HashMap<usize, usize>> = HashMap::new();
        for at in 0..text.len() {
            for length in 0..=Self::LONGEST.min(at) {
                *after.entry(&text[at - length..at]).or_default().entry(text[at]).or_default() += 1;
            }
        }
        Counts { size, after }
    }

    /// Witten and Bell 1991: what has been seen weighs its count, what has not the number of different letters seen.
    fn likelihood(&self, before: &[usize], letter: usize) -> f64 {
        let shorter = match before {
            [] => 1.0 / self.size as f64,
            [_, rest @ ..] => self.likelihood(rest, letter),
        };
        let Some(seen) = self.after.get(before) else { return shorter };
        let (total, kinds) = (seen.values().sum::<usize>() as f64, seen.len() as f64);
        (seen.get(&letter).copied().unwrap_or(0) as f64 + kinds * shorter) / (total + kinds)
    }

    /// Bits a character from so many letters before it.
    fn bits(&self, order: usize, text: &[usize]) -> f64 {
        let bits = |at: usize| -self.likelihood(&text[at - order..at], text[at]).log2();
        (order..text.len()).map(bits).sum::<f64>() / (text.len() - order) as f64
    }
}
