//! Metrics, callbacks, weights and backups of a training run.

use std::ffi::OsString;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use gradus_autograd::Tensor;
use serde_json::Value;

#[cfg(feature = "weights")]
mod backup;
mod callbacks;
mod event_files;
#[cfg(feature = "weights")]
mod files;
mod metrics;
#[cfg(feature = "weights")]
mod pytorch;
mod weighting;

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

/// A folder of a test, new and empty; gone with it.
pub struct Folder(PathBuf, bool);

impl Folder {
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("gradus-{name}-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path, true)
    }
    /// One that another process owns.
    pub fn at(path: OsString) -> Self {
        Folder(path.into(), false)
    }
}

impl Deref for Folder {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.1 {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }
}
