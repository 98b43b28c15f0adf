//! A local activity that has not ended.

use std::sync::Arc;

use entracte_model::{EventId, Timestamp};
use serde::{Deserialize, Serialize};

use super::codec::plain_row;

/// A local activity that has not ended, so that its run is found again after a crash: no event
/// tells of it.
///
/// What is run of it comes from the run's code; this says only that there is something, and
/// since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalActivityRow {
    /// The last event of the turn that scheduled it.
    pub event_id: EventId,
    /// When that turn was taken.
    pub time: Timestamp,
    /// The id of the activity.
    pub activity_id: Arc<str>,
    /// The durable name of the activity.
    pub activity_type: Arc<str>,
}

plain_row!(LocalActivityRow);
