//! Reading a store in terms of runs and events.

mod recovery;

use bytes::Bytes;
use entracte_model::{Event, EventId, RunId, Timestamp, WorkflowId};

use crate::error::StoreError;
use crate::keys::{
    self, CLOCK_KEY, DeliveryKey, DueKey, DueKind, FORMAT_KEY, HistoryKey, InboxKey, Key, KeyRange,
    LocalActivityKey, PendingActivityKey, PublishedKey, RunKey, WorkflowIdKey, next_key,
};
use crate::rows::{
    InboxRow, InvalidRow, LocalActivityRow, PendingActivityRow, PublishedRow, RunRow, WorkflowIdRow,
};
use crate::store::{Row, Space, Store};

/// How many rows are read at once where many are read.
const PAGE_ROWS: usize = 1024;

/// Typed reads, on every store.
pub trait StoreExt: Store {
    /// Reads where a run stands.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or the row is corrupt.
    fn get_run(&self, run_id: RunId) -> Result<Option<RunRow>, StoreError> {
        get_row(self, &RunKey { run_id }, RunRow::from_bytes)
    }

    /// Reads which run a workflow id stands for.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or the row is corrupt.
    fn get_workflow_id(&self, id: &WorkflowId) -> Result<Option<WorkflowIdRow>, StoreError> {
        let key = WorkflowIdKey { workflow_id: id.clone() };
        get_row(self, &key, WorkflowIdRow::from_bytes)
    }

    /// Reads the runs behind one, or from the first one on, in the order of their starts.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or a row is corrupt.
    fn list_runs(
        &self,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<(RunId, RunRow)>, StoreError> {
        let range = after.map_or_else(keys::run_all, keys::runs_after);
        let rows = self.scan(range.space, &range.start, range.end.as_deref(), limit)?;
        let decode = |row| decode_row::<RunKey, _>(row, RunRow::from_bytes);
        rows.iter().map(decode).map(|row| row.map(|(key, row)| (key.run_id, row))).collect()
    }

    /// Reads the whole history of a run; empty if there is no such run.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read, an event is corrupt or one is missing.
    fn read_history(&self, run_id: RunId) -> Result<Vec<Event>, StoreError> {
        let mut events = Vec::new();
        loop {
            let next = EventId::FIRST.plus(events.len() as u64);
            let page = self.read_events(run_id, next, PAGE_ROWS)?;
            let is_last = page.len() < PAGE_ROWS;
            events.extend(page);
            if is_last {
                return Ok(events);
            }
        }
    }

    /// Reads the events of a run from one on, `limit` at most.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read, an event is corrupt or one is missing.
    fn read_events(
        &self,
        run_id: RunId,
        from: EventId,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let range = keys::history_from(run_id, from);
        let rows = self.scan(range.space, &range.start, range.end.as_deref(), limit)?;
        let mut events = Vec::with_capacity(rows.len());
        for row in &rows {
            let event = decode_event(row)?;
            let expected = from.plus(events.len() as u64);
            if event.id != expected {
                let reason = format!("event {expected} is missing before event {}", event.id);
                return Err(StoreError::corrupt(Space::History, &row.key, reason));
            }
            events.push(event);
        }
        Ok(events)
    }

    /// Reads one event, if it is there.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read, or holds something else there.
    fn get_event(&self, run_id: RunId, event_id: EventId) -> Result<Option<Event>, StoreError> {
        let key = HistoryKey { run_id, event_id }.encode();
        let decode = |value: Bytes| {
            Event::from_bytes(event_id, &value)
                .map_err(|invalid| StoreError::corrupt(Space::History, &key, invalid))
        };
        self.get(Space::History, &key)?.map(decode).transpose()
    }

    /// Tells whether an event is there.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    fn has_event(&self, run_id: RunId, event_id: EventId) -> Result<bool, StoreError> {
        Ok(self.get(Space::History, &HistoryKey { run_id, event_id }.encode())?.is_some())
    }

