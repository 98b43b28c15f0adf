use std::sync::atomic::{AtomicBool, Ordering};

use entracte_model::event::{
    ActivityTaskCompleted, LocalActivityMarker, LocalActivityOutcome, Marker, MarkerRecorded,
    WorkflowExecutionFailed, WorkflowExecutionSignaled,
};
use entracte_model::{
    CodecError, Event, EventAttributes, EventId, Failure, Headers, RetryState, RunId, Seq,
    SourceLocation, Timestamp,
};

use super::*;
use crate::ext::StoreExt;
use crate::keys::{InboxKey, PendingActivityKey, PublishedKey};
use crate::memory::MemoryStore;
use crate::rows::{
    ActivityClosed, ActivityOutcome, InboxMessage, InboxRow, PendingActivityRow, PublishedRow,
};
use crate::suite::{self, Fixture};

/// Turns all bits around, with a key in the name of the encoding.
struct Around {
    key: &'static str,
    is_broken: AtomicBool,
}

impl Around {
    fn with(key: &'static str) -> Arc<Self> {
        Arc::new(Self { key, is_broken: AtomicBool::new(false) })
    }
}

impl PayloadCodec for Around {
    fn encode(&self, payload: &Payload) -> Result<Payload, CodecError> {
        if self.is_broken.load(Ordering::Relaxed) {
            return Err(CodecError::new("the key is lost"));
        }
        let inside = rmp_serde::to_vec_named(payload).unwrap();
        let around: Vec<u8> = inside.into_iter().map(|byte| !byte).collect();
        Ok(Payload::from_parts(format!("around/{}", self.key), around))
    }

    fn decode(&self, payload: &Payload) -> Result<Payload, CodecError> {
        match payload.encoding().strip_prefix("around/") {
            None => Ok(payload.clone()),
            Some(key) if key == self.key => {
                let inside: Vec<u8> = payload.data().iter().map(|byte| !byte).collect();
                rmp_serde::from_slice(&inside).map_err(|error| CodecError::new(error.to_string()))
            }
            Some(key) => Err(CodecError::new(format!("there is no key `{key}`"))),
        }
    }
}

const SECRET: &str = "a secret that must not reach the disk";

fn secret() -> Payload {
    Payload::encode(SECRET).unwrap()
}

fn failure() -> Failure {
    let cause = Failure::application("Inner", "inside").with_details(&SECRET).unwrap();
    Failure::application("Outer", "outside").with_cause(cause)
}

async fn coded(inner: &Arc<MemoryStore>, codec: &Arc<Around>) -> Result<CodedStore, StoreError> {
    let inner = Arc::clone(inner) as Arc<dyn Store>;
    CodedStore::open(inner, Arc::clone(codec) as Arc<dyn PayloadCodec>).await
}

/// A batch with payloads in every kind of row that has some.
fn batch(run_id: RunId) -> Batch {
    let mut batch = Batch::new();
    let time = Timestamp::EPOCH;
    let completed = ActivityTaskCompleted {
        scheduled_event_id: EventId::FIRST,
        started_event_id: EventId::FIRST,
        result: secret(),
    };
    let attributes = EventAttributes::ActivityTaskCompleted(completed);
    batch.put_event(run_id, &Event { id: EventId::FIRST, time, attributes });
    let failed = WorkflowExecutionFailed {
        failure: failure(),
        retry_state: RetryState::RetryPolicyNotSet,
        new_execution_run_id: None,
    };
    let attributes = EventAttributes::WorkflowExecutionFailed(failed);
    batch.put_event(run_id, &Event { id: EventId::FIRST.plus(1), time, attributes });
    let attributes = EventAttributes::WorkflowExecutionSignaled(signaled());
    batch.put_event(run_id, &Event { id: EventId::FIRST.plus(2), time, attributes });
    batch.put_pending(PendingActivityKey { run_id, seq: Seq::new(1) }, &pending());
    batch.put_inbox(InboxKey { run_id, sequence: 1 }, &inbox());
    batch.put_inbox(InboxKey { run_id, sequence: 2 }, &inbox_signal());
    let ended = InboxMessage::LocalActivityEnded(local_activity());
    let row = InboxRow { sender: None, received_at: time, message: ended };
    batch.put_inbox(InboxKey { run_id, sequence: 3 }, &row);
    let marker = Marker::LocalActivity(local_activity());
    let attributes = EventAttributes::MarkerRecorded(MarkerRecorded { marker });
    batch.put_event(run_id, &Event { id: EventId::FIRST.plus(3), time, attributes });
    let key = PublishedKey { run_id, name: "status".to_owned() };
    batch.put_published(&key, &PublishedRow { event_id: EventId::FIRST, time, value: secret() });
    batch
}

