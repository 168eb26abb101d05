//! Reading, data sets, splits, batches, scaling.

use gradus_data::DataError;

mod arrays;
#[cfg(feature = "compressed")]
mod compressed;
mod csv;
mod data_sets;
mod dataset;
mod folds;
#[cfg(feature = "images")]
mod images;
mod memory;
mod preprocess;
mod split;

/// The message of what must fail.
#[track_caller]
fn message<R>(result: Result<R, DataError>) -> String {
    match result {
        Ok(_) => panic!("no error"),
        Err(error) => error.to_string(),
    }
}
