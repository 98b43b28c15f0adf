//! The beginnings of runs in the reference.

use entracte::prelude::*;

use super::message::Message;
use super::model::{Flying, Model};
use super::run_model::RunModel;
use super::scenario::{BY_PARENT_CLOSE, Fate, STEP, TO_MAKE_ROOM, Timeout};

impl Model<'_> {
    /// Rules CHD-3, CHD-4 and CHD-8.
    pub(super) fn start_child(&mut self, child: usize) {
        let RunModel { number, parent: Some(parent), .. } = self.runs[child] else { return };
        if !self.runs[parent].is_open() {
            self.runs[child].is_over = true;
            return;
        }
        let reuse = self.runs[child].node().options.reuse;
        let holder = self.holders.get(&self.runs[child].workflow_id).copied();
        let may_start = match holder.map(|holder| (holder, &self.runs[holder].fate)) {
            None => true,
            Some((holder, None)) if reuse == WorkflowIdReusePolicy::TerminateIfRunning => {
                return self.make_room(parent, child, holder, TO_MAKE_ROOM);
            }
            // Its end is decided, and only not told yet.
            Some((holder, None)) if self.falls_with_parent(holder) => {
                return self.make_room(parent, child, holder, BY_PARENT_CLOSE);
            }
            Some((_, None)) => false,
            Some((_, Some(fate))) => match reuse {
                WorkflowIdReusePolicy::RejectDuplicate => false,
                WorkflowIdReusePolicy::AllowDuplicateFailedOnly => {
                    !matches!(fate, Fate::Completed(_))
                }
                _ => true,
            },
        };
        if may_start {
            self.send(Some(child), parent, Message::ChildStarted(number));
            self.begin(child);
        } else {
            self.runs[child].is_over = true;
            self.send(Some(child), parent, Message::ChildRefused(number));
        }
    }

    /// Ends whoever holds the workflow id of a child, and lets its start come again.
    fn make_room(&mut self, parent: usize, child: usize, holder: usize, reason: &str) {
        self.close(holder, Fate::Terminated(reason.to_owned()));
        // Before all else that its parent has sent to it meanwhile.
        let message = Message::Start;
        self.flying.push(Flying { from: Some(parent), to: child, message, number: 0 });
    }

    pub(super) fn begin(&mut self, run: usize) {
        self.runs[run].has_begun = true;
        self.runs[run].runs_out = self.runs_out(run);
        self.holders.insert(self.runs[run].workflow_id.clone(), run);
        self.turn(None, run, Message::Begin);
    }

    /// When the time of a run ends that begins now (rule WTO-1).
    pub(super) fn runs_out(&self, run: usize) -> Option<(u64, u64)> {
        let run = &self.runs[run];
        match run.node().options.timeout {
            Some(Timeout::EachRun(steps)) if run.parent.is_some() => {
                Some((self.hours + STEP * steps, self.tick + 1))
            }
            _ => None,
        }
    }
}
