//! The reference model on real data.

use gradus::prelude::*;

/// Test accuracy that the reference model has to reach on a fixed split.
const ACCURATE: f64 = 0.93;

#[test]
fn the_reference_model_on_breast_cancer() {
    let file =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../data-sets/breast_cancer.csv");
    let data: Dataset = Csv::new().skip_lines(1).no_header().read_path(file).expect("the data set");
    let [mut train, mut val, mut test] =
        data.split([0.6, 0.2, 0.2], Split::stratified(0)).expect("a split");
    let scaler = StandardScaler::fit(&train).expect("a scaler");
    for part in [&mut train, &mut val, &mut test] {
        scaler.apply(part).expect("scaling");
    }
    let dense = |units| Dense::new(units).kernel_regularizer(L2(0.01)).bias_regularizer(L1(0.01));
    let mut model = Sequential::new()
        .add(dense(50).kernel_initializer(HeNormal))
        .add(BatchNorm::new())
        .add(Relu)
        .add(Dropout::new(0.5))
        .add(dense(1).kernel_initializer(GlorotNormal).activation(Sigmoid))
        .build(&[30], 0)
        .expect("a model")
        .compile(Adam::new(1e-2), BinaryCrossentropy::new(), &[&Accuracy::new()]);
    let drop = |epoch: usize, lr: f64| if [5, 10, 15].contains(&epoch) { lr * 0.1 } else { lr };
    let options = Fit::new().epochs(20).batch_size(128).validation(&val).progress(false);
    let options = options.callback(LearningRateScheduler::new(drop));
    let options = options.callback(EarlyStopping::monitor("val_accuracy").patience(5));
    let history = model.fit(&train, options).expect("training");
    let accuracy = model.evaluate(&test).expect("scores").get("accuracy").expect("an accuracy");
    assert!(accuracy >= ACCURATE, "{accuracy}\n{history}");
}
