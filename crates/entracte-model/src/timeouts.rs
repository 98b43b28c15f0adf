//! The four timeouts of an activity (rule TMO-1): what is in force, and which comes first.

use std::time::Duration;

use crate::failure::TimeoutType;
use crate::options::ActivityOptions;
use crate::time::Timestamp;

/// How often heartbeats are stored where no heartbeat timeout says so (rule HB-4).
const THROTTLE_DEFAULT: Duration = Duration::from_secs(30);
/// The longest time between two stored heartbeats of a busy attempt (rule HB-4).
const THROTTLE_MAX: Duration = Duration::from_secs(60);

/// The timeouts in force, after what is not set was filled in and what is too long was cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ActivityTimeouts {
    /// The whole activity, from its first schedule.
    pub schedule_to_close: Option<Duration>,
    /// The wait of one attempt until it starts.
    pub schedule_to_start: Option<Duration>,
    /// One attempt. None only if the options are invalid (rule TMO-2).
    pub start_to_close: Option<Duration>,
    /// The silence of a running attempt.
    pub heartbeat: Option<Duration>,
}

impl ActivityTimeouts {
    /// Fills in and cuts the timeouts of valid options (rules TMO-3 to TMO-5). `run_timeout` is
    /// the timeout of the run that schedules the activity; none if it has none.
    #[must_use]
    pub fn new(options: &ActivityOptions, run_timeout: Option<Duration>) -> Self {
        let whole = options.schedule_to_close_timeout;
        let fallback = whole.or(run_timeout);
        let within = |timeout: Option<Duration>, limit: Option<Duration>| match (timeout, limit) {
            (Some(timeout), Some(limit)) => Some(timeout.min(limit)),
            (timeout, _) => timeout,
        };
        let cut = |timeout| within(within(timeout, whole), run_timeout);
        let start_to_close = cut(options.start_to_close_timeout.or(whole));
        Self {
            schedule_to_close: cut(fallback),
            schedule_to_start: cut(options.schedule_to_start_timeout.or(fallback)),
            start_to_close,
            heartbeat: within(options.heartbeat_timeout, start_to_close),
        }
    }

    /// The time at or before which an attempt must start (rule RET-12).
    #[must_use]
    pub fn expiration(&self, first_scheduled: Timestamp) -> Option<Timestamp> {
        self.schedule_to_close.map(|whole| first_scheduled.saturating_add(whole))
    }

    /// When an attempt must have ended, as it sees it (rule TMO-11).
    #[must_use]
    pub fn deadline(&self, first_scheduled: Timestamp, started: Timestamp) -> Option<Timestamp> {
        let attempt = self.start_to_close.map(|timeout| started.saturating_add(timeout));
        [attempt, self.expiration(first_scheduled)].into_iter().flatten().min()
    }

    /// The timeout that an attempt runs into first while it waits to be started.
    /// `attempt_scheduled` is the end of the back-off, if there was one (rule TMO-6).
    #[must_use]
    pub fn while_waiting(
        &self,
        first_scheduled: Timestamp,
        attempt_scheduled: Timestamp,
    ) -> Option<(Timestamp, TimeoutType)> {
        let start = self.schedule_to_start.map(|wait| attempt_scheduled.saturating_add(wait));
        first([
            (start, TimeoutType::ScheduleToStart),
            (self.expiration(first_scheduled), TimeoutType::ScheduleToClose),
        ])
    }

    /// The timeout that a running attempt runs into first, as the time from its start: of
    /// `left`, which was left of the whole then, and of the time of its last heartbeat
    /// (rule TMO-6).
    #[must_use]
    pub fn while_running(
        &self,
        left: Option<Duration>,
        last_heartbeat: Option<Duration>,
    ) -> Option<(Duration, TimeoutType)> {
        let silent = last_heartbeat.unwrap_or_default();
        first([
            (self.start_to_close, TimeoutType::StartToClose),
            (left, TimeoutType::ScheduleToClose),
            (self.heartbeat.map(|gap| silent.saturating_add(gap)), TimeoutType::Heartbeat),
        ])
    }

    /// The timeout that an attempt runs into first whose result is pending: all from the
    /// journaled times of its start and of the last heartbeat (rule TMO-6).
    #[must_use]
    pub fn while_result_pending(
        &self,
        first_scheduled: Timestamp,
        started: Timestamp,
        last_heartbeat: Option<Timestamp>,
    ) -> Option<(Timestamp, TimeoutType)> {
        // The last heartbeat may be that of an earlier attempt.
        let heard = last_heartbeat.map_or(started, |last| last.max(started));
        let after = |time: Timestamp, timeout: Option<Duration>| {
            timeout.map(|timeout| time.saturating_add(timeout))
        };
        first([
            (after(started, self.start_to_close), TimeoutType::StartToClose),
            (self.expiration(first_scheduled), TimeoutType::ScheduleToClose),
            (after(heard, self.heartbeat), TimeoutType::Heartbeat),
        ])
    }

