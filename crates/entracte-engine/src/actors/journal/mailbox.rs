//! What reaches the journal, and what it knows: both outlive the actor that works on them.
//!
//! The actor is only told that there is something to do. When it ends, the root makes another
//! one, which goes on where it was; a batch that was in flight is settled by whichever is there
//! when it has landed. So nothing that was handed to the journal is lost with an actor.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ractor::ActorRef;

use super::group::JournalState;
use crate::live::JournalLook;
use crate::messages::{JournalMessage, JournalWake};
use crate::shared::Shared;

/// The journal, as others hold it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct JournalHandle(Arc<Inner>);

struct Inner {
    state: Mutex<JournalState>,
    mailbox: Mutex<Mailbox>,
    /// How many messages and appends were taken up and not settled, for whoever looks: the state
    /// is held while the store is read.
    taken_up: AtomicUsize,
}

#[derive(Default)]
struct Mailbox {
    messages: VecDeque<JournalMessage>,
    /// Who works on them; none between two actors.
    actor: Option<ActorRef<JournalWake>>,
    /// Whether the actor has been told of messages and has not looked at them yet.
    is_called: bool,
    /// Whether the engine has ended: nobody will work on anything.
    has_ended: bool,
}

/// Nobody will work on what was sent: the engine has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JournalEnded;

impl JournalHandle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let state = Mutex::new(JournalState::new(shared));
        let (mailbox, taken_up) = (Mutex::default(), AtomicUsize::new(0));
        Self(Arc::new(Inner { state, mailbox, taken_up }))
    }

    /// Hands something to the journal.
    pub(crate) fn cast(&self, message: JournalMessage) -> Result<(), JournalEnded> {
        let actor = {
            let mut mailbox = self.mailbox();
            if mailbox.has_ended {
                return Err(JournalEnded);
            }
            mailbox.messages.push_back(message);
            if std::mem::replace(&mut mailbox.is_called, true) {
                return Ok(());
            }
            mailbox.actor.clone()
        };
        if let Some(actor) = actor {
            // One that has ended is replaced, and its successor looks at once.
            let _ = actor.cast(JournalWake);
        }
        Ok(())
    }

    /// From now on this actor does the work; it finds what waits.
    pub(crate) fn attach(&self, actor: &ActorRef<JournalWake>) {
        let mut mailbox = self.mailbox();
        mailbox.actor = Some(actor.clone());
        mailbox.is_called = true;
        let _ = actor.cast(JournalWake);
    }

    /// The engine has ended: whoever waits for an answer is let go.
    pub(crate) fn end(&self) {
        let messages = {
            let mut mailbox = self.mailbox();
            mailbox.has_ended = true;
            std::mem::take(&mut mailbox.messages)
        };
        drop(messages);
        self.state().let_go();
        self.0.taken_up.store(0, Ordering::Relaxed);
    }

    /// What there is to do. Does not wait for the work.
    pub(crate) fn look(&self) -> JournalLook {
        let unread = self.mailbox().messages.len();
        JournalLook { unread, taken_up: self.0.taken_up.load(Ordering::Relaxed) }
    }

    /// Does what there is to do. There is no point at which an actor that does this could be
    /// killed.
    pub(super) fn work(&self) {
        let mut state = self.state();
        let messages = {
            let mut mailbox = self.mailbox();
            mailbox.is_called = false;
            let taken_up = state.waiting.len() + mailbox.messages.len();
            self.0.taken_up.store(taken_up, Ordering::Relaxed);
            std::mem::take(&mut mailbox.messages)
        };
        for message in messages {
            state.take(message);
            state.advance(self);
        }
        self.0.taken_up.store(state.waiting.len(), Ordering::Relaxed);
    }

    /// A way to the journal that does not keep it.
    pub(super) fn downgrade(&self) -> WeakJournalHandle {
        WeakJournalHandle(Arc::downgrade(&self.0))
    }

    fn state(&self) -> MutexGuard<'_, JournalState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mailbox(&self) -> MutexGuard<'_, Mailbox> {
        self.0.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for JournalHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JournalHandle")
    }
}

/// A way to the journal that does not keep it.
pub(super) struct WeakJournalHandle(Weak<Inner>);

impl WeakJournalHandle {
    pub(super) fn upgrade(&self) -> Option<JournalHandle> {
        self.0.upgrade().map(JournalHandle)
    }
}
