//! `entracte inspect`: what the directory of a store holds.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use entracte::store::StoreError;
use serde::Serialize;

use crate::arguments::Look;
use crate::error::CliError;
use crate::lock::ReadLock;
use crate::{Verdict, print};

/// The file that says that a directory is a store, and of which format.
pub(crate) const FORMAT_FILE: &str = "FORMAT";

/// What the directory of a store holds.
#[derive(Debug, Default, Serialize)]
struct Inspection {
    path: PathBuf,
    format: String,
    /// Whether an engine has the store open.
    in_use: bool,
    journals: Files,
    tables: Files,
    others: Files,
}

#[derive(Debug, Default, Serialize)]
struct Files {
    files: u64,
    bytes: u64,
}

pub(crate) fn run(look: &Look) -> Result<Verdict, CliError> {
    let inspection = inspect(&look.directory)?;
    print(&inspection, look.json)?;
    Ok(Verdict::Sound)
}

fn inspect(directory: &Path) -> Result<Inspection, CliError> {
    let mut inspection = Inspection {
        path: directory.to_path_buf(),
        format: read_format(directory)?,
        in_use: ReadLock::take(directory)?.is_none(),
        ..Inspection::default()
    };
    inspection.count(directory)?;
    Ok(inspection)
}

fn read_format(directory: &Path) -> Result<String, CliError> {
    let file = directory.join(FORMAT_FILE);
    match fs::read(&file) {
        Ok(text) => Ok(String::from_utf8_lossy(&text).trim_end().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && directory.is_dir() => {
            Err(CliError::NotAStore { path: directory.to_path_buf() })
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(StoreError::NotADirectory { path: directory.to_path_buf() }.into())
        }
        Err(source) => Err(CliError::Read { path: directory.to_path_buf(), source }),
    }
}

impl Inspection {
    fn count(&mut self, directory: &Path) -> Result<(), CliError> {
        let failed = |source| CliError::Read { path: directory.to_path_buf(), source };
        for entry in fs::read_dir(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            if entry.file_type().map_err(failed)?.is_dir() {
                self.count(&path)?;
                continue;
            }
            let files = if path.extension().is_some_and(|extension| extension == "jnl") {
                &mut self.journals
            } else if directory.file_name().is_some_and(|name| name == "tables") {
                &mut self.tables
            } else {
                &mut self.others
            };
            match entry.metadata() {
                Ok(metadata) => {
                    files.files += 1;
                    files.bytes += metadata.len();
                }
                // An engine that has the store open writes and deletes files.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(CliError::Read { path, source }),
            }
        }
        Ok(())
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.path.display())?;
        writeln!(f, "format:    {}", self.format)?;
        writeln!(f, "in use:    {}", if self.in_use { "yes" } else { "no" })?;
        writeln!(f, "journals:  {}", self.journals)?;
        writeln!(f, "tables:    {}", self.tables)?;
        write!(f, "others:    {}", self.others)
    }
}

impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} files, {} bytes", self.files, self.bytes)
    }
}