    /// How often heartbeats are stored at most (rule HB-4).
    #[must_use]
    pub fn heartbeat_throttle(&self) -> Duration {
        let interval = self.heartbeat.map_or(THROTTLE_DEFAULT, |timeout| timeout.mul_f64(0.8));
        interval.min(THROTTLE_MAX)
    }
}

/// The earliest; of those at the same instant the one that Temporal reports (rule TMO-7).
fn first<T: Ord + Copy>(
    deadlines: impl IntoIterator<Item = (Option<T>, TimeoutType)>,
) -> Option<(T, TimeoutType)> {
    let deadlines = deadlines.into_iter();
    let set = deadlines.filter_map(|(at, timeout_type)| Some((at?, timeout_type)));
    set.min_by_key(|(at, timeout_type)| (*at, timeout_type.precedence()))
}

impl TimeoutType {
    /// Which of two timeouts at the same instant is reported: the lower one (rule TMO-7).
    #[must_use]
    pub const fn precedence(self) -> u8 {
        match self {
            Self::StartToClose => 1,
            Self::ScheduleToStart => 2,
            Self::ScheduleToClose => 3,
            Self::Heartbeat => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Schedule-to-close, schedule-to-start, start-to-close, heartbeat.
    fn options(timeouts: [Option<u64>; 4]) -> ActivityOptions {
        let [whole, wait, attempt, heartbeat] = timeouts.map(|timeout| timeout.map(seconds));
        ActivityOptions {
            schedule_to_close_timeout: whole,
            schedule_to_start_timeout: wait,
            start_to_close_timeout: attempt,
            heartbeat_timeout: heartbeat,
            ..ActivityOptions::default()
        }
    }

    fn in_force(timeouts: [Option<u64>; 4], run_timeout: Option<u64>) -> [Option<u64>; 4] {
        let found = ActivityTimeouts::new(&options(timeouts), run_timeout.map(seconds));
        let ActivityTimeouts { schedule_to_close, schedule_to_start, start_to_close, heartbeat } =
            found;
        [schedule_to_close, schedule_to_start, start_to_close, heartbeat]
            .map(|timeout| timeout.map(|timeout| timeout.as_secs()))
    }

    #[test]
    fn tmo_3_schedule_to_close_fills_in_and_bounds_the_others() {
        assert_eq!(in_force([Some(9), None, None, None], None), [Some(9), Some(9), Some(9), None]);
        assert_eq!(
            in_force([Some(9), Some(20), Some(30), Some(40)], None),
            [Some(9), Some(9), Some(9), Some(9)]
        );
        assert_eq!(
            in_force([Some(9), Some(3), Some(4), Some(2)], None),
            [Some(9), Some(3), Some(4), Some(2)]
        );
    }

    #[test]
    fn tmo_4_start_to_close_alone_leaves_the_rest_to_the_run_s_timeout() {
        assert_eq!(in_force([None, None, Some(5), None], None), [None, None, Some(5), None]);
        assert_eq!(in_force([None, Some(7), Some(5), None], None), [None, Some(7), Some(5), None]);
        assert_eq!(
            in_force([None, None, Some(5), None], Some(60)),
            [Some(60), Some(60), Some(5), None]
        );
    }

    #[test]
    fn tmo_5_everything_is_cut_to_the_run_s_timeout_and_heartbeats_to_the_attempt() {
        assert_eq!(
            in_force([Some(90), Some(80), Some(70), Some(75)], Some(60)),
            [Some(60), Some(60), Some(60), Some(60)]
        );
        assert_eq!(in_force([None, None, Some(5), Some(50)], None), [None, None, Some(5), Some(5)]);
    }

    proptest! {
        #[test]
        fn tmo_3_to_5_what_is_in_force_is_never_longer_than_what_bounds_it(
            timeouts in proptest::array::uniform4(option::of(1_u64..100)),
            run_timeout in option::of(1_u64..100),
        ) {
            prop_assume!(timeouts[0].is_some() || timeouts[2].is_some());
            let [whole, wait, attempt, heartbeat] = in_force(timeouts, run_timeout);
            let longest = |timeout: Option<u64>| timeout.unwrap_or(u64::MAX);
            prop_assert!(attempt.is_some());
            prop_assert!(longest(whole) <= longest(run_timeout));
            prop_assert!(longest(wait) <= longest(whole));
            prop_assert!(attempt.unwrap() <= longest(whole));
            prop_assert!(heartbeat.unwrap_or(0) <= attempt.unwrap());
            // What was set is only ever cut.
            for (set, found) in timeouts.into_iter().zip([whole, wait, attempt, heartbeat]) {
                prop_assert!(set.is_none_or(|set| found.is_some_and(|found| found <= set)));
            }
            // What is in force stays in force.
            let again = in_force([whole, wait, attempt, heartbeat], run_timeout);
            prop_assert_eq!(again, [whole, wait, attempt, heartbeat]);
        }
    }

    #[test]
    fn tmo_6_each_timeout_counts_from_its_own_time() {
        let timeouts =
            ActivityTimeouts::new(&options([Some(100), Some(10), Some(20), Some(5)]), None);
        let (first, attempt) =
            (Timestamp::from_unix_millis(0), Timestamp::from_unix_millis(50_000));
        assert_eq!(
            timeouts.while_waiting(first, attempt),
            Some((Timestamp::from_unix_millis(60_000), TimeoutType::ScheduleToStart))
        );
        let late = Timestamp::from_unix_millis(95_000);
        assert_eq!(
            timeouts.while_waiting(first, late),
            Some((Timestamp::from_unix_millis(100_000), TimeoutType::ScheduleToClose))
        );
        let left = Some(seconds(50));
        assert_eq!(timeouts.while_running(left, None), Some((seconds(5), TimeoutType::Heartbeat)));
        assert_eq!(
            timeouts.while_running(left, Some(seconds(12))),
            Some((seconds(17), TimeoutType::Heartbeat))
        );
        assert_eq!(
            timeouts.while_running(left, Some(seconds(18))),
            Some((seconds(20), TimeoutType::StartToClose))
        );
        assert_eq!(
            timeouts.while_running(Some(seconds(3)), Some(seconds(18))),
            Some((seconds(3), TimeoutType::ScheduleToClose))
        );
    }

    #[test]
    fn asy_1_timeouts_of_a_pending_result_count_from_journaled_times() {
        let timeouts =
            ActivityTimeouts::new(&options([Some(100), Some(10), Some(20), Some(5)]), None);
        let at = |seconds: u64| Timestamp::from_unix_millis(seconds * 1_000);
        let pending = |started, heard: Option<u64>| {
            timeouts.while_result_pending(at(0), at(started), heard.map(at)).unwrap()
        };
        assert_eq!(pending(50, None), (at(55), TimeoutType::Heartbeat));
        // That of an attempt before does not count.
        assert_eq!(pending(50, Some(40)), (at(55), TimeoutType::Heartbeat));
        assert_eq!(pending(50, Some(60)), (at(65), TimeoutType::Heartbeat));
        assert_eq!(pending(50, Some(66)), (at(70), TimeoutType::StartToClose));
        assert_eq!(pending(90, Some(99)), (at(100), TimeoutType::ScheduleToClose));
    }

    #[test]
    fn tmo_7_at_the_same_instant_the_type_decides() {
        let whole = ActivityTimeouts::new(&options([Some(9), None, None, Some(9)]), None);
        let at = Timestamp::from_unix_millis(0);
        let waiting = whole.while_waiting(at, at);
        assert_eq!(waiting.map(|(_, which)| which), Some(TimeoutType::ScheduleToStart));
        let running = whole.while_running(Some(seconds(9)), None);
        assert_eq!(running, Some((seconds(9), TimeoutType::StartToClose)));
    }

    #[test]
    fn tmo_11_the_deadline_of_an_attempt_is_the_earlier_one() {
        let timeouts = ActivityTimeouts::new(&options([Some(100), None, Some(20), None]), None);
        let at = Timestamp::from_unix_millis;
        assert_eq!(timeouts.deadline(at(0), at(50_000)), Some(at(70_000)));
        assert_eq!(timeouts.deadline(at(0), at(90_000)), Some(at(100_000)));
    }

    #[test]
    fn hb_4_heartbeats_are_stored_at_most_once_per_interval() {
        let throttle = |heartbeat: Option<u64>| {
            let options = options([None, None, Some(1_000), heartbeat]);
            ActivityTimeouts::new(&options, None).heartbeat_throttle().as_secs()
        };
        assert_eq!(throttle(None), 30);
        assert_eq!(throttle(Some(10)), 8);
        assert_eq!(throttle(Some(300)), 60);
    }
}
