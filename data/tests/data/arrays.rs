//! `.npy`, `.npz` and IDX: every verdict of the interchange files, and no memory on trust.

use std::path::{Path, PathBuf};

use gradus_autograd::{Rng, Tensor};
use gradus_data::{Array, DataError, Dataset, FormatError, Idx, Npy};
use serde_json::Value;

use super::memory::peak;
use super::message;

/// The most bytes that reading any of the small files may hold, for whatever they claim: twice the
/// decompressor's own, and far below what the bombs among them unpack to.
pub const MOST_HELD: usize = 1 << 20;

pub fn interop(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "interop", file].iter().collect()
}

/// The arrays of a file, by name; one that has none is called `array`.
fn read(path: &Path) -> Result<Vec<(String, Array)>, DataError> {
    let one = |array| vec![("array".to_owned(), array)];
    match path.parent().unwrap().file_name().unwrap().to_str() {
        Some("npy") => Npy::new().read_path(path).map(one),
        Some("idx") => Idx::new().read_path(path).map(one),
        #[cfg(feature = "compressed")]
        Some("npz") => Ok(gradus_data::Npz::new().read_path(path)?.into_iter().collect()),
        other => panic!("{other:?}?"),
    }
}

/// Whether each number is the expected one, to the last bit.
#[track_caller]
fn same(name: &str, array: &Array, expected: &Value) {
    let shape: Vec<usize> = serde_json::from_value(expected["shape"].clone()).unwrap();
    assert_eq!(array.shape(), shape, "{name}");
    let expected = expected["data"].as_array().unwrap();
    let exact = |value: &Value| match value {
        Value::Bool(x) => f64::from(u8::from(*x)),
        Value::String(text) => text.to_lowercase().parse().unwrap(),
        value => value.as_f64().unwrap(),
    };
    match array {
        Array::I64(tensor) => {
            let found = tensor.to_vec();
            assert!(found.iter().map(|&x| Some(x)).eq(expected.iter().map(Value::as_i64)));
        }
        array => {
            let bits = |x: f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
            let found = array.to_tensor::<f64>().to_vec();
            assert!(
                found.iter().map(|&x| bits(x)).eq(expected.iter().map(|x| bits(exact(x)))),
                "{name}: {found:?}"
            );
        }
    }
}

#[test]
fn every_interchange_file_meets_its_verdict() {
    let list = std::fs::read(interop("arrays.json")).unwrap();
    let list: Value = serde_json::from_slice(&list).unwrap();
    let mut seen = 0;
    for entry in list["files"].as_array().unwrap() {
        let name = entry["file"].as_str().unwrap();
        let compressed = name.starts_with("npz") || name.ends_with(".gz");
        if compressed && !cfg!(feature = "compressed") {
            continue;
        }
        seen += 1;
        let path = interop(name);
        let (result, held) = peak(|| read(&path));
        assert!(held < MOST_HELD, "{name} held {held} bytes");
        match (entry["verdict"].as_str().unwrap(), result) {
            ("ok", Ok(arrays)) => {
                let Some(expected) = entry["expect"].as_object() else { continue };
                assert_eq!(arrays.len(), expected.len(), "{name}");
                for (key, array) in &arrays {
                    same(name, array, &expected[key]);
                }
            }
            ("ok", Err(error)) => panic!("{name}: {error}"),
            ("error", Ok(arrays)) => panic!("{name} was read: {arrays:?}"),
            ("error" | "either", Err(error)) => {
                let text = error.to_string();
                assert!(text.starts_with(path.to_str().unwrap()), "{text}");
                println!("{}", text.trim_start_matches(env!("CARGO_MANIFEST_DIR")));
            }
            ("either", Ok(arrays)) => println!("{name} was read: {arrays:?}"),
            (other, _) => panic!("{name}: what is {other:?}?"),
        }
    }
    assert!(seen >= 44, "{seen} files");
}

