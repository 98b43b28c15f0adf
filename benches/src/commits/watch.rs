//! What fjall does in the background, as its directory shows it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::load::LoadError;

/// How often the directory is listed.
const INTERVAL: Duration = Duration::from_millis(50);

/// What was seen between two moments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// How many journal files were begun.
    pub rotations: u64,
    /// How many journal files there were at the same time, at most.
    pub journals_max: u64,
    /// How many tables were written, by flushes and by compactions.
    pub tables: u64,
    /// How many new versions the trees got: one for each flush and each compaction.
    pub versions: u64,
    /// The most memory that the process had, if the operating system tells.
    pub resident_bytes_max: Option<u64>,
}

/// A thread that lists the directory now and then.
#[derive(Debug)]
pub(super) struct Watch {
    directory: PathBuf,
    before: Look,
    thread: JoinHandle<io::Result<Seen>>,
    stop: Sender<()>,
}

impl Watch {
    pub(super) fn start(directory: &Path) -> Result<Self, LoadError> {
        let before = Look::at(directory)?;
        let (stop, stopped) = channel();
        let thread = std::thread::spawn({
            let directory = directory.to_path_buf();
            move || {
                let mut most = Seen::default();
                while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    most.journals_max = most.journals_max.max(Look::at(&directory)?.journals);
                    most.resident_bytes_max = most.resident_bytes_max.max(resident_bytes());
                }
                Ok(most)
            }
        });
        Ok(Self { directory: directory.to_path_buf(), before, thread, stop })
    }

    pub(super) fn stop(self) -> Result<Seen, LoadError> {
        drop(self.stop);
        let most = self.thread.join().map_err(|_| LoadError::Thread("watch"))??;
        let (before, after) = (self.before, Look::at(&self.directory)?);
        Ok(Seen {
            rotations: after.last_journal.saturating_sub(before.last_journal),
            journals_max: most.journals_max.max(after.journals),
            tables: after.last_tables.saturating_sub(before.last_tables),
            versions: after.last_versions.saturating_sub(before.last_versions),
            resident_bytes_max: most.resident_bytes_max,
        })
    }
}

/// One look at the directory. Journals, tables and versions are numbered, and the newest of
/// each kind is always there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Look {
    journals: u64,
    last_journal: u64,
    /// The sum of the highest numbers over all trees; a tree without tables counts as zero.
    last_tables: u64,
    last_versions: u64,
}

impl Look {
    fn at(directory: &Path) -> io::Result<Self> {
        let numbers = |path: &Path, prefix: &str, suffix: &str| -> io::Result<Vec<u64>> {
            let names = names(path)?;
            let numbers = names
                .iter()
                .filter_map(|name| name.strip_prefix(prefix)?.strip_suffix(suffix)?.parse().ok());
            Ok(numbers.collect())
        };
        let journals = numbers(directory, "", ".jnl")?;
        let mut look = Self {
            journals: journals.len() as u64,
            last_journal: journals.into_iter().max().unwrap_or(0),
            ..Self::default()
        };
        let trees = directory.join("keyspaces");
        for tree in names(&trees)? {
            let tree = trees.join(tree);
            // The first table and the first version have the number zero.
            let tables = numbers(&tree.join("tables"), "", "")?;
            look.last_tables += tables.into_iter().max().map_or(0, |number| number + 1);
            look.last_versions += numbers(&tree, "v", "")?.into_iter().max().unwrap_or(0);
        }
        Ok(look)
    }
}

fn names(directory: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(directory)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}

/// How many bytes the process has had written to disks; none where the operating system does
/// not say so in `/proc/self/io`.
#[must_use]
pub fn written_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/io").ok()?;
    text.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok())
}

/// How much memory the process has; none where the operating system does not say so in
/// `/proc/self/status`.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let kib: u64 = text
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok())?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_files_tell_what_was_done() {
        let directory = tempfile::tempdir().unwrap();
        let file = |path: &str| {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        file("3.jnl");
        file("keyspaces/1/v7");
        file("keyspaces/1/current");
        file("keyspaces/1/tables/4");
        fs::create_dir_all(directory.path().join("keyspaces/2/tables")).unwrap();
        let watch = Watch::start(directory.path()).unwrap();
        file("4.jnl");
        file("5.jnl");
        file("keyspaces/1/v9");
        file("keyspaces/2/tables/0");
        let seen = watch.stop().unwrap();
        let expected = Seen {
            rotations: 2,
            journals_max: 3,
            tables: 1,
            versions: 2,
            resident_bytes_max: seen.resident_bytes_max,
        };
        assert_eq!(seen, expected);
    }
}
