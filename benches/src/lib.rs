//! Load programs for Entracte, beside the floor they are measured against.
//!
//! A load is a number of runs of one small workflow with so many of them in flight. It is put
//! once on the engine ([`engine_load`]) and once on the [`floor`]: a skeleton of the same
//! actors, messages and commits without any semantics. Both are driven by the same
//! [`driver`](drive) and measured in the same way, so that what the engine costs above its
//! floor is a figure and not an opinion.
//!
//! How long a running activity takes to learn of its [cancellation](cancel) is measured beside
//! one commit and one message; what [`children`] cost beside bare actors and commits; and a
//! [`fan_out`] by the number of its activities.
//!
//! Other loads are put on the store alone: the latency of single [`commits`], and how long its
//! [`opening`] takes. And attempts can be left to wait in a [`queue`].

pub mod cancel;
pub mod children;
pub mod commits;
pub mod disk;
pub mod drive;
pub mod engine_load;
pub mod fan_out;
pub mod figures;
pub mod floor;
pub mod load;
pub mod opening;
pub mod queue;

pub use figures::{JournalFigures, Round};
pub use load::{Load, LoadError};
