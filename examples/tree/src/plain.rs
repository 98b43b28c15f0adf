//! The tree on a console that is no terminal.

use std::io::Write;
use std::time::Duration;

use entracte::prelude::*;

use crate::args::Args;
use crate::stage::{Stage, StageError};

/// Says why the season did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlainError {
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error(transparent)]
    Season(#[from] WorkflowError),
}

/// Prints the tree now and then until the season is over.
pub(crate) async fn print(args: &Args, every: Duration) -> Result<(), PlainError> {
    let Stage { engine, season, .. } = Stage::open(args).await?;
    let result = loop {
        if let Ok(tree) = engine.tree().await {
            line(format_args!("{tree}\n"));
        }
        if let Ok(result) = tokio::time::timeout(every, season.result()).await {
            break result;
        }
    };
    engine.shutdown().await.map_err(StageError::from)?;
    line(format_args!("the season is over: {} acts were performed", result?));
    Ok(())
}

/// Prints a line. A reader that went away is no reason to stop a season.
fn line(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
