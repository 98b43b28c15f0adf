//! The ends of runs in the reference, and chains of them.

use std::iter;

use entracte::prelude::*;

use super::message::{Answer, Message};
use super::model::Model;
use super::run_model::RunModel;
use super::scenario::Fate;

impl Model<'_> {
    /// A run ends, and goes on in another one if it is tried again.
    pub(super) fn end(&mut self, run: usize, fate: Fate) {
        match self.is_retried(run, &fate) {
            true => self.go_on(run, fate),
            false => self.close(run, fate),
        }
    }

    /// Rules CHD-10, CAN-5 and WTO-1 to WTO-3: whether a run that ends is tried again.
    fn is_retried(&self, run: usize, fate: &Fate) -> bool {
        let run = &self.runs[run];
        let attempts = if run.parent.is_some() { run.node().options.attempts } else { 1 };
        let has_time = run.times_out.is_none_or(|at| at > self.hours);
        matches!(fate, Fate::Failed(_) | Fate::TimedOut) && run.attempt < attempts && has_time
    }

    /// Ends a run whose chain goes on (rules CNT-1, CNT-2 and CHD-9): its children are not those
    /// of the next run, and its parent hears nothing.
    pub(super) fn go_on(&mut self, run: usize, fate: Fate) {
        let is_new = fate == Fate::ContinuedAsNew;
        let RunModel { number, parent, times_out, attempt, generation, signals, .. } =
            self.runs[run];
        let id = self.runs[run].workflow_id.clone();
        let at = self.runs.len();
        self.holders.insert(id.clone(), at);
        let mut next = RunModel::new(&self.scenario.nodes, number, id, parent, times_out);
        (next.has_begun, next.awaits_begin) = (true, true);
        (next.attempt, next.generation) =
            if is_new { (1, generation + 1) } else { (attempt + 1, generation) };
        // Signals that were not read are the next run's, if it goes on as new.
        next.signals = if is_new { signals } else { 0 };
        next.previous = Some(run);
        self.runs.push(next);
        self.runs[at].runs_out = self.runs_out(at);
        self.runs[run].next = Some(at);
        self.runs[run].fate = Some(fate);
        self.tell_children(run, |scope| scope == ParentCloseScope::Run);
        self.send(None, at, Message::Begin);
        self.hand_over(run, at);
        if self.runs[run].is_cancelled {
            self.drop_requests(run);
        }
    }

    /// What a parked run has not taken up is the next run's, if it is for the chain; signals come
    /// together with its beginning or by themselves. A further request to cancel is nothing to a
    /// run that was asked, and so not the next one's (rule CAN-1).
    fn hand_over(&mut self, run: usize, next: usize) {
        let is_together = self.order.tosses();
        let is_cancelled = self.runs[run].is_cancelled;
        let joined = iter::repeat_n((None, Message::Signal), self.runs[run].joined as usize);
        let waiting = std::mem::take(&mut self.runs[run].waiting);
        for (from, message) in joined.chain(waiting) {
            if is_cancelled && message.asks_to_cancel() {
                continue;
            }
            if message == Message::Signal && is_together {
                self.runs[next].signals += 1;
            } else if message.goes_on() {
                self.send(from, next, message);
            }
        }
    }

    /// A request to cancel that is under way to a run as that closes comes before it or behind it:
    /// before it, it is nothing to a run that was asked.
    fn drop_requests(&mut self, run: usize) {
        let mut answers = Vec::new();
        for flying in std::mem::take(&mut self.flying) {
            let is_before = flying.message.asks_to_cancel() && self.is_behind(run, flying.to);
            match flying.message {
                Message::CancelRequest { answer } if is_before && self.order.tosses() => {
                    answers.extend(answer);
                }
                Message::ParentClosed(_) if is_before && self.order.tosses() => {}
                _ => self.flying.push(flying),
            }
        }
        for Answer { run, message } in answers {
            self.send(None, run, *message);
        }
    }

    /// Whether a run is a given one, or one that goes on with its chain.
    fn is_behind(&self, run: usize, first: usize) -> bool {
        iter::successors(Some(first), |run| self.runs[*run].next).any(|it| it == run)
    }

    pub(super) fn last_of_chain(&self, run: usize) -> usize {
        let mut last = run;
        while let Some(next) = self.runs[last].next {
            last = next;
        }
        last
    }

    /// Rules CHD-5 to CHD-8: what a close means for the parent and for the children.
    pub(super) fn close(&mut self, run: usize, fate: Fate) {
        let RunModel { number, parent, .. } = self.runs[run];
        self.runs[run].fate = Some(fate.clone());
        if let Some(parent) = parent.filter(|parent| self.runs[*parent].is_open()) {
            self.send(Some(run), parent, Message::ChildClosed(number, fate));
        }
        self.tell_children(run, |_| true);
        let runs = iter::successors(self.runs[run].previous, |run| self.runs[*run].previous);
        for run in runs.collect::<Vec<_>>() {
            self.tell_children(run, |scope| scope == ParentCloseScope::Chain);
        }
    }

    /// Tells the children of a run, those of some scopes, that what their policy is about has
    /// closed.
    fn tell_children(&mut self, run: usize, is_meant: impl Fn(ParentCloseScope) -> bool) {
        let pending = self.runs[run].slots.values().filter(|slot| !slot.has_ended);
        for child in pending.filter_map(|slot| slot.run).collect::<Vec<_>>() {
            let options = &self.runs[child].node().options;
            let policy = options.policy;
            if policy != ParentClosePolicy::Abandon && is_meant(options.scope) {
                self.send(Some(run), child, Message::ParentClosed(policy));
            }
        }
    }

    /// Whether that has closed which the parent close policy of a run is about: its parent's run,
    /// or the chain of that.
    fn is_parent_over(&self, run: usize) -> bool {
        let Some(parent) = self.runs[run].parent else { return false };
        let about = match self.runs[run].node().options.scope {
            ParentCloseScope::Chain => self.last_of_chain(parent),
            _ => parent,
        };
        self.runs[about].fate.is_some()
    }

    /// Whether an open run is to fall with a parent that has closed.
    pub(super) fn falls_with_parent(&self, run: usize) -> bool {
        let policy = self.runs[run].node().options.policy;
        policy == ParentClosePolicy::Terminate && self.is_parent_over(run)
    }
}
