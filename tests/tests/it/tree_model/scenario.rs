//! Scenarios: a tree of workflows and what each of them does, what is done to them from
//! outside, and what goes wrong.
//!
//! Time goes in steps of four hours. At the beginning of each there is one action from outside;
//! an hour later all naps end that end in this step, and another hour later all timeouts. Each of
//! these parts begins with ticks of twelve minutes, at which the times of single runs end: a run
//! that begins at one tick ends at the next one, some steps later. In between everything comes to
//! rest.

use std::collections::BTreeSet;
use std::fmt;

use entracte::prelude::*;
use entracte_testing::CrashPoint;

/// What is to happen; the same for the same seed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Scenario {
    /// The first one is started from outside.
    pub(super) nodes: Vec<Node>,
    /// One at the beginning of each step.
    pub(super) actions: Vec<Action>,
    /// In the order of their steps.
    pub(super) faults: Vec<Fault>,
    pub(super) machine: MachineOptions,
}

/// How the machine and the engine are set up.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct MachineOptions {
    pub(super) seed: u64,
    /// How long a commit takes at most.
    pub(super) commit_ms: u64,
    pub(super) replay_every_event: bool,
    pub(super) one_append_per_commit: bool,
}

/// A workflow of the tree.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Also its name here, if it has another id.
    pub(super) workflow_id: String,
    /// Whether it has the default id when its parent starts it.
    pub(super) has_default_id: bool,
    /// How its parent starts it.
    pub(super) options: ChildOptions,
    pub(super) body: Vec<Op>,
    pub(super) end: End,
    pub(super) on_cancel: OnCancel,
    /// In how many runs it goes on as new: it does all again in each.
    pub(super) generations: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct ChildOptions {
    pub(super) policy: ParentClosePolicy,
    pub(super) scope: ParentCloseScope,
    pub(super) cancellation: ChildWorkflowCancellationType,
    pub(super) reuse: WorkflowIdReusePolicy,
    /// How many steps it may take.
    pub(super) timeout: Option<Timeout>,
    /// How many attempts it has, as a whole.
    pub(super) attempts: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Timeout {
    /// Of a run that no other follows.
    Run(u64),
    Execution(u64),
    /// Of each run: so many steps, and up to the next tick.
    EachRun(u64),
}

/// What a workflow does, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Op {
    /// Starts a child, and waits for its start or not.
    Start { child: usize, waits: bool },
    /// Waits for the ends of children, whatever they are.
    Join(Vec<usize>),
    /// Waits for a signal.
    Gate,
    /// Waits until naps end, for the so manieth time from now.
    Nap(u64),
    /// Runs an activity, which succeeds.
    Work,
    /// Asks a child to cancel, if it is known to have started.
    Cancel(usize),
    /// Asks whoever holds a workflow id to cancel, and waits until that is known.
    CancelOther(String),
    /// Panics, until its code is mended.
    Stumble,
}

