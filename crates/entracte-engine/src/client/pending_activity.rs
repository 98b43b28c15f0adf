//! Operations on pending activities (rules PAU-2 to PAU-4).

use std::future::IntoFuture;
use std::pin::Pin;

use entracte_model::{ActivityOptionsUpdate, RunId};
use uuid::Uuid;

use super::{Client, WorkflowHandle};
use crate::description::PendingActivityDescription;
use crate::errors::{ActivityNotFound, PendingActivityError, RunError};
use crate::messages::{
    ActivityOperation, ActivityOperationCall, DirectoryMessage, OperationTarget, ResetOptions,
    RunCall, UnpauseOptions,
};

/// A pending activity of a run, to look at it, to pause, unpause or reset it, or to change its
/// options. Cheap to clone.
///
/// What is done to it is no event of the history, and the workflow does not notice. Each
/// operation is answered when it is durable; it works for parked runs too.
#[derive(Debug, Clone)]
#[must_use = "nothing happens to the activity before an operation is awaited"]
pub struct PendingActivity(Target);

/// All pending activities of a run that have one type, to pause, unpause or reset them, or to
/// change their options: all together or, after an error, none of them. Cheap to clone.
#[derive(Debug, Clone)]
#[must_use = "nothing happens to the activities before an operation is awaited"]
pub struct PendingActivities(Target);

#[derive(Debug, Clone)]
struct Target {
    client: Client,
    run_id: RunId,
    target: OperationTarget,
}

impl<O> WorkflowHandle<O> {
    /// Gives a handle to a pending activity of the run that is open now, by its id.
    pub fn pending_activity(&self, activity_id: impl Into<String>) -> PendingActivity {
        PendingActivity(self.target(OperationTarget::Id(activity_id.into())))
    }

    /// Gives a handle to the pending activities of the run that is open now of one type: of one
    /// durable name.
    pub fn pending_activities_of_type(
        &self,
        activity_type: impl Into<String>,
    ) -> PendingActivities {
        PendingActivities(self.target(OperationTarget::Type(activity_type.into())))
    }

    fn target(&self, target: OperationTarget) -> Target {
        // What cannot be found out now is told by the operation.
        let run_id = self.current().unwrap_or(self.run_id());
        Target { client: self.client().clone(), run_id, target }
    }
}

impl PendingActivity {
    /// Tells where the activity stands (rule RET-21).
    ///
    /// # Errors
    /// [`PendingActivityError::NotFound`] if it is not pending; others if there is nobody to
    /// ask.
    pub async fn describe(&self) -> Result<PendingActivityDescription, PendingActivityError> {
        let Target { client, run_id, target } = &self.0;
        let question = |reply| {
            let (run_id, call) = (*run_id, RunCall::Describe { reply });
            DirectoryMessage::Call { run_id, call }
        };
        let described = client.ask(question).await?.map_err(|error| match error {
            RunError::NotFound(not_found) => not_found.into(),
            RunError::Store(error) => error.into(),
            RunError::HistoryUnusable { run_id, cause } => {
                PendingActivityError::HistoryUnusable { run_id, cause }
            }
            RunError::EngineStopped(stopped) => stopped.into(),
            other => {
                let (run_id, reason) = (*run_id, other.to_string());
                PendingActivityError::OutcomeUnknown { run_id, reason }
            }
        })?;
        let (OperationTarget::Id(id) | OperationTarget::Type(id)) = target;
        let mut pending = described.pending_activities.into_iter();
        pending.find(|activity| activity.activity_id == *id).ok_or_else(|| {
            ActivityNotFound::NotPending { run_id: *run_id, activity: id.clone() }.into()
        })
    }
}

macro_rules! operations {
    ($handle:ident) => {
        impl $handle {
            /// Pauses (rule PAU-2): there is no further attempt until it is unpaused, and it runs
            /// into no timeout (rule TMO-9). The attempt that runs is told at once
            /// ([`CancelCause::Paused`](entracte_workflow::CancelCause::Paused)), and may go on
            /// to its end; what it returns as cancelled counts as a failed attempt.
            ///
            /// Timeouts go on to count while the activity is paused: what is over when it is
            /// unpaused comes at that moment.
            ///
            /// Awaiting it gives [`PendingActivityError::AlreadyPaused`] if it is paused.
            pub fn pause(&self, reason: impl Into<String>) -> PauseActivity {
                PauseActivity { target: self.0.clone(), reason: reason.into() }
            }

            /// Unpauses: the next attempt starts now, unless one runs. Of what is not paused
            /// nothing is changed.
            pub fn unpause(&self) -> UnpauseActivity {
                UnpauseActivity { target: self.0.clone(), options: UnpauseOptions::default() }
            }

            /// Resets (rule PAU-3): the next attempt is the first again. It starts now, if none
            /// runs; one that runs is told at once
            /// ([`CancelCause::Reset`](entracte_workflow::CancelCause::Reset)), and may go on to
            /// its end; if it fails, the first one follows. What is paused is unpaused.
            pub fn reset(&self) -> ResetActivity {
                ResetActivity { target: self.0.clone(), options: ResetOptions::default() }
            }

            /// Changes options (rule PAU-4): those that the update sets. Timeouts hold at once,
            /// also for the attempt that runs (which does not see its new deadline); a back-off
            /// that is under way is computed anew if its policy has changed.
            ///
            /// Awaiting it gives [`PendingActivityError::InvalidOptions`] if the options would
            /// be wrong.
            pub fn update_options(&self, update: ActivityOptionsUpdate) -> UpdateActivityOptions {
                UpdateActivityOptions { target: self.0.clone(), update }
            }
        }
    };
}

