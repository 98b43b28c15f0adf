use entracte_model::{EventId, Seq, Timestamp, WorkflowId};
use proptest::prelude::*;

use super::*;

fn run_ids() -> impl Strategy<Value = RunId> {
    any::<[u8; RunId::LEN]>().prop_map(RunId::from_bytes)
}

fn kinds() -> impl Strategy<Value = DueKind> {
    prop_oneof![Just(DueKind::Timer), Just(DueKind::ActivityRetry), Just(DueKind::ExternalSignal)]
}

/// Checks what holds for the keys of fixed length: the round trip, and every other length.
fn check_fixed<K: Key + Copy + PartialEq + std::fmt::Debug>(key: &K) -> Result<(), TestCaseError> {
    let bytes = key.encode();
    prop_assert_eq!(K::decode(&bytes), Ok(*key));
    for len in 0..bytes.len() {
        let wrong = InvalidKey::Length { expected: bytes.len(), found: len };
        prop_assert_eq!(K::decode(&bytes[..len]), Err(wrong));
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    let wrong = InvalidKey::Length { expected: bytes.len(), found: longer.len() };
    prop_assert_eq!(K::decode(&longer), Err(wrong));
    Ok(())
}

/// Checks that keys sort as what they name.
fn check_order<K: Key + Ord>(first: &K, second: &K) -> Result<(), TestCaseError> {
    prop_assert_eq!(first.cmp(second), first.encode().cmp(&second.encode()));
    Ok(())
}

proptest! {
    #[test]
    fn history_keys_survive_a_round_trip(run_id in run_ids(), event: u64, other: u64) {
        let key = HistoryKey { run_id, event_id: EventId::new(event) };
        check_fixed(&key)?;
        check_order(&key, &HistoryKey { run_id, event_id: EventId::new(other) })?;
        prop_assert!(history_range(run_id).contains(&key.encode()));
        let tail = history_from(run_id, EventId::new(other));
        prop_assert_eq!(tail.contains(&key.encode()), event >= other);
    }

    #[test]
    fn run_keys_survive_a_round_trip(run_id in run_ids(), other in run_ids()) {
        let key = RunKey { run_id };
        check_fixed(&key)?;
        check_order(&key, &RunKey { run_id: other })?;
        prop_assert!(run_all().contains(&key.encode()));
        prop_assert_eq!(runs_after(other).contains(&key.encode()), run_id > other);
    }

    #[test]
    fn workflow_id_keys_survive_a_round_trip(id in ".{1,40}") {
        let key = WorkflowIdKey { workflow_id: WorkflowId::new(id).unwrap() };
        prop_assert_eq!(WorkflowIdKey::decode(&key.encode()), Ok(key.clone()));
        prop_assert!(workflow_id_all().contains(&key.encode()));
    }

    #[test]
    fn pending_keys_survive_a_round_trip(run_id in run_ids(), seq: u32, other: u32) {
        let key = PendingActivityKey { run_id, seq: Seq::new(seq) };
        check_fixed(&key)?;
        check_order(&key, &PendingActivityKey { run_id, seq: Seq::new(other) })?;
        prop_assert!(pending_of(run_id).contains(&key.encode()));
        prop_assert!(pending_all().contains(&key.encode()));
    }

    #[test]
    fn local_activity_keys_survive_a_round_trip(run_id in run_ids(), seq: u32, other: u32) {
        let key = LocalActivityKey { run_id, seq: Seq::new(seq) };
        check_fixed(&key)?;
        check_order(&key, &LocalActivityKey { run_id, seq: Seq::new(other) })?;
        prop_assert!(local_activities_of(run_id).contains(&key.encode()));
        prop_assert!(local_activities_all().contains(&key.encode()));
    }

    #[test]
    fn inbox_keys_survive_a_round_trip(run_id in run_ids(), sequence: u64, other: u64) {
        let key = InboxKey { run_id, sequence };
        check_fixed(&key)?;
        check_order(&key, &InboxKey { run_id, sequence: other })?;
        prop_assert!(inbox_of(run_id).contains(&key.encode()));
        prop_assert!(inbox_all().contains(&key.encode()));
    }

    #[test]
    fn published_keys_survive_a_round_trip(
        run_id in run_ids(), name in ".{1,40}", other in ".{1,40}",
    ) {
        let key = PublishedKey { run_id, name };
        let bytes = key.encode();
        prop_assert_eq!(PublishedKey::decode(&bytes), Ok(key.clone()));
        for len in 0..=17 {
            let short = InvalidKey::Length { expected: 18, found: len };
            prop_assert_eq!(PublishedKey::decode(&bytes[..len]), Err(short));
        }
        check_order(&key, &PublishedKey { run_id, name: other })?;
        prop_assert!(published_of(run_id).contains(&bytes));
        prop_assert!(published_all().contains(&bytes));
    }

    #[test]
    fn due_keys_survive_a_round_trip(
        run_id in run_ids(), due: u64, other: u64, kind in kinds(), seq: u32,
    ) {
        let (due, other) = (Timestamp::from_unix_nanos(due), Timestamp::from_unix_nanos(other));
        let key = DueKey { due, run_id, kind, seq: Seq::new(seq) };
        check_fixed(&key)?;
        check_order(&key, &DueKey { due: other, ..key })?;
        prop_assert!(due_all().contains(&key.encode()));
        prop_assert_eq!(due_until(other).contains(&key.encode()), due <= other);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = HistoryKey::decode(&bytes);
        let _ = RunKey::decode(&bytes);
        let _ = WorkflowIdKey::decode(&bytes);
        let _ = PendingActivityKey::decode(&bytes);
        let _ = InboxKey::decode(&bytes);
        let _ = PublishedKey::decode(&bytes);
        let _ = DueKey::decode(&bytes);
        let _ = LocalActivityKey::decode(&bytes);
    }
}

#[test]
fn a_key_of_another_kind_is_named() {
    let run_id = RunId::from_bytes([7; RunId::LEN]);
    let mut bytes = RunKey { run_id }.encode();
    bytes[0] = 0x09;
    assert_eq!(RunKey::decode(&bytes), Err(InvalidKey::Kind { expected: 1, found: 9 }));
    assert_eq!(WorkflowIdKey::decode(b"\x09a"), Err(InvalidKey::Kind { expected: 2, found: 9 }));
}

#[test]
fn due_rows_of_an_unknown_kind_are_named() {
    let run_id = RunId::from_bytes([7; RunId::LEN]);
    let (due, seq) = (Timestamp::EPOCH, Seq::new(1));
    let mut bytes = DueKey { due, run_id, kind: DueKind::Timer, seq }.encode();
    bytes[25] = 99;
    assert_eq!(DueKey::decode(&bytes), Err(InvalidKey::UnknownDueKind { number: 99 }));
}

#[test]
fn published_names_that_are_no_text_are_named() {
    let run_id = RunId::from_bytes([7; RunId::LEN]);
    let mut bytes = PublishedKey { run_id, name: "s".to_owned() }.encode();
    bytes[17] = 0xff;
    assert_eq!(PublishedKey::decode(&bytes), Err(InvalidKey::NotText));
}

#[test]
fn workflow_ids_that_cannot_be_are_named() {
    assert_eq!(WorkflowIdKey::decode(&[]), Err(InvalidKey::Length { expected: 2, found: 0 }));
    assert_eq!(WorkflowIdKey::decode(&[2]), Err(InvalidKey::WorkflowId(IdError::Empty)));
    assert_eq!(WorkflowIdKey::decode(&[2, 0xff]), Err(InvalidKey::NotText));
}

/// The stored bytes, spelled out: whoever changes them breaks every store there is.
#[test]
fn stored_keys_do_not_change() {
    let run_id = RunId::from_bytes([0xaa; RunId::LEN]);
    let run = [0xaa; RunId::LEN].as_slice();
    let seq = Seq::new(0x0102_0304);
    let event_id = EventId::new(5);
    assert_eq!(HistoryKey { run_id, event_id }.encode(), [run, &[0, 0, 0, 0, 0, 0, 0, 5]].concat());
    assert_eq!(RunKey { run_id }.encode(), [&[1], run].concat());
    let workflow_id = WorkflowId::new("id").unwrap();
    assert_eq!(WorkflowIdKey { workflow_id }.encode(), b"\x02id");
    assert_eq!(PendingActivityKey { run_id, seq }.encode(), [&[3], run, &[1, 2, 3, 4]].concat());
    let due = Timestamp::from_unix_nanos(6);
    assert_eq!(
        DueKey { due, run_id, kind: DueKind::ActivityRetry, seq }.encode(),
        [&[4, 0, 0, 0, 0, 0, 0, 0, 6], run, &[2, 1, 2, 3, 4]].concat()
    );
    assert_eq!(
        InboxKey { run_id, sequence: 7 }.encode(),
        [&[5], run, &[0, 0, 0, 0, 0, 0, 0, 7]].concat()
    );
    assert_eq!(LocalActivityKey { run_id, seq }.encode(), [&[10], run, &[1, 2, 3, 4]].concat());
    let name = "status".to_owned();
    assert_eq!(PublishedKey { run_id, name }.encode(), [&[6], run, b"status"].concat());
}
