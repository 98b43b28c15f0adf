//! Calls to runs: passed on to those in memory, and answered from the store for the others.

use entracte_model::{EventId, RunId};
use entracte_store::StoreExt;
use entracte_store::rows::RunRow;

use super::answers::{fail, not_found, refuse};
use super::state::DirectoryState;
use crate::actors::run::published;
use crate::description::WorkflowDescription;
use crate::errors::{ActivityNotFound, RunError, SignalError, WorkflowError};
use crate::messages::{DirectoryMessage, ResultReply, RunCall, RunMessage};

impl DirectoryState {
    /// Passes a call to a run that is in memory, or answers it from the store.
    pub(super) async fn call(&mut self, run_id: RunId, call: RunCall) {
        if let Some(stopped) = self.stopped() {
            return refuse(call, stopped);
        }
        if let Some(run) = self.open.get(run_id) {
            let _ = run.actor.cast(RunMessage::Call(call));
            return;
        }
        if let Some(calls) = self.lost.get_mut(&run_id) {
            // It is opened again soon, and not sooner because somebody asks.
            calls.push(call);
            return;
        }
        match self.store().get_run(run_id) {
            Err(error) => fail(call, error),
            Ok(None) => not_found(call, run_id),
            Ok(Some(row)) if row.status.is_open() && self.opens_run(run_id, &call) => {
                if self.open_stored(run_id, &row).await
                    && let Some(run) = self.open.get(run_id)
                {
                    let _ = run.actor.cast(RunMessage::Call(call));
                }
            }
            Ok(Some(row)) => self.answer_from_store(run_id, &row, call),
        }
    }

    /// Whether a call to an open run that is not in memory is for the run itself. A query is only
    /// if the run has not begun: what was acknowledged before is taken up in its first turn.
    fn opens_run(&self, run_id: RunId, call: &RunCall) -> bool {
        let has_begun = || matches!(self.store().get_event(run_id, EventId::FIRST), Ok(Some(_)));
        !matches!(call, RunCall::Query { .. }) || !has_begun()
    }

    /// Answers for a run that is closed, or a query of one that is not in memory.
    fn answer_from_store(&self, run_id: RunId, row: &RunRow, call: RunCall) {
        match call {
            RunCall::Start(request) => {
                let _ = self.myself.cast(DirectoryMessage::Start(request));
            }
            RunCall::Result { reply } => self.closed_result(run_id, row, reply),
            RunCall::Describe { reply } => {
                let length = row.close.map_or(0, |close| close.last_event_id.get());
                let _ = reply.send(Ok(WorkflowDescription::of_row(run_id, row, length)));
            }
            RunCall::Cancel { reply, .. } | RunCall::Terminate { reply, .. } => {
                let _ = reply.send(Err(RunError::AlreadyClosed { run_id }));
            }
            RunCall::Signal { reply, .. } => {
                let _ = reply.send(Err(SignalError::AlreadyClosed { run_id }));
            }
            RunCall::ActivityOperation(call) => {
                let _ = call.reply.send(Err(ActivityNotFound::RunClosed { run_id }.into()));
            }
            RunCall::AsyncActivity(call) => {
                let _ = call.reply.send(Err(ActivityNotFound::RunClosed { run_id }.into()));
            }
            RunCall::Query { query, reply } => {
                let _ = reply.send(published(self.store(), run_id, &query));
            }
        }
    }

    fn closed_result(&self, run_id: RunId, row: &RunRow, reply: ResultReply) {
        let event_id = row.close.map_or(EventId::default(), |close| close.last_event_id);
        let answer = match self.store().get_event(run_id, event_id) {
            Err(error) => Err(error.into()),
            Ok(Some(event)) if event.attributes.event_type().is_close() => Ok(event.attributes),
            Ok(_) => Err(WorkflowError::NoCloseEvent { run_id, event_id }),
        };
        let _ = reply.send(answer);
    }
}
