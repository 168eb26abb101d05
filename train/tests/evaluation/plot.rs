//! A history as a picture, and what is in it.

use gradus_autograd::{Activation::Tanh, Tensor};
use gradus_data::Dataset;
use gradus_nn::losses::MeanSquaredError;
use gradus_nn::{Dense, Sequential};
use gradus_optim::Adam;
use gradus_train::{
    Compile, EarlyStopping, Fit, History, LearningRateScheduler, metrics::MeanAbsoluteError,
};

fn history(epochs: usize, validation: bool, restore: bool) -> History {
    let x: Tensor = Tensor::linspace(-2.0, 2.0, 40).reshape(&[40, 1]);
    let noise = Tensor::from_fn(&[40, 1], |at| ((at[0] * 7919) % 13) as f32 / 20.0);
    let y = Tensor::from_fn(&[40, 1], |at| x.at(at).sin() + noise.at(at));
    let data: Dataset = Dataset::new(x, y).unwrap();
    let [train, held_out] = data.split([0.7, 0.3], gradus_data::Split::shuffled(1)).unwrap();
    let model = Sequential::new().add(Dense::new(16).activation(Tanh)).add(Dense::new(1));
    let mut model = model.build(&[1], 0).unwrap().compile(
        Adam::new(0.03),
        MeanSquaredError,
        &[&MeanAbsoluteError::new()],
    );
    let decay = |epoch: usize, lr: f64| if [15, 30].contains(&epoch) { lr * 0.1 } else { lr };
    let mut fit =
        Fit::new().epochs(epochs).batch_size(8).callback(LearningRateScheduler::new(decay));
    if validation {
        fit = fit.validation(&held_out);
    }
    if restore {
        let stop = EarlyStopping::monitor("val_loss").patience(8).restore_best_weights(true);
        fit = fit.callback(stop);
    }
    model.fit(&train, fit).unwrap()
}

#[test]
fn all_columns_are_there_and_the_kept_epoch_is_marked() {
    let history = history(45, true, true);
    let kept = history.kept_epoch().unwrap();
    assert!(kept < history.epochs().len() - 1, "training was cut short");
    let best = history.column("val_loss").iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(history.column("val_loss")[kept], best);

    let svg = history.to_svg();
    let texts = ["loss", "mean_absolute_error", "learning rate", "epoch, from 0"];
    for text in texts.map(String::from).into_iter().chain([format!("epoch {kept}, kept")]) {
        assert_eq!(svg.matches(&format!(">{text}</text>")).count(), 1, "{text}\n{svg}");
    }
    assert_eq!(svg.matches(">validation</text>").count(), 2);
    assert!(
        svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.matches("<svg").count() == 1
    );

    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("plots/kept.svg");
    history.plot(&path).unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), svg);
}

#[test]
fn an_epoch_that_was_the_last_is_not_marked() {
    let history = history(3, false, false);
    assert_eq!(history.kept_epoch(), Some(2));
    let svg = history.to_svg();
    assert!(!svg.contains("kept") && !svg.contains("validation"), "{svg}");
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("plots/short.svg");
    history.plot(path).unwrap();
}

#[test]
fn no_epochs_and_no_place_are_no_panic() {
    assert!(History::default().to_svg().contains("no points"));
    let error = History::default().plot("").unwrap_err().to_string();
    assert!(error.starts_with("cannot write : "), "{error}");
}
