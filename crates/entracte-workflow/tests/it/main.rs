//! Tests of workflows as their authors write them: events in, exact commands out.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]

mod batches;
mod bulk;
mod cancellation;
mod chains;
mod children;
mod combine;
mod external_signals;
mod foreign;
mod inert;
mod interceptors;
mod limits;
mod local_activities;
mod machine;
mod mismatch;
mod outside;
mod publishing;
mod registry;
mod replay;
mod rig;
mod saga;
mod scopes;
mod shielded_join;
mod signals;
mod task_queues;
mod timers;
mod wakers;
