//! The actors of an engine: one folder or file each.
//!
//! ```text
//! root                supervises all of them; makes killed ones again, but for the directory
//! ├─ journal          the only writer: group commit, and the judge of every append
//! ├─ directory        the one owner of "which run is in memory"
//! ├─ task queue …     one per queue in which attempts wait, or have
//! └─ run …            one per open run
//!    ├─ attempt …     one per running activity attempt
//!    └─ timer …       one per durable timer of the run's workflow
//! ```
//!
//! What they are told is in [`messages`](crate::messages), so that none of them need know who
//! tells it something.

pub(crate) mod attempt;
pub(crate) mod directory;
pub(crate) mod heartbeats;
pub(crate) mod journal;
pub(crate) mod presence;
pub(crate) mod root;
pub(crate) mod run;
pub(crate) mod task_queue;
pub(crate) mod timer;
