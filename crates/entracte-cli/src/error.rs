//! Why there was no looking.

use std::io;
use std::path::PathBuf;

use entracte::export::ExportError;
use entracte::store::StoreError;

/// Says why there was no looking.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The store cannot be opened or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The scratch copy cannot be made.
    #[error("cannot make a scratch copy at {}", path.display())]
    Scratch { path: PathBuf, source: io::Error },
    /// The file for the export cannot be made, or not be synced.
    #[error("cannot write {}", path.display())]
    Output { path: PathBuf, source: io::Error },
    /// The export was not written to its end.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The result cannot be told.
    #[error("cannot print the result")]
    Print { source: io::Error },
}
