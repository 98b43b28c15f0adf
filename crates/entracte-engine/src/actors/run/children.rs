//! Child workflows: how a run asks for them, and how it begins as one.
//!
//! The run id of a child follows from the event that asks for it, and the child's first event
//! waits for it as a delivery. What comes back, its start and its end, are deliveries too.

use entracte_model::event::{
    CancelExternalFailedCause, ChildWorkflowExecutionCanceled, ChildWorkflowExecutionCompleted,
    ChildWorkflowExecutionFailed, ChildWorkflowExecutionStarted, ChildWorkflowExecutionTerminated,
    ChildWorkflowExecutionTimedOut, ParentExecution, RequestCancelExternalWorkflowExecutionFailed,
    RequestCancelExternalWorkflowExecutionInitiated, StartChildFailedCause,
    StartChildWorkflowExecutionFailed, StartChildWorkflowExecutionInitiated, WorkflowExecution,
    WorkflowExecutionStarted,
};
use entracte_model::id::RunPurpose;
use entracte_model::options::ParentCloseScope;
use entracte_model::{
    Event, EventAttributes, EventId, ParentClosePolicy, RunId, Seq, Timestamp,
    WorkflowIdReusePolicy,
};
use entracte_store::keys::{DeliveryKey, DeliveryKind};
use entracte_store::rows::{InboxMessage, InboxRow, WorkflowIdRow};
use entracte_store::{StoreError, StoreExt};
use entracte_workflow::ChildExecution;
use ractor::ActorProcessingErr;
use tokio::sync::oneshot;

use super::input::QueuedInput;
use super::input_events::BY_PARENT_CLOSE;
use super::origin::NewRun;
use super::parking::retry_policy;
use super::state::{Change, RunState};
use crate::chain::last_run;
use crate::errors::RunError;
use crate::messages::{DirectoryMessage, RunCall, RunMessage};

/// The first run of a child, by the event that asks for it.
pub(super) fn child_run_id(parent: RunId, event_id: EventId, time: Timestamp) -> RunId {
    RunId::derive(parent, event_id, time, RunPurpose::Child)
}

/// The delivery that holds a child's first event.
pub(super) fn start_key(parent: RunId, child: &ChildExecution) -> DeliveryKey {
    let (event_id, time) = (child.initiated_event_id, child.initiated_time);
    let run_id = child_run_id(parent, event_id, time);
    DeliveryKey { run_id, sender: parent, event_id, kind: DeliveryKind::Sent }
}

const TO_MAKE_ROOM: &str = "TerminateIfRunning WorkflowIdReusePolicy";

/// What a child does that may start.
enum Verdict {
    /// It begins, and takes its workflow id from this row.
    Begin(Option<WorkflowIdRow>),
    /// A run of its workflow id is open, and is to end before, for this reason.
    Terminate(RunId, &'static str),
    /// Its workflow id is taken, or as many children are open as may be.
    Refuse(StartChildFailedCause),
    /// Its parent has closed: it never starts (rule CHD-8).
    NeverStart,
}

impl RunState {
    /// The run asks for a child: its first event is on its way with the event that asks.
    pub(super) fn record_child(
        &self,
        initiated: &StartChildWorkflowExecutionInitiated,
        event: &Event,
        change: &mut Change,
    ) {
        let Some(own) = &self.history.started else { return };
        let run_id = child_run_id(self.run_id, event.id, event.time);
        let (seq, options) = (initiated.seq, &initiated.options);
        let this =
            || WorkflowExecution { workflow_id: own.workflow_id.clone(), run_id: self.run_id };
        let parent = ParentExecution {
            workflow_id: own.workflow_id.clone(),
            run_id: self.run_id,
            seq,
            initiated_event_id: event.id,
            parent_close_policy: options.parent_close_policy,
        };
        let expiration = options.execution_timeout.map(|after| event.time.saturating_add(after));
        let started = WorkflowExecutionStarted {
            headers: initiated.headers.clone(),
            task_queue: options.task_queue.as_str().into(),
            // Unless it sets its own, an activity of the child inherits it further (rule PRI-1).
            priority: own.priority.clone(),
            parent: Some(parent),
            root: Some(own.root.clone().unwrap_or_else(this)),
            execution_timeout: options.execution_timeout,
            execution_expiration: expiration,
            run_timeout: options.run_timeout,
            retry_policy: options.retry_policy.clone(),
            ..WorkflowExecutionStarted::new(
                run_id,
                initiated.workflow_id.clone(),
                initiated.workflow_type.clone(),
                initiated.input.clone(),
                format!("{}/{}", self.run_id, event.id),
            )
        };
        let reuse_policy = options.workflow_id_reuse_policy;
        let message = InboxMessage::ChildStart { started: Box::new(started), reuse_policy };
        let (sender, event_id, kind) = (self.run_id, event.id, DeliveryKind::Sent);
        self.deliver(DeliveryKey { run_id, sender, event_id, kind }, message, change);
    }

