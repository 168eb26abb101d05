//! All layers and losses. What is public and stands in no table here fails a test.

mod layers;
mod losses;

use std::path::Path;

use gradus_autograd::{Rng, Tensor};

fn t(shape: &[usize], seed: u64) -> Tensor<f64> {
    Tensor::rand(shape, -1.0, 1.0, &mut Rng::new(seed))
}

/// All files of the crate, one after the other.
fn sources() -> String {
    fn of(folder: &Path, text: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => of(&path, text),
                false => text.push_str(&std::fs::read_to_string(path).unwrap()),
            }
        }
    }
    let mut text = String::new();
    of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut text);
    text
}

/// What the panic says that `f` ends in, if it does.
fn panic_of(f: impl FnOnce() + std::panic::UnwindSafe) -> Option<String> {
    let payload = std::panic::catch_unwind(f).err()?;
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
}
