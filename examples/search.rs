//! Hyperparameter search: 60 trials on handwritten digits, most of which end early; then the best one is refined by
//! gradients, trained anew and tested on samples that no trial saw.
//!
//! What one learns: a space with conditions, a study on two threads that goes on where it was when it is killed,
//! and what its result has to say.
//!
//! | arguments | what happens |
//! | --- | --- |
//! | | 60 trials, without a file |
//! | `--file study.jsonl` | the same, into a file: stop it at any moment and run it again |
//! | `--charts FOLDER` | where the charts go; by default `target/charts/search` |
//! | `--short` | a few trials |
use std::error::Error;
use std::path::PathBuf;

use gradus::optim::{AdamHyper, Optimizer, Unroll, hypergradient};
use gradus::prelude::*;
use gradus::train::search::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data-sets/digits.csv");
const CHARTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/charts/search");
type Found<T> = Result<T, Box<dyn Error>>;

/// The budget of a trial. Rungs are at 1, 3 and 9 epochs.
const EPOCHS: usize = 27;

fn space() -> Space {
    let mut space = Space::new()
        .log_uniform("lr", 1e-4, 1e-1)
        .uniform("beta1", 0.8, 0.99)
        .log_uniform("weight_decay", 1e-4, 1.0)
        .choice("batch_size", [16, 32, 64, 128])
        .choice("activation", ["relu", "gelu", "tanh"])
        .choice("initializer", ["he", "glorot"])
        .uniform("dropout", 0.0, 0.6)
        .integer("layers", 1, 3);
    for layer in 1..=3 {
        space = space.log_integer(format!("width_{layer}"), 16, 128).when("layers", layer..);
    }
    space
}

/// The model of a trial. Its last layer gives logits.
fn model(params: &Params, seed: u64) -> Found<Sequential> {
    let activation = match params.get("activation")? {
        "relu" => Relu,
        "gelu" => Gelu,
        _ => Tanh,
    };
    let mut model = Sequential::new();
    for layer in 1..=params.get("layers")? {
        let dense = Dense::new(params.get(&format!("width_{layer}"))?).activation(activation);
        model = match params.get("initializer")? {
            "he" => model.add(dense.kernel_initializer(HeNormal)),
            _ => model.add(dense.kernel_initializer(GlorotNormal)),
        };
        model = model.add(Dropout::new(params.get("dropout")?));
    }
    Ok(model.add(Dense::new(10)).build(&[64], seed)?)
}

fn optimizer(params: &Params) -> Found<Optimizer<AdamHyper>> {
    let adam = AdamW::new(params.get("lr")?).betas(params.get("beta1")?, 0.999);
    Ok(adam.weight_decay(params.get("weight_decay")?))
}

fn fit(params: &Params) -> Found<Fit<'static>> {
    Ok(Fit::new().batch_size(params.get("batch_size")?).progress(false))
}

/// The best model: trained again, with an optimiser of its own, and tested.
fn test(
    params: &Params,
    adam: Optimizer<AdamHyper>,
    train: &Dataset,
    test: &Dataset,
) -> Found<f64> {
    let model = model(params, 1)?;
    let mut model = model.compile(adam, SparseCategoricalCrossentropy, &[&Accuracy::new()]);
    model.fit(train, fit(params)?.epochs(EPOCHS))?;
    Ok(model.evaluate(test)?.get("accuracy").ok_or("no accuracy")?)
}

fn main() -> Found<()> {
    let (mut short, mut file, mut charts) = (false, None, PathBuf::from(CHARTS));
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.size_hint().0) {
            ("--short", _) => short = true,
            ("--file", 1..) => file = args.next(),
            ("--charts", 1..) => charts = args.next().unwrap_or_default().into(),
            _ => return Err("usage: search [--short] [--file FILE] [--charts FOLDER]".into()),
        }
    }
    let data: Dataset = Csv::new().no_header().read_path(DATA)?;
    let data = data.with_x(data.x().map(|pixel| pixel / 16.0))?;
    let [train, val, held_out] = data.split([0.6, 0.2, 0.2], Split::stratified(0))?;

    let mut study = Study::maximize(space())
        .sampler(Tpe::new())
        .scheduler(Asha::new(EPOCHS as u64))
        .trials(if short { 12 } else { 60 })
        .threads(2)
        .seed(0);
    if let Some(file) = file {
        study = study.file(file);
    }
    let found = study.run(|trial| {
        let params = trial.params();
        let (model, adam, fit) = (model(params, 1)?, optimizer(params)?, fit(params)?);
        let mut model = model.compile(adam, SparseCategoricalCrossentropy, &[&Accuracy::new()]);
        let fit = fit.epochs(EPOCHS).validation(&val).callback(trial.callback("val_accuracy"));
        let history = model.fit(&train, fit)?;
        Ok(history.last().and_then(|epoch| epoch.get("val_accuracy")).ok_or("no accuracy")?)
    })?;
    println!("{found}\n");
    found.save_charts(&charts)?;
    let best = found.best();
    let (spent, whole) = (found.steps(), found.trials().len() * EPOCHS);
    println!("charts: {}", charts.display());
    println!("epochs: {spent} instead of {whole}");
    println!("best: trial {}: {}", best.number, best.params);

    // The same training, as an operation: the learning rate, momentum and decay of the best trial, moved down the
    // validation loss by its derivative through all of its steps.
    let start = model(&best.params, 1)?;
    let batches = train.batches(best.params.get("batch_size")?)?.shuffled(0);
    let (epochs, rounds) = if short { (1, 2) } else { (EPOCHS, 10) };
    let batches = (0..epochs).flat_map(|epoch| batches.epoch(epoch as u64));
    let batches = batches.map(|batch| Ok((batch.x.clone(), batch.classes()?)));
    let batches: Vec<(Tensor, Tensor<i64>)> = batches.collect::<Result<_, DataError>>()?;
    let (adam, classes) = (optimizer(&best.params)?, val.classes()?);
    let refined = found.refine(&["lr", "beta1", "weight_decay"], rounds, |knobs| {
        hypergradient(
            knobs,
            &start,
            Unroll::steps(batches.len()).checkpointed(),
            |tape, _| {
                let adam = adam.unrolled(tape).with(|a| &mut a.lr, knobs.var("lr", tape));
                let adam = adam.with(|a| &mut a.beta1, knobs.var("beta1", tape));
                adam.with(|a| &mut a.weight_decay, knobs.var("weight_decay", tape))
            },
            |tape, step| {
                let (x, y) = &batches[step];
                start.forward(tape.constant(x.clone())).cross_entropy(y)
            },
            |tape| start.forward(tape.constant(val.x().clone())).cross_entropy(&classes),
        )
    })?;
    println!("\nrefined by {rounds} hypergradients through {} steps:", batches.len());
    for (name, value) in &refined.values {
        println!("{name:>12} {:.3e} -> {value:.3e}", best.params.get::<f64>(name)?);
    }
    println!("validation loss {:.4} -> {:.4}", refined.before, refined.after);

    let knob = |name| refined.get(name).unwrap_or(f64::NAN);
    let finer = AdamW::new(knob("lr")).betas(knob("beta1"), 0.999);
    let finer = finer.weight_decay(knob("weight_decay"));
    let finer = test(&best.params, finer, &train, &held_out)?;
    let first = test(&best.params, adam, &train, &held_out)?;
    let note = if short { "(a moment of searching only) " } else { "" };
    println!(
        "\n{note}test accuracy of the best of {} trials, on {} samples that none of them saw: {first:.4}; \
         refined {finer:.4}",
        found.trials().len(),
        held_out.len()
    );
    Ok(())
}
