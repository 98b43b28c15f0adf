//! One task queue: its slots, its rates, and who waits.

use std::collections::BTreeMap;
use std::sync::Arc;

use entracte_model::Priority;
use tokio::time::Instant;

use super::key_rates::KeyRates;
use super::level::{Class, Level, Place, Taken};
use super::limits::TypeLimits;
use super::options::TaskQueueOptions;
use super::rate::Rate;

#[derive(Debug)]
pub(super) struct Queue<W> {
    pub(super) options: TaskQueueOptions,
    /// Whether it stays when nobody uses it.
    pub(super) is_kept: bool,
    rate: Option<Rate>,
    key_rates: KeyRates,
    /// Slots of attempts that are admitted, and of those that were granted.
    in_use: usize,
    /// Who waits, by priority.
    levels: [Level<W>; Priority::ALL.len()],
    /// Who has a slot and has not claimed it yet.
    granted: BTreeMap<Place, Granted<W>>,
}

#[derive(Debug)]
struct Granted<W> {
    waiter: W,
    priority: Priority,
}

/// Who comes to a queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival<'a> {
    pub(super) priority: Priority,
    pub(super) fairness_key: &'a str,
    /// The one that it asks for; the queue may have another one for its key.
    pub(super) fairness_weight: f32,
    pub(super) class: Class,
}

/// What a queue can do for those who wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<W> {
    /// This one has got a slot.
    Granted(W),
    /// A rate allows the next one then.
    At(Instant),
    /// Nothing before something is given back.
    Nothing,
}

impl<W: Clone> Queue<W> {
    pub(super) fn new(options: TaskQueueOptions, is_kept: bool) -> Self {
        Self {
            rate: options.interval().map(Rate::new),
            key_rates: KeyRates::default(),
            options,
            is_kept,
            in_use: 0,
            levels: Default::default(),
            granted: BTreeMap::new(),
        }
    }

    pub(super) fn in_use(&self) -> usize {
        self.in_use
    }

    /// How many wait, by priority. Who was granted a slot waits until it is claimed.
    pub(super) fn waiting(&self) -> [usize; Priority::ALL.len()] {
        let mut waiting = Priority::ALL.map(|priority| self.level(priority).waiting());
        for granted in self.granted.values() {
            waiting[index(granted.priority)] += 1;
        }
        waiting
    }

    /// How many slots were granted and not claimed.
    pub(super) fn granted(&self) -> usize {
        self.granted.len()
    }

    pub(super) fn has_waiting(&self) -> bool {
        self.levels.iter().any(|level| level.waiting() > 0)
    }

    pub(super) fn has_waiting_of(&self, class: Class) -> bool {
        self.levels.iter().any(|level| level.is_waiting(class))
    }

    pub(super) fn is_unused(&self) -> bool {
        self.in_use == 0 && !self.has_waiting()
    }

    pub(super) fn has_free_slot(&self) -> bool {
        self.in_use < self.options.slots
    }

    fn level(&self, priority: Priority) -> &Level<W> {
        &self.levels[index(priority)]
    }

    /// How many fairness keys wait for their rate.
    pub(super) fn held_keys(&self) -> usize {
        self.key_rates.held()
    }

    /// Admits somebody who comes now, if nothing is in the way and nobody who could be admitted
    /// waits before it.
    pub(super) fn admit(
        &mut self,
        arrival: Arrival<'_>,
        limits: &mut TypeLimits,
        now: Instant,
    ) -> bool {
        self.release_keys(now);
        let Arrival { priority, fairness_key, fairness_weight, class } = arrival;
        let waits_before =
            |level: &Level<W>| level.first(|class| limits.is_held_up(class)).is_some();
        let is_free = self.has_free_slot()
            && !limits.is_held_up(class)
            && self.rate_waits_until(now).is_none()
            && !self.key_rates.has_to_wait(fairness_key, now)
            && !self.levels[..=index(priority)].iter().any(waits_before);
        if is_free {
            let weight = self.options.weight_of(fairness_key, fairness_weight);
            self.take(fairness_key, weight, class, limits, now);
        }
        is_free
    }

    fn rate_waits_until(&self, now: Instant) -> Option<Instant> {
        self.rate.as_ref().and_then(|rate| rate.waits_until(now))
    }

