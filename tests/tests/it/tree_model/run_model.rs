//! One run of the reference: what it does when a message comes.

use std::collections::BTreeMap;

use super::message::{Decision, Message};
use super::scenario::{CancelEnd, End, Fate, Node, OnCancel, Op, Timeout, next_moment};
use super::slot_model::Slot;

#[derive(Debug, Clone)]
pub(super) struct RunModel<'a> {
    nodes: &'a [Node],
    pub(super) number: usize,
    pub(super) workflow_id: String,
    /// Its parent.
    pub(super) parent: Option<usize>,
    pub(super) has_begun: bool,
    /// Whether it never begins.
    pub(super) is_over: bool,
    pub(super) fate: Option<Fate>,
    /// Its children, by the numbers of their nodes.
    pub(super) slots: BTreeMap<usize, Slot>,
    pub(super) nap: Option<u64>,
    pub(super) times_out: Option<u64>,
    /// At which hour and tick the time of this run ends, not that of its chain.
    pub(super) runs_out: Option<(u64, u64)>,
    pub(super) attempt: u32,
    pub(super) generation: u32,
    /// The run in which its chain goes on.
    pub(super) next: Option<usize>,
    /// The run of its chain before it.
    pub(super) previous: Option<usize>,
    /// Whether it goes on with a chain, and has not begun to.
    pub(super) awaits_begin: bool,
    pub(super) is_cancelled: bool,
    pub(super) is_parked: bool,
    /// What waits until its code is mended, with its senders.
    pub(super) waiting: Vec<(Option<usize>, Message)>,
    phase: Phase,
    /// Whether what it waits for has been begun, and whether that is over.
    is_begun: bool,
    is_done: bool,
    /// Counts what it waits for.
    waits: u32,
    pub(super) signals: u32,
    /// How many of the signals come with the next turn, and wait like all else until that
    /// succeeds.
    pub(super) joined: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Body(usize),
    /// It was cancelled and waits for its children.
    Settling,
    /// It was cancelled and ends.
    Leaving,
    Closed,
}

impl<'a> RunModel<'a> {
    pub(super) fn new(
        nodes: &'a [Node],
        number: usize,
        workflow_id: String,
        parent: Option<usize>,
        times_out: Option<u64>,
    ) -> Self {
        Self {
            nodes,
            number,
            workflow_id,
            parent,
            has_begun: false,
            is_over: false,
            fate: None,
            slots: BTreeMap::new(),
            nap: None,
            times_out,
            runs_out: None,
            attempt: 1,
            generation: 1,
            next: None,
            previous: None,
            awaits_begin: false,
            is_cancelled: false,
            is_parked: false,
            waiting: Vec::new(),
            phase: Phase::Body(0),
            is_begun: false,
            is_done: false,
            waits: 0,
            signals: 0,
            joined: 0,
        }
    }

