//! The reference: what the rules say about a scenario, with nothing of the engine in it.

use entracte::{RetryState, TimeoutType};

use super::scenario::{Attempt, End, Fails, Says, Scenario};

/// What becomes of the activity.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Story {
    pub(super) attempts: Vec<Try>,
    /// What others said of the attempts before the activity closed, or to close it, and what
    /// they were answered: by the numbers of the attempts.
    pub(super) words: Vec<(u32, Says, Answer)>,
    pub(super) close: Close,
    /// When it closes, after its schedule.
    pub(super) closed_at: u64,
}

/// An attempt whose code ran.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Try {
    pub(super) number: u32,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// What somebody is answered who says something of an attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Answer {
    Taken,
    /// It was not under way any more (rule ASY-2).
    NotFound,
    /// Nobody had asked it to cancel (rule ACX-4).
    CancelNotRequested,
}

/// The closing event, with the attempt that was started, if one was.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Close {
    Completed { attempt: u32 },
    Failed { attempt: u32, r#type: String, retry_state: RetryState },
    TimedOut { attempt: Option<u32>, timeout_type: TimeoutType, retry_state: RetryState },
    Canceled { attempt: Option<u32> },
}

/// How an attempt failed.
enum Failed {
    Application { r#type: &'static str, non_retryable: bool, next_delay: Option<u64> },
    Timeout(TimeoutType),
    Canceled,
}

/// What ended a wait.
enum Passed {
    TimeOver,
    MachineDied { at: u64 },
    Cancelled,
}

/// Why a further attempt does not start.
enum NotStarted {
    Late(TimeoutType),
    Cancelled,
}

/// Two things happen in the same instant, and no rule says which one counts.
#[derive(Debug)]
pub(super) struct Tie;

pub(super) fn predict(scenario: &Scenario) -> Result<Story, Tie> {
    let mut model = Model::new(scenario);
    let mut attempts = Vec::new();
    let (mut number, mut due) = (1, 0);
    loop {
        if number > 1
            && let Err(why) = model.wait(due)?
        {
            let retry_state = RetryState::Timeout;
            let close = match why {
                // Rule TMO-8.
                NotStarted::Late(timeout_type) => {
                    Close::TimedOut { attempt: None, timeout_type, retry_state }
                }
                // Rule ACX-3.
                NotStarted::Cancelled => Close::Canceled { attempt: None },
            };
            return model.tell(attempts, close);
        }
        let from = model.now;
        let (result, to) = model.run(number)?;
        attempts.push(Try { number, from, to });
        let close = match result {
            Ok(()) => Close::Completed { attempt: number },
            Err(failed) => match model.decide(number, &failed)? {
                Ok(at) => {
                    (number, due) = (number + 1, at);
                    continue;
                }
                Err(retry_state) => close(number, failed, retry_state),
            },
        };
        return model.tell(attempts, close);
    }
}

/// How long after the machine is up again those speak up whom it has kept waiting.
pub(super) const WORDS_AFTER_UP: u64 = 3;

struct Model<'a> {
    scenario: &'a Scenario,
    now: u64,
    words: Vec<(u32, Says, Answer)>,
    /// What is said of attempts that have ended, and when.
    late_words: Vec<(u32, Says, u64)>,
    /// When the machine dies, and when it is back, for each of its further deaths.
    crashes: Vec<(u64, u64)>,
    /// The same, of all its deaths.
    all_crashes: Vec<(u64, u64)>,
    /// When the run will be cancelled, if it will.
    cancel_at: Option<u64>,
    cancelled: bool,
    // The timeouts in force.
    schedule_to_close: Option<u64>,
    schedule_to_start: Option<u64>,
    start_to_close: u64,
    heartbeat: Option<u64>,
}

