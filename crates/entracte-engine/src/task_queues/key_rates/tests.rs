use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn name(number: usize) -> String {
    format!("key-{number}")
}

#[test]
fn pri_3_each_key_waits_for_itself() {
    let begin = Instant::now();
    let mut rates = KeyRates::default();
    let slow = rates.take("slow", SECOND, true, begin).unwrap();
    assert_eq!(rates.take("fast", SECOND / 4, false, begin), None);
    assert!(rates.has_to_wait("slow", begin) && !rates.has_to_wait("other", begin));
    let fast = "fast".into();
    assert!(rates.wait(&fast, begin) && !rates.wait(&"other".into(), begin));
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
            let _ = rates.take("key", interval, false, begin);
        }
        let now = begin + later;
        // Others are taken at the same time, and make room for themselves.
        let _ = rates.take("other", interval, false, now);
        let mut starts = 0;
        while !rates.has_to_wait("key", now) {
            let _ = rates.take("key", interval, false, now);
            starts += 1;
        }
        starts
    };
    for millis in 0..300 {
        let expected = (millis / 20).min(5);
        assert_eq!(starts(Duration::from_millis(millis)), expected, "after {millis} ms");
    }
    let mut rates = KeyRates::default();
    let _ = rates.take("key", interval, false, begin);
    let _ = rates.take("other", interval, false, begin + interval + BURST);
    assert_eq!((rates.ready.len(), rates.idle.len()), (1, 1));
}

/// As many idle keys as are remembered, and so many more; each has more than this to wait.
fn with_many(rates: &mut KeyRates, more: usize, wait: Duration, now: Instant) {
    for number in 0..IDLE_KEYS_MAX + more {
        let interval = wait + Duration::from_micros(number as u64);
        assert_eq!(rates.take(&name(number), interval, false, now), None);
    }
}

#[test]
fn pri_3_of_many_keys_those_with_the_longest_waits_are_remembered() {
    let begin = Instant::now();
    let mut rates = KeyRates::default();
    let held = rates.take("held", SECOND, true, begin);
    with_many(&mut rates, 1_000, SECOND * 100, begin);
    assert_eq!((rates.idle.len(), rates.ready.len()), (IDLE_KEYS_MAX, IDLE_KEYS_MAX + 1));
    assert!(!rates.has_to_wait(&name(999), begin) && rates.has_to_wait(&name(1_000), begin));
    // Whoever waits is not forgotten.
    assert!(rates.has_to_wait("held", begin));
    // Nobody comes for long: the next one clears them all away.
    let later = begin + SECOND * 1_000;
    assert_eq!(rates.release(later), held);
    rates.let_go(&held.unwrap());
    assert_eq!(rates.take("last", SECOND, false, later), None);
    assert_eq!((rates.idle.len(), rates.ready.len()), (1, 1));
}

#[test]
fn pri_3_a_key_is_not_forgotten_while_somebody_waits_for_it() {
    let begin = Instant::now();
    let mut rates = KeyRates::default();
    with_many(&mut rates, 0, SECOND * 100, begin);
    // It has the least of all to wait, and then nothing.
    let key = rates.take("key", SECOND, true, begin).unwrap();
    assert!(rates.has_to_wait(&key, begin));
    let later = begin + SECOND;
    assert_eq!(rates.release(later), Some(Arc::clone(&key)));
    assert_eq!(rates.take("other", SECOND * 200, false, later), None);
    assert!(rates.ready.contains_key(&key));
    // It is too many as soon as nobody waits.
    rates.let_go(&key);
    assert!(!rates.ready.contains_key(&key));
    assert_eq!((rates.idle.len(), rates.ready.len()), (IDLE_KEYS_MAX, IDLE_KEYS_MAX));
}
