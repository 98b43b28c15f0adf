//! How many attempts at each activity may run at a time, over all queues.

use std::collections::{BTreeMap, HashMap};

use super::level::{Class, TypeId};

#[derive(Debug, Default)]
pub(super) struct TypeLimits {
    /// The activity types that are limited, by their durable names.
    ids: HashMap<String, TypeId>,
    limits: Vec<TypeLimit>,
}

#[derive(Debug)]
struct TypeLimit {
    max: usize,
    in_use: usize,
}

impl TypeLimits {
    pub(super) fn new(limits: &BTreeMap<String, usize>) -> Self {
        let ids = limits.keys().enumerate().map(|(id, name)| (name.clone(), TypeId(id)));
        let limits = limits.values().map(|max| TypeLimit { max: *max, in_use: 0 });
        Self { ids: ids.collect(), limits: limits.collect() }
    }

    pub(super) fn class(&self, activity_type: &str) -> Class {
        self.ids.get(activity_type).copied()
    }

    /// Whether as many attempts run as may.
    pub(super) fn is_held_up(&self, class: Class) -> bool {
        let limit = class.and_then(|TypeId(id)| self.limits.get(id));
        limit.is_some_and(|limit| limit.in_use >= limit.max)
    }

    pub(super) fn take(&mut self, class: Class) {
        if let Some(limit) = class.and_then(|TypeId(id)| self.limits.get_mut(id)) {
            limit.in_use += 1;
        }
    }

    /// Gives one back; tells whether others may have been held up until now.
    pub(super) fn give_back(&mut self, class: Class) -> bool {
        let Some(limit) = class.and_then(|TypeId(id)| self.limits.get_mut(id)) else {
            return false;
        };
        let was_held_up = limit.in_use >= limit.max;
        limit.in_use -= 1;
        was_held_up
    }
}