    /// Takes a slot, and what else an attempt needs.
    fn take(
        &mut self,
        key: &str,
        weight: f32,
        class: Class,
        limits: &mut TypeLimits,
        now: Instant,
    ) {
        self.in_use += 1;
        limits.take(class);
        if let Some(rate) = &mut self.rate {
            rate.take(now);
        }
        if let Some(interval) = self.options.key_interval(key, weight) {
            let is_waited_for = self.is_waiting_for(key);
            if let Some(key) = self.key_rates.take(key, interval, is_waited_for, now) {
                self.hold_back(&key);
            }
        }
    }

    /// Lets the waiters of a key stand aside while it has to wait for its rate.
    fn hold_back(&mut self, key: &Arc<str>) {
        self.levels.iter_mut().for_each(|level| level.hold(key));
    }

    /// Lets the keys whose rate allows it take turns again.
    fn release_keys(&mut self, now: Instant) {
        while let Some(key) = self.key_rates.release(now) {
            self.levels.iter_mut().for_each(|level| level.release(&key));
        }
    }

    fn is_waiting_for(&self, key: &str) -> bool {
        self.levels.iter().any(|level| level.is_waiting_for(key))
    }

    /// Gives a slot back; tells whether others of its activity type may have been held up.
    pub(super) fn give_back(&mut self, class: Class, limits: &mut TypeLimits) -> bool {
        self.in_use -= 1;
        limits.give_back(class)
    }

    /// Lets somebody wait who was not admitted; gives the fairness key as it is kept here.
    pub(super) fn wait(
        &mut self,
        arrival: Arrival<'_>,
        place: Place,
        waiter: W,
        now: Instant,
    ) -> Arc<str> {
        let Arrival { priority, fairness_key, fairness_weight, class } = arrival;
        let weight = self.options.weight_of(fairness_key, fairness_weight);
        let level = &mut self.levels[index(priority)];
        let key = level.insert(fairness_key, weight, class, place, waiter);
        if self.key_rates.wait(&key, now) {
            self.hold_back(&key);
        }
        key
    }

    /// Grants the next one who waits a slot.
    pub(super) fn next(&mut self, limits: &mut TypeLimits, now: Instant) -> Next<W> {
        if !self.has_free_slot() {
            return Next::Nothing;
        }
        self.release_keys(now);
        let is_held_up = |class| limits.is_held_up(class);
        let mut levels = Priority::ALL.into_iter().zip(&mut self.levels);
        let next = levels.find(|(_, level)| level.first(is_held_up).is_some());
        let Some((priority, level)) = next else {
            // Whoever is left waits for its key's rate, or for others of its activity type.
            return self.key_rates.next().map_or(Next::Nothing, Next::At);
        };
        if let Some(at) = self.rate.as_ref().and_then(|rate| rate.waits_until(now)) {
            return Next::At(at);
        }
        let Some(taken) = level.take_first(is_held_up) else { return Next::Nothing };
        let Taken { key, weight, class, place, waiter } = taken;
        self.take(&key, weight, class, limits, now);
        self.granted.insert(place, Granted { waiter: waiter.clone(), priority });
        Next::Granted(waiter)
    }

    /// Everybody who was granted a slot and has not claimed it.
    pub(super) fn unclaimed(&self) -> Vec<W> {
        self.granted.values().map(|granted| granted.waiter.clone()).collect()
    }

    /// Whether the one who stood here was granted a slot, which is now its own.
    pub(super) fn claim(&mut self, place: Place) -> bool {
        self.granted.remove(&place).is_some()
    }

    /// Strikes one off who waits no longer; tells whether it was waiting.
    pub(super) fn withdraw(
        &mut self,
        priority: Priority,
        key: &Arc<str>,
        class: Class,
        place: Place,
    ) -> bool {
        let was_waiting = self.levels[index(priority)].remove(key, class, place).is_some();
        if was_waiting && !self.is_waiting_for(key) {
            self.key_rates.let_go(key);
        }
        was_waiting
    }
}

fn index(priority: Priority) -> usize {
    usize::from(priority.get()) - 1
}

#[cfg(test)]
mod tests;