#[test]
fn what_is_written_is_read_again() {
    let mut rng = Rng::new(1);
    for shape in [&[][..], &[0], &[3], &[2, 3], &[4, 1, 0, 2], &[2, 1, 3, 1, 2, 2]] {
        let random: Tensor<f64> = Tensor::randn(shape, &mut rng);
        let all: [Array; 6] = [
            random.map(|x| x > 0.0).into(),
            random.map(|x| (x * 50.0) as u8).into(),
            random.map(|x| (x * 1e9) as i32).into(),
            random.map(|x| (x * 1e18) as i64).into(),
            random.cast::<f32>().into(),
            random.clone().into(),
        ];
        for array in all {
            let mut file = Vec::new();
            Npy::new().write(&array, &mut file).unwrap();
            assert_eq!(Npy::new().read(&file[..]).unwrap(), array);
            let start = file.iter().position(|&byte| byte == b'\n').unwrap() + 1;
            assert!(start % 64 == 0, "the numbers start at {start}");
        }
    }
    // A view is written in its own order.
    let x = Tensor::arange(6_i64).reshape(&[2, 3]);
    let mut file = Vec::new();
    Npy::new().write(&x.permute(&[1, 0]).into(), &mut file).unwrap();
    assert_eq!(Npy::new().read(&file[..]).unwrap(), x.permute(&[1, 0]).contiguous().into());
}

/// What NumPy 2.4.6 writes by `numpy.save`.
#[test]
fn the_bytes_are_those_of_numpy() {
    let written = std::fs::read(interop("npy/ok_c_f4.npy")).unwrap();
    let array = Npy::new().read(&written[..]).unwrap();
    let mut again = Vec::new();
    Npy::new().write(&array, &mut again).unwrap();
    assert_eq!(again, written);
}

#[test]
fn threads_write_to_one_place() {
    let folder = std::env::temp_dir().join(format!("gradus-one-place-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("x.npy");
    std::thread::scope(|scope| {
        for n in [1, 5000] {
            let (array, path) = (Tensor::arange(n).into(), &path);
            scope.spawn(move || {
                (0..50).for_each(|_| Npy::new().write_path(&array, path).unwrap());
            });
        }
    });
    assert!([1, 5000].contains(&Npy::new().read_path(&path).unwrap().shape()[0]));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A disk that is full.
struct Full;

impl std::io::Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("the disk is full"))
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_cannot_be_written_is_not_said_to_be_unreadable() {
    let error = message(Npy::new().write(&Tensor::arange(3_i64).into(), Full));
    assert_eq!(error, "the output: cannot be written: the disk is full");
}

#[test]
fn a_file_is_replaced_as_a_whole() {
    let folder = std::env::temp_dir().join(format!("gradus-arrays-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("x.npy");
    for n in [1000, 3] {
        Npy::new().write_path(&Tensor::arange(n).into(), &path).unwrap();
        assert_eq!(Npy::new().read_path(&path).unwrap().shape(), [n as usize]);
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
    let nowhere = folder.join("none").join("x.npy");
    let error = message(Npy::new().write_path(&Tensor::arange(3_i64).into(), &nowhere));
    assert!(error.starts_with(&format!("{}: cannot be written: No such", nowhere.display())));
    std::fs::remove_dir_all(&folder).unwrap();
}

/// An array of a `.npy` file with this header.
fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

#[test]
fn messages_say_what_and_where() {
    let bytes = [0; 16];
    for (header, expected) in [
        (
            "{'descr': '<c16', 'fortran_order': False, 'shape': (1,)}",
            "elements of type \"<c16\" are not read; save the array as floats, integers of at most \
             64 bits (signed) or 32 (unsigned), or booleans",
        ),
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}",
            "cut off: 24 bytes of data expected, found 16",
        ),
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}",
            "there is more after the 8 bytes of the array; the file is damaged",
        ),
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (2)}",
            "the header is damaged: the shape is 2, and no tuple",
        ),
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), 'shape': (2,)}",
            "the header is damaged: \"shape\" is no key of it, or stands twice",
        ),
        (
            "{'descr': '<f8', 'shape': (2,)}",
            "the header is damaged: the key \"fortran_order\" is missing",
        ),
        (
            "{'descr': '<f8', 'fortran_order': Falsehood, 'shape': (2,)}",
            "the header is damaged: } expected at byte 39, found \"hood, 'shape': (2,)}\"",
        ),
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (1,1,1,1,1,1,2)}",
            "7 axes: a tensor has at most 6",
        ),
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 4611686018427387904)}",
            "an array of shape [0, 4611686018427387904] has more elements than memory has addresses",
        ),
        (
            "{'descr': '|b1', 'fortran_order': False, 'shape': (16,)}",
            "a boolean is 2, and neither 0 nor 1: the file is damaged",
        ),
        ("{'descr': '<f8', 'fortran_order': Fälse}", "the header is damaged: it is not ASCII"),
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (18446744073709551616,)}",
            "the header is damaged: a length expected at byte 51, found \"18446744073709551616\"",
        ),
    ] {
        let data = if header.contains("b1") { [2; 16] } else { bytes };
        assert_eq!(
            message(Npy::new().read(&npy(header, &data)[..])),
            format!("the input: {expected}")
        );
    }
    let python_2 = "{'descr': '<f8', 'fortran_order': False, 'shape': (2L, 1L), }";
    assert_eq!(Npy::new().read(&npy(python_2, &bytes)[..]).unwrap().shape(), [2, 1]);
    let mut version = npy(python_2, &bytes);
    version[6] = 4;
    assert_eq!(
        message(Npy::new().read(&version[..])),
        "the input: version 4.0 of the format is not known; 1.0, 2.0 and 3.0 are"
    );
    assert_eq!(
        message(Npy::new().most_bytes(15).read(&npy(python_2, &bytes)[..])),
        "the input: more than 15 bytes; allow more with `most_bytes`"
    );
    assert_eq!(
        message(Idx::new().read(&b"PK\x03\x04"[..])),
        "the input: this is no IDX file: it begins with other bytes"
    );
    assert_eq!(
        message(Idx::new().read(&b"\0"[..])),
        "the input: cut off: 2 bytes of header expected, found 1"
    );
}

