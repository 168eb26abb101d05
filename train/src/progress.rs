//! Progress bars of `fit`, of `cross_validate`, of a study and of a refinement.

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
        let template = "{prefix} {bar:24} {pos:>4}/{len} {elapsed:>4}  {msg}";
        let bar = bar(batches as u64, template, self.wanted);
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
    let bar = bar(0, "{bar:24} {pos:>4}/{len} epochs {elapsed:>4}  {msg}", wanted);
    bar.set_message(format!("0/{folds} folds"));
    bar
}

/// The bar of a study of so many trials.
#[cfg(feature = "search")]
pub(crate) fn study(trials: u64, wanted: bool) -> ProgressBar {
    ticking(trials, "{bar:24} {pos:>4}/{len} trials {elapsed:>4}  {msg}", wanted)
}

/// The bar of a refinement by so many hypergradients.
#[cfg(feature = "search")]
pub(crate) fn refinement(steps: u64, wanted: bool) -> ProgressBar {
    ticking(steps, "{bar:24} {pos:>4}/{len} hypergradients {elapsed:>4}  {msg}", wanted)
}

#[cfg(feature = "search")]
fn ticking(length: u64, template: &str, wanted: bool) -> ProgressBar {
    let bar = bar(length, template, wanted);
    if !bar.is_hidden() {
        // A step may take long: the time goes on meanwhile.
        bar.enable_steady_tick(std::time::Duration::from_secs(1));
    }
    bar
}

fn bar(length: u64, template: &str, wanted: bool) -> ProgressBar {
    if !wanted {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar
}
