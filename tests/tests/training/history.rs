//! The history as a table.

use gradus::prelude::*;

use super::{dataset, quiet};

#[test]
fn a_history_of_no_epochs() {
    let history = History::default();
    assert!(
        history.epochs().is_empty()
            && history.last().is_none()
            && history.column("loss").is_empty()
    );
    assert_eq!(history.to_string(), "no epochs");
    assert_eq!(history.to_csv(), "epoch\n");
}

/// Values that are exact in binary, so that the texts are.
#[test]
fn a_history_as_table_and_as_csv() {
    let data = dataset(Tensor::zeros(&[2, 2]), Tensor::from([[1.0], [0.0]]));
    let model = Dense::new(1).inputs(2).init(1).compile(
        Sgd::new(0.5),
        MeanSquaredError,
        &[&Accuracy::new()],
    );
    let mut model = model;
    let options = quiet().epochs(2).batch_size(2).validation(&data);
    let drop = |epoch: usize, lr: f64| if epoch == 1 { lr / 4.0 } else { lr };
    let history =
        model.fit(&data, options.callback(LearningRateScheduler::new(drop))).expect("training");
    // b: 0 → ½ in one step, where the gradient is 0; ½ is not above the threshold.
    let table = "\
epoch      loss  accuracy  val_loss  val_accuracy        lr
    0    0.5000    0.5000    0.2500        0.5000    5.0e-1
    1    0.2500    0.5000    0.2500        0.5000    1.2e-1";
    assert_eq!(history.to_string(), table);
    let csv = "\
epoch,loss,accuracy,val_loss,val_accuracy,lr
0,0.5,0.5,0.25,0.5,0.5
1,0.25,0.5,0.25,0.5,0.125
";
    assert_eq!(history.to_csv(), csv);
    assert_eq!(history.last().map(ToString::to_string).as_deref(), Some(LAST));
    assert_eq!(history.last().and_then(|row| row.get("nothing")), None);
    assert!(history.column("nothing").is_empty());
}

const LAST: &str = "loss 0.2500  accuracy 0.5000  val_loss 0.2500  val_accuracy 0.5000  lr 0.1250";