/// How a workflow ends that has done all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With one and the sum of what its children gave.
    Completes,
    Fails,
    /// As a failure until the so manieth attempt at the whole, which completes.
    FailsUntil(u32),
    /// With the failure of an activity.
    FailsWithActivity,
    /// With the failure of the first child that it knows to have failed.
    Propagates,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnCancel {
    /// All that it does is shielded.
    Ignores,
    /// It drops what it does, waits for its children or not, and ends.
    Heeds { settles: bool, end: CancelEnd },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CancelEnd {
    Cancels,
    Completes,
    Fails,
    /// Runs an activity, shielded, and ends as cancelled.
    Undoes,
}

/// What is done from outside when everything is at rest.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// Starts a workflow without a parent, if none holds its id.
    Start(usize),
    Signal(String),
    Cancel(String),
    Terminate(String),
    /// From now on a workflow does not stumble any more.
    Mend(usize),
    /// A step in which only time passes.
    Nothing,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault {
    pub(super) step: usize,
    pub(super) kind: FaultKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum FaultKind {
    /// The machine dies at a commit, counted from the step's beginning or the last crash.
    Crash { commits: u64, before_durable: bool },
    /// A commit fails.
    Failure { commits: u64 },
    /// An actor is killed: that of a run, or one under it.
    Kill { at: Moment, victim: u64, below: bool },
    /// The actor of the run is killed at which the step's action is aimed.
    KillTarget { at: Moment },
    /// The journal's actor is killed, so many times with some rounds in between.
    KillJournal { at: Moment, times: u64 },
}

/// When something happens in a step, so many milliseconds and rounds behind a tick.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment {
    pub(super) part: usize,
    pub(super) tick: u64,
    pub(super) ms: u64,
    pub(super) rounds: u64,
}

/// The parts of a step: the action, the naps, the timeouts.
pub(super) const PARTS: usize = 3;
/// How many ticks there are in a part, with its beginning.
pub(super) const TICKS: u64 = 4;
pub(super) const TICK_MINUTES: u64 = 12;
/// Hours from one step to the next.
pub(super) const STEP: u64 = 4;

impl FaultKind {
    pub(super) fn crash_point(before_durable: bool) -> CrashPoint {
        match before_durable {
            true => CrashPoint::BeforeDurable,
            false => CrashPoint::AfterDurable,
        }
    }
}

impl Node {
    /// Whether other runs may follow its first one.
    pub(super) fn is_chain(&self) -> bool {
        self.generations > 1 || self.options.attempts > 1
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.machine)?;
        let mut shown = BTreeSet::new();
        for (step, action) in self.actions.iter().enumerate() {
            writeln!(f, "step {step}: {action:?}")?;
            for fault in self.faults.iter().filter(|fault| fault.step == step) {
                writeln!(f, "  fault: {:?}", fault.kind)?;
            }
            if let Action::Start(node) = action {
                self.show(*node, &mut shown);
            }
        }
        for number in shown {
            let Node { workflow_id, has_default_id, options, body, end, on_cancel, generations } =
                &self.nodes[number];
            writeln!(f, "{number} `{workflow_id}`: {body:?} {end:?}, cancelled: {on_cancel:?}")?;
            if *has_default_id {
                writeln!(f, "  as a child with its default id")?;
            }
            if *generations > 1 {
                writeln!(f, "  in {generations} generations")?;
            }
            if *options != ChildOptions::default() {
                writeln!(f, "  as a child: {options:?}")?;
            }
        }
        Ok(())
    }
}

impl Scenario {
    /// Adds a node, and those that are started by it.
    fn show(&self, node: usize, shown: &mut BTreeSet<usize>) {
        if shown.insert(node) {
            for op in &self.nodes[node].body {
                if let Op::Start { child, .. } = op {
                    self.show(*child, shown);
                }
            }
        }
    }
}

impl Default for ChildOptions {
    fn default() -> Self {
        Self {
            policy: ParentClosePolicy::Terminate,
            scope: ParentCloseScope::Run,
            cancellation: ChildWorkflowCancellationType::WaitCancellationCompleted,
            reuse: WorkflowIdReusePolicy::AllowDuplicate,
            timeout: None,
            attempts: 1,
        }
    }
}

/// How a run stands in the end, with its cause.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    Open,
    Completed(u64),
    /// The kinds of the failure's chain.
    Failed(Vec<String>),
    Canceled(Vec<String>),
    Terminated(String),
    TimedOut,
    ContinuedAsNew,
}

/// A run in the end: the workflow id of its parent, and its fate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Told {
    pub(super) workflow_id: String,
    pub(super) parent: Option<String>,
    pub(super) fate: Fate,
    /// Whether it was asked to cancel.
    pub(super) cancel_requested: bool,
}

pub(super) const BY_PARENT_CLOSE: &str = "by parent close policy";
pub(super) const TO_MAKE_ROOM: &str = "TerminateIfRunning WorkflowIdReusePolicy";
pub(super) const BY_HAND: &str = "by hand";

/// Hours from the beginning to the next moment of a kind, which come once in a step.
pub(super) fn next_moment(hours: u64, part: u64, nth: u64) -> u64 {
    let passed = (hours + STEP - part) / STEP;
    (passed + nth - 1) * STEP + part
}
