//! Ending attempts from elsewhere than their code (rules ASY-1 and ASY-2).

use std::sync::Arc;

use entracte_model::{EventAttributes, Failure, Payload, RunId, Seq, TaskToken, WorkflowId};
use entracte_store::rows::{ActivityOutcome, InboxMessage};
use entracte_store::{Store, StoreError, StoreExt};
use serde::Serialize;

use super::Client;
use super::tell::or_unknown;
use crate::errors::{AsyncActivityError, RunNotFound, shorten};
use crate::messages::{
    AsyncActivityAction, AsyncActivityCall, AttemptTarget, DirectoryMessage, HeartbeatAnswer,
    RunCall,
};
use crate::shared::Shared;

/// An attempt at an activity whose result comes from elsewhere than its code: to complete it,
/// fail it, report it as cancelled, or heartbeat it. Cheap to clone; does not keep the engine
/// alive.
///
/// It works whether the code has returned
/// [`result_pending`](entracte_workflow::ActivityContext::result_pending) or still runs: then
/// the code is told and stopped. It works for parked runs, and after a restart of the engine.
/// Each call is answered when it is durable.
#[derive(Debug, Clone)]
#[must_use = "nothing happens to the attempt before it is completed, failed or heartbeated"]
pub struct AsyncActivity {
    client: Client,
    which: Which,
}

/// How the attempt is named.
#[derive(Debug, Clone)]
enum Which {
    Token(TaskToken),
    Ids { workflow_id: String, run_id: Option<RunId>, activity_id: String },
}

impl AsyncActivity {
    pub(crate) fn by_token(client: Client, token: TaskToken) -> Self {
        Self { client, which: Which::Token(token) }
    }

    pub(crate) fn by_ids(client: Client, workflow_id: String, activity_id: String) -> Self {
        Self { client, which: Which::Ids { workflow_id, run_id: None, activity_id } }
    }

    /// Names the run of the workflow id. Default the open run, or else the last; without effect
    /// on a token, which names its run.
    pub fn run_id(mut self, id: RunId) -> Self {
        if let Which::Ids { run_id, .. } = &mut self.which {
            *run_id = Some(id);
        }
        self
    }

    /// Completes the activity with a result.
    ///
    /// The activity's ids (but not a token) also name one of which no attempt is under way,
    /// because it waits for its next one: as with Temporal's server, it is completed too.
    ///
    /// # Errors
    /// [`AsyncActivityError::NotFound`] if the attempt has ended, also if it was completed
    /// before; others if the result is too large, or there is nobody to tell.
    pub async fn complete<T: Serialize + ?Sized>(
        &self,
        value: &T,
    ) -> Result<(), AsyncActivityError> {
        let result = self.encode("a result", value)?;
        self.act(AsyncActivityAction::Complete(result)).await.map(drop)
    }

    /// Fails the attempt. Whether there is another one is decided as for any failed attempt
    /// (rule RET-11).
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub async fn fail(&self, failure: Failure) -> Result<(), AsyncActivityError> {
        self.check_size("a failure", failure.size())?;
        self.act(AsyncActivityAction::Fail(failure)).await.map(drop)
    }

    /// Reports that the activity was cancelled, as its workflow had asked; `&()` stands for no
    /// details.
    ///
    /// # Errors
    /// [`AsyncActivityError::CancelNotRequested`] if nobody has asked it to cancel (rule ACX-4);
    /// others as [`complete`](Self::complete).
    pub async fn report_cancelled<T: Serialize + ?Sized>(
        &self,
        details: &T,
    ) -> Result<(), AsyncActivityError> {
        let details = Some(self.encode("details", details)?).filter(|it| *it != Payload::null());
        self.act(AsyncActivityAction::ReportCancelled(details)).await.map(drop)
    }

    /// Tells that the attempt is alive and how far it has come, and learns what became of it
    /// meanwhile (rule HB-1). Unlike those of running code, each of these heartbeats is stored.
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub async fn heartbeat<T: Serialize + ?Sized>(
        &self,
        details: &T,
    ) -> Result<HeartbeatAnswer, AsyncActivityError> {
        let details = self.encode("details", details)?;
        self.act(AsyncActivityAction::Heartbeat(details)).await
    }

    fn encode<T: Serialize + ?Sized>(
        &self,
        what: &'static str,
        value: &T,
    ) -> Result<Payload, AsyncActivityError> {
        let payload = Payload::encode(value)?;
        self.check_size(what, payload.data().len())?;
        Ok(payload)
    }

    fn check_size(&self, what: &'static str, bytes: usize) -> Result<(), AsyncActivityError> {
        let limit = self.client.shared()?.options.payload_bytes_max;
        if bytes > limit {
            return Err(AsyncActivityError::PayloadTooLarge { what, bytes, limit });
        }
        Ok(())
    }

