//! One priority of a queue: who waits there, and who is the next to be let in.
//!
//! The fairness keys that wait take turns (rule PRI-2). Each key has the virtual time of its
//! next turn; the key whose time is earliest is served, and its time moves on by the inverse of
//! the weight. A key that comes anew starts at the virtual time of the last turn, so that
//! nobody saves turns up; one that leaves and comes back does not start anew before its time.
//! Within a key, whoever has been due for longest goes first.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use entracte_model::Timestamp;

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

/// How many keys that have nothing waiting are remembered until their time has come. Past it,
/// those go first whose time comes first: they have the least to make up for.
const ABSENT_KEYS_MAX: usize = 10_000;

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
    lanes: BTreeMap<Class, BTreeMap<Place, Waiting<W>>>,
}

#[derive(Debug)]
struct Waiting<W> {
    waiter: W,
    /// By how much its turn moves its key on.
    cost: u32,
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

    pub(super) fn is_waiting(&self, class: Class) -> bool {
        self.heads.contains_key(&class)
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
                self.keys.insert(Arc::clone(&name), Key { next, lanes: BTreeMap::new() });
                name
            }
        };
        self.waiting += 1;
        let Some(Key { next, lanes }) = self.keys.get_mut(key) else { return name };
        let lane = lanes.entry(class).or_default();
        let first = lane.first_key_value().map(|(place, _)| *place);
        lane.insert(place, Waiting { waiter, cost: cost(weight) });
        if first.is_none_or(|first| place < first) {
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
    pub(super) fn take_first(
        &mut self,
        is_held_up: impl Fn(Class) -> bool,
    ) -> Option<(Class, Place, W)> {
        let (class, head) = self.first(is_held_up)?;
        let Head { next, place, key } = head.clone();
        self.now = self.now.max(next);
        let waiting = self.extract(&key, class, place, true)?;
        Some((class, place, waiting.waiter))
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
            key.next = key.next.max(self.now).saturating_add(u64::from(waiting.cost));
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
    fn heads(&self, name: &Arc<str>) -> Vec<(Class, Head)> {
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

/// Keys for which nobody waits, and whose next turn is still to come.
#[derive(Debug, Default)]
struct AbsentKeys {
    by_key: HashMap<Arc<str>, Turn>,
    by_turn: BTreeSet<(Turn, Arc<str>)>,
}

impl AbsentKeys {
    fn put(&mut self, key: Arc<str>, next: Turn) {
        self.by_turn.insert((next, Arc::clone(&key)));
        self.by_key.insert(key, next);
        if self.by_key.len() > ABSENT_KEYS_MAX {
            self.pop();
        }
    }

    fn take(&mut self, key: &Arc<str>) -> Option<Turn> {
        let next = self.by_key.remove(key)?;
        self.by_turn.remove(&(next, Arc::clone(key)));
        Some(next)
    }

    /// Forgets the keys that would begin no later than a new one.
    fn forget_until(&mut self, now: Turn) {
        while self.by_turn.first().is_some_and(|(next, _)| *next <= now) {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some((_, key)) = self.by_turn.pop_first() {
            self.by_key.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests;
