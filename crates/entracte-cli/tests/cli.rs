//! The program as a process: what it prints, how it ends, and that it changes nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "cli/damage.rs"]
mod damage;
#[path = "cli/refusals.rs"]
mod refusals;
#[path = "cli/sandbox.rs"]
mod sandbox;
#[path = "cli/sound.rs"]
mod sound;
