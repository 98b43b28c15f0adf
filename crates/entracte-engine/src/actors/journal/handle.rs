//! The journal, as others hold it: what reaches it, and what it knows. Both outlive the actor
//! that works on them.
//!
//! The actor is only told that there is something to do. When it ends, the root makes another
//! one, which goes on where it was; a batch that was in flight is settled by whichever is there
//! when it has landed. So nothing that was handed to the journal is lost with an actor.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ractor::ActorRef;

use super::group::JournalState;
use super::mailbox::{JournalEnded, JournalMailbox};
use crate::live::JournalLook;
use crate::messages::{JournalMessage, JournalWake};
use crate::shared::Shared;

/// The journal, as others hold it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct JournalHandle {
    state: Arc<Mutex<JournalState>>,
    mailbox: JournalMailbox,
}

impl JournalHandle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let state = Arc::new(Mutex::new(JournalState::new(shared)));
        Self { state, mailbox: JournalMailbox::new() }
    }

    /// Hands something to the journal.
    pub(crate) fn cast(&self, message: JournalMessage) -> Result<(), JournalEnded> {
        self.mailbox.cast(message)
    }

    /// From now on this actor does the work; it finds what waits.
    pub(crate) fn attach(&self, actor: &ActorRef<JournalWake>) {
        self.mailbox.attach(actor);
    }

    /// The engine has ended: whoever waits for an answer is let go.
    pub(crate) fn end(&self) {
        self.mailbox.end();
        self.state().let_go();
        self.mailbox.set_taken_up(0);
    }

    /// What there is to do. Does not wait for the work.
    pub(crate) fn look(&self) -> JournalLook {
        self.mailbox.look()
    }

    /// Does what there is to do. There is no point at which an actor that does this could be
    /// killed.
    pub(super) fn work(&self) {
        let mut state = self.state();
        for message in self.mailbox.take_up(state.waiting.len()) {
            state.take(message);
            state.advance(&self.mailbox);
        }
        self.mailbox.set_taken_up(state.waiting.len());
    }

    fn state(&self) -> MutexGuard<'_, JournalState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for JournalHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JournalHandle")
    }
}
