//! What the integration tests of Entracte share: small workflows, and ways to look at them.

pub mod damage;
pub mod look;
pub mod small;
pub mod steps;
pub mod workload;

/// The code blocks of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
