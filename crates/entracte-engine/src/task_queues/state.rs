//! The state of all task queues, behind one lock. Nothing is sent from here: what is to be sent
//! is given back as [`Errand`]s.

use std::collections::BTreeMap;
use std::sync::Arc;

use entracte_model::Priority;
use entracte_model::options::DEFAULT_TASK_QUEUE;
use ractor::ActorId;
use tokio::time::Instant;

use super::description::TaskQueueDescription;
use super::level::{Class, Place};
use super::limits::TypeLimits;
use super::options::TaskQueueOptions;
use super::queue::{Arrival, Next, Queue};
use super::{Request, Waiter};
use crate::address::Address;
use crate::messages::TaskQueueMessage;

#[derive(Debug)]
pub(super) struct State {
    queues: BTreeMap<Arc<str>, Entry>,
    limits: TypeLimits,
    /// Counts those who have waited.
    places: u64,
    /// Whether nobody who waits is granted anything any more.
    pub(super) is_closed: bool,
}

#[derive(Debug)]
struct Entry {
    queue: Queue<Waiter>,
    actor: QueueActor,
}

/// The actor of a queue.
#[derive(Debug)]
enum QueueActor {
    /// Nobody has needed one.
    None,
    /// The root was asked for one, which will look through the queue when it starts.
    Asked,
    /// It lives. `is_called` if it has been told to look through the queue and has not done so.
    Lives { actor: Address<TaskQueueMessage>, is_called: bool },
}

/// What is to be sent when the lock is free.
#[derive(Debug)]
pub(super) enum Errand {
    Dispatch { actor: Address<TaskQueueMessage> },
    Start { task_queue: Arc<str> },
    Stop { actor: Address<TaskQueueMessage> },
}

/// What a request has come to.
#[derive(Debug)]
pub(super) enum Requested {
    Admitted(Class),
    Queued(Queued, Option<Errand>),
}

/// Where somebody waits.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) priority: Priority,
    pub(super) fairness_key: Arc<str>,
    pub(super) class: Class,
    pub(super) place: Place,
}

impl State {
    pub(super) fn new(
        options: &BTreeMap<String, TaskQueueOptions>,
        activity_concurrency_max: &BTreeMap<String, usize>,
    ) -> Self {
        let kept = |options| Entry { queue: Queue::new(options, true), actor: QueueActor::None };
        let mut queues = BTreeMap::new();
        queues.insert(Arc::from(DEFAULT_TASK_QUEUE), kept(TaskQueueOptions::default()));
        for (name, options) in options {
            queues.insert(Arc::from(name.as_str()), kept(options.clone()));
        }
        let limits = TypeLimits::new(activity_concurrency_max);
        Self { queues, limits, places: 0, is_closed: false }
    }

    /// Gives the queue's name as it is kept here, and what the request has come to.
    pub(super) fn request(&mut self, request: Request<'_>, now: Instant) -> (Arc<str>, Requested) {
        let Request { task_queue, priority, fairness_key, fairness_weight, .. } = request;
        let name = self.find_or_add(task_queue);
        let class = self.limits.class(request.activity_type);
        let Self { queues, limits, places, .. } = self;
        #[expect(clippy::expect_used, reason = "it was found or added just now")]
        let entry = queues.get_mut(&name).expect("the queue is there");
        let arrival = Arrival { priority, fairness_key, fairness_weight, class };
        if entry.queue.admit(arrival, limits, now) {
            return (name, Requested::Admitted(class));
        }
        *places += 1;
        let place = Place { since: request.since, number: *places };
        let fairness_key = entry.queue.wait(arrival, place, request.waiter, now);
        let errand = if entry.queue.has_free_slot() { entry.call(&name) } else { None };
        let queued = Queued { priority, fairness_key, class, place };
        (name, Requested::Queued(queued, errand))
    }

    fn find_or_add(&mut self, task_queue: &str) -> Arc<str> {
        if let Some((name, _)) = self.queues.get_key_value(task_queue) {
            return Arc::clone(name);
        }
        let name: Arc<str> = task_queue.into();
        let queue = Queue::new(TaskQueueOptions::default(), false);
        self.queues.insert(Arc::clone(&name), Entry { queue, actor: QueueActor::None });
        name
    }

    pub(super) fn dispatch(
        &mut self,
        task_queue: &str,
        now: Instant,
    ) -> (Vec<Waiter>, Option<Instant>) {
        let mut granted = Vec::new();
        let Some(entry) = self.queues.get_mut(task_queue) else { return (granted, None) };
        if let QueueActor::Lives { is_called, .. } = &mut entry.actor {
            *is_called = false;
        }
        if self.is_closed {
            return (granted, None);
        }
        loop {
            match entry.queue.next(&mut self.limits, now) {
                Next::Granted(waiter) => granted.push(waiter),
                Next::At(at) => return (granted, Some(at)),
                Next::Nothing => return (granted, None),
            }
        }
    }

