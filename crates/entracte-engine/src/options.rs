//! Options of an engine.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

#[cfg(doc)]
use entracte_model::EventAttributes;
use entracte_model::{PendingLimits, Timestamp, id};

use crate::errors::{StartEngineError, TaskQueueOptionsError, shorten};
use crate::task_queues::TaskQueueOptions;

/// What an answer of the engine survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// Every answer waits until its events are synced to the disk: it survives a power cut.
    #[default]
    Sync,
    /// Answers wait for the operating system only; the disk is synced once in this interval.
    /// A power cut rolls all runs back to one common earlier point; a killed process loses
    /// nothing.
    Interval(Duration),
    /// As [`Interval`](Self::Interval), but the operating system alone decides when it writes.
    OsBuffered,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sync => f.write_str("sync"),
            Self::Interval(interval) => write!(f, "interval={}", humantime_text(*interval)),
            Self::OsBuffered => f.write_str("os-buffered"),
        }
    }
}

fn humantime_text(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// A text is none of `sync`, `interval=50ms` and `os-buffered`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no durability: use `sync`, `interval=50ms` or `os-buffered`")]
pub struct ParseDurabilityError {
    /// The text.
    pub text: String,
}

impl FromStr for Durability {
    type Err = ParseDurabilityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseDurabilityError { text: text.to_owned() };
        match text {
            "sync" => Ok(Self::Sync),
            "os-buffered" => Ok(Self::OsBuffered),
            _ => {
                let interval = text.strip_prefix("interval=").ok_or_else(error)?;
                let interval = humantime::parse_duration(interval).map_err(|_| error())?;
                if interval.is_zero() {
                    return Err(error());
                }
                Ok(Self::Interval(interval))
            }
        }
    }
}

/// Options of an engine, with their defaults; set through the engine's builder.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EngineOptions {
    /// What an answer survives. Default [`Durability::Sync`].
    pub durability: Durability,
    /// How many runs that clients have started may be open; starting more is refused. Children
    /// do not count. Default 100,000.
    pub open_runs_max: usize,
    /// How many runs that are children may be open; the start of another one fails at its
    /// parent. Default 100,000.
    pub open_children_max: usize,
    /// How many operations a run may have pending, from its start on. Default 2,000 of each kind
    /// (rules LIM-6 and CHD-18).
    pub pending_limits: PendingLimits,
    /// The largest argument, result, signal or published value, in bytes. Default 2 MiB (rule LIM-4).
    pub payload_bytes_max: usize,
    /// The longest history, in events; a run that passes it is terminated. Default 51,200
    /// (rule LIM-1).
    pub history_events_max: u64,
    /// From how many events on a history is warned of, once in a run's life in memory. Default
    /// 10,240 (rule LIM-1).
    pub history_events_warn: u64,
    /// The largest history, in bytes as [`EventAttributes::size`] counts them; a run that passes
    /// it is terminated. Default 50 MiB (rule LIM-2).
    pub history_bytes_max: u64,
    /// From how many bytes on a history is warned of, once in a run's life in memory. Default
    /// 10 MiB (rule LIM-2).
    pub history_bytes_warn: u64,
    /// How many signals a run may have; more are refused. Default 10,000 (rule SIG-5).
    pub signals_max: u64,
    /// How many appends one group commit takes at most. Default 4,096.
    pub commit_appends_max: usize,
    /// How long a shutdown waits for running attempts before it cuts them off. Default 10 s.
    pub shutdown_grace: Duration,
    /// Whether a run's workflow is put out of memory after each of its events and rebuilt by
    /// replay before the next one. Default false; test engines do it, to find workflow code
    /// that is not deterministic.
    pub replay_every_event: bool,
    /// The options of task queues, by their names. A queue that is not here has the defaults.
    pub task_queues: BTreeMap<String, TaskQueueOptions>,
    /// How many attempts at an activity may run at a time, over all queues, by its durable name.
    /// An activity that is not here is not limited.
    pub activity_concurrency_max: BTreeMap<String, usize>,
    /// The time at which an engine on virtual time starts; none for the system's clock, the
    /// default.
    pub virtual_time: Option<Timestamp>,
}

impl EngineOptions {
    pub(crate) fn validate(&self) -> Result<(), StartEngineError> {
        for (task_queue, options) in &self.task_queues {
            let named = id::check(task_queue).map_err(TaskQueueOptionsError::from);
            if let Err(source) = named.and_then(|()| options.validate()) {
                let task_queue = shorten(task_queue);
                return Err(StartEngineError::TaskQueue { task_queue, source });
            }
        }
        let zero = self.activity_concurrency_max.iter().find(|(_, max)| **max == 0);
        match zero {
            Some((activity_type, _)) => {
                let activity_type = activity_type.clone();
                Err(StartEngineError::ActivityConcurrencyZero { activity_type })
            }
            None => Ok(()),
        }
    }
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            durability: Durability::Sync,
            open_runs_max: 100_000,
            open_children_max: 100_000,
            pending_limits: PendingLimits::default(),
            payload_bytes_max: 2 * 1024 * 1024,
            history_events_max: 50 * 1024,
            history_events_warn: 10 * 1024,
            history_bytes_max: 50 * 1024 * 1024,
            history_bytes_warn: 10 * 1024 * 1024,
            signals_max: 10_000,
            commit_appends_max: 4_096,
            shutdown_grace: Duration::from_secs(10),
            replay_every_event: false,
            task_queues: BTreeMap::new(),
            activity_concurrency_max: BTreeMap::new(),
            virtual_time: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durabilities_read_as_they_are_written() {
        for durability in [
            Durability::Sync,
            Durability::Interval(Duration::from_millis(50)),
            Durability::OsBuffered,
        ] {
            assert_eq!(durability.to_string().parse(), Ok(durability));
        }
        for text in ["", "fsync", "interval=", "interval=0s", "interval=soon"] {
            assert!(text.parse::<Durability>().is_err(), "{text}");
        }
    }
}
