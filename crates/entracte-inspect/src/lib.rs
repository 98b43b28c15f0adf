//! Looks into a store while no engine runs on it: whether everything in it fits together, and
//! what of it can be read.
//!
//! It knows the rows of a store and the histories of runs, and no actors and no user code.

pub mod export;
pub mod verify;