    /// Reads the last event of a run.
    ///
    /// Event ids have no gaps, so the end is found with few probes, however long the history.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or the event is corrupt.
    fn last_event(&self, run_id: RunId) -> Result<Option<Event>, StoreError> {
        let first_from = |id: u64| -> Result<Option<Row>, StoreError> {
            let range = keys::history_from(run_id, EventId::new(id));
            Ok(self.scan(range.space, &range.start, range.end.as_deref(), 1)?.pop())
        };
        let Some(mut last) = first_from(EventId::FIRST.get())? else { return Ok(None) };
        // There is an event at or behind `found`, and none at or behind `beyond`.
        let mut found = EventId::FIRST.get();
        let mut beyond = 2;
        while let Some(row) = first_from(beyond)? {
            (last, found, beyond) = (row, beyond, beyond.saturating_mul(2));
            if found == beyond {
                break;
            }
        }
        while beyond - found > 1 {
            let middle = found + (beyond - found) / 2;
            match first_from(middle)? {
                Some(row) => (last, found) = (row, middle),
                None => beyond = middle,
            }
        }
        decode_event(&last).map(Some)
    }

    /// Reads the open activities of a run, in the order of their numbers.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or a row is corrupt.
    fn pending_activities(
        &self,
        run_id: RunId,
    ) -> Result<Vec<(PendingActivityKey, PendingActivityRow)>, StoreError> {
        read_rows(self, keys::pending_of(run_id), PendingActivityRow::from_bytes)
    }

    /// Reads the local activities of a run that have not ended, in the order of their numbers.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or a row is corrupt.
    fn local_activities(
        &self,
        run_id: RunId,
    ) -> Result<Vec<(LocalActivityKey, LocalActivityRow)>, StoreError> {
        read_rows(self, keys::local_activities_of(run_id), LocalActivityRow::from_bytes)
    }

    /// Reads what must reach a run, in the order of the sequence.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or a row is corrupt.
    fn inbox(&self, run_id: RunId) -> Result<Vec<(InboxKey, InboxRow)>, StoreError> {
        read_rows(self, keys::inbox_of(run_id), InboxRow::from_bytes)
    }

    /// Reads what other runs have sent to a run, in the order of the senders, then of their
    /// events.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or a row is corrupt.
    fn deliveries(&self, run_id: RunId) -> Result<Vec<(DeliveryKey, InboxRow)>, StoreError> {
        read_rows(self, keys::deliveries_to(run_id), InboxRow::from_bytes)
    }

    /// Reads where that stands which other runs have sent to a run, also if it cannot be read.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or a key is corrupt.
    fn delivery_keys(&self, run_id: RunId) -> Result<Vec<DeliveryKey>, StoreError> {
        let mut keys = Vec::new();
        for_each_row(self, keys::deliveries_to(run_id), |row| {
            keys.push(decode_key(row)?);
            Ok(())
        })?;
        Ok(keys)
    }

    /// Reads something that one run has sent to another, if it is still on its way.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or the row is corrupt.
    fn get_delivery(&self, key: &DeliveryKey) -> Result<Option<InboxRow>, StoreError> {
        get_row(self, key, InboxRow::from_bytes)
    }

    /// Reads which children of a closed run are to be told: first those that its own close is
    /// about, then those that the close of its chain is.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or the key is corrupt.
    fn parent_closes(&self, run_id: RunId, closed: Timestamp) -> Result<Vec<DueKey>, StoreError> {
        let mut keys = Vec::new();
        for kind in [DueKind::ParentClose, DueKind::ChainClose] {
            let range = keys::due_of(run_id, kind, closed);
            let rows = self.scan(range.space, &range.start, range.end.as_deref(), 1)?;
            let key: Option<DueKey> = rows.first().map(decode_key).transpose()?;
            keys.extend(key);
        }
        Ok(keys)
    }

    /// Reads what a run has published under a name.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or the row is corrupt.
    fn get_published(&self, key: &PublishedKey) -> Result<Option<PublishedRow>, StoreError> {
        get_row(self, key, PublishedRow::from_bytes)
    }

    /// Reads all that a run has published, in the order of the names.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or a row is corrupt.
    fn published(&self, run_id: RunId) -> Result<Vec<(PublishedKey, PublishedRow)>, StoreError> {
        read_rows(self, keys::published_of(run_id), PublishedRow::from_bytes)
    }

