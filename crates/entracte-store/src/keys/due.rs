//! Keys of what is due at some time.

use entracte_model::{RunId, Seq, Timestamp};

use super::{InvalidKey, Key, KeyRange, Kind, begin, exactly, expect_kind, prefix, take};
use crate::store::Space;

/// What is due; the numbers are part of the stored format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum DueKind {
    /// A timer of the run fires.
    Timer = 1,
    /// The next attempt of an activity may start.
    ActivityRetry = 2,
    /// A signal to another workflow is to be delivered.
    ExternalSignal = 3,
    /// The run is closed, and its children are to be told; the number is that of the last child
    /// that was.
    ParentClose = 4,
    /// The run times out.
    RunTimeout = 5,
    /// The run takes its first turn, behind a back-off.
    FirstWorkflowTask = 6,
    /// The last run of the chain is closed, and the children that this closed run has left to its
    /// chain are to be told; the number is that of the last child that was.
    ChainClose = 7,
}

impl DueKind {
    fn from_number(number: u8) -> Result<Self, InvalidKey> {
        match number {
            1 => Ok(Self::Timer),
            2 => Ok(Self::ActivityRetry),
            3 => Ok(Self::ExternalSignal),
            4 => Ok(Self::ParentClose),
            5 => Ok(Self::RunTimeout),
            6 => Ok(Self::FirstWorkflowTask),
            7 => Ok(Self::ChainClose),
            number => Err(InvalidKey::UnknownDueKind { number }),
        }
    }
}

/// The place of something that is due: keys sort by the time at which it is.
///
/// The key says everything: its row is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueKey {
    /// When it is due.
    pub due: Timestamp,
    /// The run that waits for it.
    pub run_id: RunId,
    /// What it is.
    pub kind: DueKind,
    /// The number of the timer, activity or signal in the run.
    pub seq: Seq,
}

impl DueKey {
    const LEN: usize = 1 + 8 + RunId::LEN + 1 + 4;
}

impl Key for DueKey {
    const SPACE: Space = Space::State;

    fn encode(&self) -> Vec<u8> {
        let mut key = begin(Kind::Due, Self::LEN);
        key.extend(self.due.as_unix_nanos().to_be_bytes());
        key.extend(self.run_id.to_bytes());
        key.push(self.kind as u8);
        key.extend(self.seq.get().to_be_bytes());
        key
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let mut rest: &[u8] = &exactly::<{ Self::LEN }>(bytes)?;
        let [kind] = take(&mut rest)?;
        expect_kind(Kind::Due, kind)?;
        let due = Timestamp::from_unix_nanos(u64::from_be_bytes(take(&mut rest)?));
        let run_id = RunId::from_bytes(take(&mut rest)?);
        let [kind] = take(&mut rest)?;
        let kind = DueKind::from_number(kind)?;
        let seq = Seq::new(u32::from_be_bytes(take(&mut rest)?));
        Ok(Self { due, run_id, kind, seq })
    }
}

/// Everything that is due at any time, the earliest first.
#[must_use]
pub fn due_all() -> KeyRange {
    KeyRange::of_prefix(Space::State, prefix(Kind::Due, None))
}

/// What is due of a kind for a run at a time, whatever its number.
#[must_use]
pub fn due_of(run_id: RunId, kind: DueKind, due: Timestamp) -> KeyRange {
    let mut key = DueKey { due, run_id, kind, seq: Seq::new(0) }.encode();
    key.truncate(DueKey::LEN - 4);
    KeyRange::of_prefix(Space::State, key)
}

/// Everything that is due at a time or earlier, the earliest first.
#[must_use]
pub fn due_until(time: Timestamp) -> KeyRange {
    let mut last = prefix(Kind::Due, None);
    last.extend(time.as_unix_nanos().to_be_bytes());
    KeyRange { end: super::next_prefix(&last), ..due_all() }
}
