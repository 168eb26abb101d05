//! Weights as safetensors files: what goes out comes in, and what is wrong is told and changes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use gradus_autograd::{Element, Module, Param, Rng, Tensor};
use gradus_optim::{Entry, StateDict, StateError};
use gradus_train::{TrainError, Weights, load_safetensors, save_safetensors};
use serde_json::Value;

use super::Folder;

fn read(file: &str) -> Result<StateDict, TrainError> {
    load_safetensors(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file))
}

/// The bits of what an entry should hold.
fn expected(entry: &Value) -> Vec<u64> {
    let of = |x: &Value| match (entry["dtype"].as_str().unwrap(), x) {
        ("float32", Value::String(text)) => u64::from(text.parse::<f32>().unwrap().to_bits()),
        ("float32", x) => u64::from((x.as_f64().unwrap() as f32).to_bits()),
        ("float64", Value::String(text)) => text.parse::<f64>().unwrap().to_bits(),
        ("float64", x) => x.as_f64().unwrap().to_bits(),
        ("int64", x) => x.as_i64().unwrap().cast_unsigned(),
        (other, _) => panic!("no numbers of {other} expected"),
    };
    entry["data"].as_array().unwrap().iter().map(of).collect()
}

fn found(entry: &Entry) -> Vec<u64> {
    fn bits<T: Element>(x: &Tensor<T>, of: fn(T) -> u64) -> Vec<u64> {
        x.to_vec().into_iter().map(of).collect()
    }
    match entry {
        Entry::F32(x) => bits(x, |x| u64::from(x.to_bits())),
        Entry::F64(x) => bits(x, f64::to_bits),
        Entry::I64(x) => bits(x, i64::cast_unsigned),
        other => panic!("{} is not expected", other.dtype()),
    }
}

/// NaNs are one number in the manifest.
fn same(a: &[u64], b: &[u64], dtype: &str) -> bool {
    let nan = |x: u64| match dtype {
        "float32" => f32::from_bits(x as u32).is_nan(),
        "float64" => f64::from_bits(x).is_nan(),
        _ => false,
    };
    a.len() == b.len() && a.iter().zip(b).all(|(&a, &b)| a == b || (nan(a) && nan(b)))
}

/// Every file of the collection: what is right is read exactly, what is wrong is an error.
#[test]
fn the_verdicts_of_the_manifest() {
    let manifest = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/safetensors/manifest.json"),
    );
    let manifest: Value = serde_json::from_str(&manifest.unwrap()).unwrap();
    let files = manifest["files"].as_array().unwrap();
    assert!(files.len() > 30);
    for file in files {
        let name = file["file"].as_str().unwrap();
        match (file["verdict"].as_str().unwrap(), read(name)) {
            // It has types that no tensor has.
            (_, found) if name.ends_with("ok_dtypes.safetensors") => {
                let text = found.unwrap_err().to_string();
                assert!(text.contains("which no tensor here is"), "{text}");
            }
            ("ok", found_all) => {
                let found_all = found_all.unwrap_or_else(|error| panic!("{name}: {error}"));
                let entries = file["expect"].as_object().unwrap();
                assert_eq!(found_all.iter().count(), entries.len(), "{name}");
                for (key, entry) in entries {
                    let have = found_all.get(key).unwrap_or_else(|| panic!("{name}: no {key}"));
                    let shape: Vec<u64> = have.shape().iter().map(|&n| n as u64).collect();
                    assert_eq!(serde_json::json!(shape), entry["shape"], "{name}, {key}");
                    let dtype = entry["dtype"].as_str().unwrap();
                    assert!(same(&found(have), &expected(entry), dtype), "{name}, {key}");
                }
            }
            ("error", result) => {
                let error = result.expect_err(name);
                assert!(matches!(error, TrainError::Format { .. }), "{name}: {error}");
                assert!(error.to_string().contains(name), "{error}");
            }
            ("either", _) => {}
            (other, _) => panic!("{name}: no verdict {other}"),
        }
    }
}

/// A header of its own, and data.
fn written(folder: &Folder, header: &str, data: &[u8]) -> PathBuf {
    let path = folder.join("own.safetensors");
    let length = (header.len() as u64).to_le_bytes();
    fs::write(&path, [&length, header.as_bytes(), data].concat()).unwrap();
    path
}