operations!(PendingActivity);
operations!(PendingActivities);

/// A pause that has not been asked for yet: `.await` it.
#[must_use = "nothing is paused before this is awaited"]
#[derive(Debug)]
pub struct PauseActivity {
    target: Target,
    reason: String,
}

/// An unpause that has not been asked for yet: set options, then `.await` it.
#[must_use = "nothing is unpaused before this is awaited"]
#[derive(Debug)]
pub struct UnpauseActivity {
    target: Target,
    options: UnpauseOptions,
}

impl UnpauseActivity {
    /// Lets the next attempt be the first again. Default: attempts are counted on.
    pub fn reset_attempts(mut self) -> Self {
        self.options.reset_attempts = true;
        self
    }

    /// Forgets what heartbeats have said so far. Default: the next attempt sees it.
    pub fn reset_heartbeat(mut self) -> Self {
        self.options.reset_heartbeat = true;
        self
    }
}

/// A reset that has not been asked for yet: set options, then `.await` it.
#[must_use = "nothing is reset before this is awaited"]
#[derive(Debug)]
pub struct ResetActivity {
    target: Target,
    options: ResetOptions,
}

impl ResetActivity {
    /// Keeps from the next attempt what heartbeats have said before it. Default: it sees it.
    pub fn reset_heartbeat(mut self) -> Self {
        self.options.reset_heartbeat = true;
        self
    }

    /// Leaves what is paused paused. Default: it is unpaused.
    pub fn keep_paused(mut self) -> Self {
        self.options.keep_paused = true;
        self
    }

    /// Takes changes of the options back. Default: they stay.
    pub fn restore_original_options(mut self) -> Self {
        self.options.restore_original_options = true;
        self
    }
}

/// A change of options that has not been asked for yet: `.await` it.
#[must_use = "nothing is changed before this is awaited"]
#[derive(Debug)]
pub struct UpdateActivityOptions {
    target: Target,
    update: ActivityOptionsUpdate,
}

impl Target {
    async fn operate(self, operation: ActivityOperation) -> Result<(), PendingActivityError> {
        let Self { client, run_id, target } = self;
        let question = |reply| {
            let (target, operation) = (target.clone(), operation.clone());
            RunCall::ActivityOperation(Box::new(ActivityOperationCall { target, operation, reply }))
        };
        let (answer, asked) = client.tell(run_id, question).await;
        if asked > 1 { answer_of_last(run_id, answer) } else { answer }
    }
}

/// What the last answer tells of an operation that was told before, and its answer lost.
fn answer_of_last(
    run_id: RunId,
    answer: Result<(), PendingActivityError>,
) -> Result<(), PendingActivityError> {
    match answer {
        // It is that which has paused it.
        Err(PendingActivityError::AlreadyPaused { .. }) => Ok(()),
        // The activity has ended since, with the operation or without it.
        Err(PendingActivityError::NotFound(
            gone @ (ActivityNotFound::NotPending { .. } | ActivityNotFound::RunClosed { .. }),
        )) => {
            let reason = format!("an answer was lost, and now {gone}");
            Err(PendingActivityError::OutcomeUnknown { run_id, reason })
        }
        answer => answer,
    }
}

macro_rules! await_operation {
    ($request:ident, |$it:ident| $operation:expr) => {
        impl IntoFuture for $request {
            type Output = Result<(), PendingActivityError>;
            type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

            fn into_future(self) -> Self::IntoFuture {
                let $it = self;
                let operation = $operation;
                Box::pin($it.target.operate(operation))
            }
        }
    };
}

await_operation!(PauseActivity, |it| ActivityOperation::Pause { reason: it.reason });
await_operation!(UnpauseActivity, |it| ActivityOperation::Unpause(it.options));
await_operation!(ResetActivity, |it| {
    ActivityOperation::Reset(Uuid::new_v4().to_string().into(), it.options)
});
await_operation!(UpdateActivityOptions, |it| {
    ActivityOperation::UpdateOptions(Box::new(it.update))
});

#[cfg(test)]
mod tests {
    use entracte_model::Timestamp;

    use super::*;
    use crate::errors::RunNotFound;

    #[test]
    fn pau_3_what_was_told_before_and_finds_no_activity_any_more_may_have_been_carried_out() {
        let run_id = RunId::from_time_and_random(Timestamp::EPOCH, [0; 10]);
        let activity = "1".to_owned();
        let not_pending = ActivityNotFound::NotPending { run_id, activity: activity.clone() };
        for gone in [not_pending, ActivityNotFound::RunClosed { run_id }] {
            let answer = answer_of_last(run_id, Err(gone.into()));
            let Err(PendingActivityError::OutcomeUnknown { reason, .. }) = answer else {
                panic!("{answer:?}")
            };
            assert!(reason.starts_with("an answer was lost, and now "), "{reason}");
        }
        let paused = PendingActivityError::AlreadyPaused { run_id, activity };
        assert!(answer_of_last(run_id, Err(paused)).is_ok());
        assert!(answer_of_last(run_id, Ok(())).is_ok());
        // A run that there is not was never told anything.
        let unknown = ActivityNotFound::Run(RunNotFound::RunId { run_id });
        let answer = answer_of_last(run_id, Err(unknown.into()));
        assert!(matches!(answer, Err(PendingActivityError::NotFound(_))), "{answer:?}");
    }
}