    /// The run asks another workflow, or a child, to cancel.
    pub(super) fn record_sent_cancel(
        &self,
        initiated: &RequestCancelExternalWorkflowExecutionInitiated,
        event: &Event,
        change: &mut Change,
    ) {
        let (sender, event_id, seq) = (self.run_id, event.id, initiated.seq);
        if let Some(run_id) = initiated.run_id {
            let reason = initiated.reason.clone();
            let message = InboxMessage::ExternalCancelRequested { seq, reason };
            let kind = DeliveryKind::Sent;
            self.deliver(DeliveryKey { run_id, sender, event_id, kind }, message, change);
        } else {
            // Nobody answers for a workflow that does not exist: the run tells itself.
            let cause = CancelExternalFailedCause::ExternalWorkflowExecutionNotFound;
            let failed = RequestCancelExternalWorkflowExecutionFailed {
                seq,
                initiated_event_id: event_id,
                cause,
            };
            let failed = EventAttributes::RequestCancelExternalWorkflowExecutionFailed(failed);
            let (run_id, kind) = (self.run_id, DeliveryKind::Answer);
            let message = InboxMessage::Event(Box::new(failed));
            self.deliver(DeliveryKey { run_id, sender, event_id, kind }, message, change);
        }
    }

    /// The last run of a child that has not ended: one that is begun again is reached all the
    /// same.
    pub(super) fn run_of_child(&self, seq: Seq) -> Result<Option<RunId>, StoreError> {
        let Some(child) = self.history.children.get(&seq) else { return Ok(None) };
        let first = child_run_id(self.run_id, child.initiated_event_id, child.initiated_time);
        let last = last_run(&*self.shared.store, first)?;
        Ok(Some(last.map_or(first, |(last, _)| last)))
    }

    /// The run has begun as a child: its parent hears of it.
    pub(super) fn record_start_as_child(&mut self, parent: &ParentExecution, change: &mut Change) {
        if let Some(key) = self.start_delivery.take() {
            change.rows.delete_delivery(key);
        }
        // The journal refuses a child whose parent closes before it starts (rule CHD-8).
        change.requires_open = Some(parent.run_id);
        let started = ChildWorkflowExecutionStarted {
            seq: parent.seq,
            initiated_event_id: parent.initiated_event_id,
            run_id: self.run_id,
        };
        let event = EventAttributes::ChildWorkflowExecutionStarted(started);
        self.tell_parent(parent, EventId::FIRST, event, change);
    }

    /// The run has closed: its parent hears of it, if it is still there.
    pub(super) fn record_close_as_child(&self, event: &Event, change: &mut Change) {
        let Some(parent) = self.history.started.as_ref().and_then(|it| it.parent.as_ref()) else {
            return;
        };
        let is_open = match self.shared.store.get_run(parent.run_id) {
            Ok(row) => row.is_some_and(|row| row.status.is_open()),
            // Who cannot be asked is told.
            Err(_) => true,
        };
        if let Some(close) = self.close_for_parent(parent, &event.attributes).filter(|_| is_open) {
            self.tell_parent(parent, event.id, close, change);
        }
    }

