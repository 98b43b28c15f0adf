//! Makes a scenario smaller that shows a fault.

use entracte::prelude::ParentCloseScope;

use super::scenario::{CancelEnd, ChildOptions, End, OnCancel, Op, Scenario};

/// Drops whatever can be dropped while the fault stays, at most so many plays long.
pub(super) fn shrink(
    scenario: Scenario,
    plays: usize,
    fails: impl Fn(&Scenario) -> bool,
) -> Scenario {
    let (mut smallest, mut left) = (scenario, plays);
    'again: loop {
        for candidate in candidates(&smallest) {
            if left == 0 {
                return smallest;
            }
            left -= 1;
            if fails(&candidate) {
                smallest = candidate;
                continue 'again;
            }
        }
        return smallest;
    }
}

/// Scenarios that are a little smaller, those first that are much smaller.
fn candidates(scenario: &Scenario) -> Vec<Scenario> {
    let mut candidates = Vec::new();
    let mut add = |change: &dyn Fn(&mut Scenario)| {
        let mut changed = scenario.clone();
        change(&mut changed);
        if changed != *scenario {
            candidates.push(changed);
        }
    };
    for at in 0..scenario.actions.len() {
        add(&|it| {
            it.actions.truncate(at);
            it.faults.retain(|fault| fault.step < at);
        });
    }
    for at in 0..scenario.faults.len() {
        add(&|it| {
            it.faults.remove(at);
        });
    }
    for (number, node) in scenario.nodes.iter().enumerate() {
        // A node that is never started is as good as none; numbers stay.
        for at in 0..node.body.len() {
            if let Op::Start { child, .. } = node.body[at] {
                add(&|it| forget_child(it, number, child));
            } else {
                add(&|it| {
                    it.nodes[number].body.remove(at);
                });
            }
        }
    }
    for at in 1..scenario.actions.len() {
        add(&|it| {
            it.actions.remove(at);
            it.faults.retain(|fault| fault.step != at);
            it.faults.iter_mut().filter(|fault| fault.step > at).for_each(|it| it.step -= 1);
        });
    }
    for number in 0..scenario.nodes.len() {
        add(&|it| it.nodes[number].options = ChildOptions::default());
        add(&|it| it.nodes[number].end = End::Completes);
        add(&|it| it.nodes[number].generations = 1);
        add(&|it| it.nodes[number].has_default_id = false);
        add(&|it| it.nodes[number].options.scope = ParentCloseScope::Run);
        add(&|it| it.nodes[number].options.timeout = None);
        let on_cancel = OnCancel::Heeds { settles: true, end: CancelEnd::Cancels };
        add(&|it| it.nodes[number].on_cancel = on_cancel);
    }
    candidates
}

fn forget_child(scenario: &mut Scenario, number: usize, child: usize) {
    scenario.nodes[number].body.retain_mut(|op| match op {
        Op::Start { child: it, .. } | Op::Cancel(it) => *it != child,
        Op::Join(children) => {
            children.retain(|it| *it != child);
            !children.is_empty()
        }
        _ => true,
    });
}
