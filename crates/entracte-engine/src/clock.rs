//! The engine's one clock.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use entracte_model::Timestamp;
use tokio::time::Instant;

/// Engine time: the larger of wall time and (the last engine time plus the monotonic time
/// that passed). It never goes back, whatever happens to the machine's clock.
#[derive(Debug)]
pub(crate) struct EngineClock {
    wall: WallClock,
    last: Mutex<(Timestamp, Instant)>,
}

#[derive(Debug)]
enum WallClock {
    System,
    /// Virtual: starts at a fixed time and goes with the runtime's (pausable) clock.
    Virtual {
        start: Timestamp,
        started: Instant,
    },
}

impl WallClock {
    fn now(&self, instant: Instant) -> Timestamp {
        match self {
            Self::System => SystemTime::now().into(),
            Self::Virtual { start, started } => {
                start.saturating_add(instant.saturating_duration_since(*started))
            }
        }
    }
}

impl EngineClock {
    /// Makes a clock that starts no earlier than the last journaled time.
    pub(crate) fn new(virtual_time: Option<Timestamp>, floor: Timestamp) -> Self {
        let instant = Instant::now();
        let wall = match virtual_time {
            None => WallClock::System,
            Some(start) => WallClock::Virtual { start, started: instant },
        };
        Self { wall, last: Mutex::new((floor, instant)) }
    }

    /// The longest sleep at a stretch for whoever waits for a point in time: a machine that was
    /// suspended, or whose wall clock was set forward, is noticed this much later at most.
    pub(crate) fn sleep_max(&self) -> Duration {
        match self.wall {
            WallClock::System => Duration::from_secs(60),
            // Goes with the runtime's clock, which every sleep follows.
            WallClock::Virtual { .. } => Duration::MAX,
        }
    }

    /// The time now.
    pub(crate) fn now(&self) -> Timestamp {
        let instant = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = instant.saturating_duration_since(last.1);
        let now = self.wall.now(instant).max(last.0.saturating_add(passed));
        *last = (now, instant.max(last.1));
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_never_starts_below_the_floor_and_goes_on_from_there() {
        let floor = Timestamp::from_unix_millis(5_000);
        let clock = EngineClock::new(Some(Timestamp::from_unix_millis(1_000)), floor);
        assert_eq!(clock.now(), floor);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(clock.now(), Timestamp::from_unix_millis(6_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_that_is_ahead_is_followed() {
        let clock = EngineClock::new(Some(Timestamp::from_unix_millis(9_000)), Timestamp::EPOCH);
        assert_eq!(clock.now(), Timestamp::from_unix_millis(9_000));
    }
}
