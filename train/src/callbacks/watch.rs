//! What callbacks share that watch a column of the history.

use crate::{Direction, TrainError};

/// The direction of the column that `callback` watches.
pub(super) fn direction_of(
    callback: &'static str,
    monitor: &str,
    columns: &[(String, Direction)],
) -> Result<Direction, TrainError> {
    if let Some((_, direction)) = columns.iter().find(|(name, _)| name == monitor) {
        return Ok(*direction);
    }
    let available: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let (monitor, available) = (monitor.to_owned(), available.join(", "));
    Err(TrainError::Monitor { callback, monitor, available })
}
