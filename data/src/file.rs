//! Opening files for reading, and replacing them as a whole.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{DataError, Place};

/// The most bytes that are read unless `most_bytes` says otherwise: 4 GiB.
pub(crate) const MOST_BYTES: u64 = 1 << 32;

pub(crate) fn open(path: &Path) -> Result<(File, Place), DataError> {
    let file = Place { file: Some(path.to_owned()), ..Place::default() };
    match File::open(path) {
        Ok(source) => Ok((source, file)),
        Err(source) => Err(DataError::Io { at: Box::new(file), source }),
    }
}

/// Writes a file beside its place and moves it there, so that what was there stays until all is written.
pub(crate) fn save(
    path: &Path,
    write: impl FnOnce(&mut File, &Place) -> Result<(), DataError>,
) -> Result<(), DataError> {
    /// Threads that write to the same place each have a draft of their own.
    static DRAFTS: AtomicU64 = AtomicU64::new(0);
    let place = Place { file: Some(path.to_owned()), ..Place::default() };
    let io = |source| DataError::Write { at: Box::new(place.clone()), source };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    let (id, number) = (std::process::id(), DRAFTS.fetch_add(1, Ordering::Relaxed));
    name.push(format!(".{id}.{number}.tmp"));
    let beside = path.with_file_name(name);
    let mut file = File::create(&beside).map_err(io)?;
    let written = write(&mut file, &place)
        .and_then(|()| file.sync_all().map_err(io))
        .and_then(|()| std::fs::rename(&beside, path).map_err(io));
    if written.is_err() {
        // What is left is of no use; the error above says more than one of this would.
        let _ = std::fs::remove_file(&beside);
    }
    written
}
