//! How actors of ours are addressed, and how many messages stand in a mailbox.
//!
//! ractor does not tell how long a mailbox is, so the messages do: each travels in an
//! [`Envelope`] that holds on to the [`Mailbox`] of its actor, and a mailbox counts its envelopes.
//! An envelope lets go of it when it is opened, and also when it is dropped: with a send that has
//! failed, or with an actor that has ended. So a message cannot be counted for longer than it
//! stands there. Nothing is decided by that number.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use ractor::{ActorCell, ActorId, ActorRef};
use tokio::task::AbortHandle;

/// The mailbox of one actor. The actor that takes the place of a lost one has another one.
///
/// Its envelopes hold it weakly, and nobody else does: how often it is held so is how many there
/// are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mailbox(Arc<()>);

/// A message on its way to an actor.
pub(crate) struct Envelope<M> {
    message: M,
    /// Counts the message.
    _mailbox: Weak<()>,
}

/// Where messages to an actor go. Cheap to clone.
pub(crate) struct Address<M> {
    actor: ActorRef<Envelope<M>>,
    mailbox: Mailbox,
}

/// The message was not sent: the actor has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ActorEnded;

impl Mailbox {
    /// How many messages were sent to the actor that it has not taken up yet.
    pub(crate) fn unread(&self) -> usize {
        Arc::weak_count(&self.0)
    }

    fn envelope<M>(&self, message: M) -> Envelope<M> {
        Envelope { message, _mailbox: Arc::downgrade(&self.0) }
    }
}

impl<M> Envelope<M> {
    /// Takes the message up: from here on it does not stand in the mailbox any more.
    pub(crate) fn open(self) -> M {
        self.message
    }
}

impl<M: Send + 'static> Address<M> {
    /// The address of an actor, whose mailbox must be no other one's.
    pub(crate) const fn new(actor: ActorRef<Envelope<M>>, mailbox: Mailbox) -> Self {
        Self { actor, mailbox }
    }

    /// Sends a message.
    pub(crate) fn cast(&self, message: M) -> Result<(), ActorEnded> {
        self.actor.cast(self.mailbox.envelope(message)).map_err(|_| ActorEnded)
    }

    /// Sends a message after a while, unless that is aborted.
    pub(crate) fn send_after(
        &self,
        delay: Duration,
        message: impl FnOnce() -> M + Send + 'static,
    ) -> AbortHandle {
        let mailbox = self.mailbox.clone();
        self.actor.send_after(delay, move || mailbox.envelope(message())).abort_handle()
    }

    /// Lets the actor end before it takes up another message.
    pub(crate) fn stop(&self, reason: Option<String>) {
        self.actor.stop(reason);
    }

    pub(crate) fn get_id(&self) -> ActorId {
        self.actor.get_id()
    }

    pub(crate) fn get_cell(&self) -> ActorCell {
        self.actor.get_cell()
    }

    pub(crate) const fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }
}

impl<M> Clone for Address<M> {
    fn clone(&self) -> Self {
        Self { actor: self.actor.clone(), mailbox: self.mailbox.clone() }
    }
}

impl<M> fmt::Debug for Address<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.actor).finish()
    }
}

#[cfg(test)]
mod tests;
