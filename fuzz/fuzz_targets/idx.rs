//! IDX, plain: no more numbers than there are bytes.
#![no_main]

use gradus_data::Idx;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return;
    }
    if let Ok(array) = Idx::new().most_bytes(1 << 20).read(bytes) {
        assert!(array.shape().iter().product::<usize>() <= bytes.len());
    }
});
