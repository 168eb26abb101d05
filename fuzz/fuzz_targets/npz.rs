//! `.npz`: archives damaged in any way; and the bytes as an entry of a sound one, which reads as they
//! do alone.
#![no_main]

use std::io::{Cursor, Write};

use gradus_data::{Npy, Npz};
use libfuzzer_sys::fuzz_target;
use zip::{ZipWriter, write::SimpleFileOptions};

fn archive(bytes: &[u8]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("a.npy", SimpleFileOptions::default()).expect("a vector takes bytes");
    archive.write_all(bytes).expect("a vector takes bytes");
    archive.finish().expect("a vector takes bytes").into_inner()
}

fuzz_target!(|bytes: &[u8]| {
    let npz = Npz::new().most_bytes(1 << 20);
    let _ = npz.read(Cursor::new(bytes));
    let alone = Npy::new().most_bytes(1 << 20).read(bytes).ok();
    let within = npz.read(Cursor::new(archive(bytes))).ok();
    assert_eq!(
        within.map(|arrays| arrays["a"].shape().to_vec()),
        alone.map(|a| a.shape().to_vec())
    );
});
