//! What cannot be read, or is not known.

use std::sync::Arc;

use entracte_model::EventId;
use entracte_store::keys::{
    CLOCK_KEY, DueKey, DueKind, FORMAT_KEY, HistoryKey, InboxKey, Key, PendingActivityKey,
    PublishedKey, RunKey, WorkflowIdKey,
};
use entracte_store::{Batch, HookedStore, Row, Space, Store, StoreError, StoreHook};

use super::*;
use crate::verify::Problem;

/// Plants a row of nonsense under a key.
fn nonsense<K: Key>(key: &K) -> impl FnOnce(&mut Batch) {
    let key = key.encode();
    move |batch| batch.put(K::SPACE, key, [9, 9, 9])
}

fn in_place(found: &[String], what: &str) {
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains(what), "{found:#?}");
}

#[tokio::test]
async fn each_row_that_cannot_be_decoded_is_told_alone() {
    let seq = entracte_model::Seq::new(1);
    let run_id = WAITING;
    let version = "a row of the unknown version 9";
    in_place(&problems(nonsense(&RunKey { run_id: CLOSED })).await, version);
    in_place(&problems(nonsense(&RunKey { run_id })).await, version);
    in_place(&problems(nonsense(&PendingActivityKey { run_id, seq })).await, version);
    in_place(&problems(nonsense(&InboxKey { run_id, sequence: 0 })).await, version);
    in_place(&problems(nonsense(&InboxKey { run_id: NOT_STARTED, sequence: 0 })).await, version);
    in_place(&problems(nonsense(&InboxKey { run_id: ACTIVITY_ENDED, sequence: 0 })).await, version);
    let name = "status".to_owned();
    in_place(&problems(nonsense(&PublishedKey { run_id: CLOSED, name })).await, version);
    let workflow_id = started(CLOSED).workflow_id;
    in_place(&problems(nonsense(&WorkflowIdKey { workflow_id })).await, version);
    let due = DueKey { due: time(85), run_id, kind: DueKind::Timer, seq: 2.into_seq() };
    in_place(&problems(nonsense(&due)).await, "a row of 3 bytes where 0 are expected");
    for (key, length) in [(CLOCK_KEY, "where 8"), (FORMAT_KEY, "where 4")] {
        in_place(&problems(|batch| batch.put(Space::Meta, key, [9, 9, 9])).await, length);
    }
}

trait IntoSeq {
    fn into_seq(self) -> entracte_model::Seq;
}

impl IntoSeq for u32 {
    fn into_seq(self) -> entracte_model::Seq {
        entracte_model::Seq::new(self)
    }
}

#[tokio::test]
async fn every_event_that_cannot_be_decoded_is_told() {
    for run_id in [CLOSED, WAITING, BACKING_OFF] {
        let found = problems(|batch| {
            for event_id in [1, 2].map(EventId::new) {
                batch.put(Space::History, HistoryKey { run_id, event_id }.encode(), [0xff; 20]);
            }
        })
        .await;
        let text = |id| format!("run {run_id}: event {id} has the unknown type 65535");
        assert_eq!(found, [text(1), text(2)]);
    }
}

#[tokio::test]
async fn keys_that_are_none_are_told() {
    let plant = |space, key: &'static [u8]| move |batch: &mut Batch| batch.put(space, key, "x");
    for (space, key, text) in [
        (Space::History, &[1, 2][..], "key 0102 in the space history: a key of 2 bytes where 24"),
        (Space::State, &[1, 2], "key 0102 in the space state: a key of 2 bytes where 17"),
        (
            Space::State,
            &[2, 0xff],
            "key 02ff in the space state: a workflow id or a name that is not UTF-8",
        ),
        (Space::State, &[3, 2], "a key of 2 bytes where 21"),
        (Space::State, &[4, 2], "a key of 2 bytes where 30"),
        (Space::State, &[5, 2], "a key of 2 bytes where 25"),
        (Space::State, &[0, 7], "key 0007 in the space state is of no known kind"),
        (Space::State, &[6, 1], "a key of 2 bytes where 18"),
        (Space::State, &[0x70, 1], "key 7001 in the space state is of no known kind"),
        (Space::State, &[0xff], "key ff in the space state is of no known kind"),
        (Space::Meta, b"x", "key 78 in the space meta is of no known kind"),
    ] {
        in_place(&problems(plant(space, key)).await, text);
    }
}

#[tokio::test]
async fn a_closed_store_is_an_error() {
    let store = sound().await;
    store.close().await.unwrap();
    assert!(matches!(verify(&store), Err(StoreError::Closed)));
}

/// One row cannot be read.
#[derive(Debug)]
struct Damaged {
    space: Space,
    key: Vec<u8>,
}

impl Damaged {
    fn check<K: AsRef<[u8]>>(
        &self,
        space: Space,
        mut keys: impl Iterator<Item = K>,
    ) -> Result<(), StoreError> {
        if space == self.space && keys.any(|key| key.as_ref() == self.key) {
            return Err(StoreError::Backend { reason: "a block is damaged".to_owned() });
        }
        Ok(())
    }
}

impl StoreHook for Damaged {
    fn get(&self, space: Space, key: &[u8]) -> Result<(), StoreError> {
        self.check(space, std::iter::once(key))
    }

    fn scan(&self, space: Space, _start: &[u8], rows: &[Row]) -> Result<(), StoreError> {
        self.check(space, rows.iter().map(|row| &row.key))
    }
}

/// Checks that damage to one row is told once, and how much of the rest is seen.
async fn told_once<K: Key>(key: K) -> VerifyReport {
    let damaged = Damaged { space: K::SPACE, key: key.encode() };
    let store = HookedStore::new(Arc::new(sound().await), damaged);
    let report = verify(&store).unwrap();
    let [Problem::Unreadable { space, error, .. }] = &report.problems[..] else {
        panic!("{report}")
    };
    assert_eq!(*space, K::SPACE);
    assert!(error.to_string().contains("a block is damaged"), "{error}");
    report
}

#[tokio::test]
async fn what_the_store_cannot_read_is_told_once_and_the_rest_is_looked_at() {
    let event = |run_id, id| HistoryKey { run_id, event_id: EventId::new(id) };
    let sound_counts = look(|_| {}).await.counts;
    let counts = told_once(event(CLOSED, 5)).await.counts;
    assert_eq!(counts.events, sound_counts.events - 1, "the histories of later runs are read");
    let counts = told_once(event(WAITING, 1)).await.counts;
    assert_eq!(counts.events, sound_counts.events - 3, "the rest of one history is lost");
    for run_id in [CLOSED, WAITING, NOT_STARTED] {
        let counts = told_once(RunKey { run_id }).await.counts;
        assert_eq!(counts.runs_total(), sound_counts.runs_total() - 1);
        assert_eq!(counts.events, sound_counts.events);
    }
    let seq = 1.into_seq();
    told_once(PendingActivityKey { run_id: WAITING, seq }).await;
    told_once(PendingActivityKey { run_id: BACKING_OFF, seq }).await;
    for run_id in [WAITING, NOT_STARTED, ACTIVITY_ENDED] {
        told_once(InboxKey { run_id, sequence: 0 }).await;
    }
    let (kind, seq) = (DueKind::Timer, 2.into_seq());
    told_once(DueKey { due: time(85), run_id: WAITING, kind, seq }).await;
    told_once(WorkflowIdKey { workflow_id: started(CLOSED).workflow_id }).await;
}
