//! CSV: every cell of what is read is a number, and the rows have the same length.
#![no_main]

use gradus_data::{Csv, Missing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let strict = Csv::new().most_bytes(1 << 20);
    if let Ok(table) = strict.read_table::<f64>(bytes) {
        let shape = table.values.shape();
        assert!(table.names.len() == shape[1] && shape[0] > 0);
        assert!(table.values.to_vec().iter().all(|x| x.is_finite()));
    }
    let _ = strict.read::<f32>(bytes);
    let _ = strict.distinct(0, bytes);
    let lenient = strict.delimiter(';').no_header().missing(Missing::Nan).allow_non_finite();
    let _ = lenient.missing_marks(["?"]).read_table::<f32>(bytes);
});
