//! Encrypts every value that reaches the disk, with keys that can be changed.
//!
//! Each call starts a run with a card number in its argument, unless that run is there already,
//! and prints its receipt. Call it again with a new key in front of the old one: old runs are
//! still read, new ones are encrypted with the new key. Without the old key it is refused.

mod codec;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use entracte::StartWorkflowError;
use entracte::prelude::*;

use crate::codec::{Encryption, NamedKey};

const CHARGE: Activity<String, String> =
    Activity::new("charge").start_to_close_timeout(Duration::from_secs(10));
const ORDER: Workflow<String, String> = Workflow::new("order");

async fn order(ctx: WorkflowContext, card: String) -> WorkflowResult<String> {
    ctx.activity(CHARGE, card).await.context("charge the card")
}

async fn charge(_ctx: ActivityContext, card: String) -> ActivityResult<String> {
    let last = card.get(card.len().saturating_sub(4)..).unwrap_or_default();
    Ok(format!("receipt for the card that ends with {last}"))
}

#[derive(Debug, Parser)]
#[command(about)]
struct Args {
    /// Where the engine keeps its runs.
    #[arg(long, default_value = "encrypted-data")]
    data: PathBuf,
    /// The keys as `id=64 hexadecimal digits`: the first one encrypts, all of them decrypt. A
    /// real program takes them from where it keeps its secrets, not from its arguments.
    #[arg(long, required = true, value_delimiter = ',')]
    keys: Vec<String>,
    /// The id of the order.
    #[arg(long, default_value = "order-1")]
    order: String,
    /// The number of the card that pays for it.
    #[arg(long, default_value = "4000123412341234")]
    card: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(receipt) => {
            println!("{receipt}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<String, Box<dyn Error>> {
    let mut keys = args.keys.iter().map(|text| key(text)).collect::<Result<Vec<_>, _>>()?;
    let older = keys.split_off(1);
    let current = keys.pop().ok_or("at least one key is needed")?;
    let engine = Engine::builder(&args.data)
        .workflow(ORDER, order)
        .activity(CHARGE, charge)
        .payload_codec(Encryption::new(current, older))
        .start()
        .await?;
    let receipt = receipt(&engine, &args.order, args.card).await;
    engine.shutdown().await?;
    receipt
}

async fn receipt(engine: &Engine, id: &str, card: String) -> Result<String, Box<dyn Error>> {
    let start = engine.start_workflow(ORDER, card).workflow_id(id);
    let run = match start.id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate).await {
        Err(StartWorkflowError::AlreadyStarted { .. }) => engine.workflow_handle(ORDER, id).await?,
        run => run?,
    };
    Ok(run.result().await?)
}

/// Reads `id=64 hexadecimal digits`.
fn key(text: &str) -> Result<NamedKey, String> {
    let wrong = || {
        format!(
            "`{}` is not `id=64 hexadecimal digits`",
            text.split('=').next().unwrap_or_default()
        )
    };
    let (id, digits) = text.split_once('=').ok_or_else(wrong)?;
    if id.is_empty() || digits.len() != 64 || !digits.is_ascii() {
        return Err(wrong());
    }
    let mut key = [0; 32];
    for (byte, pair) in key.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    Ok(NamedKey::new(id, key))
}
