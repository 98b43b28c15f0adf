//! One priority of a queue: who waits there, and who is the next to be let in.
//!
//! The fairness keys that wait take turns (rule PRI-2). Each key has the virtual time of its
//! next turn; the key whose time is earliest is served, and its time moves on by the inverse of
//! the weight. A key that comes anew starts at the virtual time of the last turn, so that
//! nobody saves turns up; one that leaves and comes back does not start anew before its time.
//! Within a key, whoever has been due for longest goes first.
//!
//! A key that has to wait for its rate (rule PRI-3) is held: it stands aside, and makes no turns
//! up when it comes back.

mod absent_keys;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use entracte_model::Timestamp;

use self::absent_keys::AbsentKeys;

/// An activity type whose attempts are limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TypeId(pub(super) usize);

/// What may hold an attempt up besides its queue: the limit of its activity type, if it has one.
pub(super) type Class = Option<TypeId>;

/// The place of a waiter among those of its key: by when it was due, then by when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) since: Timestamp,
    pub(super) number: u64,
}

/// A point in virtual time.
type Turn = u64;

/// By how much a turn moves a key of weight 1 on.
const TURN_OF_ONE: f32 = 1_000_000.0;

#[derive(Debug)]
pub(super) struct Level<W> {
    /// The virtual time of the last turn.
    now: Turn,
    /// The keys for which somebody waits. Looked up only.
    keys: HashMap<Arc<str>, Key<W>>,
    /// The first waiter of each key, of each class.
    heads: BTreeMap<Class, BTreeSet<Head>>,
    absent: AbsentKeys,
    waiting: usize,
}

#[derive(Debug)]
struct Key<W> {
    next: Turn,
    /// Whether it has to wait for its rate; its waiters are not among the heads then.
    is_held: bool,
    lanes: BTreeMap<Class, BTreeMap<Place, Waiting<W>>>,
}

#[derive(Debug)]
struct Waiting<W> {
    waiter: W,
    weight: f32,
}

/// One that has had its turn.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Taken<W> {
    pub(super) key: Arc<str>,
    pub(super) weight: f32,
    pub(super) class: Class,
    pub(super) place: Place,
    pub(super) waiter: W,
}

/// Ordered by who is to be served first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Head {
    next: Turn,
    pub(super) place: Place,
    key: Arc<str>,
}

impl<W> Default for Level<W> {
    fn default() -> Self {
        Self {
            now: 0,
            keys: HashMap::new(),
            heads: BTreeMap::new(),
            absent: AbsentKeys::default(),
            waiting: 0,
        }
    }
}

impl<W> Level<W> {
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether somebody of this class waits whose key is not held.
    pub(super) fn is_waiting(&self, class: Class) -> bool {
        self.heads.contains_key(&class)
    }

