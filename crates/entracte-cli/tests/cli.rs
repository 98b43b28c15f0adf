//! The program as a process: what it prints, how it ends, and that it changes nothing.

#[path = "cli/damage.rs"]
mod damage;
#[path = "cli/refusals.rs"]
mod refusals;
#[path = "cli/sandbox.rs"]
mod sandbox;
#[path = "cli/sound.rs"]
mod sound;
