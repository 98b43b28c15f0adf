//! Random scenarios.

use std::ops::Range;

use entracte::prelude::*;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::scenario::{
    Action, CancelEnd, ChildOptions, End, MachineOptions, Node, OnCancel, Op, Scenario, Timeout,
};

/// How deep a tree is at most: the root stands at depth one.
const DEPTH: usize = 5;
/// How many children a workflow has at most.
const WIDTH: usize = 20;

/// Makes the scenario of a seed.
pub(super) fn generate(seed: u64) -> Scenario {
    let mut maker = Maker { random: ChaCha8Rng::seed_from_u64(seed), nodes: Vec::new(), room: 0 };
    maker.room = maker.below(&[4, 12, 40]);
    maker.grow(1);
    let mut actions = maker.actions();
    let mut faults = maker.faults(&actions);
    if maker.nodes.len() > 1 && maker.chance(0.08) {
        maker.cancel_and_kill(&mut actions, &mut faults);
    }
    let machine = MachineOptions {
        seed,
        commit_ms: maker.one_of(&[0, 1, 10]),
        replay_every_event: maker.chance(0.4),
        one_append_per_commit: maker.chance(0.3),
    };
    Scenario { nodes: maker.nodes, actions, faults, machine }
}

pub(super) struct Maker {
    pub(super) random: ChaCha8Rng,
    pub(super) nodes: Vec<Node>,
    /// How many nodes there may still be.
    room: usize,
}

impl Maker {
    pub(super) fn chance(&mut self, chance: f64) -> bool {
        self.random.random_bool(chance)
    }

    pub(super) fn of(&mut self, range: Range<usize>) -> usize {
        self.random.random_range(range)
    }