    pub(super) fn is_waiting_for(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    /// Lets the key stand aside until it is released, or nobody waits for it any more.
    pub(super) fn hold(&mut self, name: &Arc<str>) {
        let Some(key) = self.keys.get_mut(name) else { return };
        for head in key.heads(name) {
            remove_head(&mut self.heads, head);
        }
        key.is_held = true;
    }

    /// Lets the key take turns again.
    pub(super) fn release(&mut self, name: &Arc<str>) {
        let Some(key) = self.keys.get_mut(name).filter(|key| key.is_held) else { return };
        key.is_held = false;
        key.next = key.next.max(self.now);
        for (class, head) in key.heads(name) {
            self.heads.entry(class).or_default().insert(head);
        }
    }

    /// Takes a waiter in; gives the key as it is kept here.
    pub(super) fn insert(
        &mut self,
        key: &str,
        weight: f32,
        class: Class,
        place: Place,
        waiter: W,
    ) -> Arc<str> {
        let name = match self.keys.get_key_value(key) {
            Some((name, _)) => Arc::clone(name),
            None => {
                let name: Arc<str> = key.into();
                let next = self.absent.take(&name).map_or(self.now, |next| next.max(self.now));
                let key = Key { next, is_held: false, lanes: BTreeMap::new() };
                self.keys.insert(Arc::clone(&name), key);
                name
            }
        };
        self.waiting += 1;
        let Some(Key { next, is_held, lanes }) = self.keys.get_mut(key) else { return name };
        let lane = lanes.entry(class).or_default();
        let first = lane.first_key_value().map(|(place, _)| *place);
        lane.insert(place, Waiting { waiter, weight });
        if !*is_held && first.is_none_or(|first| place < first) {
            let heads = self.heads.entry(class).or_default();
            let head = |place| Head { next: *next, place, key: Arc::clone(&name) };
            first.map(|first| heads.remove(&head(first)));
            heads.insert(head(place));
        }
        name
    }

    /// The first waiter whose class is not held up.
    pub(super) fn first(&self, is_held_up: impl Fn(Class) -> bool) -> Option<(Class, &Head)> {
        let classes = self.heads.iter().filter(|(class, _)| !is_held_up(**class));
        let firsts = classes.filter_map(|(class, heads)| Some((*class, heads.first()?)));
        firsts.min_by_key(|(_, head)| *head)
    }

    /// Takes the first waiter whose class is not held up: it has its turn.
    pub(super) fn take_first(&mut self, is_held_up: impl Fn(Class) -> bool) -> Option<Taken<W>> {
        let (class, head) = self.first(is_held_up)?;
        let Head { next, place, key } = head.clone();
        self.now = self.now.max(next);
        let Waiting { waiter, weight } = self.extract(&key, class, place, true)?;
        Some(Taken { key, weight, class, place, waiter })
    }

    /// Takes a waiter out that waits no longer; none if it has had its turn.
    pub(super) fn remove(&mut self, key: &Arc<str>, class: Class, place: Place) -> Option<W> {
        self.extract(key, class, place, false).map(|waiting| waiting.waiter)
    }

    fn extract(
        &mut self,
        name: &Arc<str>,
        class: Class,
        place: Place,
        is_turn: bool,
    ) -> Option<Waiting<W>> {
        let key = self.keys.get_mut(name)?;
        // Nothing is touched for somebody who is not there.
        key.lanes.get(&class)?.get(&place)?;
        for head in key.heads(name) {
            remove_head(&mut self.heads, head);
        }
        let lane = key.lanes.get_mut(&class)?;
        let waiting = lane.remove(&place)?;
        if lane.is_empty() {
            key.lanes.remove(&class);
        }
        if is_turn {
            // One that was held up by its activity type makes nothing up.
            key.next = key.next.max(self.now).saturating_add(u64::from(cost(waiting.weight)));
        }
        for (class, head) in key.heads(name) {
            self.heads.entry(class).or_default().insert(head);
        }
        if key.lanes.is_empty() {
            let next = key.next;
            self.keys.remove(name);
            self.absent.put(Arc::clone(name), next);
        }
        self.absent.forget_until(self.now);
        self.waiting -= 1;
        if self.waiting == 0 {
            // With nobody left who could have waited for others, all begin anew.
            *self = Self::default();
        }
        Some(waiting)
    }
}

impl<W> Key<W> {
    /// What of it stands among the heads.
    fn heads(&self, name: &Arc<str>) -> Vec<(Class, Head)> {
        if self.is_held {
            return Vec::new();
        }
        let firsts = self.lanes.iter().filter_map(|(class, lane)| {
            let (place, _) = lane.first_key_value()?;
            Some((*class, Head { next: self.next, place: *place, key: Arc::clone(name) }))
        });
        firsts.collect()
    }
}

fn remove_head(heads: &mut BTreeMap<Class, BTreeSet<Head>>, (class, head): (Class, Head)) {
    if let Some(of_class) = heads.get_mut(&class) {
        of_class.remove(&head);
        if of_class.is_empty() {
            heads.remove(&class);
        }
    }
}

/// By how much a turn moves a key of this weight on.
fn cost(weight: f32) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "weights are from 0.001 to 1,000, so it is from 1,000 to 1,000,000,000"
    )]
    let cost = (TURN_OF_ONE / weight).round() as u32;
    cost.max(1)
}

#[cfg(test)]
mod tests;
