//! A handle to a workflow.

use std::fmt;

use entracte_model::{Event, EventAttributes, RunId, WorkflowId, WorkflowStatus};
use entracte_store::StoreExt;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::tell::or_unknown;
use super::{Client, Output};
use crate::chain::last_run;
use crate::description::WorkflowDescription;
use crate::errors::{RunError, RunNotFound, WorkflowError};
use crate::messages::{DirectoryMessage, RunCall};

/// A handle to a workflow that returns an `O`. Cheap to clone.
///
/// It stands for a chain of runs: a workflow that is retried or continues as new goes on in
/// another run, and what is asked or told by the handle reaches the run that is open, or else
/// the last. It never reaches a later chain of the same workflow id (rule CAN-7).
/// [`of_run`](Self::of_run) gives a handle to a single run.
///
/// It works for open and closed runs alike, and does not keep the engine alive.
pub struct WorkflowHandle<O> {
    client: Client,
    workflow_id: WorkflowId,
    run_id: RunId,
    /// Whether it stands for its run alone.
    is_single: bool,
    output: Output<O>,
}

impl<O> WorkflowHandle<O> {
    pub(crate) fn new(
        client: Client,
        workflow_id: WorkflowId,
        run_id: RunId,
        output: Output<O>,
    ) -> Self {
        Self { client, workflow_id, run_id, is_single: false, output }
    }

    /// The workflow id.
    #[must_use]
    pub fn workflow_id(&self) -> &WorkflowId {
        &self.workflow_id
    }

    /// The run that was open when the handle was made, or else the last.
    #[must_use]
    pub fn run_id(&self) -> RunId {
        self.run_id
    }

    /// A handle to one run of the chain alone: it describes, queries, signals and ends that run
    /// and no other. Its [`result`](Self::result) is still that of the chain.
    #[must_use]
    pub fn of_run(&self, run_id: RunId) -> Self {
        Self { run_id, is_single: true, ..self.clone() }
    }

    /// The run that is open now, or else the last; its own one of a handle to a single run.
    pub(crate) fn current(&self) -> Result<RunId, RunError> {
        if let Some(stopped) = self.client.stopped() {
            return Err(stopped.into());
        }
        if self.is_single {
            return Ok(self.run_id);
        }
        let shared = self.client.shared()?;
        let last = last_run(&*shared.store, self.run_id)?;
        Ok(last.map_or(self.run_id, |(last, _)| last))
    }

    /// Waits until the workflow is over, and gives its result: that of the last run of its
    /// chain, however often it is retried or continues as new (rule WTO-7).
    ///
    /// # Errors
    /// [`WorkflowError`] tells how the last run ended otherwise, or why that is not known.
    pub async fn result(&self) -> Result<O, WorkflowError>
    where
        O: DeserializeOwned,
    {
        let mut run_id = self.run_id;
        loop {
            let close = self.close_of(run_id).await?;
            match close.new_execution_run_id() {
                Some(next) => run_id = next,
                None => return self.outcome(run_id, close),
            }
        }
    }

    /// Waits until the run is closed, and gives its own result, wherever the workflow goes on:
    /// of a handle to a single run that one's, and else that of [`run_id`](Self::run_id).
    ///
    /// # Errors
    /// [`WorkflowError`] tells how the run ended otherwise: with
    /// [`ContinuedAsNew`](WorkflowError::ContinuedAsNew) if it continued as new, and with its
    /// failure if it was retried.
    pub async fn run_result(&self) -> Result<O, WorkflowError>
    where
        O: DeserializeOwned,
    {
        let close = self.close_of(self.run_id).await?;
        self.outcome(self.run_id, close)
    }

    /// Waits until a run is closed.
    async fn close_of(&self, run_id: RunId) -> Result<EventAttributes, WorkflowError> {
        let question = |reply| DirectoryMessage::Call { run_id, call: RunCall::Result { reply } };
        self.client.ask(question).await?
    }

