//! What a history says about child workflows, and about requests to cancel other workflows.

use std::sync::Arc;

use entracte_model::event::{
    ChildWorkflowExecutionStarted, RequestCancelExternalWorkflowExecutionInitiated,
    StartChildWorkflowExecutionInitiated,
};
use entracte_model::{
    ChildWorkflowOptions, Event, EventId, RunId, Seq, SourceLocation, Timestamp, WorkflowId,
};

use super::{HistoryError, HistoryState};

/// A child workflow that has not ended.
#[derive(Debug, Clone, PartialEq)]
pub struct ChildExecution {
    /// The event that asked for it.
    pub initiated_event_id: EventId,
    /// When that was.
    pub initiated_time: Timestamp,
    /// Its workflow id.
    pub workflow_id: WorkflowId,
    /// Its durable name.
    pub workflow_type: Arc<str>,
    /// How it is run.
    pub options: ChildWorkflowOptions,
    /// Whether it is known to have started, by which event, and its first run.
    pub started: Option<(EventId, RunId)>,
    /// Where the workflow issued it.
    pub source: SourceLocation,
}

/// A request to cancel another workflow, of which it is not known yet whether it has arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct SentCancel {
    /// When it was sent.
    pub initiated_time: Timestamp,
    /// What was asked.
    pub initiated: RequestCancelExternalWorkflowExecutionInitiated,
}

impl HistoryState {
    pub(super) fn initiate_child(
        &mut self,
        event: &Event,
        initiated: &StartChildWorkflowExecutionInitiated,
    ) -> Result<(), HistoryError> {
        self.take_seq(event, initiated.seq)?;
        let child = ChildExecution {
            initiated_event_id: event.id,
            initiated_time: event.time,
            workflow_id: initiated.workflow_id.clone(),
            workflow_type: Arc::clone(&initiated.workflow_type),
            options: initiated.options.clone(),
            started: None,
            source: initiated.source.clone(),
        };
        self.children.insert(initiated.seq, child);
        Ok(())
    }

    fn child_mut(
        &mut self,
        event: &Event,
        seq: Seq,
        initiated_event_id: EventId,
    ) -> Result<&mut ChildExecution, HistoryError> {
        let child = self.children.get_mut(&seq);
        child.filter(|child| child.initiated_event_id == initiated_event_id).ok_or_else(|| {
            let event_type = event.attributes.event_type();
            HistoryError::UnknownChild { event_id: event.id, event_type, seq }
        })
    }

    pub(super) fn start_child(
        &mut self,
        event: &Event,
        started: &ChildWorkflowExecutionStarted,
    ) -> Result<(), HistoryError> {
        let child = self.child_mut(event, started.seq, started.initiated_event_id)?;
        if child.started.is_some() {
            let (event_type, seq) = (event.attributes.event_type(), started.seq);
            return Err(HistoryError::UnknownChild { event_id: event.id, event_type, seq });
        }
        child.started = Some((event.id, started.run_id));
        Ok(())
    }

    /// Ends a child: one that has started, or one whose start failed.
    pub(super) fn end_child(
        &mut self,
        event: &Event,
        seq: Seq,
        initiated_event_id: EventId,
        has_started: bool,
    ) -> Result<(), HistoryError> {
        let child = self.child_mut(event, seq, initiated_event_id)?;
        if child.started.is_some() != has_started {
            let event_type = event.attributes.event_type();
            return Err(HistoryError::UnknownChild { event_id: event.id, event_type, seq });
        }
        self.children.remove(&seq);
        Ok(())
    }

    pub(super) fn send_cancel(
        &mut self,
        event: &Event,
        initiated: &RequestCancelExternalWorkflowExecutionInitiated,
    ) -> Result<(), HistoryError> {
        if !initiated.child_workflow_only {
            self.take_seq(event, initiated.seq)?;
            self.external_cancels += 1;
        }
        let sent = SentCancel { initiated_time: event.time, initiated: initiated.clone() };
        self.sent_cancels.insert(event.id, sent);
        Ok(())
    }

    pub(super) fn end_sent_cancel(
        &mut self,
        event: &Event,
        initiated_event_id: EventId,
    ) -> Result<(), HistoryError> {
        let Some(sent) = self.sent_cancels.remove(&initiated_event_id) else {
            let event_type = event.attributes.event_type();
            let event_id = event.id;
            return Err(HistoryError::UnknownSentCancel {
                event_id,
                event_type,
                initiated_event_id,
            });
        };
        self.external_cancels -= u32::from(!sent.initiated.child_workflow_only);
        Ok(())
    }
}
