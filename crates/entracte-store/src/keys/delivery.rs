//! Keys of what one run sends to another.

use entracte_model::{EventId, RunId};

use super::{InvalidKey, Key, KeyRange, Kind, exactly, expect_kind, prefix, take};
use crate::store::Space;

/// What the event in a [`DeliveryKey`] is; the numbers are part of the stored format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum DeliveryKind {
    /// The event of the sender that brought the delivery about.
    Sent = 1,
    /// The event of the receiver that the delivery answers.
    Answer = 2,
}

/// The place of something that one run sends to another: written in the batch of the sender's
/// event, deleted in the batch of the receiver's turn.
///
/// An event brings about one delivery to each run at most, so the key is also what a second copy
/// is recognised by. The deliveries of one sender sort in the order of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryKey {
    /// The run that it must reach.
    pub run_id: RunId,
    /// The run that sent it.
    pub sender: RunId,
    /// An event; `kind` says which.
    pub event_id: EventId,
    /// What the event is.
    pub kind: DeliveryKind,
}

impl DeliveryKey {
    const LEN: usize = 1 + RunId::LEN + RunId::LEN + 8 + 1;
}

impl Key for DeliveryKey {
    const SPACE: Space = Space::State;

    fn encode(&self) -> Vec<u8> {
        let mut key = prefix(Kind::Delivery, Some(self.run_id));
        key.extend(self.sender.to_bytes());
        key.extend(self.event_id.get().to_be_bytes());
        key.push(self.kind as u8);
        key
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let mut rest: &[u8] = &exactly::<{ Self::LEN }>(bytes)?;
        let [kind] = take(&mut rest)?;
        expect_kind(Kind::Delivery, kind)?;
        let run_id = RunId::from_bytes(take(&mut rest)?);
        let sender = RunId::from_bytes(take(&mut rest)?);
        let event_id = EventId::new(u64::from_be_bytes(take(&mut rest)?));
        let kind = match take(&mut rest)? {
            [1] => DeliveryKind::Sent,
            [2] => DeliveryKind::Answer,
            [number] => return Err(InvalidKey::UnknownDeliveryKind { number }),
        };
        Ok(Self { run_id, sender, event_id, kind })
    }
}

/// What is on its way to all runs.
#[must_use]
pub fn deliveries_all() -> KeyRange {
    KeyRange::of_prefix(Space::State, prefix(Kind::Delivery, None))
}

/// What is on its way to a run.
#[must_use]
pub fn deliveries_to(run_id: RunId) -> KeyRange {
    KeyRange::of_prefix(Space::State, prefix(Kind::Delivery, Some(run_id)))
}
