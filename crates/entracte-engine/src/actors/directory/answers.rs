//! What a call is answered that no run gets.

use entracte_model::RunId;
use entracte_store::StoreError;

use crate::errors::{
    AsyncActivityError, EngineStopped, PendingActivityError, QueryError, RunError, RunNotFound,
    SignalError, WorkflowError,
};
use crate::messages::RunCall;

/// The engine has stopped.
pub(super) fn refuse(call: RunCall, stopped: EngineStopped) {
    match call {
        RunCall::Start(request) => drop(request.reply.send(Err(stopped.into()))),
        call => answer(call, stopped),
    }
}

/// The store could not be read.
pub(super) fn fail(call: RunCall, error: StoreError) {
    match call {
        RunCall::Start(request) => drop(request.reply.send(Err(error.into()))),
        call => answer(call, error),
    }
}

/// There is no such run.
pub(super) fn not_found(call: RunCall, run_id: RunId) {
    answer(call, RunNotFound::RunId { run_id });
}

/// Gives a call to a run this error. A start gets none: its client asks again, since the run that
/// it was sent to never came to be.
fn answer<E>(call: RunCall, error: E)
where
    E: Into<WorkflowError>
        + Into<RunError>
        + Into<SignalError>
        + Into<AsyncActivityError>
        + Into<PendingActivityError>
        + Into<QueryError>,
{
    match call {
        RunCall::Start(_) => {}
        RunCall::Result { reply } => drop(reply.send(Err(error.into()))),
        RunCall::Describe { reply } => drop(reply.send(Err(error.into()))),
        RunCall::Cancel { reply, .. } | RunCall::Terminate { reply, .. } => {
            let _ = reply.send(Err(error.into()));
        }
        RunCall::Signal { reply, .. } => drop(reply.send(Err(error.into()))),
        RunCall::AsyncActivity(call) => drop(call.reply.send(Err(error.into()))),
        RunCall::ActivityOperation(call) => drop(call.reply.send(Err(error.into()))),
        RunCall::Query { reply, .. } => drop(reply.send(Err(error.into()))),
    }
}
