//! What a user sees of the progress: a bar on a terminal, a line now and then elsewhere.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::console;

/// The progress, shared by the activities, which make it, and the program, which hears what of
/// it is stored.
#[derive(Debug)]
pub(crate) struct Screen {
    bar: ProgressBar,
    copied: AtomicU64,
    stored: AtomicU64,
}

impl Screen {
    pub(crate) fn new() -> Self {
        // On the error output, and nowhere if that is no terminal.
        let bar = ProgressBar::new(0);
        let template =
            "{msg:<9} {bar:32} {bytes:>11} of {total_bytes}, {bytes_per_sec}, {eta} left{prefix}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, copied: AtomicU64::new(0), stored: AtomicU64::new(0) }
    }

    /// Prints a line above the bar.
    pub(crate) fn line(&self, text: impl fmt::Display) {
        self.bar.suspend(|| console::line(text));
    }

    /// An attempt begins to copy, at some point of so many bytes.
    pub(crate) fn copying(&self, at: u64, of: u64, attempt: u32) {
        self.copied.store(at, Ordering::Relaxed);
        if attempt > 1 {
            let percent = percent(at, of);
            self.line(match at {
                0 => format!("attempt {attempt} begins at 0: nothing of the copy was safe"),
                _ => format!("resumed at {at} of {of} bytes ({percent} %), attempt {attempt}"),
            });
        }
        self.begin("copying", at, of);
    }

    /// So many bytes of the copy are on the disk.
    pub(crate) fn copied(&self, bytes: u64) {
        self.copied.store(bytes, Ordering::Relaxed);
        self.bar.set_position(bytes);
    }

    /// How many bytes of the copy were on the disk when this was told last.
    pub(crate) fn copied_so_far(&self) -> u64 {
        self.copied.load(Ordering::Relaxed)
    }

    /// The engine has stored a heartbeat: a copy that is killed now goes on from there.
    pub(crate) fn stored(&self, bytes: u64) {
        if self.stored.swap(bytes, Ordering::Relaxed) == bytes {
            return;
        }
        if self.bar.is_hidden() {
            console::line(format_args!("would resume at {bytes}"));
        } else {
            self.bar.set_prefix(format!("; would resume at {}", HumanBytes(bytes)));
        }
    }

    /// Both files are read to be compared.
    pub(crate) fn checking(&self, bytes: u64) {
        self.copied.store(bytes, Ordering::Relaxed);
        self.line(format_args!("checking {bytes} bytes"));
        self.bar.set_prefix("");
        self.begin("checking", 0, bytes.saturating_mul(2));
    }

    /// So many more bytes have been read.
    pub(crate) fn checked(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn begin(&self, what: &'static str, at: u64, of: u64) {
        self.bar.reset();
        self.bar.set_length(of);
        self.bar.set_message(what);
        self.bar.set_position(at);
        // Where an attempt goes on is no part of its speed.
        self.bar.reset_eta();
    }

    /// There is nothing more to see.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 { 100 } else { (u128::from(part) * 100 / u128::from(whole)) as u64 }
}
