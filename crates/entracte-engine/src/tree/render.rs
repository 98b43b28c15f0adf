//! The tree as a drawing, for logs and consoles.

use std::fmt;
use std::time::Duration;

use entracte_model::Timestamp;

use super::{ActorKind, ActorNode, ActorTree, EngineState, RunActorState};

impl fmt::Display for ActorTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // For each depth above the line: whether another actor follows there.
        let mut open = Vec::new();
        for (place, node) in self.nodes.iter().enumerate() {
            if place > 0 {
                writeln!(f)?;
            }
            if let Some(level) = node.depth.checked_sub(1) {
                open.truncate(level);
                for follows in &open {
                    f.write_str(if *follows { "│  " } else { "   " })?;
                }
                let follows = self.has_later_sibling(place);
                f.write_str(if follows { "├─ " } else { "└─ " })?;
                open.push(follows);
            }
            node.write_line(f, self.time)?;
        }
        Ok(())
    }
}

impl ActorTree {
    fn has_later_sibling(&self, place: usize) -> bool {
        let node = &self.nodes[place];
        let behind = self.nodes[place + 1..].iter();
        behind.take_while(|next| next.depth >= node.depth).any(|next| next.depth == node.depth)
    }
}

impl ActorNode {
    fn write_line(&self, f: &mut fmt::Formatter<'_>, now: Timestamp) -> fmt::Result {
        write!(f, "{}, for {}", self.kind, rounded(now.saturating_since(self.since)))?;
        if let ActorKind::Timer { due, .. } = &self.kind {
            write!(f, ", due in {}", rounded(due.saturating_since(now)))?;
        }
        if self.mailbox > 0 {
            write!(f, ", mailbox {}", self.mailbox)?;
        }
        if self.waiting > 0 {
            write!(f, ", {} waiting", self.waiting)?;
        }
        Ok(())
    }
}

impl fmt::Display for ActorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Engine { state } => write!(f, " {state}"),
            Self::Journal | Self::Directory => Ok(()),
            Self::TaskQueue { name, slots, slots_in_use } => {
                write!(f, " {name}, {slots_in_use} of {slots} slots")
            }
            Self::Run { workflow_id, run_id, workflow_type, state } => {
                write!(f, " {workflow_id} ({workflow_type}, {run_id}) {state}")
            }
            Self::Attempt { activity_id, activity_type, attempt, is_local } => {
                let local = if *is_local { "local " } else { "" };
                write!(f, " {local}{activity_type} #{attempt} (activity {activity_id})")
            }
            Self::Timer { timer_id, .. } => write!(f, " {timer_id}"),
        }
    }
}

impl fmt::Display for EngineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::ShuttingDown => "shutting down",
            Self::Failed => "failed",
        })
    }
}

impl fmt::Display for RunActorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Opening => "opening",
            Self::Running => "running",
            Self::Sleeping => "sleeping",
            Self::Parked => "parked",
            Self::Closing => "closing",
            Self::Leaving => "leaving",
        })
    }
}

/// A duration as people read it: seconds, or milliseconds below one.
fn rounded(duration: Duration) -> humantime::FormattedDuration {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    humantime::format_duration(if millis < 1_000 {
        Duration::from_millis(millis)
    } else {
        Duration::from_secs(millis / 1_000)
    })
}