fn pending() -> PendingActivityRow {
    PendingActivityRow {
        attempt: 2,
        last_failure: Some(failure()),
        heartbeat_details: Some(secret()),
        ..PendingActivityRow::new(EventId::FIRST, Timestamp::EPOCH)
    }
}

fn local_activity() -> LocalActivityMarker {
    LocalActivityMarker {
        seq: Seq::new(2),
        activity_id: "2".into(),
        activity_type: "look-up".into(),
        attempt: 1,
        outcome: LocalActivityOutcome::Failed {
            failure: failure(),
            retry_state: RetryState::NonRetryableFailure,
        },
        source: SourceLocation::new("src/x.rs:7"),
    }
}

fn inbox() -> InboxRow {
    let outcome = ActivityOutcome::Canceled { details: Some(secret()) };
    let message = InboxMessage::ActivityClosed(ActivityClosed {
        seq: Seq::new(1),
        scheduled_event_id: EventId::FIRST,
        attempt: 1,
        started_at: None,
        last_failure: Some(failure()),
        outcome,
    });
    InboxRow { sender: None, received_at: Timestamp::EPOCH, message }
}

fn signaled() -> WorkflowExecutionSignaled {
    let mut headers = Headers::new();
    headers.insert_payload("token", secret());
    WorkflowExecutionSignaled {
        signal_name: "go".into(),
        input: vec![secret()],
        headers,
        request_id: "request".into(),
        with_previous: false,
    }
}

fn inbox_signal() -> InboxRow {
    let message = InboxMessage::Signaled(signaled());
    InboxRow { sender: None, received_at: Timestamp::EPOCH, message }
}

struct Coded(Arc<MemoryStore>);

impl Fixture for Coded {
    async fn empty(&mut self) -> Arc<dyn Store> {
        self.0 = Arc::default();
        // The contract is about stores in which nothing is yet.
        let codec = Around::with("1") as Arc<dyn PayloadCodec>;
        Arc::new(CodedStore { inner: self.0.clone(), codec })
    }

    async fn reopen(&mut self) -> Option<Arc<dyn Store>> {
        None
    }
}

#[tokio::test]
async fn a_coded_store_keeps_the_contract() {
    suite::run(&mut Coded(Arc::default())).await;
}

