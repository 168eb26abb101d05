//! How good is a model, and how sure is that? The reference model in stratified 10-fold cross-validation on two
//! small sets: whether a tumour is benign, and which grower a wine is of.
//!
//! What one learns: `cross_validate`, with a scaler that is fitted within each fold; the averaged validation loss; a
//! report for a person to look at, in `target/cross_validation`.
//!
//! | arguments | what happens |
//! | --- | --- |
//! | | trains 20 models |
//! | `--short` | trains 6 models for a few epochs |
use std::error::Error;

use gradus::prelude::*;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

fn main() -> Result<(), Box<dyn Error>> {
    let short = match std::env::args().skip(1).collect::<Vec<_>>().join(" ").as_str() {
        "" => false,
        "--short" => true,
        _ => return Err("usage: cross_validation [--short]".into()),
    };
    let (folds, epochs) = if short { (3, 6) } else { (10, 40) };
    let mut results = Vec::new();
    for (name, batch) in [("breast_cancer", 128), ("wine_data", 32)] {
        let path = format!("{HERE}/data-sets/{name}.csv");
        let data: Dataset = Csv::new().skip_lines(1).no_header().read_path(path)?;
        let scores = cross_validate(
            |fold| Ok((reference(fold.train, fold.seed)?, options(epochs, batch, fold.seed))),
            &data,
            KFold::new(folds).stratified().shuffled(0),
        )
        .preprocess(StandardScaler::fit)
        .run()?;

        let history = scores.history();
        let val_loss = history.column("val_loss");
        let best = (0..val_loss.len()).min_by(|&a, &b| val_loss[a].total_cmp(&val_loss[b]));
        let best = best.ok_or("no epochs")?;
        println!("{name}: {} samples\n{scores}", data.len());
        println!("averaged validation loss: least, {:.4}, in epoch {best}\n", val_loss[best]);

        let (rows, outputs) = scores.out_of_fold();
        let place = format!("{HERE}/target/cross_validation/{name}");
        history.plot(format!("{place}.svg"))?;
        Report::new(format!("The reference model on {name}"))
            .seed(0)
            .setting("folds", folds)
            .setting("epochs", epochs)
            .setting("batch size", batch)
            .cross_validation(&scores)
            .classification(&outputs, &data.subset(&rows)?)
            .write(format!("{place}.html"))?;
        results.push(format!("{name} {}", scores.get("accuracy").ok_or("no accuracy")?));
    }
    println!("accuracy over {folds} folds: {}", results.join(", "));
    Ok(())
}

/// The reference model of `breast_cancer.rs`; with more than two classes it ends in their logits.
fn reference(
    data: &Dataset,
    seed: u64,
) -> Result<Trainer<Sequential>, Box<dyn Error + Send + Sync>> {
    let classes = 1 + data.classes()?.to_vec().into_iter().max().unwrap_or(0) as usize;
    let dense = |units| Dense::new(units).kernel_regularizer(L2(0.01)).bias_regularizer(L1(0.01));
    let body = Sequential::new()
        .add(dense(50).kernel_initializer(HeNormal))
        .add(BatchNorm::new())
        .add(Relu)
        .add(Dropout::new(0.5));
    let (head, adam, features) = (GlorotNormal, Adam::new(1e-2), &data.x().shape()[1..]);
    Ok(match classes {
        2 => body
            .add(dense(1).kernel_initializer(head).activation(Sigmoid))
            .build(features, seed)?
            .compile(adam, BinaryCrossentropy::new(), &[&Accuracy::new()]),
        _ => body.add(dense(classes).kernel_initializer(head)).build(features, seed)?.compile(
            adam,
            SparseCategoricalCrossentropy,
            &[&Accuracy::new()],
        ),
    })
}

fn options(epochs: usize, batch: usize, seed: u64) -> Fit<'static> {
    let drop = |epoch: usize, lr: f64| if [5, 10, 15].contains(&epoch) { lr * 0.1 } else { lr };
    Fit::new()
        .epochs(epochs)
        .batch_size(batch)
        .drop_last(true) // 513 samples would leave a batch of 1, of which batch norm knows no variance
        .seed(seed)
        .callback(LearningRateScheduler::new(drop))
        .callback(EarlyStopping::monitor("val_loss").patience(5))
}
