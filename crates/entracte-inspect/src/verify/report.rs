//! What a look through a store has come to.

use std::collections::BTreeMap;
use std::fmt;

use entracte_model::WorkflowStatus;
use entracte_store::Space;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::problem::Problem;

/// How much there is in a store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StoreCounts {
    /// Runs with a row that can be read, by where they stand.
    #[serde(serialize_with = "by_name")]
    pub runs: BTreeMap<WorkflowStatus, u64>,
    /// Open runs that wait for nothing but what clients send: a signal, or their cancellation.
    /// No row says so, and none has to.
    pub runs_awaiting_clients: u64,
    /// Rows in the space of events.
    pub events: u64,
    /// Rows of workflow ids.
    pub workflow_ids: u64,
    /// Rows of activities that have not ended, local ones included.
    pub pending_activities: u64,
    /// Of these, rows of local activities.
    pub local_activities: u64,
    /// Rows of what is due at some time: timers, and ends of back-offs.
    pub due: u64,
    /// Rows of what must reach a run.
    pub inbox: u64,
    /// Rows of state that runs have published.
    pub published: u64,
    /// Keys and values in bytes, without what the storage engine adds or saves.
    pub bytes: SpaceBytes,
}

impl StoreCounts {
    /// How many runs there are.
    #[must_use]
    pub fn runs_total(&self) -> u64 {
        self.runs.values().sum()
    }
}

/// Keys and values in bytes, by their space.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SpaceBytes {
    /// In the space of facts about the store.
    pub meta: u64,
    /// In the space of events.
    pub history: u64,
    /// In the space of runs and what is to be done for them.
    pub state: u64,
}

impl SpaceBytes {
    pub(super) fn add(&mut self, space: Space, bytes: u64) {
        *match space {
            Space::Meta => &mut self.meta,
            Space::History => &mut self.history,
            Space::State => &mut self.state,
        } += bytes;
    }

    /// In all spaces together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.meta + self.history + self.state
    }
}

/// What there is in a store, and what is wrong with it.
///
/// `Display` is a text for people: one line that says how much there is, then one line for each
/// problem.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct VerifyReport {
    /// How much there is.
    pub counts: StoreCounts,
    /// What is wrong: the first problems, in the order in which they were found.
    pub problems: Vec<Problem>,
    /// How many more problems there are.
    pub problems_dropped: u64,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems_total() == 0
    }

    /// How many problems there are, those included that were not kept.
    #[must_use]
    pub fn problems_total(&self) -> u64 {
        self.problems.len() as u64 + self.problems_dropped
    }
}

/// A problem for machines, together with its text.
#[derive(Debug, Serialize)]
pub(crate) struct ProblemLine<'a> {
    #[serde(flatten)]
    problem: &'a Problem,
    message: String,
}

impl<'a> From<&'a Problem> for ProblemLine<'a> {
    fn from(problem: &'a Problem) -> Self {
        Self { problem, message: problem.to_string() }
    }
}

impl Serialize for VerifyReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let problems: Vec<_> = self.problems.iter().map(ProblemLine::from).collect();
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("sound", &self.is_sound())?;
        map.serialize_entry("counts", &self.counts)?;
        map.serialize_entry("problems", &problems)?;
        map.serialize_entry("problems_dropped", &self.problems_dropped)?;
        map.end()
    }
}

fn by_name<S: Serializer>(
    runs: &BTreeMap<WorkflowStatus, u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(runs.iter().map(|(status, count)| (status.to_string(), count)))
}

impl fmt::Display for StoreCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", counted(self.runs_total(), "run"))?;
        let statuses: Vec<_> =
            self.runs.iter().map(|(status, count)| format!("{count} {status}")).collect();
        if !statuses.is_empty() {
            write!(f, " ({})", statuses.join(", "))?;
        }
        write!(
            f,
            ", {}, {}, {} pending activities",
            counted(self.events, "event"),
            counted(self.workflow_ids, "workflow id"),
            self.pending_activities,
        )?;
        if self.local_activities > 0 {
            write!(f, " ({} local)", self.local_activities)?;
        }
        write!(
            f,
            ", {} due, {} in inboxes, {} published; {} bytes",
            self.due,
            self.inbox,
            self.published,
            self.bytes.total()
        )
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.counts)?;
        if self.is_sound() {
            return f.write_str("\nno problems");
        }
        write!(f, "\n{}:", counted(self.problems_total(), "problem"))?;
        for problem in &self.problems {
            write!(f, "\n- {problem}")?;
        }
        if self.problems_dropped > 0 {
            write!(f, "\n- and {} more", self.problems_dropped)?;
        }
        Ok(())
    }
}