    fn tell_parent(
        &self,
        parent: &ParentExecution,
        event_id: EventId,
        event: EventAttributes,
        change: &mut Change,
    ) {
        let (run_id, sender, kind) = (parent.run_id, self.run_id, DeliveryKind::Sent);
        let message = InboxMessage::Event(Box::new(event));
        self.deliver(DeliveryKey { run_id, sender, event_id, kind }, message, change);
    }

    /// How the run's close stands in its parent's history.
    fn close_for_parent(
        &self,
        parent: &ParentExecution,
        close: &EventAttributes,
    ) -> Option<EventAttributes> {
        use EventAttributes as A;
        let (seq, initiated_event_id) = (parent.seq, parent.initiated_event_id);
        let run_id = self.run_id;
        Some(match close {
            A::WorkflowExecutionCompleted(it) => {
                let result = it.result.clone();
                A::ChildWorkflowExecutionCompleted(ChildWorkflowExecutionCompleted {
                    seq,
                    initiated_event_id,
                    run_id,
                    result,
                })
            }
            A::WorkflowExecutionFailed(it) => {
                let (failure, retry_state) = (it.failure.clone(), it.retry_state);
                A::ChildWorkflowExecutionFailed(ChildWorkflowExecutionFailed {
                    seq,
                    initiated_event_id,
                    run_id,
                    failure,
                    retry_state,
                })
            }
            A::WorkflowExecutionCanceled(it) => {
                let failure = it.failure.clone();
                A::ChildWorkflowExecutionCanceled(ChildWorkflowExecutionCanceled {
                    seq,
                    initiated_event_id,
                    run_id,
                    failure,
                })
            }
            A::WorkflowExecutionTimedOut(it) => {
                let retry_state = it.retry_state;
                A::ChildWorkflowExecutionTimedOut(ChildWorkflowExecutionTimedOut {
                    seq,
                    initiated_event_id,
                    run_id,
                    retry_state,
                })
            }
            A::WorkflowExecutionTerminated(it) => {
                let reason = it.reason.clone();
                A::ChildWorkflowExecutionTerminated(ChildWorkflowExecutionTerminated {
                    seq,
                    initiated_event_id,
                    run_id,
                    reason,
                })
            }
            _ => return None,
        })
    }

    /// There is no such run yet: it begins as a child if its parent has asked for it.
    pub(super) fn begin_as_child(&mut self) -> Result<(), ActorProcessingErr> {
        let mut waiting = self.shared.store.deliveries(self.run_id)?;
        let is_start =
            |(_, row): &(_, InboxRow)| matches!(row.message, InboxMessage::ChildStart { .. });
        let Some(index) = waiting.iter().position(is_start) else {
            // It was never to be, or is not any more.
            self.late_deliveries.extend(waiting.into_iter().map(|(key, _)| key));
            self.leave();
            return Ok(());
        };
        let (key, row) = waiting.remove(index);
        let InboxMessage::ChildStart { started, reuse_policy } = row.message else {
            return Ok(());
        };
        let Some(parent) = started.parent.clone() else { return Ok(()) };
        let verdict = match self.judge_child(&started, &parent, reuse_policy)? {
            Verdict::Begin(replaces) => {
                self.open_child =
                    self.shared.open_children.begin(self.shared.options.open_children_max);
                match self.open_child {
                    Some(_) => Verdict::Begin(replaces),
                    None => Verdict::Refuse(StartChildFailedCause::OpenChildrenLimitExceeded),
                }
            }
            other => other,
        };
        match verdict {
            Verdict::Begin(replaces) => {
                let started = *started;
                self.new_run = Some(NewRun { started, replaces, reply: None });
                self.start_delivery = Some(key);
                self.is_resumed = true;
                let others = waiting.into_iter();
                self.inputs
                    .extend(others.map(|(key, row)| QueuedInput::delivered(key, row.message)));
                self.begin()
            }
            Verdict::Terminate(run_id, reason) => {
                self.make_room(run_id, reason);
                Ok(())
            }
            Verdict::Refuse(cause) => {
                let (seq, initiated_event_id) = (parent.seq, parent.initiated_event_id);
                let failed = StartChildWorkflowExecutionFailed { seq, initiated_event_id, cause };
                let failed = EventAttributes::StartChildWorkflowExecutionFailed(failed);
                let mut change = self.change();
                self.tell_parent(&parent, EventId::FIRST, failed, &mut change);
                self.never_start(key, waiting, change);
                Ok(())
            }
            Verdict::NeverStart => {
                let change = self.change();
                self.never_start(key, waiting, change);
                Ok(())
            }
        }
    }

