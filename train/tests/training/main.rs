//! Metrics, callbacks, weights and backups of a training run.

use std::path::Path;

use gradus_autograd::Tensor;
use serde_json::Value;

mod metrics;

/// 64-bit numbers that were worked out in another order.
pub const F64: f64 = 1e-12;

/// A golden table: of this crate, or of the whole project.
pub fn golden(name: &str) -> Value {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = [own.join("tests/golden"), own.join("../tests/golden")];
    let text = places.iter().find_map(|place| std::fs::read_to_string(place.join(name)).ok());
    serde_json::from_str(&text.unwrap_or_else(|| panic!("no table {name}"))).unwrap()
}

/// A list of numbers.
pub fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// `{shape, data}`
pub fn tensor(value: &Value) -> Tensor<f64> {
    let shape: Vec<usize> = list(&value["shape"]).into_iter().map(|n| n as usize).collect();
    Tensor::new(&shape, list(&value["data"]))
}

/// Close, relative to max(1, |expected|); NaN to NaN.
#[track_caller]
pub fn assert_close(what: &str, found: f64, expected: f64, tolerance: f64) {
    let close = (found - expected).abs() <= tolerance * expected.abs().max(1.0);
    assert!(close || (found.is_nan() && expected.is_nan()), "{what}: {found} is not {expected}");
}
