//! The state of a simulated disk and of the machine that uses it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use tokio::time::Instant;

use super::{CrashPoint, SimulatedOptions, TraceEntry, Traced};
use crate::batch::Batch;
use crate::error::StoreError;
use crate::store::Persist;
use crate::tables::Tables;

/// How the machine is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// It takes commits.
    Running,
    /// A commit failed: it takes no more.
    Poisoned(Arc<str>),
    /// Its store was closed.
    Closed,
    /// It died: nobody gets an answer any more.
    Dead,
}

/// The disk, the machine and the faults to come.
#[derive(Debug)]
pub(super) struct Machine {
    options: SimulatedOptions,
    random: ChaCha8Rng,
    began: Instant,
    durable: Tables,
    /// What the machine sees: the durable rows, and those that are not synced.
    pub(super) visible: Tables,
    /// What the disk does not have yet, in the order of the commits.
    unsynced: Vec<Batch>,
    pub(super) condition: Condition,
    /// Which machine it is: those before it are dead.
    pub(super) generation: u64,
    /// The number of the next call in line.
    tickets: u64,
    /// The number of the call whose turn it is.
    pub(super) serving: u64,
    pub(super) held: bool,
    pub(super) crash_at: Option<(u64, CrashPoint)>,
    pub(super) fail_at: Option<u64>,
    pub(super) crashes: u64,
    pub(super) commits: u64,
    pub(super) syncs: u64,
    pub(super) rows: u64,
    pub(super) trace: Vec<TraceEntry>,
}

impl Machine {
    pub(super) fn new(options: SimulatedOptions) -> Self {
        Self {
            options,
            random: ChaCha8Rng::seed_from_u64(options.seed),
            began: Instant::now(),
            durable: Tables::default(),
            visible: Tables::default(),
            unsynced: Vec::new(),
            condition: Condition::Closed,
            generation: 0,
            tickets: 0,
            serving: 0,
            held: false,
            crash_at: None,
            fail_at: None,
            crashes: 0,
            commits: 0,
            syncs: 0,
            rows: 0,
            trace: Vec::new(),
        }
    }

    /// Starts a new machine over what is durable.
    pub(super) fn restart(&mut self) -> u64 {
        self.generation += 1;
        self.visible = self.durable.clone();
        self.unsynced.clear();
        self.condition = Condition::Running;
        (self.tickets, self.serving) = (0, 0);
        self.record(Traced::Opened);
        self.generation
    }

    /// Takes a place in the line of calls.
    pub(super) fn take_ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets - 1
    }

    /// Whether a machine gives no more answers.
    pub(super) fn is_dead(&self, generation: u64) -> bool {
        generation != self.generation || self.condition == Condition::Dead
    }

    /// How long the next call takes.
    pub(super) fn delay(&mut self) -> Duration {
        let max = u64::try_from(self.options.delay_max.as_nanos()).unwrap_or(u64::MAX);
        let draw = self.random.next_u64();
        Duration::from_nanos(max.checked_add(1).map_or(draw, |ways| draw % ways))
    }

    /// Carries out a commit; none if the machine dies of it.
    pub(super) fn commit(
        &mut self,
        batch: Batch,
        persist: Persist,
    ) -> Option<Result<(), StoreError>> {
        if let Err(refusal) = batch.check().and_then(|()| self.check()) {
            return Some(Err(refusal));
        }
        self.commits += 1;
        self.rows += batch.len() as u64;
        let (number, ops) = (self.commits, batch.len());
        if let Some((_, point)) = self.crash_at.take_if(|(at, _)| *at == number) {
            if point == CrashPoint::AfterDurable {
                self.unsynced.push(batch);
                self.flush();
            }
            self.die(Traced::CrashedAtCommit { number, point });
            return None;
        }
        if self.fail_at.take_if(|at| *at == number).is_some() {
            return Some(Err(self.fail(batch, number)));
        }
        self.visible.apply(&batch);
        self.unsynced.push(batch);
        if persist == Persist::Sync {
            self.flush();
        }
        self.record(Traced::Committed { number, ops, persist });
        Some(Ok(()))
    }

    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        self.check()?;
        self.syncs += 1;
        self.flush();
        self.record(Traced::Synced);
        Ok(())
    }

    pub(super) fn close(&mut self) -> Result<(), StoreError> {
        let result = match self.check() {
            Err(StoreError::Closed) => return Ok(()),
            Err(error) => Err(error),
            Ok(()) => {
                self.flush();
                Ok(())
            }
        };
        self.condition = Condition::Closed;
        self.record(Traced::Closed);
        result
    }

    /// Ends the machine, with all that is not durable.
    pub(super) fn die(&mut self, how: Traced) {
        if self.condition != Condition::Dead {
            self.condition = Condition::Dead;
            self.crashes += 1;
            self.record(how);
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        match &self.condition {
            Condition::Running => Ok(()),
            Condition::Poisoned(reason) => Err(StoreError::Poisoned { reason: reason.clone() }),
            Condition::Closed | Condition::Dead => Err(StoreError::Closed),
        }
    }

    /// Fails a commit. As with a real disk nobody knows whether it was written; if it was, so
    /// was everything before it.
    fn fail(&mut self, batch: Batch, number: u64) -> StoreError {
        let reached_disk = self.toss();
        if reached_disk {
            self.unsynced.push(batch);
            self.flush();
        }
        let kind =
            if self.toss() { io::ErrorKind::StorageFull } else { io::ErrorKind::InvalidData };
        let error = StoreError::from_io("commit a batch", None, kind.into());
        self.condition = Condition::Poisoned(error.to_string().into());
        self.record(Traced::Failed { number, reached_disk, error: error.to_string() });
        error
    }

    fn toss(&mut self) -> bool {
        self.random.next_u32().is_multiple_of(2)
    }

    /// Makes everything committed so far durable.
    fn flush(&mut self) {
        for batch in self.unsynced.drain(..) {
            self.durable.apply(&batch);
        }
    }

    fn record(&mut self, what: Traced) {
        if self.options.record_trace {
            self.trace.push(TraceEntry { at: self.began.elapsed(), what });
        }
    }
}
