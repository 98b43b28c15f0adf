//! What runs of the reference send to each other, and what they decide.

use entracte::prelude::*;

use super::scenario::Fate;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Message {
    Begin,
    /// To a child: it may begin.
    Start,
    ChildStarted(usize),
    ChildRefused(usize),
    ChildClosed(usize, Fate),
    ParentClosed(ParentClosePolicy),
    CancelRequest {
        answer: Option<Answer>,
    },
    /// A child knows that it was asked to cancel.
    ChildAsked(usize),
    Signal,
    NapOver,
    TimeOver,
    /// The time of one run is over.
    RunTimeOver,
    /// What the run waits for is over: an activity, or a request to another workflow.
    Over(u32),
}

/// Who wants to know that a request to cancel has arrived, and what they are told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) run: usize,
    pub(super) message: Box<Message>,
}

impl Message {
    /// Whether it is for whichever run goes on with a chain, not for one run alone.
    pub(super) fn goes_on(&self) -> bool {
        let ends = self.ends_run() && *self != Self::RunTimeOver;
        ends || self.asks_to_cancel() || *self == Self::Signal
    }

    pub(super) fn asks_to_cancel(&self) -> bool {
        let by_parent = Self::ParentClosed(ParentClosePolicy::RequestCancel);
        matches!(self, Self::CancelRequest { .. }) || *self == by_parent
    }

    /// Whether it ends a run without a turn.
    pub(super) fn ends_run(&self) -> bool {
        let over = [Self::TimeOver, Self::RunTimeOver];
        *self == Self::ParentClosed(ParentClosePolicy::Terminate) || over.contains(self)
    }
}

/// What a run decides in a turn.
#[derive(Debug, Clone)]
pub(super) enum Decision {
    /// To run an activity, which tells when it is over.
    Work(Message),
    StartChild {
        child: usize,
        times_out: Option<u64>,
    },
    CancelChild {
        child: usize,
    },
    CancelOther {
        workflow_id: String,
        then: Message,
    },
    Close(Fate),
    ContinueAsNew,
}
