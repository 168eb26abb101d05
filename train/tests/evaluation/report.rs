//! Pages that stand alone, whatever is in them; and the whole way from folds to a page.

use std::path::PathBuf;

use gradus_autograd::{Activation::Relu, Activation::Tanh, Tensor};
use gradus_data::{Csv, Dataset, KFold, Preprocess, Split, StandardScaler};
use gradus_nn::losses::{BinaryCrossentropy, MeanSquaredError, SparseCategoricalCrossentropy};
use gradus_nn::{BatchNorm, Dense, Dropout, Sequential};
use gradus_optim::Adam;
use gradus_train::{
    Accuracy, Compile, EarlyStopping, Fit, LearningRateScheduler, Report, Trainer, cross_validate,
};

fn place(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("reports").join(name)
}

fn read(name: &str) -> Dataset {
    let path = format!("{}/../data-sets/{name}.csv", env!("CARGO_MANIFEST_DIR"));
    Csv::new().skip_lines(1).no_header().read_path(path).unwrap()
}

/// Panics at what is not well-formed, or would be fetched or run.
fn check(html: &str) {
    let lower = html.to_lowercase();
    for never in ["<script", "javascript:", "href=", "@import", "url(", "<link", "onerror"] {
        assert!(!lower.contains(never), "{never}");
    }
    assert_eq!(lower.matches("src=").count(), lower.matches("src=\"data:image/").count());
    assert_eq!(lower.matches("http").count(), lower.matches("xmlns=\"http://www.w3.org/").count());
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html.strip_prefix("<!DOCTYPE html>\n").expect("a document type");
    while let Some(at) = rest.find('<') {
        let (tag, after) = rest[at + 1..].split_once('>').expect("a tag ends");
        rest = after;
        let name = tag.split([' ', '/']).next().unwrap();
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "closed in order"),
            None if tag.ends_with('/') || ["meta", "img"].contains(&name) => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
    assert!(!html.contains("NaN\"") && !html.contains("NaN "), "a number is missing");
}

#[test]
fn folds_and_a_test_part_on_a_page() {
    let data = read("breast_cancer");
    let [rest, test] = data.split([0.8, 0.2], Split::stratified(0)).unwrap();
    let build = |seed: u64| -> Result<Trainer<Sequential>, gradus_nn::BuildError> {
        let model = Sequential::new()
            .add(Dense::new(16))
            .add(BatchNorm::new())
            .add(Relu)
            .add(Dropout::new(0.5))
            .add(Dense::new(1))
            .build(&[30], seed)?;
        Ok(model.compile(
            Adam::new(0.01),
            BinaryCrossentropy::from_logits(),
            &[&Accuracy::from_logits()],
        ))
    };
    let decay = |epoch: usize, lr: f64| if epoch == 5 { lr * 0.1 } else { lr };
    let fit = |seed: u64| {
        let stop = EarlyStopping::monitor("val_loss").patience(3).restore_best_weights(true);
        let fit = Fit::new().epochs(12).batch_size(64).drop_last(true).seed(seed);
        fit.callback(LearningRateScheduler::new(decay)).callback(stop)
    };
    let folds = cross_validate(
        |fold| Ok((build(fold.seed)?, fit(fold.seed))),
        &rest,
        KFold::new(5).stratified().shuffled(0),
    );
    let folds = folds.preprocess(StandardScaler::fit).run().unwrap();
    let accuracy = folds.get("accuracy").unwrap();
    assert!(accuracy.mean > 0.93 && accuracy.std < 0.05, "{folds}");

    let scaler = StandardScaler::fit(&rest).unwrap();
    let (mut scaled, mut judged) = (rest.clone(), test.clone());
    scaler.apply(&mut scaled).unwrap();
    scaler.apply(&mut judged).unwrap();
    let mut model = build(0).unwrap();
    let history = model.fit(&scaled, fit(0).validation_fraction(0.2)).unwrap();
    let report = Report::new("Tumours & <others>")
        .seed(0)
        .setting("learning rate", 0.01)
        .setting("\"quoted\" <setting>", "a & b")
        .scores("training", &model.evaluate(&scaled).unwrap())
        .scores("test", &model.evaluate(&judged).unwrap())
        .history(&history)
        .classification(&model.predict(judged.x()).unwrap(), &test)
        .cross_validation(&folds)
        .model(&model.model);
    let html = report.to_html();
    check(&html);
    assert_eq!(html, report.to_html());
    for text in [
        "<title>Tumours &amp; &lt;others&gt;</title>",
        "&quot;quoted&quot; &lt;setting&gt;",
        "taken for logits",
        ">1: area 0.9",
        "batch_norm",
        "<th>p(true)</th>",
        "mean                   ",
    ] {
        assert!(html.contains(text), "{text}");
    }
    assert_eq!(html.matches("<svg ").count(), 3);
    report.write(place("binary.html")).unwrap();
    assert_eq!(std::fs::read_to_string(place("binary.html")).unwrap(), html);
}

