//! Reads beside the commits: what a reader waits while the store writes.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::batches::Batches;
use super::target::CommitTarget;
use super::{histogram, micros};
use crate::load::LoadError;

/// The rows that are read, over and over: those of the first runs.
const KEYS: u64 = 16;

/// A thread that reads rows at a fixed rate.
#[derive(Debug)]
pub(super) struct Reads {
    thread: JoinHandle<Result<Histogram<u64>, LoadError>>,
    stop: Sender<()>,
}

impl Reads {
    /// Starts the thread, unless the rate is zero.
    pub(super) fn start(reads_per_second: u32, target: &CommitTarget) -> Option<Self> {
        let interval = Duration::from_secs(1).checked_div(reads_per_second)?;
        let read = target.reader();
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            let mut read_us = histogram();
            let mut due = Instant::now();
            for number in 0_u64.. {
                let wait = due.saturating_duration_since(Instant::now());
                if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
                let began = Instant::now();
                read(&Batches::early_key(number % KEYS))?;
                read_us.record(micros(began.elapsed()))?;
                due += interval;
            }
            Ok(read_us)
        });
        Some(Self { thread, stop })
    }

    /// Ends the thread; what each read took, in microseconds.
    pub(super) fn stop(self) -> Result<Histogram<u64>, LoadError> {
        drop(self.stop);
        self.thread.join().map_err(|_| LoadError::Thread("reads"))?
    }
}
