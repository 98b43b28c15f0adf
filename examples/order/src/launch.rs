//! One order from its placing to its end.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use entracte::prelude::*;
use entracte::{RunError, ShutdownError, StartEngineError, StartWorkflowError};

use crate::activities::{Payments, Warehouse};
use crate::args::Args;
use crate::bank::Bank;
use crate::console;
use crate::contract::{APPROVE, Approval, ORDER, Order, STATUS, Status, Tracking};
use crate::http::{self, HttpGateway};
use crate::ledger::{Entry, Ledger};
use crate::timeline;
use crate::workflow;

/// How often an order is asked where it stands.
const STATUS_INTERVAL: Duration = Duration::from_millis(50);

/// Says why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error("the directory `{}` cannot be used", path.display())]
    Data { path: PathBuf, source: io::Error },
    #[error("the payment service cannot be started")]
    Service(#[source] io::Error),
    #[error("the engine cannot be started")]
    StartEngine(#[from] StartEngineError),
    #[error("the order cannot be placed")]
    StartWorkflow(#[from] StartWorkflowError),
    #[error(transparent)]
    Order(#[from] WorkflowError),
    #[error("the order cannot be looked at")]
    Run(#[from] RunError),
    #[error("the order cannot be asked where it stands")]
    Query(#[from] QueryError),
    #[error("the approver's answer cannot be sent")]
    Signal(#[from] SignalError),
    #[error("the engine cannot be shut down")]
    Shutdown(#[from] ShutdownError),
}

/// Carries an order out, or goes on with one that was cut off.
pub(crate) async fn order(args: Args) -> Result<(), LaunchError> {
    let unusable = |source| LaunchError::Data { path: args.data.clone(), source };
    std::fs::create_dir_all(&args.data).map_err(unusable)?;
    let ledger = Ledger::open(&args.data.join("ledger.jsonl")).map_err(unusable)?;
    let ledger = Arc::new(ledger);
    let tell = |text| console::said("payments", text);
    let bank = Bank::new(Arc::clone(&ledger), args.trouble(), tell);
    let address = http::serve(bank).await.map_err(LaunchError::Service)?;
    let engine = Engine::builder(args.data.join("engine"))
        .workflow(ORDER, workflow::order)
        .activities(Payments { gateway: HttpGateway::new(address, args.twice) })
        .activities(Warehouse { has_carrier: !args.ship_fails })
        .start()
        .await?;
    let run = find_or_place(&engine, &args).await?;
    let (result, approved) = tokio::join!(watched_result(&run), approve(&run, &args));
    let history = run.history().await;
    let shutdown = engine.shutdown().await;
    if let Ok(history) = &history {
        console::line("");
        timeline::lines(history).iter().for_each(console::line);
    }
    tell_ledger(&ledger, &run);
    // The order's own failure is more telling than what went wrong beside it.
    let Tracking { tracking } = result?;
    approved?;
    history?;
    shutdown?;
    console::line(format_args!("shipped: {tracking}"));
    Ok(())
}

/// Finds the order if it is open, or places it.
async fn find_or_place(
    engine: &Engine,
    args: &Args,
) -> Result<WorkflowHandle<Tracking>, LaunchError> {
    match engine.workflow_handle(ORDER, &args.id).await {
        Ok(run) if run.describe().await?.status.is_open() => {
            console::said("order", format_args!("goes on, run {}", run.run_id()));
            return Ok(run);
        }
        Ok(_) | Err(RunError::NotFound(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let Args { id, cents, deadline, .. } = args.clone();
    let order = Order { id, cents, deadline };
    let run = engine.start_workflow(ORDER, order).workflow_id(&args.id).await?;
    console::said("order", format_args!("is placed, run {}", run.run_id()));
    Ok(run)
}

/// Waits for the end of the order, and tells where it stands until then.
async fn watched_result(run: &WorkflowHandle<Tracking>) -> Result<Tracking, LaunchError> {
    let mut last = None;
    let result = tokio::select! {
        biased;
        result = run.result() => result,
        error = watch(run, &mut last) => return Err(error.into()),
    };
    tell_status(run.query(STATUS).await?, &mut last);
    Ok(result?)
}

/// Asks the order where it stands, again and again, until there is no answer.
async fn watch(run: &WorkflowHandle<Tracking>, last: &mut Option<Status>) -> QueryError {
    loop {
        match run.query(STATUS).await {
            Ok(status) => tell_status(status, last),
            Err(error) => return error,
        }
        tokio::time::sleep(STATUS_INTERVAL).await;
    }
}

fn tell_status(status: Status, last: &mut Option<Status>) {
    if last.as_ref() != Some(&status) {
        console::said("status", &status);
        *last = Some(status);
    }
}

/// Answers as an approver would. A repetition after a crash is the same answer.
async fn approve(run: &WorkflowHandle<Tracking>, args: &Args) -> Result<(), SignalError> {
    if args.no_approval {
        return Ok(());
    }
    tokio::time::sleep(args.approve_after).await;
    let approval = Approval { approved: !args.reject, by: "the approver".to_owned() };
    let answer = if approval.approved { "yes" } else { "no" };
    match run.signal(APPROVE, approval).request_id("answer").await {
        Ok(()) => console::said("approver", format_args!("said {answer}")),
        Err(SignalError::AlreadyClosed { .. }) => console::said("approver", "came too late"),
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Tells what the payment service has in its books for this run.
fn tell_ledger(ledger: &Ledger, run: &WorkflowHandle<Tracking>) {
    let run = run.run_id().to_string();
    let (mut charged, mut refunded) = (0, 0);
    for entry in ledger.entries() {
        match entry {
            Entry::Charged { key, cents, .. } if key == run => charged += cents,
            Entry::Refunded { key, cents } if key == run => refunded += cents,
            _ => {}
        }
    }
    console::line(format_args!("\nthe ledger: {charged} cents charged, {refunded} paid back"));
}
