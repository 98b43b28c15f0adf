//! Task queues: which attempts may run now, and which one is the next.
//!
//! An attempt needs a slot of its queue, one of its activity type's if that is limited, and its
//! turn under the rates of the queue and of its fairness key. A run asks while it assembles the
//! append that would admit the attempt. If all is free and nobody waits before it, it gets a
//! [`Permit`] at once, without a message. Otherwise it gets a [`Ticket`] and the attempt waits
//! here, as an entry of its queue.
//!
//! The queue's actor grants slots to those who wait, and tells their runs, which claim them and
//! journal that the attempt is admitted. Everything stands in the state here, not in the actor:
//! its end loses nothing, and while nobody waits there is no need of one.
//!
//! Permits and tickets are given back when they are dropped. So they go where an attempt goes: a
//! run that ends, however it ends, takes its tickets with it, and the code of an attempt its
//! permit. The store knows nothing of queues but which attempts are not admitted; a run that is
//! opened again queues them up again, at their old places.

mod description;
mod key_rates;
mod level;
mod limits;
mod options;
mod queue;
mod rate;
mod state;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use entracte_model::{Priority, Seq, Timestamp};
use ractor::ActorId;
use tokio::time::Instant;

pub use self::description::TaskQueueDescription;
use self::level::{Class, Place};
pub use self::options::TaskQueueOptions;
use self::state::{Errand, Requested, State};
use crate::address::Address;
use crate::messages::{RootMessage, RunMessage, TaskQueueMessage};

/// The task queues of an engine.
#[derive(Debug)]
pub(crate) struct TaskQueues {
    state: Mutex<State>,
    /// Who makes the queues' actors.
    root: OnceLock<Address<RootMessage>>,
}

/// An attempt that is to be admitted.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) task_queue: &'a str,
    pub(crate) activity_type: &'a str,
    pub(crate) priority: Priority,
    pub(crate) fairness_key: &'a str,
    pub(crate) fairness_weight: f32,
    /// Since when it is due.
    pub(crate) since: Timestamp,
    pub(crate) waiter: Waiter,
}

/// Who is told that an attempt has got its slot.
#[derive(Debug, Clone)]
pub(crate) struct Waiter {
    pub(crate) run: Address<RunMessage>,
    pub(crate) seq: Seq,
    pub(crate) attempt: u32,
}

/// What a request comes to.
#[derive(Debug)]
pub(crate) enum Admission {
    /// The attempt may run.
    Admitted(Permit),
    /// It waits in its queue.
    Queued(Ticket),
}

/// The right of an attempt to run. It goes with the attempt's code, and is given back when it is
/// dropped.
#[must_use = "a permit that is dropped is given back"]
pub(crate) struct Permit {
    queues: Arc<TaskQueues>,
    task_queue: Arc<str>,
    class: Class,
}

/// The place of an attempt in its queue, and the slot that it is granted there. Dropping it gives
/// both back.
#[must_use = "a ticket that is dropped is given back"]
pub(crate) struct Ticket {
    queues: Arc<TaskQueues>,
    task_queue: Arc<str>,
    priority: Priority,
    fairness_key: Arc<str>,
    class: Class,
    place: Place,
}

impl TaskQueues {
    pub(crate) fn new(
        queues: &BTreeMap<String, TaskQueueOptions>,
        activity_concurrency_max: &BTreeMap<String, usize>,
    ) -> Self {
        let state = State::new(queues, activity_concurrency_max);
        Self { state: Mutex::new(state), root: OnceLock::new() }
    }

    /// Says who makes the queues' actors.
    pub(crate) fn attach(&self, root: Address<RootMessage>) {
        let _ = self.root.set(root);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits an attempt, or lets it wait.
    pub(crate) fn request(self: &Arc<Self>, request: Request<'_>) -> Admission {
        let now = Instant::now();
        let (admission, errand) = {
            let mut state = self.lock();
            let (task_queue, requested) = state.request(request, now);
            match requested {
                Requested::Admitted(class) => {
                    let queues = Arc::clone(self);
                    (Admission::Admitted(Permit { queues, task_queue, class }), None)
                }
                Requested::Queued(queued, errand) => {
                    let ticket = Ticket {
                        queues: Arc::clone(self),
                        task_queue,
                        priority: queued.priority,
                        fairness_key: queued.fairness_key,
                        class: queued.class,
                        place: queued.place,
                    };
                    (Admission::Queued(ticket), errand)
                }
            }
        };
        self.run_errands(errand);
        admission
    }

    /// Grants slots to those who wait, as far as there are some, and tells their runs. Gives when
    /// a rate allows more, if that is what they wait for.
    pub(crate) fn dispatch(&self, task_queue: &str) -> Option<Instant> {
        let (granted, next) = self.lock().dispatch(task_queue, Instant::now());
        tell(granted);
        next
    }

    /// A queue's actor has started: lets it look through the queue, or stops it if the queue has
    /// no need of it.
    pub(crate) fn actor_started(&self, task_queue: &str, actor: &Address<TaskQueueMessage>) {
        let unclaimed = self.lock().actor_started(task_queue, actor);
        let actor = actor.clone();
        self.run_errands([match unclaimed {
            Some(_) => Errand::Dispatch { actor },
            None => Errand::Stop { actor },
        }]);
        // The actor before it may not have told them.
        tell(unclaimed.unwrap_or_default());
    }

    /// A queue's actor has ended: if it is still needed, there will be another one.
    pub(crate) fn actor_ended(&self, task_queue: &str, actor: ActorId) {
        let errand = self.lock().actor_ended(task_queue, actor);
        self.run_errands(errand);
    }

    /// A queue's actor could not be started.
    pub(crate) fn actor_failed(&self, task_queue: &str) {
        self.lock().actor_failed(task_queue);
    }

    /// Grants nothing more: the engine shuts down.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
    }

    pub(crate) fn describe(&self) -> Vec<TaskQueueDescription> {
        self.lock().describe()
    }

    /// Sends what is to be sent, outside of the lock.
    fn run_errands(&self, errands: impl IntoIterator<Item = Errand>) {
        for errand in errands {
            match errand {
                Errand::Dispatch { actor } => {
                    // An actor that has ended is replaced when the root hears of it.
                    let _ = actor.cast(TaskQueueMessage::Dispatch);
                }
                Errand::Start { task_queue } => {
                    // Without a root the engine itself is gone.
                    let start = RootMessage::StartTaskQueue { task_queue };
                    let _ = self.root.get().map(|root| root.cast(start));
                }
                Errand::Stop { actor } => actor.stop(None),
            }
        }
    }
}

fn tell(granted: Vec<Waiter>) {
    for Waiter { run, seq, attempt } in granted {
        // A run that has ended has given its ticket back, or is about to.
        let _ = run.cast(RunMessage::SlotGranted { seq, attempt });
    }
}

impl Ticket {
    /// Takes the slot over that was granted to the attempt, if it was.
    pub(crate) fn claim(&self) -> Option<Permit> {
        self.queues.lock().claim(&self.task_queue, self.place).then(|| Permit {
            queues: Arc::clone(&self.queues),
            task_queue: Arc::clone(&self.task_queue),
            class: self.class,
        })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Self { queues, task_queue, priority, fairness_key, class, place } = self;
        let errands = queues.lock().withdraw(task_queue, *priority, fairness_key, *class, *place);
        queues.run_errands(errands);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let errands = self.queues.lock().give_back(&self.task_queue, self.class);
        self.queues.run_errands(errands);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("task_queue", &self.task_queue).finish_non_exhaustive()
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("task_queue", &self.task_queue)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
