//! `.npy`: what is read can be written, and is read again as the same.
#![no_main]

use gradus_data::Npy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(array) = Npy::new().most_bytes(1 << 20).read(bytes) else { return };
    let mut first = Vec::new();
    Npy::new().write(&array, &mut first).expect("an array is written");
    let again = Npy::new().read(&first[..]).expect("what was written is read");
    let mut second = Vec::new();
    // Bytes, because NaN is not equal to itself.
    Npy::new().write(&again, &mut second).expect("an array is written");
    assert!(first == second && array.shape() == again.shape());
});
