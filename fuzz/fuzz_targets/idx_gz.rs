//! IDX, compressed: the bytes as a damaged gzip file; and within a sound one, of one member or two,
//! where the checks of gzip let them through: that reads as the bytes alone do.
#![no_main]

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use gradus_data::Idx;
use libfuzzer_sys::fuzz_target;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(bytes).expect("a vector takes bytes");
    encoder.finish().expect("a vector takes bytes")
}

fuzz_target!(|bytes: &[u8]| {
    let idx = Idx::new().most_bytes(1 << 20);
    let _ = idx.read(bytes);
    let damaged = [&[0x1f, 0x8b, 8], bytes].concat();
    let _ = idx.read(&damaged[..]);

    if !bytes.starts_with(&[0x1f, 0x8b]) {
        let plain = idx.read(bytes).ok();
        let (a, b) = bytes.split_at(bytes.len() / 2);
        for file in [gzip(bytes), [gzip(a), gzip(b)].concat()] {
            let read = idx.read(&file[..]).ok();
            assert_eq!(
                read.map(|array| array.shape().to_vec()),
                plain.as_ref().map(|array| array.shape().to_vec())
            );
        }
    }
});