    pub(super) fn node(&self) -> &'a Node {
        &self.nodes[self.number]
    }

    pub(super) fn is_open(&self) -> bool {
        self.has_begun && self.fate.is_none()
    }

    /// Takes a message up and goes on as far as possible; none if the code fails.
    pub(super) fn take_turn(
        &mut self,
        message: &Message,
        hours: u64,
        is_mended: bool,
    ) -> Option<Vec<Decision>> {
        let mut decided = Vec::new();
        self.take_up(message, &mut decided);
        while self.go_on(hours, is_mended, &mut decided)? {}
        Some(decided)
    }

    fn take_up(&mut self, message: &Message, decided: &mut Vec<Decision>) {
        match message {
            Message::Signal => self.signals += 1,
            Message::NapOver => self.is_done |= self.nap.take().is_some(),
            Message::Over(waits) => self.is_done |= *waits == self.waits,
            Message::CancelRequest { .. } | Message::ParentClosed(_) => self.take_cancel(decided),
            Message::ChildAsked(child) => self.child(*child, Slot::is_asked),
            Message::ChildStarted(child) => self.child(*child, Slot::starts),
            Message::ChildRefused(child) => self.child(*child, Slot::is_refused),
            Message::ChildClosed(child, fate) => self.child(*child, |slot| slot.closes(fate)),
            Message::Begin => self.awaits_begin = false,
            Message::Start | Message::TimeOver | Message::RunTimeOver => {}
        }
    }

    fn child(&mut self, child: usize, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.slots.get_mut(&child) {
            change(slot);
        }
    }

    /// Rules CAN-1 and CAN-2: everything reacts that is pending and not shielded.
    fn take_cancel(&mut self, decided: &mut Vec<Decision>) {
        if std::mem::replace(&mut self.is_cancelled, true) {
            return;
        }
        let OnCancel::Heeds { settles, .. } = self.node().on_cancel else { return };
        for child in self.slots.keys().copied().collect::<Vec<_>>() {
            self.cancel_child(child, decided);
        }
        self.nap = None;
        self.enter(if settles { Phase::Settling } else { Phase::Leaving });
    }

    fn cancel_child(&mut self, child: usize, decided: &mut Vec<Decision>) {
        if self.slots.get_mut(&child).is_some_and(Slot::cancel) {
            decided.push(Decision::CancelChild { child });
        }
    }

    fn enter(&mut self, phase: Phase) {
        (self.phase, self.is_begun, self.is_done) = (phase, false, false);
        self.waits += 1;
    }

    /// Does the next thing; tells whether there is more to do now.
    fn go_on(&mut self, hours: u64, is_mended: bool, decided: &mut Vec<Decision>) -> Option<bool> {
        let (is_over, next) = match self.phase {
            Phase::Settling => {
                let all: Vec<_> = self.slots.keys().copied().collect();
                (self.join(&all), Phase::Leaving)
            }
            Phase::Leaving => (self.leave(decided), Phase::Closed),
            Phase::Closed => (false, Phase::Closed),
            Phase::Body(at) => match self.node().body.get(at) {
                Some(Op::Stumble) if !is_mended => return None,
                Some(op) => (self.follow(op, hours, decided), Phase::Body(at + 1)),
                None => (self.end(decided), Phase::Closed),
            },
        };
        if is_over {
            self.enter(next);
        }
        Some(is_over)
    }

    /// Follows its script; tells whether this is done.
    fn follow(&mut self, op: &Op, hours: u64, decided: &mut Vec<Decision>) -> bool {
        let begins = !self.is_begun;
        match op {
            Op::Start { child, waits } => {
                if begins {
                    self.start(*child, hours, decided);
                }
                self.is_begun = true;
                !waits || self.slots.get_mut(child).is_none_or(Slot::see_start)
            }
            Op::Join(children) => self.join(children),
            Op::Gate => {
                let passes = self.signals > 0;
                self.signals -= u32::from(passes);
                passes
            }
            Op::Nap(nth) => {
                if begins {
                    self.nap = Some(next_moment(hours, 1, *nth));
                }
                self.is_begun = true;
                self.is_done
            }
            Op::Work => self.wait(decided, Decision::Work),
            Op::Cancel(child) => {
                if self.slots.get_mut(child).is_some_and(Slot::see_start) {
                    self.cancel_child(*child, decided);
                }
                true
            }
            Op::CancelOther(workflow_id) => self.wait(decided, |then| Decision::CancelOther {
                workflow_id: workflow_id.clone(),
                then,
            }),
            Op::Stumble => true,
        }
    }

    /// Begins something if it has not begun, and tells whether it is over.
    fn wait(
        &mut self,
        decided: &mut Vec<Decision>,
        begin: impl FnOnce(Message) -> Decision,
    ) -> bool {
        if !std::mem::replace(&mut self.is_begun, true) {
            decided.push(begin(Message::Over(self.waits)));
        }
        self.is_done
    }

    fn start(&mut self, child: usize, hours: u64, decided: &mut Vec<Decision>) {
        let node = &self.nodes[child];
        let times_out = match node.options.timeout {
            Some(Timeout::Run(nth) | Timeout::Execution(nth)) => Some(next_moment(hours, 2, nth)),
            Some(Timeout::EachRun(_)) | None => None,
        };
        let mut slot = Slot::new(node);
        let same = |other: &Slot| other.is_starting() && other.has_id_of(node);
        if self.slots.values().any(same) {
            // Rule CHD-3: no event tells of it.
            slot.is_refused();
        } else {
            decided.push(Decision::StartChild { child, times_out });
        }
        self.slots.insert(child, slot);
    }

    /// Looks at children, and tells whether all of them have ended.
    fn join(&mut self, children: &[usize]) -> bool {
        let mut all = true;
        for child in children {
            all &= self.slots.get_mut(child).is_none_or(Slot::see_end);
        }
        all
    }

    fn end(&mut self, decided: &mut Vec<Decision>) -> bool {
        if self.generation < self.node().generations {
            decided.push(Decision::ContinueAsNew);
            return true;
        }
        let broken = || vec!["Broken".to_owned()];
        let fate = match self.node().end {
            End::Completes => Fate::Completed(self.sum()),
            End::Fails => Fate::Failed(broken()),
            End::FailsUntil(attempt) if self.attempt < attempt => Fate::Failed(broken()),
            End::FailsUntil(_) => Fate::Completed(self.sum()),
            End::FailsWithActivity => {
                if !self.wait(decided, Decision::Work) {
                    return false;
                }
                Fate::Failed(vec!["activity".to_owned(), "Broken".to_owned()])
            }
            End::Propagates => {
                let failed = self.slots.values().find_map(|slot| slot.seen.clone()?.err());
                match failed {
                    None => Fate::Completed(self.sum()),
                    // Rule FAIL-6.
                    Some(chain) if chain.iter().any(|it| it == "canceled") => Fate::Canceled(chain),
                    Some(chain) => Fate::Failed(chain),
                }
            }
        };
        decided.push(Decision::Close(fate));
        true
    }

    /// Ends because it was cancelled.
    fn leave(&mut self, decided: &mut Vec<Decision>) -> bool {
        let OnCancel::Heeds { end, .. } = self.node().on_cancel else { return false };
        let canceled = || Fate::Canceled(vec!["canceled".to_owned()]);
        let fate = match end {
            CancelEnd::Cancels => canceled(),
            CancelEnd::Completes => Fate::Completed(self.sum()),
            CancelEnd::Fails => Fate::Failed(vec!["Upset".to_owned()]),
            CancelEnd::Undoes => {
                if !self.wait(decided, Decision::Work) {
                    return false;
                }
                canceled()
            }
        };
        decided.push(Decision::Close(fate));
        true
    }

    fn sum(&self) -> u64 {
        let given = self.slots.values().filter_map(|slot| slot.seen.clone()?.ok());
        1 + given.sum::<u64>()
    }
}
