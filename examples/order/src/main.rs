//! An order that is approved in time, paid once whatever happens, and paid back if it cannot be
//! shipped.

mod activities;
mod args;
mod bank;
mod console;
mod contract;
mod gateway;
mod http;
mod launch;
mod ledger;
#[cfg(test)]
mod tests;
mod timeline;
mod workflow;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;

#[tokio::main]
async fn main() -> ExitCode {
    match launch::order(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::error(&error);
            ExitCode::FAILURE
        }
    }
}
