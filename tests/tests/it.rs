//! The integration tests, one file per behaviour.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "it/acknowledged.rs"]
mod acknowledged;
#[path = "it/activities.rs"]
mod activities;
#[path = "it/cancellation.rs"]
mod cancellation;
#[path = "it/crash_everywhere.rs"]
mod crash_everywhere;
#[path = "it/determinism.rs"]
mod determinism;
#[path = "it/ending.rs"]
mod ending;
#[path = "it/group_commit.rs"]
mod group_commit;
#[path = "it/heartbeats.rs"]
mod heartbeats;
#[path = "it/journal_first.rs"]
mod journal_first;
#[path = "it/killed_actors.rs"]
mod killed_actors;
#[path = "it/parking.rs"]
mod parking;
#[path = "it/recovery.rs"]
mod recovery;
#[path = "it/shutdown.rs"]
mod shutdown;
#[path = "it/starting.rs"]
mod starting;
#[path = "it/storage_errors.rs"]
mod storage_errors;
#[path = "it/timeouts.rs"]
mod timeouts;
#[path = "it/timers.rs"]
mod timers;
