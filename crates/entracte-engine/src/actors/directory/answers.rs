//! What a call is answered that no run gets.

use entracte_model::RunId;
use entracte_store::StoreError;

use crate::errors::{EngineStopped, RunNotFound};
use crate::messages::RunCall;

/// The engine has stopped.
pub(super) fn refuse(call: RunCall, stopped: &EngineStopped) {
    match call {
        RunCall::Start(request) => drop(request.reply.send(Err(stopped.clone().into()))),
        RunCall::Result { reply } => drop(reply.send(Err(stopped.clone().into()))),
        RunCall::Describe { reply } => drop(reply.send(Err(stopped.clone().into()))),
        RunCall::Cancel { reply, .. } | RunCall::Terminate { reply, .. } => {
            let _ = reply.send(Err(stopped.clone().into()));
        }
        RunCall::Signal { reply, .. } => drop(reply.send(Err(stopped.clone().into()))),
        RunCall::AsyncActivity(call) => drop(call.reply.send(Err(stopped.clone().into()))),
        RunCall::ActivityOperation(call) => drop(call.reply.send(Err(stopped.clone().into()))),
        RunCall::Query { reply, .. } => drop(reply.send(Err(stopped.clone().into()))),
    }
}

/// The store could not be read.
pub(super) fn fail(call: RunCall, error: StoreError) {
    match call {
        RunCall::Start(request) => drop(request.reply.send(Err(error.into()))),
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

/// There is no such run.
pub(super) fn not_found(call: RunCall, run_id: RunId) {
    let error = RunNotFound::RunId { run_id };
    match call {
        // The client asks again: the run that it was sent to never came to be.
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