    pub(super) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        *choices.choose(&mut self.random).expect("some choices")
    }

    /// A number up to one of these.
    pub(super) fn below(&mut self, limits: &[usize]) -> usize {
        let limit = self.one_of(limits);
        self.of(1..limit + 1)
    }

    /// Adds a workflow with all that is under it, and gives its number.
    fn grow(&mut self, depth: usize) -> usize {
        let number = self.nodes.len();
        self.room = self.room.saturating_sub(1);
        let node = self.node(number);
        self.nodes.push(node);
        let mut children = Vec::new();
        if depth < DEPTH {
            let wide = if self.chance(0.15) { WIDTH } else { 3 };
            let count = self.of(0..wide + 1).max(usize::from(depth == 1));
            for _ in 0..count.min(self.room) {
                children.push(self.grow(depth + 1));
            }
        }
        self.nodes[number].body = self.body(&children);
        if self.nodes[number].is_chain() {
            self.make_chain_tell(number, &children);
        }
        number
    }

    /// Makes it likelier that what is between the runs of a chain shows: children that are left
    /// to it, and runs that time out with something that they have not taken up.
    fn make_chain_tell(&mut self, number: usize, children: &[usize]) {
        if self.chance(0.4) {
            for child in children {
                self.nodes[*child].options.scope = ParentCloseScope::Chain;
            }
            self.nodes[number].body.retain(|op| !matches!(op, Op::Join(_)));
        }
        let steps = self.of(1..4) as u64;
        let is_timed = self.chance(0.5);
        let node = &mut self.nodes[number];
        if is_timed && node.body.contains(&Op::Stumble) {
            node.options.timeout = Some(Timeout::EachRun(steps));
            node.has_default_id = false;
        }
    }

    fn node(&mut self, number: usize) -> Node {
        let workflow_id = match self.chance(0.1) && number > 0 {
            true => format!("shared{}", self.of(0..2)),
            false => format!("n{number}"),
        };
        let mut options = self.options();
        options.attempts = if self.chance(0.2) { self.of(2..4) as u32 } else { 1 };
        let generations = if self.chance(0.2) { self.of(2..4) as u32 } else { 1 };
        let is_chain = options.attempts > 1 || generations > 1;
        if is_chain && options.timeout.is_none() && self.chance(0.2) {
            options.timeout = Some(Timeout::Run(self.of(1..3) as u64));
        }
        if let Some(Timeout::Run(nth)) = options.timeout
            && (is_chain || self.chance(0.3))
        {
            options.timeout = Some(Timeout::EachRun(nth));
        }
        let has_default_id = number > 0 && self.chance(0.15);
        let end = match options.attempts {
            1 => self.end(),
            // All of these can be tried again.
            _ => {
                let until = [End::FailsUntil(2), End::FailsUntil(3)];
                self.one_of(&[End::Completes, End::Fails, until[0], until[1]])
            }
        };
        let mut on_cancel = self.on_cancel();
        if let OnCancel::Heeds { end, .. } = &mut on_cancel
            && options.attempts > 1
            && self.chance(0.5)
        {
            // Only so does the chain go on.
            *end = CancelEnd::Fails;
        }
        let body = Vec::new();
        Node { workflow_id, has_default_id, options, body, end, on_cancel, generations }
    }

    fn end(&mut self) -> End {
        self.one_of(&[
            End::Completes,
            End::Completes,
            End::Propagates,
            End::Propagates,
            End::Fails,
            End::FailsWithActivity,
        ])
    }

    fn options(&mut self) -> ChildOptions {
        use ChildWorkflowCancellationType as Cancellation;
        use WorkflowIdReusePolicy as Reuse;
        let timeout = self.chance(0.15).then(|| {
            let nth = self.of(1..4) as u64;
            if self.chance(0.5) { Timeout::Run(nth) } else { Timeout::Execution(nth) }
        });
        ChildOptions {
            policy: self.one_of(&[
                ParentClosePolicy::Terminate,
                ParentClosePolicy::RequestCancel,
                ParentClosePolicy::Abandon,
            ]),
            scope: self.one_of(&[
                ParentCloseScope::Run,
                ParentCloseScope::Run,
                ParentCloseScope::Chain,
            ]),
            cancellation: self.one_of(&[
                Cancellation::WaitCancellationCompleted,
                Cancellation::WaitCancellationCompleted,
                Cancellation::WaitCancellationRequested,
                Cancellation::TryCancel,
                Cancellation::Abandon,
            ]),
            reuse: self.one_of(&[
                Reuse::AllowDuplicate,
                Reuse::AllowDuplicateFailedOnly,
                Reuse::RejectDuplicate,
                Reuse::TerminateIfRunning,
            ]),
            timeout,
            attempts: 1,
        }
    }

    fn on_cancel(&mut self) -> OnCancel {
        if self.chance(0.15) {
            return OnCancel::Ignores;
        }
        let settles = self.chance(0.8);
        let ends = [CancelEnd::Cancels, CancelEnd::Completes, CancelEnd::Fails, CancelEnd::Undoes];
        OnCancel::Heeds { settles, end: self.one_of(&ends) }
    }

    fn body(&mut self, children: &[usize]) -> Vec<Op> {
        let mut body = Vec::new();
        let mut started: Vec<usize> = Vec::new();
        for child in children {
            if self.chance(0.15) {
                body.push(self.pause(&started));
            }
            let waits = self.chance(0.6);
            body.push(Op::Start { child: *child, waits });
            started.push(*child);
        }
        if self.chance(if children.is_empty() { 0.85 } else { 0.4 }) {
            body.push(self.pause(&started));
        }
        if !children.is_empty() && self.chance(0.8) {
            let some = self.of(1..children.len() + 1);
            started.shuffle(&mut self.random);
            let mut joined =
                if self.chance(0.6) { started.clone() } else { started[..some].to_vec() };
            joined.sort_unstable();
            body.push(Op::Join(joined));
            if self.chance(0.25) {
                body.push(self.pause(&started));
            }
        }
        if self.chance(0.1) {
            let at = self.of(0..body.len() + 1);
            body.insert(at, Op::Stumble);
        }
        body
    }

    /// Something that a workflow waits for, or does to a child that it has started.
    fn pause(&mut self, started: &[usize]) -> Op {
        match self.of(0..30) {
            0..=8 => Op::Nap(self.of(1..4) as u64),
            9..=14 => Op::Work,
            15..=18 if !started.is_empty() => Op::Cancel(self.one_of(started)),
            19 => Op::CancelOther(self.workflow_id()),
            _ => Op::Gate,
        }
    }

    /// The workflow id of one of the nodes that there are.
    fn workflow_id(&mut self) -> String {
        let ids: Vec<_> = self.nodes.iter().map(|node| node.workflow_id.clone()).collect();
        ids.choose(&mut self.random).cloned().unwrap_or_default()
    }

    fn actions(&mut self) -> Vec<Action> {
        let mut actions = vec![Action::Start(0)];
        if self.chance(0.1) {
            let other = self.of(0..self.nodes.len());
            actions.insert(0, Action::Start(other));
        }
        for _ in 0..self.of(1..9) {
            let action = self.action();
            actions.push(action);
        }
        // Some are mended in the end, others never.
        for (number, node) in self.nodes.iter().enumerate() {
            if node.body.contains(&Op::Stumble) && self.random.random_bool(0.7) {
                let at = self.random.random_range(1..actions.len() + 1);
                actions.insert(at, Action::Mend(number));
            }
        }
        actions
    }

    fn action(&mut self) -> Action {
        let with = |op: &Op| {
            let with = self.nodes.iter().filter(|node| node.body.contains(op));
            with.map(|it| it.workflow_id.clone()).collect::<Vec<_>>()
        };
        let (gates, stumbling) = (with(&Op::Gate), with(&Op::Stumble));
        if let Some(id) = stumbling.choose(&mut self.random)
            && self.chance(0.25)
        {
            return if self.chance(0.5) {
                Action::Cancel(id.clone())
            } else {
                Action::Signal(id.clone())
            };
        }
        match self.of(0..12) {
            0..=5 => match gates.choose(&mut self.random) {
                Some(id) => Action::Signal(id.clone()),
                None => Action::Nothing,
            },
            6..=7 => {
                let is_tried_again = |node: &&Node| node.options.attempts > 1;
                let chains = self.nodes.iter().filter(is_tried_again);
                let chains: Vec<_> = chains.map(|it| it.workflow_id.clone()).collect();
                match chains.choose(&mut self.random) {
                    Some(id) if self.chance(0.4) => Action::Cancel(id.clone()),
                    _ => Action::Cancel(self.workflow_id()),
                }
            }
            8..=9 => Action::Terminate(self.workflow_id()),
            10 => Action::Start(self.of(0..self.nodes.len())),
            _ => Action::Nothing,
        }
    }
}
