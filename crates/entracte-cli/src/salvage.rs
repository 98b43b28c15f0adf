//! `entracte salvage`: a new store of what can be read.

use std::fmt;
use std::path::{Path, PathBuf};

use entracte::store::fjall::{copy_readable, inspect};
use entracte::store::{FjallOptions, FjallStore};
use serde::Serialize;

use crate::error::CliError;
use crate::{Verdict, print};

/// What became of a store.
#[derive(Debug, Serialize)]
struct Salvaged {
    target: PathBuf,
    /// The last commit that the new store holds.
    last: u64,
    /// The last commit that the original was known to have synced.
    synced: u64,
    /// The spaces of which nothing could be read.
    left_out: Vec<String>,
    /// Why the new store cannot be opened, if it cannot.
    unusable: Option<String>,
}

pub(crate) fn run(directory: &Path, target: &Path, json: bool) -> Result<Verdict, CliError> {
    let found = inspect(directory)?;
    let left_out = copy_readable(directory, target)?;
    let opened = FjallStore::open_blocking(target, &FjallOptions::default());
    let salvaged = Salvaged {
        target: target.to_path_buf(),
        last: found.last,
        synced: found.synced,
        left_out: left_out.iter().map(ToString::to_string).collect(),
        unusable: opened.err().map(|error| error.to_string()),
    };
    print(&salvaged, json)?;
    let is_whole = salvaged.last >= salvaged.synced
        && salvaged.left_out.is_empty()
        && salvaged.unusable.is_none();
    Ok(if is_whole { Verdict::Sound } else { Verdict::Problems })
}

impl fmt::Display for Salvaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, last, synced, left_out, unusable } = self;
        write!(f, "{} holds the commits up to {last}", target.display())?;
        if last < synced {
            write!(f, "; the original had synced up to {synced}")?;
        }
        for space in left_out {
            write!(f, "; nothing of the space {space} could be read")?;
        }
        match unusable {
            None => Ok(()),
            Some(error) => write!(f, "; it cannot be opened: {error}"),
        }
    }
}
