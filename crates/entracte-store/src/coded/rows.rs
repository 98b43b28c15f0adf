//! Which rows hold payloads, and where.

use entracte_model::{CodecError, Event, EventId, HasPayloads, Payload};

use crate::error::StoreError;
use crate::keys::{HistoryKey, Key, Kind};
use crate::rows::{
    ActivityClosed, ActivityOutcome, InboxMessage, InboxRow, PendingActivityRow, PublishedRow,
};
use crate::store::Space;

/// What a codec does to a payload.
pub(super) type Replace<'a> = &'a mut dyn FnMut(&Payload) -> Result<Payload, CodecError>;

/// The row with its payloads replaced; none if it holds no payloads. A row that cannot be read
/// is left as it is, for whoever reads it to name.
pub(super) fn replace(
    space: Space,
    key: &[u8],
    value: &[u8],
    replace: Replace<'_>,
) -> Result<Option<Vec<u8>>, StoreError> {
    let replaced = match space {
        Space::Meta => return Ok(None),
        Space::History => {
            let Ok(HistoryKey { event_id, .. }) = HistoryKey::decode(key) else { return Ok(None) };
            event(event_id, value, replace)
        }
        Space::State => match key.first() {
            Some(kind) if *kind == Kind::PendingActivity as u8 => pending(value, replace),
            Some(kind) if *kind == Kind::Inbox as u8 => inbox(value, replace),
            Some(kind) if *kind == Kind::Published as u8 => published(value, replace),
            _ => return Ok(None),
        },
    };
    replaced.map_err(|error| StoreError::codec(space, key, error))
}

type Replaced = Result<Option<Vec<u8>>, CodecError>;

fn event(id: EventId, value: &[u8], mut replace: Replace<'_>) -> Replaced {
    let Ok(mut event) = Event::from_bytes(id, value) else { return Ok(None) };
    event.replace_payloads(&mut replace)?;
    Ok(Some(event.to_bytes()))
}

fn pending(value: &[u8], mut replace: Replace<'_>) -> Replaced {
    let Ok(mut row) = PendingActivityRow::from_bytes(value) else { return Ok(None) };
    row.last_failure.replace_payloads(&mut replace)?;
    row.heartbeat_details.replace_payloads(&mut replace)?;
    Ok(Some(row.to_bytes()))
}

fn inbox(value: &[u8], mut replace: Replace<'_>) -> Replaced {
    let Ok(mut row) = InboxRow::from_bytes(value) else { return Ok(None) };
    match &mut row.message {
        InboxMessage::Start(started) => {
            started.input.replace_payloads(&mut replace)?;
            started.headers.replace_payloads(&mut replace)?;
        }
        InboxMessage::Signaled(signaled) => {
            signaled.input.replace_payloads(&mut replace)?;
            signaled.headers.replace_payloads(&mut replace)?;
        }
        InboxMessage::ActivityClosed(closed) => activity_closed(closed, replace)?,
        InboxMessage::LocalActivityEnded(marker) => marker.replace_payloads(&mut replace)?,
        InboxMessage::CancelRequested { .. } => return Ok(None),
    }
    Ok(Some(row.to_bytes()))
}

fn published(value: &[u8], mut replace: Replace<'_>) -> Replaced {
    let Ok(mut row) = PublishedRow::from_bytes(value) else { return Ok(None) };
    row.value.replace_payloads(&mut replace)?;
    Ok(Some(row.to_bytes()))
}

fn activity_closed(
    closed: &mut ActivityClosed,
    mut replace: Replace<'_>,
) -> Result<(), CodecError> {
    closed.last_failure.replace_payloads(&mut replace)?;
    match &mut closed.outcome {
        ActivityOutcome::Completed { result } => result.replace_payloads(&mut replace),
        ActivityOutcome::Failed { failure, .. } | ActivityOutcome::TimedOut { failure, .. } => {
            failure.replace_payloads(&mut replace)
        }
        ActivityOutcome::Canceled { details } => details.replace_payloads(&mut replace),
    }
}
