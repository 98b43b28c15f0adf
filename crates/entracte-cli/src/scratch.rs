//! A store that is opened without touching the original.

use std::fs;
use std::path::Path;

use entracte::store::fjall::{check_tables, copy_readable, inspect, open_readable};
use entracte::store::{FjallOptions, FjallStore};
use tempfile::TempDir;

use crate::arguments::Look;
use crate::error::CliError;

/// What of a store can be read, opened on a copy that goes when this is dropped.
#[derive(Debug)]
pub(crate) struct ScratchStore {
    /// Closed before its directory goes: fields are dropped in their order.
    pub(crate) store: FjallStore,
    _directory: TempDir,
    /// What is damaged in the files of the original, in words.
    pub(crate) damage: Vec<String>,
}

impl ScratchStore {
    pub(crate) fn open(look: &Look) -> Result<Self, CliError> {
        let original = &look.directory;
        let mut damage = inspect(original)?.damage;
        for table in check_tables(original)? {
            // A list of tables that cannot be read is found by either look.
            let text = table.to_string();
            if !damage.contains(&text) {
                damage.push(text);
            }
        }
        let directory = scratch_directory(look)?;
        let copy = directory.path().join("store");
        for space in copy_readable(original, &copy)? {
            damage.push(format!("nothing of the space {space} can be read"));
        }
        let store = open_readable(&copy, &FjallOptions::default())?;
        Ok(Self { store, _directory: directory, damage })
    }
}

/// Makes an empty directory for the copy: beside the store if that is possible, since both are
/// on the same disk then, and tables need not be copied.
fn scratch_directory(look: &Look) -> Result<TempDir, CliError> {
    let made = |parent: &Path| tempfile::Builder::new().prefix(".entracte-").tempdir_in(parent);
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| CliError::Scratch { path, source }
    };
    if let Some(parent) = &look.scratch {
        return made(parent).map_err(failed(parent));
    }
    let beside = fs::canonicalize(&look.directory);
    let beside = beside.ok().and_then(|path| path.parent().and_then(|parent| made(parent).ok()));
    let temporary = std::env::temp_dir();
    beside.map_or_else(|| made(&temporary).map_err(failed(&temporary)), Ok)
}
