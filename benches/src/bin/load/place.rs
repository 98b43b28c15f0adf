//! What all loads share: where they write, and how they show how far they are.

use std::io;
use std::path::{Path, PathBuf};

use entracte_benches::disk;
use indicatif::{ProgressBar, ProgressStyle};
use tempfile::TempDir;

/// Reads a number that is not zero.
pub(super) fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

/// The directory in which rounds make theirs.
pub(super) fn data(option: Option<&Path>) -> io::Result<PathBuf> {
    let data = match (option, std::env::var_os("TMPDIR")) {
        (Some(data), _) => data.to_path_buf(),
        (None, Some(data)) => PathBuf::from(data),
        (None, None) => PathBuf::from("."),
    };
    data.canonicalize()
}

/// Makes the directory of one round.
pub(super) fn fresh_directory(data: &Path) -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("entracte-load-").tempdir_in(data)
}

/// Prints what the figures depend on beside the options.
pub(super) fn print_conditions(data: &Path) {
    let file_system = disk::file_system(data);
    println!(
        "in {} ({}), {} processors",
        data.display(),
        file_system.as_deref().unwrap_or("file system not known"),
        std::thread::available_parallelism().map_or(0, usize::from),
    );
    if file_system.is_some_and(|name| disk::is_in_memory(&name)) {
        println!("this file system lives in memory: a sync costs nothing there");
    }
    if cfg!(debug_assertions) {
        println!("this is a debug build: build with --release for figures");
    }
}

/// A progress bar of one round; hidden by itself where the error output is not a terminal.
pub(super) fn progress(side: String, length: u64) -> ProgressBar {
    let progress = ProgressBar::new(length);
    if let Ok(style) =
        ProgressStyle::with_template("{prefix:<10}{wide_bar} {pos}/{len} {per_sec} {eta}")
    {
        progress.set_style(style);
    }
    progress.set_prefix(side);
    progress
}
