//! The disk of simulated machines, and the faults that are planned for them.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::machine::{Condition, Machine};
use super::{CrashPoint, SimulatedOptions, SimulatedStore, TraceEntry, Traced};

/// A disk that outlives the machines which use it, one after the other. Cheap to clone.
#[derive(Clone)]
pub struct SimulatedDisk {
    inner: Arc<Inner>,
}

struct Inner {
    machine: Mutex<Machine>,
    /// Told of every change for which a call or a test may be waiting.
    changed: Notify,
}

impl SimulatedDisk {
    /// Makes an empty disk.
    #[must_use]
    pub fn new(options: SimulatedOptions) -> Self {
        let machine = Mutex::new(Machine::new(options));
        Self { inner: Arc::new(Inner { machine, changed: Notify::new() }) }
    }

    /// Opens a store over what is durable, for the first time or after an earlier one ended.
    ///
    /// An earlier store that is still open dies: what it had not synced is lost.
    #[must_use]
    pub fn reopen(&self) -> Arc<SimulatedStore> {
        let generation = self.change(Machine::restart);
        Arc::new(SimulatedStore::new(self.clone(), generation))
    }

    /// Lets the machine die at the n-th commit over the disk's life, counted from 1.
    ///
    /// That commit is never answered, nor is any call after it.
    pub fn crash_at_commit(&self, number: u64, point: CrashPoint) {
        self.change(|machine| machine.crash_at = Some((number, point)));
    }

    /// Lets the n-th commit over the disk's life, counted from 1, fail.
    ///
    /// It is answered with [`StoreError::Full`](crate::StoreError::Full) or
    /// [`StoreError::Io`](crate::StoreError::Io), and may have reached the disk all the same:
    /// the seed decides both.
    pub fn fail_at_commit(&self, number: u64) {
        self.change(|machine| machine.fail_at = Some(number));
    }

    /// Takes back what [`crash_at_commit`](Self::crash_at_commit) and
    /// [`fail_at_commit`](Self::fail_at_commit) planned.
    pub fn clear_faults(&self) {
        self.change(|machine| (machine.crash_at, machine.fail_at) = (None, None));
    }

    /// Lets the machine die now; commits under way are lost.
    pub fn crash(&self) {
        self.change(|machine| machine.die(Traced::Crashed));
    }

    /// Waits until the machine is dead, or has died since the call.
    pub fn crashed(&self) -> impl Future<Output = ()> + Send + use<> {
        let disk = self.clone();
        let before = self.lock().crashes;
        async move {
            let died = |machine: &Machine| {
                machine.condition == Condition::Dead || machine.crashes > before
            };
            disk.until(died).await;
        }
    }

    /// Lets commits, syncs and closings wait until they are [released](Self::release).
    pub fn hold(&self) {
        self.change(|machine| machine.held = true);
    }

    /// Lets what was [held](Self::hold) go on.
    pub fn release(&self) {
        self.change(|machine| machine.held = false);
    }

    /// How many commits were carried out over the disk's life, those that failed included.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    /// How many syncs were carried out over the disk's life, synced commits apart.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// How many rows were put or deleted by commits over the disk's life.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.lock().rows
    }

    /// What happened to the disk, if [it was recorded](SimulatedOptions::record_trace).
    #[must_use]
    pub fn trace(&self) -> Vec<TraceEntry> {
        self.lock().trace.clone()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Machine> {
        // The state is changed by operations that cannot panic half-way.
        self.inner.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and tells everybody who waits for a change.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Machine) -> T) -> T {
        let result = change(&mut self.lock());
        self.inner.changed.notify_waiters();
        result
    }

    /// Waits until the state is as it should be.
    pub(super) async fn until(&self, is_met: impl Fn(&Machine) -> bool) {
        loop {
            let mut changed = pin!(self.inner.changed.notified());
            // Enlisted before the look, so that no change falls in between.
            changed.as_mut().enable();
            if is_met(&self.lock()) {
                return;
            }
            changed.await;
        }
    }
}

impl fmt::Debug for SimulatedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = self.lock();
        f.debug_struct("SimulatedDisk")
            .field("condition", &machine.condition)
            .field("commits", &machine.commits)
            .finish_non_exhaustive()
    }
}