    fn outcome(&self, run_id: RunId, close: EventAttributes) -> Result<O, WorkflowError>
    where
        O: DeserializeOwned,
    {
        let workflow_id = self.workflow_id.clone();
        match close {
            EventAttributes::WorkflowExecutionCompleted(completed) => self
                .output
                .read(completed.result)
                .map_err(|source| WorkflowError::Decode { workflow_id, source }),
            EventAttributes::WorkflowExecutionFailed(failed) => {
                Err(WorkflowError::Failed { workflow_id, run_id, failure: failed.failure })
            }
            EventAttributes::WorkflowExecutionCanceled(canceled) => {
                Err(WorkflowError::Canceled { workflow_id, run_id, failure: canceled.failure })
            }
            EventAttributes::WorkflowExecutionTerminated(terminated) => {
                let reason = terminated.reason;
                Err(WorkflowError::Terminated { workflow_id, run_id, reason })
            }
            EventAttributes::WorkflowExecutionTimedOut(_) => {
                Err(WorkflowError::TimedOut { workflow_id, run_id })
            }
            EventAttributes::WorkflowExecutionContinuedAsNew(next) => {
                let new_execution_run_id = next.new_execution_run_id;
                Err(WorkflowError::ContinuedAsNew { workflow_id, run_id, new_execution_run_id })
            }
            _ => Err(RunNotFound::RunId { run_id }.into()),
        }
    }

    /// Tells what the run is doing, and what it waits for. Runs no user code.
    ///
    /// # Errors
    /// [`RunError`] if there is no such run, or nobody to ask.
    pub async fn describe(&self) -> Result<WorkflowDescription, RunError> {
        let run_id = self.current()?;
        let call = |reply| DirectoryMessage::Call { run_id, call: RunCall::Describe { reply } };
        self.client.ask(call).await?
    }

    /// Reads the run's history, as far as it is durable. That of a run which sleeps before its
    /// first turn is empty.
    ///
    /// # Errors
    /// [`RunError`] if there is no such run, or its history cannot be read.
    #[expect(clippy::unused_async, reason = "reading may move off the caller's thread")]
    pub async fn history(&self) -> Result<Vec<Event>, RunError> {
        let run_id = self.current()?;
        let store = &self.client.shared()?.store;
        if store.get_run(run_id)?.is_none() {
            return Err(RunNotFound::RunId { run_id }.into());
        }
        Ok(store.read_history(run_id)?)
    }

    /// Ends the run at once, without running any of its code: nothing is cleaned up, no
    /// compensation runs (rule CAN-6). Works for parked runs too.
    ///
    /// # Errors
    /// [`RunError::AlreadyClosed`] if the run is closed; others if there is no such run, or
    /// nobody to ask.
    pub async fn terminate(&self, reason: impl Into<String>) -> Result<(), RunError> {
        let reason = reason.into();
        let told = self.tell(|reply| RunCall::Terminate { reason: reason.clone(), reply }).await;
        match told.answer {
            // It was told before, and the answer was lost: this may be what closed it.
            Err(closed @ RunError::AlreadyClosed { .. }) if told.asked > 1 => {
                let described = self.of_run(told.run_id).describe().await;
                let status = or_unknown(described, told.run_id, true)?.status;
                if status == WorkflowStatus::Terminated { Ok(()) } else { Err(closed) }
            }
            answer => or_unknown(answer, told.run_id, told.is_left),
        }
    }

    /// Tells the run something until there is an answer; if it has closed meanwhile, the run that
    /// goes on with its chain.
    async fn tell(&self, call: impl Fn(oneshot::Sender<Result<(), RunError>>) -> RunCall) -> Told {
        let (mut run_id, mut is_left) = (self.run_id, false);
        loop {
            let (answer, asked) = self.client.tell(run_id, &call).await;
            is_left |= asked > 1;
            if matches!(answer, Err(RunError::AlreadyClosed { .. })) {
                match self.of_chain(run_id).current() {
                    Ok(next) if next != run_id && !self.is_single => {
                        run_id = next;
                        continue;
                    }
                    Err(error) => return Told { answer: Err(error), asked, is_left, run_id },
                    Ok(_) => {}
                }
            }
            return Told { answer, asked, is_left, run_id };
        }
    }

    /// A handle to the chain from one of its runs on.
    fn of_chain(&self, run_id: RunId) -> Self {
        Self { run_id, is_single: false, ..self.clone() }
    }

    pub(super) fn is_single(&self) -> bool {
        self.is_single
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }
}

/// What came of telling a run something.
struct Told {
    answer: Result<(), RunError>,
    /// How often that run was told.
    asked: u32,
    /// Whether a run of the chain may have taken it up whose answer was lost.
    is_left: bool,
    /// The run that gave the answer.
    run_id: RunId,
}

impl<O> Clone for WorkflowHandle<O> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            workflow_id: self.workflow_id.clone(),
            run_id: self.run_id,
            is_single: self.is_single,
            output: self.output,
        }
    }
}

impl<O> fmt::Debug for WorkflowHandle<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowHandle")
            .field("workflow_id", &self.workflow_id)
            .field("run_id", &self.run_id)
            .finish_non_exhaustive()
    }
}
