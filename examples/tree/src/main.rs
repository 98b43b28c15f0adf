//! A terminal view of an engine's live tree, in which one can cancel runs, kill actors and restart
//! the engine, and see what happens.

mod args;
mod keys;
mod plain;
mod rows;
mod screen;
mod season;
mod stage;
#[cfg(test)]
mod tests;
mod view;
mod waits;

use std::error::Error;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::args::Args;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let is_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    let every = args.plain.or((!is_terminal).then_some(Duration::from_secs(1)));
    let ended: Result<(), Box<dyn Error>> = match every {
        Some(every) => plain::print(&args, every).await.map_err(Into::into),
        None => view::show(&args).await.map_err(Into::into),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let sources = std::iter::successors(error.source(), |source| (*source).source());
            let text = sources.fold(error.to_string(), |text, source| format!("{text}: {source}"));
            eprintln!("error: {text}");
            ExitCode::FAILURE
        }
    }
}
