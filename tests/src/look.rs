//! Looking at histories.

use entracte::{Event, EventType};

/// The types of the events, in order.
#[must_use]
pub fn event_types(history: &[Event]) -> Vec<EventType> {
    history.iter().map(|event| event.attributes.event_type()).collect()
}

/// Checks what holds for every history: ids without gaps, times that never decrease, and at
/// most one close, at the end.
///
/// # Panics
/// If it does not hold.
pub fn assert_well_formed(history: &[Event]) {
    for (index, event) in history.iter().enumerate() {
        assert_eq!(event.id.get(), index as u64 + 1, "event ids have no gaps: {history:#?}");
    }
    let in_order = history.windows(2).all(|pair| pair[0].time <= pair[1].time);
    assert!(in_order, "times never decrease: {history:#?}");
    let closes = history.iter().filter(|event| event.attributes.event_type().is_close()).count();
    assert!(closes <= 1, "a run closes once: {history:#?}");
    if closes == 1 {
        assert!(
            history.last().is_some_and(|last| last.attributes.event_type().is_close()),
            "nothing follows the close: {history:#?}"
        );
    }
}
