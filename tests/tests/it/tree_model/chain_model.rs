//! Chains of runs in the reference.

use super::message::Message;
use super::model::Model;
use super::run_model::RunModel;
use super::scenario::Fate;

impl Model<'_> {
    /// Rules CHD-10, CAN-5 and WTO-1 to WTO-3: whether a run that ends is tried again.
    pub(super) fn is_retried(&self, run: usize, fate: &Fate) -> bool {
        let run = &self.runs[run];
        let attempts = if run.parent.is_some() { run.node().options.attempts } else { 1 };
        let has_time = run.times_out.is_none_or(|at| at > self.hours);
        matches!(fate, Fate::Failed(_)) && run.attempt < attempts && has_time
    }

    /// Ends a run whose chain goes on (rules CNT-1, CNT-2 and CHD-9): its children are not those
    /// of the next run, and its parent hears nothing.
    pub(super) fn go_on(&mut self, run: usize, fate: Fate) {
        let is_new = fate == Fate::ContinuedAsNew;
        let RunModel { number, parent, times_out, attempt, generation, signals, .. } =
            self.runs[run];
        let mut next = RunModel::new(&self.scenario.nodes, number, parent, times_out);
        (next.has_begun, next.awaits_begin) = (true, true);
        (next.attempt, next.generation) =
            if is_new { (1, generation + 1) } else { (attempt + 1, generation) };
        // Signals that were not read are the next run's, if it goes on as new.
        next.signals = if is_new { signals } else { 0 };
        let at = self.runs.len();
        self.holders.insert(&self.scenario.nodes[number].workflow_id, at);
        self.runs.push(next);
        self.runs[run].next = Some(at);
        self.runs[run].fate = Some(fate);
        self.tell_children(run);
        self.send(None, at, Message::Begin);
    }

    pub(super) fn last_of_chain(&self, run: usize) -> usize {
        let mut last = run;
        while let Some(next) = self.runs[last].next {
            last = next;
        }
        last
    }
}