    /// Reads all that any run has published, in the order of the run ids, then of the names.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or a row is corrupt.
    fn all_published(&self) -> Result<Vec<(PublishedKey, PublishedRow)>, StoreError> {
        read_rows(self, keys::published_all(), PublishedRow::from_bytes)
    }

    /// Reads what is due at a time or earlier, the earliest first, `limit` at most.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or a key is corrupt.
    fn due(&self, until: Timestamp, limit: usize) -> Result<Vec<DueKey>, StoreError> {
        let range = keys::due_until(until);
        let rows = self.scan(range.space, &range.start, range.end.as_deref(), limit)?;
        rows.iter().map(decode_key).collect()
    }

    /// Reads the engine time up to which the journal goes.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or the row is corrupt.
    fn clock(&self) -> Result<Option<Timestamp>, StoreError> {
        let bytes = get_fixed::<8>(self, CLOCK_KEY)?;
        Ok(bytes.map(|bytes| Timestamp::from_unix_nanos(u64::from_be_bytes(bytes))))
    }

    /// Reads the format of the store.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or the row is corrupt.
    fn format(&self) -> Result<Option<u32>, StoreError> {
        Ok(get_fixed::<4>(self, FORMAT_KEY)?.map(u32::from_be_bytes))
    }

    /// Reads everything from which an engine takes up its work again.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or a key is corrupt.
    fn recovery_index(&self) -> Result<RecoveryIndex, StoreError> {
        recovery::read(self)
    }
}

pub use self::recovery::RecoveryIndex;

impl<S: Store + ?Sized> StoreExt for S {}

fn get_row<S: Store + ?Sized, K: Key, R>(
    store: &S,
    key: &K,
    decode: impl FnOnce(&[u8]) -> Result<R, InvalidRow>,
) -> Result<Option<R>, StoreError> {
    let key = key.encode();
    let value = store.get(K::SPACE, &key)?;
    value.map(|value| decode(&value).map_err(|invalid| invalid.at(K::SPACE, &key))).transpose()
}

fn get_fixed<const LEN: usize>(
    store: &(impl Store + ?Sized),
    key: &[u8],
) -> Result<Option<[u8; LEN]>, StoreError> {
    let decode = |value: Bytes| {
        let wrong = InvalidRow::Length { expected: LEN, found: value.len() };
        value.as_ref().try_into().map_err(|_| wrong.at(Space::Meta, key))
    };
    store.get(Space::Meta, key)?.map(decode).transpose()
}

fn decode_key<K: Key>(row: &Row) -> Result<K, StoreError> {
    K::decode(&row.key).map_err(|invalid| invalid.at(K::SPACE, &row.key))
}

fn decode_row<K: Key, R>(
    row: &Row,
    decode: impl FnOnce(&[u8]) -> Result<R, InvalidRow>,
) -> Result<(K, R), StoreError> {
    let value = decode(&row.value).map_err(|invalid| invalid.at(K::SPACE, &row.key))?;
    Ok((decode_key(row)?, value))
}

fn decode_event(row: &Row) -> Result<Event, StoreError> {
    let key: HistoryKey = decode_key(row)?;
    Event::from_bytes(key.event_id, &row.value)
        .map_err(|invalid| StoreError::corrupt(Space::History, &row.key, invalid))
}

fn read_rows<S: Store + ?Sized, K: Key, R>(
    store: &S,
    range: KeyRange,
    decode: impl Fn(&[u8]) -> Result<R, InvalidRow>,
) -> Result<Vec<(K, R)>, StoreError> {
    let mut found = Vec::new();
    for_each_row(store, range, |row| {
        found.push(decode_row(row, &decode)?);
        Ok(())
    })?;
    Ok(found)
}

/// Reads a range page by page.
fn for_each_row<S: Store + ?Sized>(
    store: &S,
    range: KeyRange,
    mut handle: impl FnMut(&Row) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut start = range.start;
    loop {
        let page = store.scan(range.space, &start, range.end.as_deref(), PAGE_ROWS)?;
        page.iter().try_for_each(&mut handle)?;
        match page.last() {
            Some(row) if page.len() == PAGE_ROWS => start = next_key(&row.key),
            _ => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
