//! How many attempts may start in a time: a token bucket, kept as the time from which on the next
//! one may start (the generic cell rate algorithm), so that nothing is rounded away.

use std::time::Duration;

use tokio::time::Instant;

/// What may come at once when nothing came for a while: the starts of this long.
pub(super) const BURST: Duration = Duration::from_millis(100);

/// From when on the next one may start, if one starts now. `ready` is the same for the one that
/// starts now; none if nothing has started for long.
pub(super) fn ready_after(ready: Option<Instant>, interval: Duration, now: Instant) -> Instant {
    let ahead = BURST.saturating_sub(interval);
    let full = now.checked_sub(ahead).unwrap_or(now);
    let from = ready.map_or(full, |ready| ready.max(full));
    from.checked_add(interval).unwrap_or(from)
}

#[derive(Debug)]
pub(super) struct Rate {
    /// From one start to the next.
    interval: Duration,
    ready: Option<Instant>,
}

impl Rate {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, ready: None }
    }

    /// When the next start may be; none if now.
    pub(super) fn waits_until(&self, now: Instant) -> Option<Instant> {
        self.ready.filter(|ready| *ready > now)
    }

    /// Takes one start.
    pub(super) fn take(&mut self, now: Instant) {
        self.ready = Some(ready_after(self.ready, self.interval, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many starts there are in so many milliseconds, if all are taken as soon as they come.
    fn starts(rate: &mut Rate, begin: Instant, milliseconds: u64) -> usize {
        let mut now = begin;
        let end = begin + Duration::from_millis(milliseconds);
        let mut starts = 0;
        loop {
            match rate.waits_until(now) {
                Some(next) => now = next,
                None => {
                    rate.take(now);
                    starts += 1;
                }
            }
            if now >= end {
                return starts;
            }
        }
    }

    #[test]
    fn pri_3_a_rate_holds_over_any_time_but_for_its_burst() {
        let begin = Instant::now();
        for (interval_ms, milliseconds, expected) in
            [(1_000, 10_000, 10), (10, 1_000, 109), (50, 10_000, 201), (300, 3_000, 10)]
        {
            let mut rate = Rate::new(Duration::from_millis(interval_ms));
            assert_eq!(starts(&mut rate, begin, milliseconds), expected, "{interval_ms} ms");
        }
    }

    #[test]
    fn pri_3_what_was_not_used_is_not_saved_up() {
        let begin = Instant::now();
        let mut rate = Rate::new(Duration::from_millis(20));
        rate.take(begin);
        let later = begin + Duration::from_secs(3_600);
        // Five at once, and then one every 20 ms.
        for _ in 0..5 {
            assert_eq!(rate.waits_until(later), None);
            rate.take(later);
        }
        assert_eq!(rate.waits_until(later), Some(later + Duration::from_millis(20)));
    }
}
