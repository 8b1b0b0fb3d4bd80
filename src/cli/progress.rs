//! How far a scan is: on a terminal, and nowhere else.

use crate::scan::Progress;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::sync::atomic::Ordering;

/// A line on standard error that goes away when it is done.
pub(super) struct Meter {
    bar: Option<ProgressBar>,
}

impl Meter {
    /// Begins a line; shows nothing where standard error is no terminal, or under `-q`.
    pub(super) fn new(what: &str, is_quiet: bool) -> Self {
        let is_shown = !is_quiet && stderr().is_terminal();
        let bar = is_shown.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}: {msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(what.to_owned());
            bar.set_message("opening");
            bar
        });
        Self { bar }
    }

    /// Shows where the scan is; called by its threads, at most ten times a second.
    pub(super) fn show(&self, progress: &Progress) {
        let Some(bar) = &self.bar else { return };
        let entries = progress.entries.load(Ordering::Relaxed);
        let bytes = progress.bytes.load(Ordering::Relaxed);
        let milliseconds = progress.elapsed().as_millis().max(1);
        let rate = u128::from(bytes).saturating_mul(1000) / milliseconds;
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        bar.set_message(format!(
            "{} entries, {} read, {}/s",
            HumanCount(entries),
            HumanBytes(bytes),
            HumanBytes(rate)
        ));
        bar.tick();
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
