//! The integration tests, one file per behaviour.

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
