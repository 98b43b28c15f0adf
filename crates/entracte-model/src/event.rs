//! History events: what happened to a run, in order.
//!
//! An event is either *external* (it came to the run: an activity's result, a fired timer) or
//! the record of a *command* (the run decided it: an activity scheduled, a timer started). A
//! history is always: external event, the commands of its turn, external event, and so on.

mod attributes;
mod chain;
mod children;
mod codec;
mod external_signals;
mod marker;
mod payloads;
mod size;

use serde::{Deserialize, Serialize};

pub use self::attributes::*;
pub use self::chain::*;
pub use self::children::*;
pub use self::codec::{EventDecodeError, EventType};
pub use self::external_signals::*;
pub use self::marker::*;
use crate::id::EventId;
use crate::time::Timestamp;

/// The version of the history format that this code writes, kept in each run's first event.
///
/// | version | since then |
/// |---|---|
/// | 1 | |
/// | 2 | what may be pending is limited ([`PendingLimits`](crate::PendingLimits)) |
pub const HISTORY_FORMAT_VERSION: u16 = 2;

/// One entry of a run's history.
///
/// It is stored as [`to_bytes`](Self::to_bytes) writes it. The `serde` form is for formats for
/// people, such as JSON: `{"id", "time", "type", "attributes"}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its place: 1, 2, 3, … without a gap.
    pub id: EventId,
    /// When it happened, in engine time; never decreasing within a run.
    pub time: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub attributes: EventAttributes,
}
