//! How a run leaves memory: closed, or with its engine.
//!
//! A run's actor does not end while anything is linked under it, unless its engine cuts it
//! off: it stops what is left one by one, hears of each end, asks the directory to take it off
//! its list, and ends when the directory has answered, so that nothing sent to it is dropped
//! unseen.

use entracte_workflow::CancelCause;

use super::effect::Query;
use super::pending_activity::RunningAttempt;
use super::state::{Mode, RunState};
use crate::messages::{DirectoryMessage, JournalMessage, RunCall};

impl RunState {
    /// The run is closed, and that is durable.
    pub(super) fn closed(&mut self) {
        self.report_close();
        if let Some(event) = &self.close_event {
            for reply in self.result_waiters.drain(..) {
                let _ = reply.send(Ok(event.clone()));
            }
        }
        self.begin_parent_close();
        self.leave();
    }

    /// The engine shuts down: tell the attempts, and leave when they are done.
    pub(super) fn drain(&mut self) {
        if self.mode == Mode::Running {
            self.mode = Mode::Draining;
            self.leave_queues();
            self.tell_attempts(CancelCause::EngineShutdown);
        }
    }

    /// The grace of the shutdown is over. What is cut off counts as lost when the run is
    /// opened again.
    pub(super) fn cut_off(&mut self) {
        if matches!(self.mode, Mode::Running | Mode::Draining) {
            self.store_heartbeats();
            self.mode = Mode::CutOff;
            self.leave_queues();
            self.tell_attempts(CancelCause::EngineStopped);
            self.stop_children();
        }
    }

    /// The engine can acknowledge nothing more: whatever is not durable is forgotten.
    pub(super) fn engine_stopped(&mut self) {
        self.mode = Mode::Stopped;
        self.leave_queues();
        self.tell_attempts(CancelCause::EngineStopped);
        self.appends.clear();
        self.ready.clear();
        self.result_waiters.clear();
        self.queries.clear();
        self.restarts.clear();
        self.stop_children();
        self.myself.stop(Some("the engine has stopped".to_owned()));
    }

    /// Begins to leave: nothing new is taken up.
    pub(super) fn leave(&mut self) {
        if matches!(self.mode, Mode::Stopped | Mode::Leaving { .. }) {
            return;
        }
        self.mode = Mode::Leaving { asked: false };
        self.leave_queues();
        self.tell_attempts(CancelCause::WorkflowClosed);
        self.stop_children();
    }

    /// Asks the directory to let the run go, once nothing is under it or on its way.
    pub(super) fn leave_if_done(&mut self) {
        let settled =
            self.appends.is_empty() && self.ready.is_empty() && self.parent_close.is_none();
        match self.mode {
            Mode::Draining if settled && !self.has_running_attempts() => {
                if self.can_take_turns() && !self.inputs.is_empty() {
                    return;
                }
                self.mode = Mode::Leaving { asked: false };
                self.stop_children();
            }
            Mode::CutOff if settled => {
                // An attempt that holds its thread cannot be stopped. It counts as lost, and
                // the shutdown does not wait for it.
                self.children.clear();
                self.mode = Mode::Leaving { asked: false };
            }
            _ => {}
        }
        if self.mode == (Mode::Leaving { asked: false }) && settled && self.children.is_empty() {
            self.mode = Mode::Leaving { asked: true };
            let (run_id, epoch) = (self.run_id, self.epoch);
            let _ = self.directory.cast(DirectoryMessage::Leaving { run_id, epoch });
        }
    }

    /// There is something to do for the run. If it is on its way out it does not see that.
    pub(super) fn open_again(&mut self) {
        self.opens_again |= self.is_closed() || matches!(self.mode, Mode::Leaving { .. });
    }

    /// The directory sends nothing more: hand back what had to wait, and end.
    pub(super) fn left(&mut self) {
        let (run_id, epoch) = (self.run_id, self.epoch);
        let _ = self.journal.cast(JournalMessage::Forget { run_id, epoch });
        for key in self.late_deliveries.drain(..) {
            let _ = self.directory.cast(DirectoryMessage::Deliver { key });
        }
        for request in self.restarts.drain(..) {
            let _ = self.directory.cast(DirectoryMessage::Start(Box::new(request)));
        }
        for call in self.deferred_calls.drain(..) {
            let _ = self.directory.cast(DirectoryMessage::Call { run_id, call });
        }
        for Query { name: query, reply } in self.queries.drain(..) {
            let call = RunCall::Query { query, reply };
            let _ = self.directory.cast(DirectoryMessage::Call { run_id, call });
        }
        if self.opens_again {
            let _ = self.directory.cast(DirectoryMessage::Open { run_id });
        }
        self.presence.leave();
        self.myself.stop(None);
    }

    fn has_running_attempts(&self) -> bool {
        self.running_attempts().next().is_some()
    }

    /// The attempts that run, of activities in the order of their numbers, then of local ones.
    fn running_attempts(&self) -> impl Iterator<Item = &RunningAttempt> {
        let activities = self.activities.values();
        activities.filter_map(|activity| activity.running.as_ref()).chain(self.local.running())
    }

    fn tell_attempts(&self, cause: CancelCause) {
        for running in self.running_attempts() {
            running.canceller.cancel(cause);
        }
    }

    /// Stops attempts and timers one by one, in the order of their numbers.
    fn stop_children(&mut self) {
        for running in self.running_attempts() {
            running.actor.kill();
        }
        for timer in self.timers.values() {
            timer.kill();
        }
        self.timers.clear();
    }
}
