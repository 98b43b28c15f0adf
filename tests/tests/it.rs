//! The integration tests, one file per behaviour.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "it/activities.rs"]
mod activities;
#[path = "it/ending.rs"]
mod ending;
#[path = "it/parking.rs"]
mod parking;
#[path = "it/recovery.rs"]
mod recovery;
#[path = "it/shutdown.rs"]
mod shutdown;
#[path = "it/starting.rs"]
mod starting;
#[path = "it/timers.rs"]
mod timers;
