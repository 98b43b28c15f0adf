//! What the integration tests of Entracte share: small workflows, and ways to look at them.

pub mod damage;
pub mod look;
#[cfg(target_os = "linux")]
pub mod power;
pub mod queues;
mod rounds;
pub mod rules;
pub mod small;
pub mod steps;
#[cfg(target_os = "linux")]
pub mod strace;
pub mod workload;

pub use self::rounds::rounds;

/// The code blocks of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
