//! The reference model on real data.
use gradus::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data: Dataset = Csv::new().skip_lines(1).no_header().read_path("data-sets/breast_cancer.csv")?;
    let [mut train, mut val, mut test] = data.split([0.6, 0.2, 0.2], Split::stratified(0))?;
    let scaler = StandardScaler::fit(&train)?;
    for part in [&mut train, &mut val, &mut test] {
        scaler.apply(part)?;
    }

    let dense = |units| Dense::new(units).kernel_regularizer(L2(0.01)).bias_regularizer(L1(0.01));
    let mut model = Sequential::new()
        .add(dense(50).kernel_initializer(HeNormal))
        .add(BatchNorm::new())
        .add(Relu)
        .add(Dropout::new(0.5))
        .add(dense(1).kernel_initializer(GlorotNormal).activation(Sigmoid))
        .build(&[30], 0)?
        .compile(Adam::new(1e-2), BinaryCrossentropy::new(), &[&Accuracy::new()]);

    let drop = |epoch: usize, lr: f64| if [5, 10, 15].contains(&epoch) { lr * 0.1 } else { lr };
    let history = model.fit(
        &train,
        Fit::new()
            .epochs(20)
            .batch_size(128)
            .validation(&val)
            .callback(LearningRateScheduler::new(drop))
            .callback(EarlyStopping::monitor("val_accuracy").patience(5)),
    )?;
    println!("{history}");
    println!("test accuracy {:.3}", model.evaluate(&test)?.get("accuracy").unwrap_or(f64::NAN));
    Ok(())
}
