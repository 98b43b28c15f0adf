//! Whatever is written is read again, and what cannot be an event is named.

mod formats;
mod generate;

use proptest::prelude::*;

use self::generate::attributes;
use super::*;
use crate::event::TimerFired;
use crate::id::Seq;

proptest! {
    #[test]
    fn events_survive_a_round_trip(id: u64, nanos: u64, attributes in attributes()) {
        let event =
            Event { id: EventId::new(id), time: Timestamp::from_unix_nanos(nanos), attributes };
        let bytes = event.to_bytes();
        prop_assert_eq!(Event::from_bytes(event.id, &bytes).unwrap(), event);
    }

    #[test]
    fn events_survive_as_json(id: u64, nanos: u64, attributes in attributes()) {
        let event =
            Event { id: EventId::new(id), time: Timestamp::from_unix_nanos(nanos), attributes };
        let json = serde_json::to_string(&event).unwrap();
        prop_assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }

    #[test]
    fn a_cut_event_is_refused(attributes in attributes(), cut in 0.0_f64..1.0) {
        let event = Event { id: EventId::FIRST, time: Timestamp::EPOCH, attributes };
        let bytes = event.to_bytes();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction")]
        #[expect(clippy::cast_precision_loss, reason = "a fraction")]
        let len = (bytes.len() as f64 * cut) as usize;
        prop_assert!(Event::from_bytes(EventId::FIRST, &bytes[..len]).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = Event::from_bytes(EventId::FIRST, &bytes);
    }
}

#[test]
fn unknown_numbers_and_short_values_are_named() {
    let id = EventId::new(3);
    assert_eq!(Event::from_bytes(id, &[0; 9]), Err(EventDecodeError::TooShort { id, len: 9 }));
    let mut unknown = vec![0xff, 0xff];
    unknown.extend([0; 20]);
    let error = Event::from_bytes(id, &unknown).unwrap_err();
    assert_eq!(error, EventDecodeError::UnknownType { id, number: 0xffff });
    assert_eq!(error.to_string(), "event 3 has the unknown type 65535");
}

#[test]
fn events_read_well_as_json() {
    let fired = TimerFired { seq: Seq::new(2), started_event_id: EventId::new(3) };
    let event = Event {
        id: EventId::new(4),
        time: Timestamp::from_unix_millis(1_500),
        attributes: EventAttributes::TimerFired(fired),
    };
    assert_eq!(
        serde_json::to_string(&event).unwrap(),
        r#"{"id":4,"time":"1970-01-01T00:00:01.500000000Z","type":"TimerFired","attributes":{"seq":2,"started_event_id":3}}"#
    );
}