#[test]
fn several_classes_have_a_curve_each() {
    let data = read("iris");
    let [mut train, test] = data.split([0.6, 0.4], Split::stratified(3)).unwrap();
    let (scaler, mut judged) = (StandardScaler::fit(&train).unwrap(), test.clone());
    scaler.apply(&mut train).unwrap();
    scaler.apply(&mut judged).unwrap();
    let model = Sequential::new().add(Dense::new(8).activation(Tanh)).add(Dense::new(3));
    let mut model = model.build(&[4], 0).unwrap().compile(
        Adam::new(0.02),
        SparseCategoricalCrossentropy,
        &[&Accuracy::new()],
    );
    let history = model.fit(&train, Fit::new().epochs(30)).unwrap();
    let report = Report::new("Irises")
        .history(&history)
        .classification(&model.predict(judged.x()).unwrap(), &test)
        .model(&model.model);
    let html = report.to_html();
    check(&html);
    for class in 0..3 {
        assert!(
            html.contains(&format!(">{class}: area 0.9"))
                || html.contains(&format!(">{class}: area 1"))
        );
    }
    report.write(place("classes.html")).unwrap();
}

#[test]
fn a_regression_has_residuals() {
    let x: Tensor = Tensor::linspace(-3.0, 3.0, 120).reshape(&[120, 1]);
    let noise = |at: &[usize]| ((at[0] * 7919) % 101) as f32 / 200.0;
    let data = Dataset::new(x.clone(), Tensor::from_fn(&[120, 1], |at| x.at(at).sin() + noise(at)));
    let data = data.unwrap();
    let model = Sequential::new().add(Dense::new(16).activation(Tanh)).add(Dense::new(1));
    let mut model = model.build(&[1], 0).unwrap().compile(Adam::new(0.02), MeanSquaredError, &[]);
    let history = model.fit(&data, Fit::new().epochs(60)).unwrap();
    let report = Report::new("A noisy sine")
        .history(&history)
        .regression(&model.predict(data.x()).unwrap(), &data)
        .text("Notes", "a < b\n  & indented");
    let html = report.to_html();
    check(&html);
    assert!(html.contains("<pre>a &lt; b\n  &amp; indented</pre>"));
    assert_eq!(html.matches("<svg ").count(), 3);
    report.write(place("regression.html")).unwrap();
}

#[test]
fn what_is_not_finite_or_missing_makes_a_page_all_the_same() {
    let x: Tensor = Tensor::from_fn(&[4, 2], |at| at[0] as f32);
    let one_class = Dataset::new(x.clone(), Tensor::full(&[4, 1], 0.0)).unwrap();
    let html = Report::new("")
        .classification(&Tensor::from([[0.1], [f32::NAN], [0.7], [0.2]]), &one_class)
        .regression(&Tensor::from([[0.1], [f32::NAN], [f32::INFINITY], [0.2]]), &one_class)
        .history(&Default::default())
        .to_html();
    assert!(html.contains("in none or all of the samples"));
    // The one that is no number is the worst, in either table.
    let first = "<tr><th scope=\"row\">1</th><td>";
    for table in html.split("<h2>Worst predictions</h2>").skip(1) {
        let rows = table.find("<tr><th scope").unwrap();
        assert!(table[rows..].starts_with(first), "{table}");
    }

    let many = Dataset::new(x, Tensor::from([[0.0], [17.0], [39.0], [39.0]])).unwrap();
    let outputs = Tensor::from_fn(&[4, 40], |at| if at[1] == 17 { 5.0 } else { 0.0 });
    let html = Report::new("").classification(&outputs, &many).to_html();
    check(&html);
    assert!(html.contains("<th scope=\"row\">39</th><td>17</td><td>2</td>"), "{html}");
}

#[test]
fn images_are_shown_as_pictures() {
    let pixel = |at: &[usize]| match (at[0] + at[2] + at[3]) % 4 {
        0 => 1.0,
        _ => at[3] as f32 / 20.0,
    };
    let x: Tensor = Tensor::from_fn(&[5, 1, 8, 10], pixel);
    let data = Dataset::new(x, Tensor::from([0.0, 1.0, 0.0, 1.0, 1.0])).unwrap();
    let outputs = Tensor::from([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3], [0.8, 0.2], [0.0, 1.0]]);
    let report = Report::new("Images").classification(&outputs, &data);
    let html = report.to_html();
    check(&html);
    assert_eq!(html.matches("<img alt=\"sample ").count(), 5);
    let first = html.find("<img").unwrap();
    assert!(html[first..].starts_with("<img alt=\"sample 3\" width=\"60\" height=\"48\""));
    report.write(place("images.html")).unwrap();
}

#[test]
#[should_panic(expected = "report: predictions [3, 1] and targets [4, 1] do not fit each other")]
fn predictions_of_other_samples_are_refused() {
    let x: Tensor = Tensor::from_fn(&[4, 1], |at| at[0] as f32);
    let data = Dataset::new(x.clone(), x).unwrap();
    let _ = Report::new("").regression(&Tensor::full(&[3, 1], 0.0), &data);
}