/// Shapes that the format allows and no tensor can have.
#[test]
fn shapes_that_no_tensor_has() {
    let folder = Folder::new("shapes");
    for shape in ["[0,4611686018427387904,4]", "[1,1,1,1,1,1,1]", "[0,0,0,0,0,0,0]"] {
        let bytes = if shape.starts_with("[1") { 4 } else { 0 };
        let header =
            format!(r#"{{"x":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{bytes}]}}}}"#);
        let error = load_safetensors(written(&folder, &header, &vec![0; bytes])).unwrap_err();
        assert!(error.to_string().contains("no tensor here can have the shape"), "{error}");
    }
    let header = r#"{"flag":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}"#;
    let error = load_safetensors(written(&folder, header, &[7])).unwrap_err();
    assert!(error.to_string().ends_with("the byte 7 is no truth value"), "{error}");
}

/// Files with a few bytes changed, cut or doubled: read or refused, and never a panic.
#[test]
fn damaged_files_are_read_or_refused() {
    let folder = Folder::new("damaged");
    let path = folder.join("damaged.safetensors");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/safetensors");
    let whole = ["ok_basic", "ok_scalar_empty", "ok_unicode_names", "ok_nan_inf"];
    let whole = whole.map(|name| fs::read(source.join(format!("{name}.safetensors"))).unwrap());
    let (mut rng, mut refused) = (Rng::new(11), 0);
    for number in 0..4000 {
        let mut bytes = whole[number % whole.len()].clone();
        for _ in 0..=rng.below(3) {
            let at = rng.below(bytes.len());
            match rng.below(6) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes.insert(at, b"0123456789[]{},:\""[rng.below(17)]),
                2 => drop(bytes.remove(at)),
                3 => bytes[at] = bytes[at].wrapping_add(1),
                4 => bytes[at] ^= 1 << rng.below(8),
                _ => bytes[at] = b"0123456789[]{},:\""[rng.below(17)],
            }
        }
        fs::write(&path, &bytes).unwrap();
        refused += usize::from(load_safetensors(&path).is_err());
    }
    assert!((1000..4000).contains(&refused), "{refused} of 4000 are refused");
}

fn model() -> Vec<Param<f32>> {
    let values = [Tensor::from([0.5, f32::MIN_POSITIVE, -0.0]), Tensor::scalar(3.0)];
    values.into_iter().map(Param::new).chain([Param::statistic(Tensor::zeros(&[2, 0]))]).collect()
}

fn bits(model: &Vec<Param<f32>>) -> Vec<u32> {
    model.params().iter().flat_map(|(_, p)| p.value().to_vec()).map(f32::to_bits).collect()
}

#[test]
fn weights_come_back_bit_by_bit() {
    let folder = Folder::new("weights");
    let path = folder.join("new/model.safetensors");
    let (first, mut second) = (model(), model());
    second[0].set(Tensor::ones(&[3]));
    Weights::of(&first).save(&path).unwrap();
    Weights::load(&path).unwrap().apply(&mut second).unwrap();
    assert_eq!(bits(&second), bits(&first));
    // The same weights are the same bytes, and a second file takes the place of the first.
    let before = fs::read(&path).unwrap();
    Weights::of(&second).save(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.join("new")).unwrap().count(), 1, "no draft is left");
}

#[test]
fn wrong_weights_are_named_and_nothing_is_half_loaded() {
    let folder = Folder::new("wrong");
    let path = folder.join("model.safetensors");
    let mut target = model();
    let before = bits(&target);
    let mut check = |state: StateDict, text: &str| {
        save_safetensors(&path, &state).unwrap();
        let weights = Weights::<f32>::load(&path);
        let error = match weights {
            Ok(weights) => weights.apply(&mut target).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(error.ends_with(text), "{error}");
        assert_eq!(bits(&target), before);
    };
    let mut source = model();
    source[0].set(Tensor::ones(&[3]));
    let state = || Weights::of(&source).state_dict();
    let change = |f: &dyn Fn(&mut StateDict)| {
        let mut state = state();
        f(&mut state);
        state
    };
    check(change(&|s| drop(s.take("2").unwrap())), "there is no entry `2`");
    check(change(&|s| s.insert("3", 1.0_f32)), "the entry `3` belongs to nothing");
    check(
        change(&|s| s.insert("1", Tensor::from([1.0_f32]))),
        "the entry `1` has shape [1], not []",
    );
    check(change(&|s| s.insert("1", 1.0_f64)), "the entry `1` is of f64, not of f32");
    let missing = Weights::<f32>::load(folder.join("nothing")).unwrap_err();
    assert!(matches!(missing, TrainError::Read { .. }), "{missing}");
    assert!(matches!(
        Weights::of(&vec![model().remove(0)]).apply(&mut target),
        Err(StateError::Missing { .. })
    ));
}

#[test]
fn a_file_that_cannot_be_written_is_an_error() {
    let folder = Folder::new("unwritable");
    fs::write(folder.join("file"), "").unwrap();
    let error = Weights::of(&model()).save(folder.join("file/model.safetensors")).unwrap_err();
    assert!(matches!(error, TrainError::Write { .. }), "{error}");
    fs::create_dir(folder.join("taken")).unwrap();
    assert!(Weights::of(&model()).save(folder.join("taken")).is_err());
    assert_eq!(fs::read_dir(&*folder).unwrap().count(), 2, "no draft is left");
}
