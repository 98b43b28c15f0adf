//! Copies a large file, and goes on from its last heartbeat when it is killed in the middle.

mod activities;
mod args;
mod console;
mod contract;
mod digest;
mod faults;
mod launch;
mod original;
mod partial;
mod sample;
mod screen;
mod watch;
mod workflow;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;

#[tokio::main]
async fn main() -> ExitCode {
    match launch::copy(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::error(&error);
            error.exit_code()
        }
    }
}
