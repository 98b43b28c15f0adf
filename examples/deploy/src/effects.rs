//! The log of effects: one line for each attempt that did its work.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// `DIR/effects.log`, with a line `STAGE ATTEMPT` for each attempt that did its work.
///
/// It stands beside the journal so that the two can be compared: the journal decides exactly
/// once what a stage's outcome is, attempts happen at least once.
#[derive(Debug)]
pub(crate) struct EffectsLog {
    path: PathBuf,
}

impl EffectsLog {
    const NAME: &str = "effects.log";

    pub(crate) fn new(data: &Path) -> Self {
        Self { path: data.join(Self::NAME) }
    }

    /// Appends one line and syncs it.
    pub(crate) fn append(&self, activity: &str, attempt: u32) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        // One write, so that no crash leaves half a line.
        file.write_all(format!("{activity} {attempt}\n").as_bytes())?;
        file.sync_data()
    }

    /// Puts the lines of a closed run away, so that those of the next one stand alone.
    pub(crate) fn archive(&self, run: &str) -> io::Result<()> {
        match fs::rename(&self.path, self.path.with_file_name(format!("effects-{run}.log"))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_in_order_and_put_away_with_their_run() {
        let data = tempfile::tempdir().unwrap();
        let log = EffectsLog::new(data.path());
        log.archive("none").unwrap();
        log.append("provision", 1).unwrap();
        log.append("undo-provision", 2).unwrap();
        let text = fs::read_to_string(data.path().join("effects.log")).unwrap();
        assert_eq!(text, "provision 1\nundo-provision 2\n");
        log.archive("first").unwrap();
        assert!(!data.path().join("effects.log").exists());
        assert!(data.path().join("effects-first.log").exists());
    }
}
