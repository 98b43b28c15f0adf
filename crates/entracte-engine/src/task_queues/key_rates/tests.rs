use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn name(number: usize) -> String {
    format!("key-{number}")
}

#[test]
fn pri_3_each_key_waits_for_itself() {
    let begin = Instant::now();
    let mut rates = KeyRates::default();
    let slow = rates.take("slow", SECOND, begin);
    let fast = rates.take("fast", SECOND / 4, begin);
    assert!(rates.has_to_wait("slow", begin) && !rates.has_to_wait("other", begin));
    rates.hold(&slow);
    rates.hold(&fast);
    assert_eq!((rates.held(), rates.next()), (2, Some(begin + SECOND / 4)));
    assert_eq!(rates.release(begin), None);
    let later = begin + SECOND / 4;
    assert_eq!((rates.release(later), rates.release(later)), (Some(fast), None));
    assert_eq!(rates.next(), Some(begin + SECOND));
    rates.let_go(&slow);
    assert_eq!((rates.next(), rates.release(begin + SECOND)), (None, None));
    assert!(rates.has_to_wait("slow", later) && !rates.has_to_wait("slow", begin + SECOND));
}

#[test]
fn pri_3_a_key_is_forgotten_when_its_bucket_is_full_and_not_before() {
    let begin = Instant::now();
    let interval = BURST / 5;
    // How many start at once at this time after the first.
    let starts = |later: Duration| {
        let mut rates = KeyRates::default();
        for _ in 0..5 {
            rates.take("key", interval, begin);
        }
        let now = begin + later;
        // Others are taken at the same time, and make room for themselves.
        rates.take("other", interval, now);
        let mut starts = 0;
        while !rates.has_to_wait("key", now) {
            rates.take("key", interval, now);
            starts += 1;
        }
        starts
    };
    for millis in 0..300 {
        let expected = (millis / 20).min(5);
        assert_eq!(starts(Duration::from_millis(millis)), expected, "after {millis} ms");
    }
    let mut rates = KeyRates::default();
    rates.take("key", interval, begin);
    rates.take("other", interval, begin + interval + BURST);
    assert_eq!((rates.ready.len(), rates.idle.len()), (1, 1));
}

#[test]
fn pri_3_of_many_keys_those_with_the_longest_waits_are_remembered() {
    let begin = Instant::now();
    let mut rates = KeyRates::default();
    let held = rates.take("held", SECOND, begin);
    rates.hold(&held);
    for number in 0..IDLE_KEYS_MAX + 1_000 {
        let interval = SECOND * 100 + Duration::from_micros(number as u64);
        rates.take(&name(number), interval, begin);
    }
    assert_eq!((rates.idle.len(), rates.ready.len()), (IDLE_KEYS_MAX, IDLE_KEYS_MAX + 1));
    assert!(!rates.has_to_wait(&name(999), begin) && rates.has_to_wait(&name(1_000), begin));
    // Whoever waits is not forgotten.
    assert!(rates.has_to_wait("held", begin));
    // Nobody comes for long: the next one clears them all away.
    assert_eq!(rates.release(begin + SECOND * 1_000), Some(held));
    rates.take("last", SECOND, begin + SECOND * 1_000);
    assert_eq!((rates.idle.len(), rates.ready.len()), (1, 1));
}
