//! The line of one run, written piece by piece.

use std::io::{self, Write};

use entracte_model::{Event, RunId, Seq, Timestamp};
use entracte_store::keys::{
    DeliveryKey, InboxKey, LocalActivityKey, PendingActivityKey, PublishedKey,
};
use entracte_store::rows::{InboxRow, LocalActivityRow, PendingActivityRow, PublishedRow, RunRow};
use serde::Serialize;

use crate::verify::{RunRowFound, Walk};

/// A line that has been begun: the events come next.
pub(super) struct RunLine<'a, W> {
    out: &'a mut W,
    is_empty: bool,
}

/// What stands before the events.
#[derive(Serialize)]
struct Head<'a> {
    run_id: RunId,
    workflow_id: Option<&'a str>,
    workflow_type: Option<&'a str>,
    task_queue: Option<&'a str>,
    status: Option<String>,
    start_time: Option<Timestamp>,
    close_time: Option<Timestamp>,
    request_id: Option<&'a str>,
    first_execution_run_id: Option<RunId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    continued_execution_run_id: Option<RunId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_execution_run_id: Option<RunId>,
}

/// What stands behind the events.
#[derive(Default, Serialize)]
struct Foot {
    events_unreadable: u64,
    pending_activities: Vec<PendingActivity>,
    local_activities: Vec<LocalActivity>,
    inbox: Vec<Inbox>,
    published: Vec<Published>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deliveries: Vec<Delivery>,
}

#[derive(Serialize)]
struct PendingActivity {
    seq: Seq,
    #[serde(flatten)]
    row: PendingActivityRow,
}

#[derive(Serialize)]
struct LocalActivity {
    seq: Seq,
    #[serde(flatten)]
    row: LocalActivityRow,
}

#[derive(Serialize)]
struct Inbox {
    sequence: u64,
    #[serde(flatten)]
    row: InboxRow,
}

#[derive(Serialize)]
struct Delivery {
    from_run_id: RunId,
    #[serde(flatten)]
    row: InboxRow,
}

#[derive(Serialize)]
struct Published {
    name: String,
    #[serde(flatten)]
    row: PublishedRow,
}

impl<'a, W: Write> RunLine<'a, W> {
    pub(super) fn begin(out: &'a mut W, run_id: RunId, row: &RunRowFound) -> io::Result<Self> {
        let row = match row {
            RunRowFound::Read(row) => Some(row),
            RunRowFound::Missing | RunRowFound::Unreadable => None,
        };
        let head = Head {
            run_id,
            workflow_id: row.map(|row| row.workflow_id.as_str()),
            workflow_type: row.map(|row| &*row.workflow_type),
            task_queue: row.map(|row| &*row.task_queue),
            status: row.map(|row| row.status.to_string()),
            start_time: row.map(|row| row.start_time),
            close_time: row.and_then(|row| row.close).map(|close| close.time),
            request_id: row.map(|row| &*row.request_id),
            first_execution_run_id: row.map(|row| row.first_execution_run_id),
            continued_execution_run_id: row.and_then(|row| row.continued_execution_run_id),
            new_execution_run_id: row.and_then(RunRow::new_execution_run_id),
        };
        let head = serde_json::to_vec(&head)?;
        // An object that is not closed yet.
        out.write_all(head.strip_suffix(b"}").unwrap_or(&head))?;
        out.write_all(br#","events":["#)?;
        Ok(Self { out, is_empty: true })
    }

    pub(super) fn event(&mut self, event: &Event) -> io::Result<()> {
        if !std::mem::take(&mut self.is_empty) {
            self.out.write_all(b",")?;
        }
        serde_json::to_writer(&mut *self.out, event)?;
        Ok(())
    }

    /// Ends the line with what is to be done for the run at which the walk stands.
    pub(super) fn end(
        self,
        events_unreadable: u64,
        run_id: RunId,
        walk: &mut Walk<'_>,
    ) -> io::Result<()> {
        let mut foot = Foot { events_unreadable, ..Foot::default() };
        while let Some((PendingActivityKey { seq, .. }, row)) =
            walk.pending.next_of(run_id, &mut |_| {})
        {
            let row = PendingActivityRow::from_bytes(&row.value);
            foot.pending_activities.extend(row.ok().map(|row| PendingActivity { seq, row }));
        }
        while let Some((LocalActivityKey { seq, .. }, row)) =
            walk.local.next_of(run_id, &mut |_| {})
        {
            let row = LocalActivityRow::from_bytes(&row.value);
            foot.local_activities.extend(row.ok().map(|row| LocalActivity { seq, row }));
        }
        while let Some((InboxKey { sequence, .. }, row)) = walk.inbox.next_of(run_id, &mut |_| {}) {
            let row = InboxRow::from_bytes(&row.value);
            foot.inbox.extend(row.ok().map(|row| Inbox { sequence, row }));
        }
        while let Some((DeliveryKey { sender, .. }, row)) =
            walk.deliveries.next_of(run_id, &mut |_| {})
        {
            let row = InboxRow::from_bytes(&row.value);
            foot.deliveries.extend(row.ok().map(|row| Delivery { from_run_id: sender, row }));
        }
        while let Some((PublishedKey { name, .. }, row)) =
            walk.published.next_of(run_id, &mut |_| {})
        {
            let row = PublishedRow::from_bytes(&row.value);
            foot.published.extend(row.ok().map(|row| Published { name, row }));
        }
        let foot = serde_json::to_vec(&foot)?;
        self.out.write_all(b"],")?;
        self.out.write_all(foot.strip_prefix(b"{").unwrap_or(&foot))?;
        self.out.write_all(b"\n")
    }
}
