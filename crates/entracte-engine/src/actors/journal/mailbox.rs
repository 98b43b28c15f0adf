//! What reaches the journal, and who works on it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ractor::ActorRef;

use crate::live::JournalLook;
use crate::messages::{JournalMessage, JournalWake};

/// The way to the journal. Cheap to clone; does not keep what the journal knows.
#[derive(Clone)]
pub(super) struct JournalMailbox(Arc<Mutex<Mailbox>>);

#[derive(Default)]
struct Mailbox {
    messages: VecDeque<JournalMessage>,
    /// How many messages and appends were taken up and not settled, for whoever looks: the state
    /// is held while the store is read. Beside the messages, so that none is counted twice.
    taken_up: usize,
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

impl JournalMailbox {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// Hands something to the journal.
    pub(super) fn cast(&self, message: JournalMessage) -> Result<(), JournalEnded> {
        let actor = {
            let mut mailbox = self.lock();
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
    pub(super) fn attach(&self, actor: &ActorRef<JournalWake>) {
        let mut mailbox = self.lock();
        mailbox.actor = Some(actor.clone());
        mailbox.is_called = true;
        let _ = actor.cast(JournalWake);
    }

    /// The engine has ended: takes up nothing more, and lets go of what has come.
    pub(super) fn end(&self) {
        let messages = {
            let mut mailbox = self.lock();
            mailbox.has_ended = true;
            std::mem::take(&mut mailbox.messages)
        };
        drop(messages);
    }

    /// Takes up what has come, beside as many appends as wait.
    pub(super) fn take_up(&self, waiting: usize) -> VecDeque<JournalMessage> {
        let mut mailbox = self.lock();
        mailbox.is_called = false;
        mailbox.taken_up = waiting + mailbox.messages.len();
        std::mem::take(&mut mailbox.messages)
    }

    /// Tells whoever looks how much is taken up and not settled.
    pub(super) fn set_taken_up(&self, taken_up: usize) {
        self.lock().taken_up = taken_up;
    }

    /// What there is to do. Does not wait for the work.
    pub(super) fn look(&self) -> JournalLook {
        let mailbox = self.lock();
        JournalLook { unread: mailbox.messages.len(), taken_up: mailbox.taken_up }
    }

    fn lock(&self) -> MutexGuard<'_, Mailbox> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
