//! A training loop of your own, in ten lines.
//!
//! What one learns: what `fit` does inside. A tape a step, a forward pass, `backward`, and an
//! optimiser's `step`; whatever you need between them goes between them.
use gradus::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data-sets/wine_data.csv");
    let data: Dataset = Csv::new().skip_lines(1).no_header().read_path(path)?;
    let [mut train, mut test] = data.split([0.7, 0.3], Split::stratified(0))?;
    let scaler = StandardScaler::fit(&train)?;
    scaler.apply(&mut train)?;
    scaler.apply(&mut test)?;

    let mut model = Sequential::new()
        .add(Dense::new(16).activation(Relu))
        .add(Dropout::new(0.2))
        .add(Dense::new(3))
        .build(&[13], 1)?;
    let mut adam = Adam::new(1e-2);

    let batches = train.batches(16)?.shuffled(1);
    println!("epoch    loss of the last batch");
    for epoch in 0..20 {
        for (number, batch) in batches.epoch(epoch).enumerate() {
            let tape = Tape::training(epoch << 32 | number as u64);
            let logits = model.forward(tape.constant(batch.x.clone()));
            let loss = logits.cross_entropy(&batch.classes()?);
            adam.step(&mut model, &loss.backward());
            if epoch % 4 == 3 && number + 1 == batches.len() {
                println!("{epoch:>5}    {:.4}", loss.item());
            }
        }
    }

    let tape = Tape::inference();
    let predicted = model.forward(tape.constant(test.x().clone())).value().argmax_rows().to_vec();
    let right = predicted.iter().zip(test.classes()?.to_vec()).filter(|(a, b)| **a == *b).count();
    println!("\ntest accuracy {:.3}", right as f64 / test.len() as f64);
    Ok(())
}
