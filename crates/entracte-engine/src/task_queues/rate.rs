//! How many attempts may start in a time: a token bucket, kept as the time at which it would be
//! full (the generic cell rate algorithm), so that nothing is rounded away.

use std::time::Duration;

use tokio::time::Instant;

/// What may come at once when nothing came for a while: the starts of this long.
const BURST: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Rate {
    /// From one start to the next.
    interval: Duration,
    /// When the bucket is full again; full if it never was anything else.
    full_at: Option<Instant>,
}

impl Rate {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, full_at: None }
    }

    /// When the next start may be; none if now.
    pub(super) fn waits_until(&self, now: Instant) -> Option<Instant> {
        let ahead = BURST.saturating_sub(self.interval);
        let next = self.full_at?.checked_sub(ahead)?;
        (next > now).then_some(next)
    }

    /// Takes one start.
    pub(super) fn take(&mut self, now: Instant) {
        let from = self.full_at.map_or(now, |full_at| full_at.max(now));
        self.full_at = Some(from.checked_add(self.interval).unwrap_or(from));
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
