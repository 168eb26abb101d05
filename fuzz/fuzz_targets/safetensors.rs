//! Weights as safetensors: what is read can be written, and is read again as the same.
#![no_main]

use std::fs;

use gradus_train::{Weights, load_safetensors, save_safetensors};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("gradus-fuzz-{}.safetensors", std::process::id()));
    fs::write(&path, bytes).expect("a file for temporary use");
    let _ = Weights::<f32>::load(&path);
    if let Ok(tensors) = load_safetensors(&path) {
        save_safetensors(&path, &tensors).expect("what was read is written");
        let first = fs::read(&path).expect("what was written");
        let again = load_safetensors(&path).expect("what was written is read");
        save_safetensors(&path, &again).expect("what was read is written");
        assert!(first == fs::read(&path).expect("what was written"));
    }
});