/// A file that claims much and has little, and one that has more than is allowed.
#[test]
fn memory_is_asked_for_as_bytes_come_in() {
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (500000000,)}";
    let (result, held) = peak(|| Npy::new().read(&npy(header, &[0; 100])[..]));
    assert!(matches!(result, Err(DataError::Format { why: FormatError::Truncated { .. }, .. })));
    assert!(held < 10_000, "{held}");
    let endless = npy(header, &[]);
    let (result, held) = peak(|| {
        Npy::new().most_bytes(1 << 30).read(std::io::Read::chain(&endless[..], std::io::repeat(1)))
    });
    assert!(matches!(result, Err(DataError::TooLarge { .. })) && held < 10_000, "{held}");
}

/// Some bytes of `whole` changed, some cut off.
pub fn damaged(whole: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..1 + rng.below(4) {
        let place = rng.below(bytes.len());
        bytes[place] = rng.below(256) as u8;
    }
    bytes.truncate(whole.len().saturating_sub(rng.below(3) * rng.below(20)));
    bytes
}

#[test]
fn damaged_files_never_panic() {
    let seeds = ["npy/ok_c_f8.npy", "npy/ok_fortran_3d.npy", "idx/ok_type_0b.idx"];
    for (at, file) in seeds.iter().enumerate() {
        let whole = std::fs::read(interop(file)).unwrap();
        let mut rng = Rng::new(at as u64);
        for _ in 0..3000 {
            let bytes = damaged(&whole, &mut rng);
            let ((), held) = peak(|| {
                let _ = Npy::new().read(&bytes[..]);
                let _ = Idx::new().read(&bytes[..]);
            });
            assert!(held < 50_000, "{held} bytes for {bytes:?}");
        }
    }
}

#[test]
fn images_and_labels_are_of_the_same_samples() {
    let images = Idx::new().read_path(interop("idx/ok_images-idx3-ubyte")).unwrap();
    let labels = Tensor::from([3., 1., 9., 0.]);
    assert_eq!(
        message(Dataset::<f32>::new(images.to_tensor(), labels)),
        "x has shape [3, 4, 5] and y [4]: the first axis must count the same samples"
    );
}

#[cfg(not(feature = "compressed"))]
#[test]
fn what_is_compressed_is_said_to_be() {
    let error = message(Idx::new().read_path(interop("idx/ok_labels-idx1-ubyte.gz")));
    assert!(
        error
            .ends_with("compressed by gzip: build with the feature `compressed`, or decompress it")
    );
}