    async fn act(
        &self,
        action: AsyncActivityAction,
    ) -> Result<HeartbeatAnswer, AsyncActivityError> {
        let (run_id, target) = self.target().await?;
        let question = |reply| {
            let (target, action) = (target.clone(), action.clone());
            RunCall::AsyncActivity(Box::new(AsyncActivityCall { target, action, reply }))
        };
        let (answer, asked) = self.client.tell(run_id, question).await;
        match answer {
            // It was told before, and the answer was lost: this may be what ended the attempt.
            Err(AsyncActivityError::NotFound(_)) if asked > 1 => {
                let shared = or_unknown(self.running(), run_id, true)?;
                if was_taken(&*shared.store, run_id, &target, &action)? {
                    return Ok(HeartbeatAnswer::default());
                }
                answer
            }
            answer => answer,
        }
    }

    fn running(&self) -> Result<Arc<Shared>, AsyncActivityError> {
        Ok(self.client.running()?)
    }

    async fn target(&self) -> Result<(RunId, AttemptTarget), AsyncActivityError> {
        let (workflow_id, run_id, activity_id) = match &self.which {
            Which::Token(token) => return Ok((token.run_id, AttemptTarget::Token(*token))),
            Which::Ids { workflow_id, run_id, activity_id } => (workflow_id, run_id, activity_id),
        };
        let invalid = |source| AsyncActivityError::InvalidId { id: shorten(workflow_id), source };
        let workflow_id = WorkflowId::new(workflow_id).map_err(invalid)?;
        let target = AttemptTarget::Id(activity_id.clone());
        if let Some(run_id) = *run_id {
            let row = self.running()?.store.get_run(run_id)?;
            if row.is_none_or(|row| row.workflow_id != workflow_id) {
                return Err(RunNotFound::RunId { run_id }.into());
            }
            return Ok((run_id, target));
        }
        let find = |reply| DirectoryMessage::Find { workflow_id: workflow_id.clone(), reply };
        let found = self.client.ask(find).await??;
        let run_id = found.ok_or(RunNotFound::WorkflowId { workflow_id: workflow_id.clone() })?;
        Ok((run_id, target))
    }
}

/// Whether an attempt has ended just as it was to be ended. Asked only by somebody who has told
/// it before: nobody else is likely to have had the same to say.
fn was_taken(
    store: &dyn Store,
    run_id: RunId,
    target: &AttemptTarget,
    action: &AsyncActivityAction,
) -> Result<bool, StoreError> {
    let history = store.read_history(run_id)?;
    let Some((seq, scheduled_event_id)) = history.iter().rev().find_map(|event| {
        let EventAttributes::ActivityTaskScheduled(scheduled) = &event.attributes else {
            return None;
        };
        let is_target = match target {
            AttemptTarget::Token(token) => scheduled.seq == token.seq,
            AttemptTarget::Id(id) => *scheduled.activity_id == **id,
        };
        is_target.then_some((scheduled.seq, event.id))
    }) else {
        return Ok(false);
    };
    use AsyncActivityAction as Act;
    let is_end = |attributes: &EventAttributes| match (attributes, action) {
        (EventAttributes::ActivityTaskCompleted(end), Act::Complete(result)) => {
            end.scheduled_event_id == scheduled_event_id && end.result == *result
        }
        (EventAttributes::ActivityTaskFailed(end), Act::Fail(failure)) => {
            end.scheduled_event_id == scheduled_event_id && end.failure == *failure
        }
        (EventAttributes::ActivityTaskCanceled(end), Act::ReportCancelled(details)) => {
            end.scheduled_event_id == scheduled_event_id && end.details == *details
        }
        _ => false,
    };
    if history.iter().any(|event| is_end(&event.attributes)) {
        return Ok(true);
    }
    Ok(waits_in_inbox(store, run_id, seq, action)?
        || is_retried(store, run_id, seq, target, action)?)
}

fn waits_in_inbox(
    store: &dyn Store,
    run_id: RunId,
    seq: Seq,
    action: &AsyncActivityAction,
) -> Result<bool, StoreError> {
    use AsyncActivityAction as Act;
    let is_end = |outcome: &ActivityOutcome| match (outcome, action) {
        (ActivityOutcome::Completed { result }, Act::Complete(told)) => result == told,
        (ActivityOutcome::Failed { failure, .. }, Act::Fail(told)) => failure == told,
        (ActivityOutcome::Canceled { details }, Act::ReportCancelled(told)) => details == told,
        _ => false,
    };
    Ok(store.inbox(run_id)?.iter().any(|(_, row)| match &row.message {
        InboxMessage::ActivityClosed(closed) => closed.seq == seq && is_end(&closed.outcome),
        _ => false,
    }))
}

/// Whether the attempt has failed as it was told to, and another one follows.
fn is_retried(
    store: &dyn Store,
    run_id: RunId,
    seq: Seq,
    target: &AttemptTarget,
    action: &AsyncActivityAction,
) -> Result<bool, StoreError> {
    let (AsyncActivityAction::Fail(failure), AttemptTarget::Token(token)) = (action, target) else {
        return Ok(false);
    };
    let kept = failure.clone().within(Failure::LAST_FAILURE_BYTES_MAX);
    let pending = store.pending_activities(run_id)?;
    Ok(pending.iter().any(|(key, row)| {
        let follows = row.attempt == token.attempt.saturating_add(1);
        key.seq == seq && follows && row.last_failure.as_ref() == Some(&kept)
    }))
}
