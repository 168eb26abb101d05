//! What is compressed: `.npz`, and IDX files that end in `.gz`.

use std::path::Path;

use gradus_autograd::{Rng, Tensor};
use gradus_data::{Array, Dataset, Idx, Npz};

use super::arrays::{MOST_HELD, damaged, interop};
use super::memory::peak;
use super::message;

#[test]
fn labels_of_another_file_or_number_of_classes_are_refused() {
    let read = |file| Idx::new().read_path(interop(file)).unwrap().to_tensor::<f32>();
    let images = read("idx/ok_images-idx3-ubyte.gz");
    let error = message(Dataset::new(images.clone(), read("idx/pair_labels_4.gz")));
    assert!(error.starts_with("x has shape [3, 4, 5] and y [4]"), "{error}");
    let data = Dataset::new(images, read("idx/ok_labels-idx1-ubyte.gz")).unwrap();
    assert_eq!(
        message(data.classes_below(5)),
        "the label of sample 2 is 9: of 5 classes, the last is 4"
    );
}

#[test]
fn damaged_archives_never_panic() {
    let seeds = ["npz/ok_deflated.npz", "npz/ok_numpy_savez.npz", "idx/ok_multi_member.gz"];
    for (at, file) in seeds.iter().enumerate() {
        let whole = std::fs::read(interop(file)).unwrap();
        let mut rng = Rng::new(at as u64);
        for _ in 0..1000 {
            let bytes = damaged(&whole, &mut rng);
            let ((), held) = peak(|| {
                let _ = Npz::new().read(std::io::Cursor::new(&bytes));
                let _ = Idx::new().read(&bytes[..]);
            });
            assert!(held < MOST_HELD, "{held} bytes for {bytes:?}");
        }
    }
}

#[test]
fn fashion_mnist() {
    let read = |file: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../data-sets/fashion-mnist-mini");
        Idx::new().read_path(Path::new(folder).join(file)).unwrap().to_tensor::<f32>()
    };
    for (images, labels, samples, first) in [
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", 1000, [9, 0, 0, 3]),
        ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", 500, [9, 2, 1, 1]),
    ] {
        let data = Dataset::new(read(images), read(labels)).unwrap();
        assert_eq!(data.x().shape(), [samples, 28, 28]);
        assert_eq!(data.classes_below(10).unwrap().to_vec()[..4], first);
    }
}

#[test]
fn archives_are_read_again_and_have_the_same_bytes() {
    let folder = std::env::temp_dir().join(format!("gradus-npz-test-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (a, b) = (folder.join("a.npz"), folder.join("b.npz"));
    let zeros: Array = Tensor::<f64>::zeros(&[1000, 100]).into();
    let names: Array = Tensor::from([1_i64, i64::MIN]).into();
    let arrays = [("zeros", &zeros), ("layer1/w", &names)];
    Npz::new().write_path(arrays, &a).unwrap();
    Npz::new().write_path(arrays, &b).unwrap();
    assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
    assert!(std::fs::metadata(&a).unwrap().len() < 10_000, "it is compressed");
    let read = Npz::new().read_path(&a).unwrap();
    assert_eq!((read.len(), &read["zeros"], &read["layer1/w"]), (2, &zeros, &names));

    let error = message(Npz::new().most_bytes(800_000).read_path(&a));
    assert!(error.contains("more than 800000 bytes; allow more with `most_bytes`"), "{error}");
    assert!(Npz::new().most_bytes(800_016).read_path(&a).is_ok());
    let error = message(Npz::new().write_path([("x", &zeros), ("x", &names)], &b));
    assert!(error.contains("b.npz: the archive cannot be"), "{error}");
    assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap(), "b stays as it was");
    std::fs::remove_dir_all(&folder).unwrap();
}
