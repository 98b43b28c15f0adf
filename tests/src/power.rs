//! Power cuts of the store on disk.
//!
//! A workload runs on a real directory under `strace`; the trace tells what it asked of the
//! file system, what it synced, and what it acknowledged when ([`record`]). A model of a disk
//! plays that back and, at any place, makes directories that a power cut may leave there: all
//! that was synced, and any part of what was not ([`disk`]). Each such image is opened again
//! and judged in a process of its own ([`judge`], [`campaign`]).

pub mod campaign;
pub mod command;
pub mod disk;
pub mod event;
pub mod first_opening;
pub mod helper;
pub mod image;
pub mod judge;
pub mod judging;
pub mod load;
pub mod record;
pub mod rig;
pub mod scenario;
pub mod trace;