    /// Gives those whose slots were granted before; none if the actor is not needed. One that is
    /// has yet to look through the queue.
    pub(super) fn actor_started(
        &mut self,
        task_queue: &str,
        actor: &Address<TaskQueueMessage>,
    ) -> Option<Vec<Waiter>> {
        let entry = self.queues.get_mut(task_queue)?;
        if matches!(entry.actor, QueueActor::Lives { .. }) {
            return None;
        }
        entry.actor = QueueActor::Lives { actor: actor.clone(), is_called: true };
        Some(entry.queue.unclaimed())
    }

    pub(super) fn actor_ended(&mut self, task_queue: &str, ended: ActorId) -> Option<Errand> {
        let name = self.queues.get_key_value(task_queue).map(|(name, _)| Arc::clone(name))?;
        let entry = self.queues.get_mut(&name)?;
        if !matches!(&entry.actor, QueueActor::Lives { actor, .. } if actor.get_id() == ended) {
            return None;
        }
        entry.actor = QueueActor::None;
        let is_needed = entry.queue.has_waiting() || entry.queue.granted() > 0;
        if is_needed { entry.call(&name) } else { None }
    }

    pub(super) fn actor_failed(&mut self, task_queue: &str) {
        if let Some(entry) = self.queues.get_mut(task_queue)
            && matches!(entry.actor, QueueActor::Asked)
        {
            entry.actor = QueueActor::None;
        }
    }

    pub(super) fn claim(&mut self, task_queue: &str, place: Place) -> bool {
        self.queues.get_mut(task_queue).is_some_and(|entry| entry.queue.claim(place))
    }

    /// Strikes off who waits no longer, with the slot that it was granted; nothing if it has
    /// claimed that.
    pub(super) fn withdraw(
        &mut self,
        task_queue: &Arc<str>,
        priority: Priority,
        fairness_key: &Arc<str>,
        class: Class,
        place: Place,
    ) -> Vec<Errand> {
        let Some(entry) = self.queues.get_mut(task_queue) else { return Vec::new() };
        if entry.queue.withdraw(priority, fairness_key, class, place) {
            return self.remove_unused(task_queue).into_iter().collect();
        }
        if entry.queue.claim(place) {
            return self.give_back(task_queue, class);
        }
        Vec::new()
    }

    /// Gives a slot back; calls those who may grant it, or its activity type's, to another one.
    pub(super) fn give_back(&mut self, task_queue: &Arc<str>, class: Class) -> Vec<Errand> {
        let mut errands = Vec::new();
        let Self { queues, limits, .. } = self;
        let Some(entry) = queues.get_mut(task_queue) else { return errands };
        let was_held_up = entry.queue.give_back(class, limits);
        if entry.queue.has_waiting() {
            errands.extend(entry.call(task_queue));
        }
        if was_held_up {
            for (name, entry) in queues.iter_mut() {
                if entry.queue.has_free_slot() && entry.queue.has_waiting_of(class) {
                    errands.extend(entry.call(name));
                }
            }
        }
        errands.extend(self.remove_unused(task_queue));
        errands
    }

    /// Forgets a queue that nobody has configured and nobody uses.
    fn remove_unused(&mut self, task_queue: &str) -> Option<Errand> {
        let entry = self.queues.get(task_queue)?;
        if entry.queue.is_kept || !entry.queue.is_unused() {
            return None;
        }
        match self.queues.remove(task_queue)?.actor {
            QueueActor::Lives { actor, .. } => Some(Errand::Stop { actor }),
            QueueActor::None | QueueActor::Asked => None,
        }
    }

    pub(super) fn describe(&self) -> Vec<TaskQueueDescription> {
        let describe = |(name, entry): (&Arc<str>, &Entry)| {
            let queue = &entry.queue;
            let waiting = Priority::ALL.into_iter().zip(queue.waiting());
            TaskQueueDescription {
                name: name.to_string(),
                slots: queue.options.slots,
                slots_in_use: queue.in_use() - queue.granted(),
                rate_per_second: queue.options.rate_per_second,
                fairness_key_rate_per_second: queue.options.fairness_key_rate_per_second,
                fairness_keys_held: queue.held_keys(),
                waiting: waiting.filter(|(_, waiting)| *waiting > 0).collect(),
            }
        };
        self.queues.iter().map(describe).collect()
    }
}

impl Entry {
    /// Sees to it that the queue's actor looks through the queue.
    fn call(&mut self, name: &Arc<str>) -> Option<Errand> {
        match &mut self.actor {
            QueueActor::Asked | QueueActor::Lives { is_called: true, .. } => None,
            QueueActor::Lives { actor, is_called } => {
                *is_called = true;
                Some(Errand::Dispatch { actor: actor.clone() })
            }
            QueueActor::None => {
                self.actor = QueueActor::Asked;
                Some(Errand::Start { task_queue: Arc::clone(name) })
            }
        }
    }
}
