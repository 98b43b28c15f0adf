//! Deploys a small site in five durable stages, and survives being killed at any of them.

mod activities;
mod args;
mod client;
mod console;
mod contract;
mod effects;
mod faults;
mod files;
mod launch;
mod live;
mod process;
mod release;
mod request;
mod server;
mod stage;
mod timeline;
mod workflow;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let result = match args.command {
        None => launch::deploy(args.deploy).await,
        Some(Command::Stop { data }) => launch::stop(&data).await,
        Some(Command::Serve { config }) => server::run(&config).await.map_err(Into::into),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::error(&error);
            error.exit_code()
        }
    }
}
