//! The reference: what the rules say about a scenario, written without a look at the engine.
//!
//! Runs send each other messages, and take them one at a time, each a turn. Messages from one
//! run to another keep their order; all else comes in any order. [`predict`] tries many orders:
//! what is the same in all of them is what must be.

use std::collections::BTreeMap;

use entracte::prelude::*;

use super::message::{Answer, Decision, Message};
use super::order::Order;
use super::run_model::RunModel;
use super::scenario::{Action, BY_HAND, BY_PARENT_CLOSE, Fate, PARTS, STEP, Scenario, TICKS, Told};

/// All runs in the end, in the order of their texts.
pub(super) type Ending = Vec<Told>;

/// In how many orders a scenario is tried.
const ORDERS: u64 = 60;

/// What must be; none if that depends on the order in which messages come, or if there are not
/// enough ticks to tell.
pub(super) fn predict(scenario: &Scenario) -> Option<Ending> {
    let mut orders = (0..ORDERS).map(|order| Model::new(scenario, order).play());
    let first = orders.next()??;
    orders.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

/// A message under way.
#[derive(Debug, Clone)]
pub(super) struct Flying {
    pub(super) from: Option<usize>,
    pub(super) to: usize,
    pub(super) message: Message,
    /// When it was sent, to keep the order between two runs.
    pub(super) number: u64,
}

pub(super) struct Model<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) runs: Vec<RunModel<'a>>,
    /// Who holds, or held last, a workflow id.
    pub(super) holders: BTreeMap<String, usize>,
    pub(super) flying: Vec<Flying>,
    sent: u64,
    mended: Vec<usize>,
    pub(super) hours: u64,
    pub(super) tick: u64,
    pub(super) order: Order,
}

impl<'a> Model<'a> {
    fn new(scenario: &'a Scenario, order: u64) -> Self {
        Self {
            scenario,
            runs: Vec::new(),
            holders: BTreeMap::new(),
            flying: Vec::new(),
            sent: 0,
            mended: Vec::new(),
            hours: 0,
            tick: 0,
            order: Order::new(order),
        }
    }

    /// Gives the ending; none if a time ends behind the last tick of a part.
    fn play(mut self) -> Option<Ending> {
        for (step, action) in self.scenario.actions.iter().enumerate() {
            for part in 0..PARTS as u64 {
                for tick in 0..TICKS {
                    (self.hours, self.tick) = (STEP * step as u64 + part, tick);
                    self.come(part, action);
                    self.come_to_rest();
                    if self.order.tosses() {
                        self.reopen_parked();
                        self.come_to_rest();
                    }
                }
            }
        }
        let has_late_time =
            |run: &RunModel<'_>| run.runs_out.is_some_and(|(_, tick)| tick >= TICKS);
        if self.runs.iter().any(has_late_time) {
            return None;
        }
        let begun = self.runs.iter().filter(|run| run.has_begun);
        let mut ending: Ending = begun
            .map(|run| Told {
                workflow_id: run.node().workflow_id.clone(),
                parent: run.parent.map(|it| self.runs[it].node().workflow_id.clone()),
                fate: run.fate.clone().unwrap_or(Fate::Open),
                cancel_requested: run.is_cancelled,
            })
            .collect();
        ending.sort();
        Some(ending)
    }

    /// Lets come what comes at a tick of a part.
    fn come(&mut self, part: u64, action: &'a Action) {
        let now = (self.hours, self.tick);
        match (part, self.tick) {
            (0, 0) => self.act(action),
            (1, 0) => self.end_all(Message::NapOver, |run| run.nap == Some(now.0)),
            (_, 0) => self.end_all(Message::TimeOver, |run| run.times_out == Some(now.0)),
            _ => self.end_all(Message::RunTimeOver, |run| run.runs_out == Some(now)),
        }
    }

    fn act(&mut self, action: &'a Action) {
        match action {
            // Rules WID-1 to WID-3, with the default policies.
            Action::Start(node) => {
                let nodes = &self.scenario.nodes;
                let id = &nodes[*node].workflow_id;
                if self.open_holder(id).is_none() {
                    self.runs.push(RunModel::new(nodes, *node, id.clone(), None, None));
                    self.begin(self.runs.len() - 1);
                }
            }
            Action::Signal(id) => self.tell_holder(id, Message::Signal),
            Action::Cancel(id) => self.tell_holder(id, Message::CancelRequest { answer: None }),
            Action::Terminate(id) => {
                if let Some(run) = self.open_holder(id) {
                    self.close(run, Fate::Terminated(BY_HAND.to_owned()));
                }
            }
            Action::Mend(node) => self.mend(*node),
            Action::Nothing => {}
        }
    }

    fn mend(&mut self, node: usize) {
        self.mended.push(node);
        for run in 0..self.runs.len() {
            if self.runs[run].number == node {
                self.release(run);
            }
        }
    }

    /// A run that is opened anew takes up what waits for it in another order, and may get on by
    /// that.
    fn reopen_parked(&mut self) {
        for run in 0..self.runs.len() {
            if self.runs[run].is_parked && self.runs[run].is_open() {
                self.release(run);
            }
        }
    }

    /// What waits for a run comes again; signals perhaps together.
    fn release(&mut self, run: usize) {
        self.runs[run].is_parked = false;
        let is_together = self.order.tosses();
        let waiting = std::mem::take(&mut self.runs[run].waiting);
        // They come together with its beginning, or else with the first of them.
        let mut has_signal = waiting.iter().any(|(_, message)| *message == Message::Begin);
        for (from, message) in waiting {
            let is_further = is_together && message == Message::Signal && has_signal;
            has_signal |= message == Message::Signal;
            if is_further {
                self.runs[run].signals += 1;
                self.runs[run].joined += 1;
            } else {
                self.send(from, run, message);
            }
        }
    }