    /// Forgets a child that does not start, with everything that was sent to it.
    fn never_start(
        &mut self,
        key: DeliveryKey,
        others: Vec<(DeliveryKey, InboxRow)>,
        mut change: Change,
    ) {
        change.rows.delete_delivery(key);
        for (key, row) in others {
            let queued = QueuedInput::delivered(key, row.message);
            self.settle_delivery(&queued.input, &mut change);
        }
        self.append(change);
        self.leave();
    }

    fn judge_child(
        &self,
        started: &WorkflowExecutionStarted,
        parent: &ParentExecution,
        reuse_policy: WorkflowIdReusePolicy,
    ) -> Result<Verdict, StoreError> {
        let store = &self.shared.store;
        let has_parent = store.get_run(parent.run_id)?.is_some_and(|row| row.status.is_open());
        if !has_parent {
            return Ok(Verdict::NeverStart);
        }
        let Some(row) = store.get_workflow_id(&started.workflow_id)? else {
            return Ok(Verdict::Begin(None));
        };
        let terminates = reuse_policy == WorkflowIdReusePolicy::TerminateIfRunning;
        Ok(match row.status.is_open() {
            true if terminates => Verdict::Terminate(row.run_id, TO_MAKE_ROOM),
            true if self.falls_with_parent(row.run_id)? => {
                Verdict::Terminate(row.run_id, BY_PARENT_CLOSE)
            }
            false if reuse_policy.allows_after(row.status) => Verdict::Begin(Some(row)),
            _ => Verdict::Refuse(StartChildFailedCause::WorkflowAlreadyExists),
        })
    }

    /// Whether an open run is a child whose end is decided, because its parent has closed, or the
    /// chain of that, and only not told yet. So the next run of a chain can start children of the
    /// same ids.
    fn falls_with_parent(&self, run_id: RunId) -> Result<bool, StoreError> {
        let store = &*self.shared.store;
        let Some(parent) = store.get_run(run_id)?.and_then(|row| row.parent) else {
            return Ok(false);
        };
        if parent.parent_close_policy != ParentClosePolicy::Terminate {
            return Ok(false);
        }
        let initiated = store.get_event(parent.run_id, parent.initiated_event_id)?;
        let scope = initiated.and_then(|event| match event.attributes {
            EventAttributes::StartChildWorkflowExecutionInitiated(initiated) => {
                Some(initiated.options.parent_close_scope)
            }
            _ => None,
        });
        let about = match scope {
            None => None,
            Some(ParentCloseScope::Chain) => last_run(store, parent.run_id)?.map(|(_, row)| row),
            Some(_) => store.get_run(parent.run_id)?,
        };
        Ok(about.is_some_and(|row| !row.status.is_open()))
    }

    /// Has the run terminated that holds the workflow id, and judges again.
    fn make_room(&mut self, run_id: RunId, reason: &'static str) {
        let (directory, myself, epoch) = (self.directory.clone(), self.myself.clone(), self.epoch);
        self.room_asked += 1;
        let delay = retry_policy().delay_after(self.room_asked);
        tokio::spawn(async move {
            let (reply, answer) = oneshot::channel();
            let call = RunCall::Terminate { reason: reason.to_owned(), reply };
            let _ = directory.cast(DirectoryMessage::Call { run_id, call });
            match answer.await {
                // The engine stops, and this actor with it.
                Ok(Err(RunError::EngineStopped(_))) => return,
                Ok(Ok(()) | Err(RunError::AlreadyClosed { .. })) => {}
                // It cannot be terminated now, and perhaps later; or the question was lost.
                Ok(Err(_)) | Err(_) => tokio::time::sleep(delay).await,
            }
            // Judges by what the store says then.
            let _ = myself.cast(RunMessage::Opened { epoch });
        });
    }
}
