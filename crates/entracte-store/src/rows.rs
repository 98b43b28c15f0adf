//! The rows that stand under the keys of [`keys`](crate::keys), events apart.
//!
//! Each begins with the version of its format in one byte; the rest is MessagePack with field
//! names, so that a field can be added with a default. An unknown version is a named error.

mod activity_closed;
mod codec;
mod inbox;
mod local_activity;
mod pending;
mod published;
mod run;
mod workflow_id;

pub use self::activity_closed::{ActivityClosed, ActivityOutcome};
pub use self::codec::InvalidRow;
pub use self::inbox::{InboxMessage, InboxRow};
pub use self::local_activity::LocalActivityRow;
pub use self::pending::{ActivityPause, ActivityReset, PendingActivityRow};
pub use self::published::PublishedRow;
pub use self::run::{RunClose, RunRow};
pub use self::workflow_id::WorkflowIdRow;

#[cfg(test)]
mod tests;
