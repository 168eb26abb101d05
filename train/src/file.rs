//! Files that are there as a whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::TrainError;

/// Replaces a file, making the folders above it: written beside its place, synced, renamed. Whoever reads it, also
/// after a crash, finds the old bytes or the new ones.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    write(path, bytes).map_err(|source| TrainError::Write { path: shown(path), source })
}

/// [`replace`], with the error as it comes.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    /// Threads or processes that write to the same place each have a draft of their own.
    static DRAFTS: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let (id, number) = (process::id(), DRAFTS.fetch_add(1, Ordering::Relaxed));
    let draft = path.with_file_name(format!(".{name}.{id}.{number}.draft"));
    let written = File::create(&draft).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written
        .and_then(|()| fs::rename(&draft, path))
        .inspect_err(|_| drop(fs::remove_file(&draft)))?;
    // The name is a matter of the folder. Not every system can sync one; the file is whole in any case.
    File::open(folder).and_then(|folder| folder.sync_all()).or(Ok(()))
}

/// A path in a message.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}
