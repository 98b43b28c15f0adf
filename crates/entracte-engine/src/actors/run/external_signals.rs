//! Signals to other workflows: sent when their event is durable, and answered by a turn.
//!
//! The run that gets a signal is known from the turn that sends it, and the request id says
//! which event of which run sent it. So it can be sent again after a crash, and is taken once
//! (rule SIG-3). What is to be sent has a row among what is due, until the answer is an event. A
//! sender that closes before that leaves the signal to its receiver, as a delivery.

use entracte_model::event::{SignalExternalFailedCause, WorkflowExecutionSignaled};
use entracte_model::{Event, EventAttributes, RunId, Seq, Timestamp, WorkflowId};
use entracte_store::keys::{DeliveryKey, DeliveryKind, DueKey, DueKind};
use entracte_store::rows::InboxMessage;
use entracte_store::{StoreError, StoreExt};
use entracte_workflow::SentSignal;
use ractor::ActorProcessingErr;

use super::effect::Effect;
use super::input::{Input, NotArrived};
use super::parking::retry_policy;
use super::state::{Change, Mode, RunState};
use crate::client::{Client, Copies, deliver_signal};
use crate::errors::SignalError;
use crate::messages::RunMessage;

impl RunState {
    /// Finds out to which runs a turn sends signals and requests to cancel.
    pub(super) fn find_targets(&self, events: &mut [Event]) -> Result<(), StoreError> {
        for event in events {
            match &mut event.attributes {
                EventAttributes::SignalExternalWorkflowExecutionInitiated(initiated) => {
                    initiated.run_id = match initiated.child_seq {
                        Some(seq) => self.run_of_child(seq)?,
                        None => self.find_target(&initiated.workflow_id)?,
                    };
                }
                EventAttributes::RequestCancelExternalWorkflowExecutionInitiated(initiated) => {
                    initiated.run_id = match initiated.child_workflow_only {
                        true => self.run_of_child(initiated.seq)?,
                        false => self.find_latest(&initiated.workflow_id)?,
                    };
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The run that is open under a workflow id, or else the last.
    fn find_latest(&self, workflow_id: &WorkflowId) -> Result<Option<RunId>, StoreError> {
        if let Some(run_id) = self.find_target(workflow_id)? {
            return Ok(Some(run_id));
        }
        Ok(self.shared.store.get_workflow_id(workflow_id)?.map(|row| row.run_id))
    }

    fn find_target(&self, workflow_id: &WorkflowId) -> Result<Option<RunId>, StoreError> {
        let started = self.new_run.as_ref().map(|new_run| &new_run.started.workflow_id);
        let own = started.or(self.rows.as_ref().map(|rows| &rows.run.workflow_id));
        if own == Some(workflow_id) {
            // The store may not know it yet.
            return Ok(Some(self.run_id));
        }
        let row = self.shared.store.get_workflow_id(workflow_id)?;
        Ok(row.filter(|row| row.status.is_open()).map(|row| row.run_id))
    }

    pub(super) fn record_sent_signal(&self, seq: Seq, time: Timestamp, change: &mut Change) {
        change.rows.put_due(self.sent_signal_key(seq, time));
        change.effects.push(Effect::SignalExternal { seq });
    }

    pub(super) fn record_sent_signal_end(&self, seq: Seq, change: &mut Change) {
        if let Some(sent) = self.history.sent_signals.get(&seq) {
            change.rows.delete_due(self.sent_signal_key(seq, sent.initiated_time));
        }
    }

    /// The run closes, and does not wait for answers any more: what it has sent and does not know
    /// to have arrived is left to its receivers, in the batch of the close. A copy that is under
    /// way has the same request id.
    pub(super) fn hand_over_sent_signals(&self, close: &Event, change: &mut Change) {
        for (seq, sent) in &self.history.sent_signals {
            self.record_sent_signal_end(*seq, change);
            // What the run has sent to itself is the next run's, if there is one.
            let next = close.attributes.new_execution_run_id();
            let signaled = signaled(self.run_id, sent);
            let target = match sent.initiated.run_id {
                // It has taken it up itself.
                Some(own) if own == self.run_id && self.has_taken(&signaled) => continue,
                Some(own) if own == self.run_id => next,
                target => target,
            };
            let Some(target) = target else { continue };
            let (sender, event_id) = (self.run_id, sent.initiated_event_id);
            let kind = DeliveryKind::Sent;
            let key = DeliveryKey { run_id: target, sender, event_id, kind };
            self.deliver(key, InboxMessage::Signaled(signaled), change);
        }
        change.effects.retain(|effect| !matches!(effect, Effect::SignalExternal { .. }));
    }

    fn sent_signal_key(&self, seq: Seq, due: Timestamp) -> DueKey {
        DueKey { due, run_id: self.run_id, kind: DueKind::ExternalSignal, seq }
    }

    /// Sends a signal, and again until it is known what became of it or the engine stops.
    pub(super) fn signal_external(&self, seq: Seq) {
        let Some(sent) = self.history.sent_signals.get(&seq) else { return };
        if self.mode != Mode::Running {
            // The next engine sends it.
            return;
        }
        let signaled = signaled(self.run_id, sent);
        let target = sent.initiated.run_id;
        let client = Client::new(&self.shared, self.directory.clone());
        let myself = self.myself.clone();
        // Not tied to this actor: what it has sent before it ends is on its way.
        tokio::spawn(async move {
            let not_arrived = match target {
                None => Some(SignalExternalFailedCause::NotFound),
                Some(target) => match deliver(&client, target, signaled).await {
                    Ok(not_arrived) => not_arrived,
                    Err(_stopped) => return,
                },
            };
            // The run may be closed by now.
            let _ = myself.cast(RunMessage::ExternalSignaled { seq, not_arrived });
        });
    }

    /// It is known what became of a signal to another workflow.
    pub(super) fn external_signaled(
        &mut self,
        seq: Seq,
        not_arrived: NotArrived,
    ) -> Result<(), ActorProcessingErr> {
        self.submit(Input::ExternalSignaled { seq, not_arrived })
    }

    pub(super) fn resume_sent_signals(&mut self) {
        for seq in self.history.sent_signals.keys() {
            self.ready.push_back(Effect::SignalExternal { seq: *seq });
        }
    }
}

fn signaled(sender: RunId, sent: &SentSignal) -> WorkflowExecutionSignaled {
    WorkflowExecutionSignaled {
        signal_name: sent.initiated.signal_name.clone(),
        input: sent.initiated.input.clone(),
        headers: sent.initiated.headers.clone(),
        request_id: format!("{sender}/{}", sent.initiated_event_id).into(),
        with_previous: false,
    }
}

/// The run that follows a closed one in its chain. One after the other is asked: a signal that
/// was sent before is known to the run that has it.
fn next_run(client: &Client, closed: RunId) -> Result<Option<RunId>, SignalError> {
    let row = client.running()?.store.get_run(closed)?;
    Ok(row.and_then(|row| row.new_execution_run_id()))
}

/// Sends a signal until there is an answer that is final; an error if the engine stops before.
async fn deliver(
    client: &Client,
    target: RunId,
    signaled: WorkflowExecutionSignaled,
) -> Result<NotArrived, SignalError> {
    let mut tries = 0;
    let mut copies = Copies { run_id: target, is_repeated: true, is_left: false };
    loop {
        let told = match deliver_signal(client, &signaled, &mut copies).await {
            Err(SignalError::AlreadyClosed { .. }) => match next_run(client, copies.run_id) {
                Ok(Some(next)) => {
                    copies.run_id = next;
                    continue;
                }
                Ok(None) => return Ok(Some(SignalExternalFailedCause::NotFound)),
                Err(error) => Err(error),
            },
            told => told,
        };
        match told {
            Ok(()) => return Ok(None),
            Err(SignalError::NotFound(_)) => {
                return Ok(Some(SignalExternalFailedCause::NotFound));
            }
            Err(SignalError::TooManySignals { .. }) => {
                return Ok(Some(SignalExternalFailedCause::SignalCountLimitExceeded));
            }
            Err(stopped @ (SignalError::EngineStopped(_) | SignalError::OutcomeUnknown { .. })) => {
                return Err(stopped);
            }
            Err(error) => {
                // What is stored of the target cannot be read now, and perhaps later.
                tries += 1;
                tracing::warn!(workflow.run_id = %copies.run_id, %error, tries, "a signal waits");
                tokio::time::sleep(retry_policy().delay_after(tries)).await;
            }
        }
    }
}