#[tokio::test]
async fn no_payload_reaches_the_store_below_and_all_come_back() {
    let (inner, codec, run_id) = (Arc::default(), Around::with("1"), RunId::from_bytes([7; 16]));
    let store = coded(&inner, &codec).await.unwrap();
    store.commit(batch(run_id), Persist::Sync).await.unwrap();
    for space in Space::ALL {
        for row in inner.scan(space, b"", None, usize::MAX).unwrap() {
            let is_there = row.value.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
            assert!(!is_there, "{space} {:?}", row.key);
        }
    }
    let events = store.read_history(run_id).unwrap();
    let EventAttributes::ActivityTaskCompleted(completed) = &events[0].attributes else { panic!() };
    assert_eq!(completed.result, secret());
    let EventAttributes::WorkflowExecutionFailed(failed) = &events[1].attributes else { panic!() };
    assert_eq!(failed.failure, failure());
    assert_eq!(events[2].attributes, EventAttributes::WorkflowExecutionSignaled(signaled()));
    let key = PendingActivityKey { run_id, seq: Seq::new(1) };
    let bytes = store.get(Space::State, &crate::keys::Key::encode(&key)).unwrap().unwrap();
    assert_eq!(PendingActivityRow::from_bytes(&bytes).unwrap(), pending());
    let key = InboxKey { run_id, sequence: 1 };
    let bytes = store.get(Space::State, &crate::keys::Key::encode(&key)).unwrap().unwrap();
    assert_eq!(InboxRow::from_bytes(&bytes).unwrap(), inbox());
    let key = InboxKey { run_id, sequence: 2 };
    let bytes = store.get(Space::State, &crate::keys::Key::encode(&key)).unwrap().unwrap();
    assert_eq!(InboxRow::from_bytes(&bytes).unwrap(), inbox_signal());
    let key = PublishedKey { run_id, name: "status".to_owned() };
    let bytes = store.get(Space::State, &crate::keys::Key::encode(&key)).unwrap().unwrap();
    assert_eq!(PublishedRow::from_bytes(&bytes).unwrap().value, secret());
    // Without the codec everything but the values can be read.
    let events = inner.read_history(run_id).unwrap();
    let EventAttributes::ActivityTaskCompleted(completed) = &events[0].attributes else { panic!() };
    assert_eq!(completed.result.encoding(), "around/1");
}

#[tokio::test]
async fn a_wrong_codec_is_named_and_nothing_is_lost() {
    let (inner, codec, run_id) = (Arc::default(), Around::with("1"), RunId::from_bytes([7; 16]));
    let store = coded(&inner, &codec).await.unwrap();
    store.commit(batch(run_id), Persist::Sync).await.unwrap();
    let before = inner.scan(Space::State, b"", None, usize::MAX).unwrap();
    let error = coded(&inner, &Around::with("2")).await.unwrap_err();
    let StoreError::WrongCodec { reason } = &error else { panic!("{error}") };
    assert_eq!(reason, "there is no key `1`");
    let error = CodedStore::check_none(&*inner).unwrap_err();
    assert!(matches!(error, StoreError::WrongCodec { .. }), "{error}");
    assert_eq!(inner.scan(Space::State, b"", None, usize::MAX).unwrap(), before);
    let store = coded(&inner, &codec).await.unwrap();
    assert_eq!(store.read_history(run_id).unwrap().len(), 4);
}

#[tokio::test]
async fn a_row_that_cannot_be_decoded_is_named() {
    let (inner, run_id) = (Arc::default(), RunId::from_bytes([7; 16]));
    let store = coded(&inner, &Around::with("1")).await.unwrap();
    store.commit(batch(run_id), Persist::Sync).await.unwrap();
    let other = Around::with("2") as Arc<dyn PayloadCodec>;
    let store = CodedStore { inner, codec: other };
    let error = store.read_history(run_id).unwrap_err();
    let StoreError::Codec { space: Space::History, reason, .. } = &error else { panic!("{error}") };
    assert_eq!(reason, "there is no key `1`");
}

#[tokio::test]
async fn what_cannot_be_encoded_is_not_written() {
    let (inner, codec, run_id) = (Arc::default(), Around::with("1"), RunId::from_bytes([7; 16]));
    let store = coded(&inner, &codec).await.unwrap();
    codec.is_broken.store(true, Ordering::Relaxed);
    let error = store.commit(batch(run_id), Persist::Sync).await.unwrap_err();
    assert!(matches!(error, StoreError::Codec { .. }), "{error}");
    assert_eq!(inner.scan(Space::State, b"", None, usize::MAX).unwrap(), []);
}

#[tokio::test]
async fn a_codec_can_be_set_on_a_store_that_had_none() {
    let (inner, run_id) = (Arc::<MemoryStore>::default(), RunId::from_bytes([7; 16]));
    inner.commit(batch(run_id), Persist::Sync).await.unwrap();
    CodedStore::check_none(&*inner).unwrap();
    let store = coded(&inner, &Around::with("1")).await.unwrap();
    assert_eq!(store.read_history(run_id).unwrap().len(), 4);
}
