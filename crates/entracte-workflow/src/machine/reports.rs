//! What a machine tells of its workflow beside the commands: what that waits for, and what it has
//! left unread or published.

use std::sync::Arc;

use entracte_model::event::WorkflowExecutionSignaled;
use entracte_model::{Payload, Seq};

use super::{AwaitedSignal, LocalActivity, Machine, Outstanding, Phase, UnreadSignals};
use crate::context::Core;

impl Machine {
    /// Whether something in the workflow waits for the operation.
    #[must_use]
    pub fn awaits(&self, seq: Seq) -> bool {
        self.core().is_some_and(|core| core.awaits(seq))
    }

    /// What the workflow waits for, in the order of issue.
    #[must_use]
    pub fn outstanding(&self) -> Vec<Outstanding> {
        self.core().map(|core| core.pending(Outstanding::new)).unwrap_or_default()
    }

    /// The local activity with this number at the moment, if the workflow waits for one.
    #[must_use]
    pub fn local_activity(&self, seq: Seq) -> Option<LocalActivity> {
        self.core()?.local_activity(seq)
    }

    /// The local activities that the workflow waits for, by their numbers at the moment.
    #[must_use]
    pub fn local_activities(&self) -> Vec<LocalActivity> {
        self.core().map(|core| core.local_activities()).unwrap_or_default()
    }

    /// Takes the numbers of local activities under which something has changed since the last
    /// call: scheduled, asked to cancel, or not waited for any more, as
    /// [`local_activity`](Self::local_activity) tells. What changes on replay is left out.
    pub fn take_local_activity_changes(&mut self) -> Vec<Seq> {
        self.core().map(|core| core.take_local_changes()).unwrap_or_default()
    }

    /// The signals that the workflow has not read, by name; of a run that has returned, those
    /// that it left unread, and none of one that continued as new.
    #[must_use]
    pub fn unread_signals(&self) -> Vec<UnreadSignals> {
        self.core().map_or_else(|| self.last_words.unread.clone(), |core| core.unread_signals())
    }

    /// Takes the signals that a workflow which continued as new has not read, as they came: they
    /// are its next run's.
    pub fn take_carried_signals(&mut self) -> Vec<WorkflowExecutionSignaled> {
        std::mem::take(&mut self.last_words.carried)
    }

    /// The signals that something in the workflow waits for, by name.
    #[must_use]
    pub fn awaited_signals(&self) -> Vec<AwaitedSignal> {
        self.core().map(|core| core.awaited_signals()).unwrap_or_default()
    }

    /// Takes what the workflow has published since the last call, the last value of each name,
    /// in the order of the names. What is published on replay is left out.
    pub fn take_published(&mut self) -> Vec<(Arc<str>, Payload)> {
        match &self.phase {
            Phase::Open(running) => running.core.take_published(),
            _ => std::mem::take(&mut self.last_words.published),
        }
    }

    fn core(&self) -> Option<&Arc<Core>> {
        match &self.phase {
            Phase::Open(running) => Some(&running.core),
            Phase::New | Phase::Closed | Phase::Dead(_) => None,
        }
    }
}
