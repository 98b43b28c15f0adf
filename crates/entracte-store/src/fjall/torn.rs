//! Torn ends of journal files: kept aside, then cut off.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::layout;
use super::look::Cut;
use crate::error::StoreError;

/// The name of the directory where torn ends are kept for inspection.
pub(super) const TORN_DIRECTORY: &str = "torn";
/// How many torn ends are kept; the oldest ones go first.
const KEPT_MAX: usize = 32;
/// How long they may be together, in bytes; the newest one is always kept.
const KEPT_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Keeps what stands behind each cut aside and cuts it off, the newest file first.
///
/// A crash in between leaves files of which the older ones are not cut yet, and the next
/// opening finds the same cuts again.
pub(super) fn cut_off(directory: &Path, cuts: &[Cut]) -> Result<(), StoreError> {
    for cut in cuts.iter().rev() {
        let kept = keep_aside(directory, cut).map_err(|error| {
            StoreError::from_io("keep a torn end aside", Some(&cut.path), error)
        })?;
        let cut_file = || -> io::Result<()> {
            let file = OpenOptions::new().write(true).open(&cut.path)?;
            file.set_len(cut.offset)?;
            file.sync_all()
        };
        cut_file()
            .map_err(|error| StoreError::from_io("cut off a torn end", Some(&cut.path), error))?;
        tracing::warn!(
            path = %cut.path.display(), offset = cut.offset, kept,
            "cut off the torn end of a journal: it had not been acknowledged as synced"
        );
    }
    Ok(())
}

/// Copies what stands behind a cut, without the zeros at its end, and gives the name of the
/// copy.
fn keep_aside(directory: &Path, cut: &Cut) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut file = File::open(&cut.path)?;
    file.seek(SeekFrom::Start(cut.offset))?;
    file.read_to_end(&mut bytes)?;
    let len = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let torn = directory.join(TORN_DIRECTORY);
    match fs::create_dir(&torn) {
        Ok(()) => layout::sync(directory)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    forget_oldest(&torn, len as u64)?;
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let journal = cut.path.file_stem().unwrap_or_default().to_string_lossy();
    let name = format!("{millis:014}-{journal}-{}", cut.offset);
    let mut copy = File::create(torn.join(&name))?;
    copy.write_all(&bytes[..len])?;
    copy.sync_all()?;
    layout::sync(&torn)?;
    Ok(name)
}

/// Makes room for one more of some length. What a person has put there is left alone, unless it
/// is a file.
fn forget_oldest(torn: &Path, bytes: u64) -> io::Result<()> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(torn)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            kept.push((entry.path(), metadata.len()));
        }
    }
    kept.sort_unstable();
    let mut count = kept.len();
    let mut together = bytes + kept.iter().map(|(_, bytes)| bytes).sum::<u64>();
    for (oldest, bytes) in kept {
        if count < KEPT_MAX && together <= KEPT_BYTES_MAX {
            break;
        }
        fs::remove_file(oldest)?;
        (count, together) = (count - 1, together - bytes);
    }
    Ok(())
}
