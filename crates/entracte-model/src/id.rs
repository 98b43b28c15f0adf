//! Ids: of workflows, runs, events and operations.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::Timestamp;

/// The longest workflow id, name or request id that is accepted, in bytes (rule WID-8).
pub const ID_BYTES_MAX: usize = 1000;

/// Says why a text cannot be an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The text is empty.
    #[error("an id cannot be empty")]
    Empty,
    /// The text is longer than [`ID_BYTES_MAX`] bytes (rule WID-8).
    #[error("an id of {bytes} bytes is longer than the {ID_BYTES_MAX} bytes allowed")]
    TooLong {
        /// How many bytes the text has.
        bytes: usize,
    },
}

/// The name a user gives to a workflow execution, unique among the open ones (rule WID-1).
///
/// Between 1 and [`ID_BYTES_MAX`] bytes. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkflowId(Arc<str>);

impl WorkflowId {
    /// Checks a text and makes it an id.
    ///
    /// # Errors
    /// [`IdError`] if the text is empty or too long.
    pub fn new(id: impl AsRef<str>) -> Result<Self, IdError> {
        let id = id.as_ref();
        check(id)?;
        Ok(Self(Arc::from(id)))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks that a text can be an id or a durable name.
///
/// # Errors
/// [`IdError`] if the text is empty or too long.
pub fn check(id: &str) -> Result<(), IdError> {
    if id.is_empty() {
        return Err(IdError::Empty);
    }
    if id.len() > ID_BYTES_MAX {
        return Err(IdError::TooLong { bytes: id.len() });
    }
    Ok(())
}

impl fmt::Display for WorkflowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for WorkflowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl TryFrom<String> for WorkflowId {
    type Error = IdError;
    fn try_from(id: String) -> Result<Self, IdError> {
        Self::new(id)
    }
}

impl TryFrom<&str> for WorkflowId {
    type Error = IdError;
    fn try_from(id: &str) -> Result<Self, IdError> {
        Self::new(id)
    }
}

impl From<WorkflowId> for String {
    fn from(id: WorkflowId) -> Self {
        id.as_str().to_owned()
    }
}

/// One run of a workflow execution: a UUID of version 7, so that runs sort by their start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(Uuid);

/// Why a run is derived from another one; part of the derived id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunPurpose {
    /// A child workflow of the run.
    Child,
    /// The next attempt of the run under its own retry policy.
    Retry,
    /// The run continued as new.
    ContinueAsNew,
    /// The next run of a cron workflow.
    Cron,
    /// A reset of the run.
    Reset,
}

impl RunPurpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Child => "child",
            Self::Retry => "retry",
            Self::ContinueAsNew => "continue-as-new",
            Self::Cron => "cron",
            Self::Reset => "reset",
        }
    }
}

impl RunId {
    /// How many bytes an id has when it is stored.
    pub const LEN: usize = 16;

    /// Makes the id of a run that a client starts, from the time and ten random bytes.
    #[must_use]
    pub fn from_time_and_random(time: Timestamp, random: [u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(time.as_unix_millis(), &random).into_uuid())
    }

    /// Derives the id of a run that another run brings about.
    ///
    /// The milliseconds are those of the initiating event, the rest is a hash of the
    /// originating run, that event's id and the purpose: the same decision always gives the
    /// same id, so it can be carried out twice without harm.
    #[must_use]
    pub fn derive(origin: Self, event: EventId, time: Timestamp, purpose: RunPurpose) -> Self {
        let name = format!("{}/{}", event.get(), purpose.as_str());
        let hash = Uuid::new_v5(&origin.0, name.as_bytes()).into_bytes();
        let mut random = [0; 10];
        random.copy_from_slice(&hash[..10]);
        Self::from_time_and_random(time, random)
    }

    /// The id as it is stored.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        self.0.into_bytes()
    }

    /// Reads an id as it is stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The id as a UUID.
    #[must_use]
    pub fn as_uuid(self) -> Uuid {
        self.0
    }

    /// The seed of the run's random numbers (rule DET-3): a function of the id alone.
    #[must_use]
    pub fn randomness_seed(self) -> u64 {
        let hash = Uuid::new_v5(&self.0, b"randomness seed").into_bytes();
        hash.iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::str::FromStr for RunId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Uuid::parse_str(text)?))
    }
}

/// The place of an event in its run's history: 1, 2, 3, … without a gap.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(u64);

impl EventId {
    /// The id of the first event of every run.
    pub const FIRST: Self = Self(1);

    /// Makes an id from a number; zero stands for "no event", as in Temporal.
    #[must_use]
    pub const fn new(id: u64) -> Self {
        Self(id)
    }

    /// The id as a number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The id of the event `count` places later.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0 + count)
    }

    /// The id of the event after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The number of an operation (activity, timer, child, …) within its run.
///
/// Numbers are given in the order in which the workflow issues its operations and never
/// repeat within a run. The default activity id and the timer id are this number in decimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(u32);

impl Seq {
    /// Makes a number.
    #[must_use]
    pub const fn new(seq: u32) -> Self {
        Self(seq)
    }

    /// The number as an integer.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wid_8_ids_have_between_one_and_a_thousand_bytes() {
        assert_eq!(WorkflowId::new(""), Err(IdError::Empty));
        assert!(WorkflowId::new("x".repeat(1000)).is_ok());
        assert_eq!(WorkflowId::new("x".repeat(1001)), Err(IdError::TooLong { bytes: 1001 }));
    }

    #[test]
    fn run_ids_are_version_seven_and_sort_by_time() {
        let early = RunId::from_time_and_random(Timestamp::from_unix_millis(1_000), [255; 10]);
        let late = RunId::from_time_and_random(Timestamp::from_unix_millis(1_001), [0; 10]);
        assert_eq!(early.as_uuid().get_version_num(), 7);
        assert!(early < late);
        assert_eq!(RunId::from_bytes(late.to_bytes()), late);
    }

    #[test]
    fn derived_run_ids_depend_on_origin_event_and_purpose() {
        let time = Timestamp::from_unix_millis(7);
        let origin = RunId::from_time_and_random(time, [1; 10]);
        let child = RunId::derive(origin, EventId::new(3), time, RunPurpose::Child);
        assert_eq!(child, RunId::derive(origin, EventId::new(3), time, RunPurpose::Child));
        assert_ne!(child, RunId::derive(origin, EventId::new(4), time, RunPurpose::Child));
        assert_ne!(child, RunId::derive(origin, EventId::new(3), time, RunPurpose::Retry));
        assert_eq!(child.as_uuid().get_version_num(), 7);
    }
}