    fn end_all(&mut self, message: Message, is_due: impl Fn(&RunModel<'_>) -> bool) {
        for run in 0..self.runs.len() {
            if self.runs[run].is_open() && is_due(&self.runs[run]) {
                self.send(None, run, message.clone());
            }
        }
    }

    pub(super) fn open_holder(&self, workflow_id: &str) -> Option<usize> {
        let holder = *self.holders.get(workflow_id)?;
        self.runs[holder].is_open().then_some(holder)
    }

    fn tell_holder(&mut self, workflow_id: &str, message: Message) {
        if let Some(run) = self.open_holder(workflow_id) {
            self.send(None, run, message);
        }
    }

    pub(super) fn send(&mut self, from: Option<usize>, to: usize, message: Message) {
        self.sent += 1;
        self.flying.push(Flying { from, to, message, number: self.sent });
    }

    fn come_to_rest(&mut self) {
        while !self.flying.is_empty() {
            let choices: Vec<_> = (0..self.flying.len()).filter(|it| self.is_next(*it)).collect();
            let flying = &self.flying;
            let chosen = self.order.choose(&choices, |it| (flying[it].from, flying[it].to));
            let Flying { from, to, message, .. } = self.flying.remove(chosen);
            self.deliver(from, to, message);
        }
    }

    /// Whether nothing comes before a message: the beginning does, and what the same run has
    /// sent before. What ends a run waits for nothing.
    fn is_next(&self, index: usize) -> bool {
        let Flying { from, to, message, number } = &self.flying[index];
        let is_before = |other: &Flying| {
            let is_first = other.message == Message::Begin && *message != Message::Begin;
            let is_earlier = from.is_some() && other.from == *from && other.number < *number;
            other.to == *to && (is_first || is_earlier)
        };
        message.ends_run() || !self.flying.iter().any(is_before)
    }

    fn deliver(&mut self, from: Option<usize>, to: usize, message: Message) {
        if let Message::CancelRequest { answer: Some(answer) } = &message {
            // It waits for nothing, and a run that is closed answers too (rule CAN-1).
            self.send(None, answer.run, (*answer.message).clone());
        }
        if message == Message::Start && !self.runs[to].is_over {
            self.start_child(to);
        }
        let to = if message.goes_on() { self.last_of_chain(to) } else { to };
        if !self.runs[to].is_open() {
            return;
        }
        let RunModel { awaits_begin, is_parked, .. } = self.runs[to];
        if awaits_begin && !is_parked && message != Message::Begin && !message.ends_run() {
            let message = match message {
                Message::CancelRequest { .. } => Message::CancelRequest { answer: None },
                message => message,
            };
            self.send(from, to, message);
            return;
        }
        match message {
            // It is taken up by its beginning.
            Message::Start => {}
            Message::ParentClosed(ParentClosePolicy::Terminate) => {
                self.close(to, Fate::Terminated(BY_PARENT_CLOSE.to_owned()));
            }
            Message::TimeOver => self.close(to, Fate::TimedOut),
            Message::RunTimeOver => self.end(to, Fate::TimedOut),
            _ => self.turn(from, to, message),
        }
    }

    /// A run takes a message up; if its code fails, the message waits and nothing has happened.
    pub(super) fn turn(&mut self, from: Option<usize>, run: usize, message: Message) {
        if self.runs[run].is_parked {
            self.wait(from, run, message);
            return;
        }
        let before = self.runs[run].clone();
        let is_mended = self.mended.contains(&before.number);
        match self.runs[run].take_turn(&message, self.hours, is_mended) {
            Some(decided) => {
                self.runs[run].joined = 0;
                decided.into_iter().for_each(|it| self.carry_out(run, it));
            }
            None => {
                self.runs[run] = before;
                self.runs[run].is_parked = true;
                self.wait(from, run, message);
            }
        }
    }

    /// A message waits until the code is mended; a request to cancel behind no other.
    fn wait(&mut self, from: Option<usize>, run: usize, message: Message) {
        let is_cancel = matches!(message, Message::CancelRequest { .. });
        self.runs[run].waiting.push((from.filter(|_| !is_cancel), message));
    }

    fn carry_out(&mut self, run: usize, decision: Decision) {
        let answer = |message| Some(Answer { run, message: Box::new(message) });
        match decision {
            Decision::Work(then) => self.send(None, run, then),
            Decision::StartChild { child: node, times_out } => {
                let (nodes, child) = (&self.scenario.nodes, self.runs.len());
                let id = match nodes[node].has_default_id {
                    // Of its parent's run and a number (rule CHD-1): nobody else has it.
                    true => format!("{run}_{node}"),
                    false => nodes[node].workflow_id.clone(),
                };
                self.runs.push(RunModel::new(nodes, node, id, Some(run), times_out));
                if let Some(slot) = self.runs[run].slots.get_mut(&node) {
                    slot.run = Some(child);
                }
                self.send(Some(run), child, Message::Start);
            }
            Decision::CancelChild { child } => {
                if let Some(to) = self.runs[run].slots.get(&child).and_then(|slot| slot.run) {
                    let answer = answer(Message::ChildAsked(child));
                    self.send(Some(run), to, Message::CancelRequest { answer });
                }
            }
            Decision::CancelOther { workflow_id, then } => match self.open_holder(&workflow_id) {
                Some(other) => {
                    let answer = answer(then);
                    self.send(Some(run), other, Message::CancelRequest { answer });
                }
                None => self.send(None, run, then),
            },
            Decision::Close(fate) => self.end(run, fate),
            Decision::ContinueAsNew => self.go_on(run, Fate::ContinuedAsNew),
        }
    }
}
