//! The heartbeats of one attempt, between its code and its run.
//!
//! The code never waits: it leaves the latest details here, with the time. The run is told once
//! and then takes what is the latest when it stores it, which is not often (rule HB-4); the
//! time is always there for the heartbeat timeout.

use std::sync::{Mutex, MutexGuard, PoisonError};

use entracte_model::{Payload, Seq};
use entracte_workflow::HeartbeatSink;
use tokio::time::Instant;

use crate::address::Address;
use crate::messages::RunMessage;

#[derive(Debug)]
pub(crate) struct Heartbeats {
    seq: Seq,
    attempt: u32,
    run: Address<RunMessage>,
    details_bytes_max: usize,
    latest: Mutex<Latest>,
}

#[derive(Debug, Default)]
struct Latest {
    time: Option<Instant>,
    /// The details that the run has not taken yet.
    untaken: Option<Payload>,
    /// Whether the run knows that there are some.
    told: bool,
}

impl Heartbeats {
    pub(crate) fn new(
        seq: Seq,
        attempt: u32,
        run: Address<RunMessage>,
        details_bytes_max: usize,
    ) -> Self {
        Self { seq, attempt, run, details_bytes_max, latest: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the last heartbeat came.
    pub(crate) fn last_time(&self) -> Option<Instant> {
        self.lock().time
    }

    /// A heartbeat came from elsewhere than the code: what the code has told before it is out of
    /// date.
    pub(crate) fn heard_elsewhere(&self) {
        let mut latest = self.lock();
        latest.time = Some(Instant::now());
        (latest.untaken, latest.told) = (None, false);
    }

    /// Takes what came last, and when; the next heartbeat tells the run again.
    pub(crate) fn take(&self) -> Option<(Payload, Instant)> {
        let mut latest = self.lock();
        latest.told = false;
        latest.untaken.take().zip(latest.time)
    }
}

impl HeartbeatSink for Heartbeats {
    fn record(&self, details: Payload) {
        let mut latest = self.lock();
        latest.time = Some(Instant::now());
        latest.untaken = Some(details);
        let first = !std::mem::replace(&mut latest.told, true);
        drop(latest);
        if first {
            let (seq, attempt) = (self.seq, self.attempt);
            // Without a run nobody wants to know.
            let _ = self.run.cast(RunMessage::Heartbeat { seq, attempt });
        }
    }

    fn details_bytes_max(&self) -> usize {
        self.details_bytes_max
    }
}
