//! Chains of runs: how a run ends in another one, and how that begins.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{HISTORY_FORMAT_VERSION, SourceLocation, WorkflowExecutionStarted};
use crate::failure::{Failure, TimeoutType};
use crate::headers::Headers;
use crate::id::RunId;
use crate::options::{default_task_queue, is_default_task_queue};
use crate::payload::Payload;
use crate::retry::{AttemptEnd, RetryDecision, RetryPolicy, decide_run, run_retry_delay};
use crate::time::{Timestamp, duration_option_serde};

/// Why a run follows another one; Temporal's names (rule CNT-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum ContinueAsNewInitiator {
    /// The workflow continued as new.
    Workflow,
    /// The run before it failed or timed out, and the retry policy allows another one.
    Retry,
    /// The workflow is a cron workflow.
    CronSchedule,
}

/// The run went on in a new one (rule CNT-1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowExecutionContinuedAsNew {
    /// The run that follows.
    pub new_execution_run_id: RunId,
    /// The durable name of its workflow.
    pub workflow_type: Arc<str>,
    /// Its arguments.
    pub input: Vec<Payload>,
    /// What travels along.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// Its task queue.
    #[serde(default = "default_task_queue", skip_serializing_if = "is_default_task_queue")]
    pub task_queue: Arc<str>,
    /// How long it may take.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "duration_option_serde")]
    pub run_timeout: Option<Duration>,
    /// How it is retried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicy>,
    /// How long it sleeps before its first turn.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "duration_option_serde")]
    pub backoff_start_interval: Option<Duration>,
    /// Where the workflow issued it.
    pub source: SourceLocation,
}

/// What a run's own timeout is to its retry policy (rule WTO-2).
#[must_use]
pub fn run_timeout_failure() -> Failure {
    Failure::timeout(TimeoutType::StartToClose, "workflow timeout")
}

impl WorkflowExecutionStarted {
    /// When the run takes its first turn at the earliest, if it began at `start`: behind its
    /// back-off.
    #[must_use]
    pub fn first_task_time(&self, start: Timestamp) -> Timestamp {
        start.saturating_add(self.first_workflow_task_backoff.unwrap_or_default())
    }

    /// When the run times out, if it began at `start`: with its own timeout, in which its
    /// back-off does not count, or with its chain (rules WTO-1 and WTO-2).
    #[must_use]
    pub fn times_out_at(&self, start: Timestamp) -> Option<Timestamp> {
        let own = self.run_timeout.map(|after| self.first_task_time(start).saturating_add(after));
        [own, self.execution_expiration].into_iter().flatten().min()
    }

    /// Decides whether a run that began like this and ends now with a failure is followed by
    /// another one (rules RET-3, RET-10 and RET-11). As on Temporal's server, it does not matter
    /// whether it was asked to cancel: only a run that closes as cancelled ends its chain.
    #[must_use]
    pub fn decide_retry(&self, failure: &Failure, now: Timestamp) -> RetryDecision {
        decide_run(&AttemptEnd {
            policy: self.retry_policy.as_ref(),
            attempt: self.attempt,
            failure,
            cancel_requested: false,
            paused: false,
            now,
            expiration: self.execution_expiration,
        })
    }

    /// The first event of the run that retries one that began like this: the same workflow once
    /// more, with the same deadline of its chain (rule CHD-10).
    #[must_use]
    pub fn retried(&self, run_id: RunId, new: RunId, failure: Failure) -> Self {
        let policy = self.retry_policy.as_ref();
        let delay = policy.map(|policy| run_retry_delay(policy, self.attempt, &failure));
        Self {
            attempt: self.attempt.saturating_add(1),
            initiator: Some(ContinueAsNewInitiator::Retry),
            continued_failure: Some(failure),
            first_workflow_task_backoff: delay.filter(|delay| !delay.is_zero()),
            ..self.followed(run_id, new)
        }
    }

    /// The first event of the run in which one that began like this goes on (rule CNT-2).
    #[must_use]
    pub fn continued(&self, run_id: RunId, event: &WorkflowExecutionContinuedAsNew) -> Self {
        Self {
            workflow_type: Arc::clone(&event.workflow_type),
            input: event.input.clone(),
            headers: event.headers.clone(),
            task_queue: Arc::clone(&event.task_queue),
            run_timeout: event.run_timeout,
            retry_policy: event.retry_policy.clone(),
            attempt: 1,
            initiator: Some(ContinueAsNewInitiator::Workflow),
            continued_failure: None,
            first_workflow_task_backoff: event.backoff_start_interval,
            ..self.followed(run_id, event.new_execution_run_id)
        }
    }

    fn followed(&self, run_id: RunId, new: RunId) -> Self {
        Self {
            format_version: HISTORY_FORMAT_VERSION,
            randomness_seed: new.randomness_seed(),
            continued_execution_run_id: Some(run_id),
            ..self.clone()
        }
    }
}