impl<'a> Model<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let mut up = 0;
        let mut crashes = Vec::new();
        let cancel_in = |life: usize, up: u64, lasts: u64| {
            let cancel = scenario.cancel.as_ref().filter(|it| it.life == life && it.after < lasts);
            cancel.map(|cancel| up + cancel.after)
        };
        let mut cancel_at = None;
        for (life, crash) in scenario.crashes.iter().enumerate() {
            cancel_at = cancel_at.or(cancel_in(life, up, crash.after));
            let died = up + crash.after;
            up = died + crash.down;
            crashes.push((died, up));
        }
        cancel_at = cancel_at.or(cancel_in(scenario.crashes.len(), up, u64::MAX));
        let all_crashes = crashes.clone();
        crashes.reverse();
        let set = &scenario.timeouts;
        // Rules TMO-3 to TMO-5, without a run timeout.
        let whole = set.schedule_to_close;
        let cut = |timeout: u64| timeout.min(whole.unwrap_or(u64::MAX));
        let start_to_close = cut(set.start_to_close.or(whole).expect("rule TMO-2"));
        Self {
            scenario,
            now: 0,
            words: Vec::new(),
            late_words: Vec::new(),
            crashes,
            all_crashes,
            cancel_at,
            cancelled: false,
            schedule_to_close: whole,
            schedule_to_start: set.schedule_to_start.or(whole).map(cut),
            start_to_close,
            heartbeat: set.heartbeat.map(|timeout| timeout.min(start_to_close)),
        }
    }

    /// Lets time pass until something is due, unless something else comes before: then it is
    /// the time of that, or when the machine is back.
    fn pass(&mut self, until: u64) -> Result<Passed, Tie> {
        let died = self.crashes.last().copied();
        let first = [Some(until), died.map(|(died, _)| died), self.cancel_at];
        let first = first.into_iter().flatten().min().unwrap_or(until);
        let is_first = |at: Option<u64>| at == Some(first);
        let (dies, cancels) = (is_first(died.map(|(died, _)| died)), is_first(self.cancel_at));
        if u8::from(first == until) + u8::from(dies) + u8::from(cancels) > 1 {
            return Err(Tie);
        }
        self.now = first;
        if let Some((at, back)) = died.filter(|_| dies) {
            self.now = back;
            self.crashes.pop();
            return Ok(Passed::MachineDied { at });
        }
        if cancels {
            self.cancel_at = None;
            self.cancelled = true;
            return Ok(Passed::Cancelled);
        }
        Ok(Passed::TimeOver)
    }

    /// Waits for the start of a further attempt (rules TMO-6 and TMO-7).
    fn wait(&mut self, due: u64) -> Result<Result<(), NotStarted>, Tie> {
        let to_start = self.schedule_to_start.map(|timeout| due + timeout);
        let deadlines = [
            (to_start, 2, TimeoutType::ScheduleToStart),
            (self.schedule_to_close, 3, TimeoutType::ScheduleToClose),
        ];
        let set = deadlines.into_iter().filter_map(|(at, order, which)| Some((at?, order, which)));
        let deadline = set.min_by_key(|(at, order, _)| (*at, *order));
        loop {
            if let Some((at, _, which)) = deadline {
                if at == due {
                    return Err(Tie);
                }
                if at <= self.now {
                    return Ok(Err(NotStarted::Late(which)));
                }
            }
            if due <= self.now {
                return Ok(Ok(()));
            }
            let first = due.min(deadline.map_or(u64::MAX, |(at, ..)| at));
            if matches!(self.pass(first)?, Passed::Cancelled) {
                return Ok(Err(NotStarted::Cancelled));
            }
        }
    }

    /// The end of the story, with the words that came too late.
    fn tell(mut self, attempts: Vec<Try>, close: Close) -> Result<Story, Tie> {
        for (number, says, at) in std::mem::take(&mut self.late_words) {
            if at == self.now {
                return Err(Tie);
            }
            if at < self.now {
                self.words.push((number, says, Answer::NotFound));
            }
        }
        self.words.sort_by_key(|(number, ..)| *number);
        Ok(Story { attempts, words: self.words, close, closed_at: self.now })
    }

    /// When somebody says something who wants to at this time, and cannot while the machine is
    /// down.
    fn when_said(&self, at: u64) -> Result<u64, Tie> {
        let last = self.all_crashes.iter().rev().find(|(died, _)| *died <= at);
        match last {
            Some((died, _)) if *died == at => Err(Tie),
            Some((_, back)) => Ok(at.max(back + WORDS_AFTER_UP)),
            None => Ok(at),
        }
    }

    /// When the attempt's time is over, and which timeout that is.
    fn deadline(&self, attempt: &Attempt, ends: Option<u64>) -> (u64, TimeoutType) {
        let from = self.now;
        let beats = (1..=attempt.beats).map(|beat| from + beat * attempt.beat_every);
        let beats = beats.filter(|beat| ends.is_none_or(|ends| *beat < ends));
        // The first silence that is too long, counted from the start and from each heartbeat.
        let silent = self.heartbeat.map(|timeout| {
            let last =
                beats.fold(from, |last, beat| if beat <= last + timeout { beat } else { last });
            last + timeout
        });
        let deadlines = [
            (Some(from + self.start_to_close), 1, TimeoutType::StartToClose),
            (self.schedule_to_close, 3, TimeoutType::ScheduleToClose),
            (silent, 4, TimeoutType::Heartbeat),
        ];
        let set = deadlines.into_iter().filter_map(|(at, order, which)| Some((at?, order, which)));
        let (late, _, which) = set.min_by_key(|(at, order, _)| (*at, *order)).expect("the first");
        (late, which)
    }

    /// Runs an attempt; gives what came of it, and when its code was gone.
    fn run(&mut self, number: u32) -> Result<(Result<(), Failed>, u64), Tie> {
        let attempt = self.scenario.attempt(number);
        let ends = (!matches!(attempt.end, End::Hangs)).then(|| self.now + attempt.lasts);
        let (late, which) = self.deadline(&attempt, ends);
        let mut word = match &attempt.word {
            Some(word) => Some((self.when_said(self.now + word.after)?, word.says.clone())),
            None => None,
        };
        // When the code was gone, if the attempt has gone on without it.
        let mut left = None;
        let result = loop {
            let late = late.max(self.now);
            let ends = ends.filter(|_| left.is_none());
            let said = word.as_ref().map(|(at, _)| *at);
            let next = [Some(late), ends, said].into_iter().flatten().min().unwrap_or(late);
            let ties = [Some(late), ends, said].iter().filter(|at| **at == Some(next)).count();
            if ties > 1 {
                return Err(Tie);
            }
            match self.pass(next)? {
                // A lost attempt is a timeout of that attempt (rule 6 of the design); nothing is
                // lost of one whose code has returned.
                Passed::MachineDied { at } if left.is_none() => {
                    left = Some(at);
                    break Err(Failed::Timeout(TimeoutType::StartToClose));
                }
                Passed::Cancelled if attempt.heeds && left.is_none() => {
                    break Err(Failed::Canceled);
                }
                Passed::MachineDied { .. } | Passed::Cancelled => {}
                Passed::TimeOver if next == late => break Err(Failed::Timeout(which)),
                Passed::TimeOver if Some(next) == ends => match attempt.end {
                    End::Leaves => left = Some(next),
                    End::Cancels if self.cancelled => break Err(Failed::Canceled),
                    ref end => break outcome(end),
                },
                Passed::TimeOver => {
                    if let Some(result) = word.take().and_then(|(_, says)| self.take(number, says))
                    {
                        break result;
                    }
                }
            }
        };
        if let Some((at, says)) = word {
            self.late_words.push((number, says, at));
        }
        Ok((result, left.unwrap_or(self.now)))
    }

    /// Takes what somebody says of an attempt that is under way; none if it is not to be taken.
    fn take(&mut self, number: u32, says: Says) -> Option<Result<(), Failed>> {
        let result = match &says {
            Says::Complete => Some(Ok(())),
            Says::Fail(fails) => Some(Err(application(fails))),
            // Rule ACX-4.
            Says::Cancelled => self.cancelled.then_some(Err(Failed::Canceled)),
        };
        let answer = if result.is_some() { Answer::Taken } else { Answer::CancelNotRequested };
        self.words.push((number, says, answer));
        result
    }

    /// Rules RET-5 to RET-16, in the order of RET-11: when the next attempt is due, or why
    /// there is none.
    fn decide(&self, number: u32, failed: &Failed) -> Result<Result<u64, RetryState>, Tie> {
        let policy = &self.scenario.policy;
        let listed = |name: &str| policy.non_retryable.contains(&name);
        if self.cancelled {
            // Rule ACX-5.
            return Ok(Err(RetryState::CancelRequested));
        }
        let (is_final, next_delay) = match failed {
            Failed::Canceled => unreachable!("only after a request"),
            Failed::Timeout(TimeoutType::ScheduleToClose | TimeoutType::ScheduleToStart) => {
                return Ok(Err(RetryState::Timeout));
            }
            Failed::Timeout(which) => (listed(&format!("TemporalTimeout:{which}")), None),
            Failed::Application { r#type, non_retryable, next_delay } => {
                (*non_retryable || listed(r#type), *next_delay)
            }
        };
        if is_final {
            return Ok(Err(RetryState::NonRetryableFailure));
        }
        if policy.maximum_attempts > 0 && number >= policy.maximum_attempts {
            return Ok(Err(RetryState::MaximumAttemptsReached));
        }
        let cap = policy.maximum_interval.unwrap_or(100 * policy.initial);
        let grown = policy.initial * u64::from(policy.coefficient).pow(number - 1);
        let due = self.now + next_delay.unwrap_or_else(|| grown.min(cap));
        Ok(match self.schedule_to_close {
            Some(expiration) if due > expiration => Err(RetryState::Timeout),
            _ => Ok(due),
        })
    }
}

fn application(fails: &Fails) -> Failed {
    let Fails { r#type, non_retryable, next_delay } = *fails;
    Failed::Application { r#type, non_retryable, next_delay }
}

fn outcome(end: &End) -> Result<(), Failed> {
    let retryable = |r#type| application(&Fails { r#type, non_retryable: false, next_delay: None });
    match end {
        End::Succeeds => Ok(()),
        End::Fails(fails) => Err(application(fails)),
        // Rules FAIL-3 and ACX-8.
        End::Panics => Err(retryable("PanicError")),
        End::Cancels => Err(retryable("CancelledError")),
        End::Hangs | End::Leaves => unreachable!("it does not end by itself"),
    }
}

/// Rule RET-13.
fn close(attempt: u32, failed: Failed, retry_state: RetryState) -> Close {
    match failed {
        Failed::Application { r#type, .. } => {
            Close::Failed { attempt, r#type: r#type.to_owned(), retry_state }
        }
        Failed::Canceled => Close::Canceled { attempt: Some(attempt) },
        Failed::Timeout(which) => {
            let out_of_time = retry_state == RetryState::Timeout;
            let timeout_type = if out_of_time { TimeoutType::ScheduleToClose } else { which };
            Close::TimedOut { attempt: Some(attempt), timeout_type, retry_state }
        }
    }
}
