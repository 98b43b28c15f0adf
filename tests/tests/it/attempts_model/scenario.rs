//! Scenarios: one activity, what its attempts do, and when the machine dies. Times are in
//! milliseconds.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub(super) policy: Policy,
    pub(super) timeouts: Timeouts,
    /// The attempts in order; those behind the list succeed at once.
    pub(super) attempts: Vec<Attempt>,
    pub(super) crashes: Vec<Crash>,
    pub(super) cancel: Option<Cancel>,
}

#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) initial: u64,
    pub(super) coefficient: u32,
    pub(super) maximum_interval: Option<u64>,
    pub(super) maximum_attempts: u32,
    pub(super) non_retryable: Vec<&'static str>,
}

/// As they are set by the workflow.
#[derive(Debug, Clone)]
pub(super) struct Timeouts {
    pub(super) schedule_to_close: Option<u64>,
    pub(super) schedule_to_start: Option<u64>,
    pub(super) start_to_close: Option<u64>,
    pub(super) heartbeat: Option<u64>,
}

/// What an attempt does: heartbeats in equal distances, then nothing, then its end.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) beats: u64,
    pub(super) beat_every: u64,
    pub(super) lasts: u64,
    pub(super) end: End,
    /// Whether it ends as cancelled as soon as it is told to.
    pub(super) heeds: bool,
    /// What somebody else says of it, whether it is under way then or not.
    pub(super) word: Option<Word>,
}

/// What somebody says of an attempt, by its token: as soon as the machine is up after that time.
#[derive(Debug, Clone)]
pub(super) struct Word {
    /// How long after the attempt's start.
    pub(super) after: u64,
    pub(super) says: Says,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Says {
    Complete,
    Fail(Fails),
    Cancelled,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fails {
    pub(super) r#type: &'static str,
    pub(super) non_retryable: bool,
    pub(super) next_delay: Option<u64>,
}

#[derive(Debug, Clone)]
pub(super) enum End {
    Succeeds,
    Fails(Fails),
    Panics,
    /// Says that it was cancelled, whether anybody asked it to or not.
    Cancels,
    Hangs,
    /// Its code returns, and its result comes from elsewhere.
    Leaves,
}

/// The machine dies, and comes back.
#[derive(Debug, Clone)]
pub(super) struct Crash {
    /// How long after it came up.
    pub(super) after: u64,
    pub(super) down: u64,
}

/// The run is cancelled, if it is open then and the machine is up.
#[derive(Debug, Clone)]
pub(super) struct Cancel {
    /// After how many crashes.
    pub(super) life: usize,
    /// How long after the machine came up.
    pub(super) after: u64,
}

impl Scenario {
    pub(super) fn attempt(&self, number: u32) -> Attempt {
        let listed = self.attempts.get(number as usize - 1).cloned();
        listed.unwrap_or(Attempt {
            beats: 0,
            beat_every: 1,
            lasts: 0,
            end: End::Succeeds,
            heeds: false,
            word: None,
        })
    }
}

// Ends, heartbeats, crashes, cancellations, words and the whole's timeout stand in different milliseconds of each
// tenth of a second, so that ties which no rule decides are rare.

fn policy() -> impl Strategy<Value = Policy> {
    let listed = ["Fatal", "PanicError", "CancelledError", "TemporalTimeout:StartToClose"];
    let listed = [&listed[..], &["TemporalTimeout:Heartbeat"]].concat();
    (1_u64..50, 1_u32..4, option::of(1_u64..20), 0_u32..6, subsequence(listed, 0..3)).prop_map(
        |(tenths, coefficient, maximum, maximum_attempts, non_retryable)| Policy {
            initial: tenths * 100,
            coefficient,
            maximum_interval: maximum.map(|times| times * tenths * 100),
            maximum_attempts,
            non_retryable,
        },
    )
}

fn timeouts() -> impl Strategy<Value = Timeouts> {
    let seconds = |up_to: u64| option::of((1..up_to).prop_map(|seconds| seconds * 1_000));
    let all = (option::of(1_u64..60), seconds(10), seconds(20), seconds(5));
    all.prop_map(|(whole, schedule_to_start, start_to_close, heartbeat)| Timeouts {
        schedule_to_close: whole.map(|seconds| seconds * 1_000 + 13),
        schedule_to_start,
        // One of the two must be set (rule TMO-2).
        start_to_close: start_to_close.or_else(|| whole.is_none().then_some(10_000)),
        heartbeat,
    })
}

fn fails() -> impl Strategy<Value = Fails> {
    let next_delay = option::weighted(0.2, (1_u64..1_000).prop_map(|tenths| tenths * 100));
    (select(vec!["Busy", "Fatal"]), proptest::bool::weighted(0.1), next_delay)
        .prop_map(|(r#type, non_retryable, next_delay)| Fails { r#type, non_retryable, next_delay })
}

fn word() -> impl Strategy<Value = Word> {
    let says = prop_oneof![
        1 => Just(Says::Complete),
        3 => fails().prop_map(Says::Fail),
        2 => Just(Says::Cancelled),
    ];
    (0_u64..200, says).prop_map(|(after, says)| Word { after: after * 100 + 43, says })
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        1 => Just(End::Succeeds),
        6 => fails().prop_map(End::Fails),
        4 => Just(End::Leaves),
        1 => Just(End::Panics),
        1 => Just(End::Cancels),
        3 => Just(End::Hangs),
    ]
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let word = option::weighted(0.6, word());
    let all = (0_u64..6, 1_u64..30, 0_u64..150, end(), any::<bool>(), word);
    all.prop_map(|(beats, every, lasts, end, heeds, word)| Attempt {
        beats,
        beat_every: every * 100 + 7,
        lasts: lasts * 100 + 30,
        end,
        heeds,
        word,
    })
}

fn crash() -> impl Strategy<Value = Crash> {
    (1_u64..200, 1_u64..300)
        .prop_map(|(after, down)| Crash { after: after * 100 + 57, down: down * 100 + 1 })
}

fn cancel() -> impl Strategy<Value = Option<Cancel>> {
    let cancel =
        (0_usize..3, 0_u64..200).prop_map(|(life, after)| Cancel { life, after: after * 100 + 71 });
    option::weighted(0.5, cancel)
}

pub(super) fn scenario() -> impl Strategy<Value = Scenario> {
    let all = (policy(), timeouts(), vec(attempt(), 0..8), vec(crash(), 0..5), cancel());
    all.prop_map(|(policy, timeouts, attempts, crashes, cancel)| Scenario {
        policy,
        timeouts,
        attempts,
        crashes,
        cancel,
    })
}
