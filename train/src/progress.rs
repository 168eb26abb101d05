//! Progress bars of `fit` and of `cross_validate`.

use indicatif::{ProgressBar, ProgressStyle};

use crate::Scores;

/// One bar an epoch on the standard error stream; nothing where that is not a terminal.
pub(crate) struct Progress {
    epochs: usize,
    wanted: bool,
}

impl Progress {
    pub(crate) fn new(epochs: usize, wanted: bool) -> Self {
        Progress { epochs, wanted }
    }

    /// The bar of an epoch.
    pub(crate) fn epoch(&self, epoch: usize, batches: usize) -> ProgressBar {
        if !self.wanted {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(batches as u64);
        let style =
            ProgressStyle::with_template("{prefix} {bar:24} {pos:>4}/{len} {elapsed:>4}  {msg}");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("━╸─"));
        }
        let width = self.epochs.to_string().len();
        bar.set_prefix(format!("epoch {:>width$}/{}", epoch + 1, self.epochs));
        bar
    }
}

/// Closes the bar of an epoch with its numbers.
pub(crate) fn finish(bar: &ProgressBar, scores: &Scores) {
    bar.finish_with_message(scores.to_string());
}

/// The bar of a cross-validation, which counts the epochs of all folds.
pub(crate) fn folds(folds: usize, wanted: bool) -> ProgressBar {
    if !wanted {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:24} {pos:>4}/{len} epochs {elapsed:>4}  {msg}");
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar.set_message(format!("0/{folds} folds"));
    bar
}
