//! Hyperparameter search: spaces, samplers, schedulers, studies and their files.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use gradus_train::search::*;

mod file;
mod kill;
mod result;
mod sampler;
mod scheduler;
mod space;
mod study;

/// A path of its own for each test.
pub fn scratch(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("gradus-search-{}-{count}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

/// A space with everything in it.
pub fn mixed() -> Space {
    let mut space = Space::new()
        .log_uniform("lr", 1e-4, 1.0)
        .choice("optimizer", ["adam", "sgd"])
        .uniform("momentum", 0.0, 0.99)
        .when("optimizer", ["sgd"])
        .integer("layers", 1, 3);
    for layer in 1..=3 {
        space = space.log_integer(format!("width_{layer}"), 4, 256).when("layers", layer..);
    }
    space
}

/// A smooth function of that space: at its lowest, 0, at lr 0.01, Adam, two layers, widths 32.
pub fn bowl(params: &Params) -> f64 {
    let lr: f64 = params.get("lr").unwrap();
    let momentum: Option<f64> = params.get("momentum").unwrap();
    let layers: i64 = params.get("layers").unwrap();
    let width = |layer: i64| params.get::<f64>(&format!("width_{layer}")).unwrap();
    let widths = (1..=layers).map(|layer| (width(layer) / 32.0).log2().powi(2) / 10.0).sum::<f64>();
    (lr.log10() + 2.0).powi(2)
        + momentum.map_or(0.0, |m| 0.3 + (m - 0.9).powi(2))
        + (layers - 2).pow(2) as f64
        + widths
}

/// A study of that function whose trials report on the way down: 9 steps.
pub fn reporting(trial: &mut Trial<'_>) -> Outcome {
    let end = bowl(trial.params());
    for step in 0..9 {
        trial.report(step, end + 4.0 / (step + 1) as f64)?;
    }
    Ok(end)
}

/// All that must be the same in two studies; not the time.
pub fn facts(found: &StudyResult) -> Vec<String> {
    let fact = |r: &Record| {
        format!("{} {:?} {:?} {:?} {:?}", r.number, r.state, r.params, r.score, r.reports)
    };
    found.trials().iter().map(fact).collect()
}
