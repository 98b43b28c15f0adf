//! A child in the reference: what its parent knows of it.

use entracte::prelude::ChildWorkflowCancellationType as Cancellation;
use entracte::prelude::*;

use super::scenario::{Fate, Node};

/// What whoever waits for a child is told: its result, or the kinds of the failure's chain.
pub(super) type Outcome = Result<u64, Vec<String>>;

#[derive(Debug, Clone)]
pub(super) struct Slot {
    /// The run that was asked for; none if none was.
    pub(super) run: Option<usize>,
    /// Its workflow id, or its name if it has its default id.
    pub(super) name: String,
    has_default_id: bool,
    cancellation: ChildWorkflowCancellationType,
    /// Whether its parent has heard of its end, or that it never starts.
    pub(super) has_ended: bool,
    has_started: bool,
    cancel_requested: bool,
    /// What whoever waits for it is told.
    outcome: Option<Outcome>,
    /// What its parent's code has been told.
    pub(super) seen: Option<Outcome>,
}

impl Slot {
    pub(super) fn new(node: &Node) -> Self {
        Self {
            run: None,
            name: node.workflow_id.clone(),
            has_default_id: node.has_default_id,
            cancellation: node.options.cancellation,
            has_ended: false,
            has_started: false,
            cancel_requested: false,
            outcome: None,
            seen: None,
        }
    }

    /// Whether another child is to have its workflow id; two that have their default ids never
    /// do (rule CHD-1).
    pub(super) fn has_id_of(&self, node: &Node) -> bool {
        !self.has_default_id && !node.has_default_id && self.name == node.workflow_id
    }

    /// Whether its parent waits to hear whether it starts.
    pub(super) fn is_starting(&self) -> bool {
        !self.has_started && self.outcome.is_none()
    }

    pub(super) fn starts(&mut self) {
        self.has_started |= self.outcome.is_none();
    }

    pub(super) fn is_refused(&mut self) {
        self.has_ended = true;
        self.fails(&["WorkflowExecutionAlreadyStarted".to_owned()]);
    }

    /// Rule CHD-11.
    pub(super) fn closes(&mut self, fate: &Fate) {
        self.has_ended = true;
        match fate {
            Fate::Open | Fate::ContinuedAsNew => {}
            Fate::Completed(given) => self.tell(Ok(*given)),
            Fate::Failed(chain) | Fate::Canceled(chain) => self.fails(chain),
            Fate::Terminated(reason) => self.fails(&[format!("terminated: {reason}")]),
            Fate::TimedOut => self.fails(&["timeout: StartToClose".to_owned()]),
        }
    }

    /// It knows that it was asked to cancel (rule CHD-12).
    pub(super) fn is_asked(&mut self) {
        if self.cancellation == Cancellation::WaitCancellationRequested {
            self.is_cancelled();
        }
    }

    /// Asks it to cancel, unless that was done or is of no use; tells whether it has to hear of
    /// that (rule CHD-12).
    pub(super) fn cancel(&mut self) -> bool {
        if self.outcome.is_some() || std::mem::replace(&mut self.cancel_requested, true) {
            return false;
        }
        if matches!(self.cancellation, Cancellation::TryCancel | Cancellation::Abandon) {
            self.is_cancelled();
        }
        self.cancellation != Cancellation::Abandon
    }

    /// Looks whether it has started, or will not.
    pub(super) fn see_start(&mut self) -> bool {
        if !self.has_started {
            self.seen = self.outcome.clone();
        }
        self.has_started || self.outcome.is_some()
    }

    /// Looks whether it has ended.
    pub(super) fn see_end(&mut self) -> bool {
        self.seen = self.outcome.clone();
        self.seen.is_some()
    }

    fn is_cancelled(&mut self) {
        self.fails(&["canceled".to_owned()]);
    }

    /// Rule FAIL-1.
    fn fails(&mut self, cause: &[String]) {
        let mut chain = vec![format!("child {}", self.name)];
        chain.extend_from_slice(cause);
        self.tell(Err(chain));
    }

    fn tell(&mut self, outcome: Outcome) {
        self.outcome.get_or_insert(outcome);
    }
}
