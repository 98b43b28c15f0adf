//! What goes wrong in a random scenario.

use rand::Rng;
use rand::seq::IndexedRandom;

use super::generate::Maker;
use super::scenario::{
    Action, CancelEnd, End, Fault, FaultKind, Moment, OnCancel, Op, PARTS, TICKS,
};

impl Maker {
    pub(super) fn faults(&mut self, actions: &[Action]) -> Vec<Fault> {
        let count = self.one_of(&[0, 1, 2, 4, 8]);
        let mut faults: Vec<_> = (0..count)
            .map(|_| Fault { step: self.of(0..actions.len()), kind: self.fault() })
            .collect();
        let is_cancel = |step: &usize| matches!(actions[*step], Action::Cancel(_));
        let cancels: Vec<_> = (0..actions.len()).filter(is_cancel).collect();
        for fault in &mut faults {
            if let FaultKind::KillTarget { .. } = fault.kind
                && let Some(step) = cancels.choose(&mut self.random)
            {
                fault.step = *step;
            }
        }
        faults.sort_by_key(|fault| fault.step);
        faults
    }

    /// A child that is tried again when it fails is asked to cancel, fails because of it, and its
    /// actor is killed about then: that seldom comes together by itself.
    pub(super) fn cancel_and_kill(&mut self, actions: &mut Vec<Action>, faults: &mut Vec<Fault>) {
        let settles = self.chance(0.5);
        let rounds = self.of(0..120) as u64;
        let node = &mut self.nodes[1];
        node.has_default_id = false;
        node.on_cancel = OnCancel::Heeds { settles, end: CancelEnd::Fails };
        node.end = End::FailsUntil(2);
        node.body.insert(0, Op::Gate);
        let options = &mut node.options;
        (options.attempts, options.timeout) = (options.attempts.max(2), None);
        let id = node.workflow_id.clone();
        let begins = actions.iter().position(|action| *action == Action::Start(0));
        let step = begins.map_or(1, |step| step + 1);
        actions.insert(step, Action::Cancel(id));
        faults.iter_mut().filter(|fault| fault.step >= step).for_each(|fault| fault.step += 1);
        let at = Moment { part: 0, tick: 0, ms: 0, rounds };
        faults.push(Fault { step, kind: FaultKind::KillTarget { at } });
        faults.sort_by_key(|fault| fault.step);
    }

    fn fault(&mut self) -> FaultKind {
        let commits = self.below(&[3, 12]) as u64;
        match self.of(0..10) {
            0..=2 => FaultKind::Crash { commits, before_durable: self.chance(0.5) },
            3 => FaultKind::Failure { commits },
            4 => FaultKind::KillJournal { at: self.moment(), times: self.below(&[1, 20]) as u64 },
            5..=6 => FaultKind::KillTarget {
                // The action comes at the beginning.
                at: Moment { part: 0, tick: 0, ..self.moment() },
            },
            _ => FaultKind::Kill {
                at: self.moment(),
                victim: self.random.random(),
                below: self.chance(0.25),
            },
        }
    }

    fn moment(&mut self) -> Moment {
        Moment {
            part: self.one_of(&[0, 0, 0, 1, 1, PARTS - 1]),
            tick: if self.chance(0.8) { 0 } else { self.of(1..TICKS as usize) as u64 },
            ms: self.one_of(&[0, 0, 5, 40]) * self.of(0..4) as u64,
            rounds: self.of(0..120) as u64,
        }
    }
}
