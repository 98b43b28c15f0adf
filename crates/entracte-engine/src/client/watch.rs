//! A run's events as a stream: what has happened, then what happens.

mod position;

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use entracte_model::{Event, EventId, RunId};
use entracte_store::{StoreError, StoreExt};
use event_listener::EventListener;
use futures_util::{FutureExt, Stream};

pub use self::position::EventPosition;
use super::{Client, WorkflowHandle};
use crate::errors::{EngineStopped, RunNotFound, WatchError};
use crate::watchers::Subscription;

/// How many events a stream holds at most; it reads more when it has given these.
const PAGE_EVENTS: usize = 32;

impl<O> WorkflowHandle<O> {
    /// Watches the run: gives its history from the first event on, then each further event as
    /// soon as it is durable, none twice and none left out. Nothing happens before the first
    /// event is asked for.
    ///
    /// The stream ends behind the event that closes the run; that of a closed run is its history.
    /// It watches the run of [`run_id`](Self::run_id); with
    /// [`follow_chain`](EventStream::follow_chain) it goes on with the run that follows when a
    /// workflow is retried or continues as new.
    /// It goes on over all that may happen to the run's actor. It never opens a run, and runs no
    /// code of the workflow's, so it works for parked runs too.
    ///
    /// ```
    /// # use entracte_engine::Engine;
    /// # use entracte_workflow::{Workflow, WorkflowContext, WorkflowResult};
    /// const GREET: Workflow<String, String> = Workflow::new("greet");
    ///
    /// async fn greet(_ctx: WorkflowContext, name: String) -> WorkflowResult<String> {
    ///     Ok(format!("hello, {name}"))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let engine = Engine::in_memory().workflow(GREET, greet).start().await?;
    /// let run = engine.start_workflow(GREET, "Ada".to_owned()).await?;
    /// let mut events = run.watch();
    /// while let Some(event) = events.next().await {
    ///     println!("{:?}", event?.attributes);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn watch(&self) -> EventStream {
        let position = EventPosition::new(self.run_id(), EventId::FIRST);
        EventStream::new(self.client().clone(), position)
    }
}

/// The events of one run, or of a chain of them; from [`WorkflowHandle::watch`] and
/// [`Engine::watch_from`](crate::Engine::watch_from).
///
/// It holds 32 events at most. A reader that is slower than the run keeps nothing waiting: what
/// it has not read stays in the store, and is read from there.
///
/// An error is the last that the stream gives; all events before it have been given. After
/// [`WatchError::EngineStopped`] a stream of the next engine can go on at
/// [`position`](Self::position), by [`Engine::watch_from`](crate::Engine::watch_from).
#[must_use = "nothing is read before the first event is asked for"]
pub struct EventStream {
    client: Client,
    run_id: RunId,
    /// The event to give next.
    next: EventId,
    /// What was read and not given yet.
    page: VecDeque<Event>,
    subscription: Option<Subscription>,
    /// Set before the store is read, so that nothing slips in between.
    listener: Option<EventListener>,
    follows_chain: bool,
    /// The run with which it goes on, behind the event that was given last.
    next_run: Option<RunId>,
    is_done: bool,
}

/// What a look into the store has come to.
enum Look {
    /// There are events.
    More,
    /// There are none yet.
    Wait,
    /// There are none, and never will be in this run; it may have a next one.
    End { next: Option<RunId> },
}

impl EventStream {
    pub(crate) fn new(client: Client, position: EventPosition) -> Self {
        Self {
            client,
            run_id: position.run_id,
            next: position.event_id.max(EventId::FIRST),
            page: VecDeque::new(),
            subscription: None,
            listener: None,
            follows_chain: false,
            next_run: None,
            is_done: false,
        }
    }

    /// Begins at this event of the stream's run instead of at the first one. One that is not
    /// there yet is waited for. Default [`EventId::FIRST`].
    ///
    /// A handle that is made later may stand for a later run of the chain, in which the same id
    /// is another event: to go on where a stream was, use
    /// [`Engine::watch_from`](crate::Engine::watch_from).
    pub fn from_event(mut self, event_id: EventId) -> Self {
        self.next = event_id.max(EventId::FIRST);
        self.page.clear();
        self.next_run = None;
        self
    }

    /// Goes on with the first event of the run that follows when the run has closed and another
    /// one follows it in its chain; ends with the last run of the chain. Default not.
    pub fn follow_chain(mut self) -> Self {
        self.follows_chain = true;
        self
    }

    /// The run: of a stream that follows a chain, that of the event which was given last.
    #[must_use]
    pub fn run_id(&self) -> RunId {
        self.run_id
    }

    /// Where the stream stands: another one goes on there, with the event behind the one that was
    /// given last ([`Engine::watch_from`](crate::Engine::watch_from)). Whether it follows the
    /// chain, it must be told again.
    #[must_use]
    pub fn position(&self) -> EventPosition {
        EventPosition::new(self.run_id, self.next)
    }

    /// The id of the event of [`run_id`](Self::run_id) that comes next, if one does. Of a chain
    /// it says nothing without the run; see [`position`](Self::position).
    #[must_use]
    pub fn next_event_id(&self) -> EventId {
        self.next
    }

    /// Waits for the next event; none behind the one that closes the run, and none behind an
    /// error. Nothing is lost if the returned future is dropped.
    ///
    /// # Errors
    /// [`WatchError`] if there is no such run, if its history cannot be read, or when the engine
    /// stops.
    pub async fn next(&mut self) -> Option<Result<Event, WatchError>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Gives the next event of those that were read.
    fn take(&mut self) -> Option<Event> {
        let event = self.page.pop_front()?;
        self.next = event.id.next();
        if event.attributes.event_type().is_close() {
            self.run_ended(event.attributes.new_execution_run_id());
        }
        Some(event)
    }

    /// A run is over: the stream too, unless another run follows.
    fn run_ended(&mut self, next: Option<RunId>) {
        self.end();
        self.next_run = next.filter(|_| self.follows_chain);
        self.is_done = self.next_run.is_none();
    }

    /// Turns to the run that follows, whose first event is written together with the close of
    /// the one before.
    fn go_on(&mut self) {
        if let Some(run_id) = self.next_run.take() {
            self.run_id = run_id;
            self.next = EventId::FIRST;
        }
    }

    fn end(&mut self) {
        self.is_done = true;
        self.page.clear();
        self.listener = None;
        self.subscription = None;
    }

    /// Reads on.
    fn look(&mut self) -> Result<Look, WatchError> {
        let shared = self.client.shared()?;
        let subscription =
            self.subscription.get_or_insert_with(|| shared.watchers.subscribe(self.run_id));
        self.listener.get_or_insert_with(|| subscription.listen());
        let is_stopped = subscription.is_closed();
        let store = &*shared.store;
        if self.read_page(store)? {
            return Ok(Look::More);
        }
        let run_id = self.run_id;
        let row = store.get_run(run_id)?.ok_or(RunNotFound::RunId { run_id })?;
        if let Some(close) = &row.close {
            if self.next > close.last_event_id {
                return Ok(Look::End { next: row.new_execution_run_id() });
            }
            // It may have closed between the two looks.
            if self.read_page(store)? {
                return Ok(Look::More);
            }
            return Err(WatchError::EventMissing { run_id, event_id: self.next });
        }
        if is_stopped {
            let stopped = shared.health.stopped().unwrap_or_else(EngineStopped::killed);
            return Err(stopped.into());
        }
        Ok(Look::Wait)
    }

    fn read_page(&mut self, store: &(impl StoreExt + ?Sized)) -> Result<bool, StoreError> {
        self.page = match store.read_events(self.run_id, self.next, PAGE_EVENTS) {
            Ok(page) => page.into(),
            Err(_) => self.read_up_to_an_error(store)?,
        };
        Ok(!self.page.is_empty())
    }

    /// Reads the events of a page before the first one that cannot be read; the error if there
    /// are none.
    fn read_up_to_an_error(
        &self,
        store: &(impl StoreExt + ?Sized),
    ) -> Result<VecDeque<Event>, StoreError> {
        let mut page = VecDeque::new();
        while page.len() < PAGE_EVENTS {
            let next = self.next.plus(page.len() as u64);
            match store.read_events(self.run_id, next, 1) {
                Ok(events) if events.is_empty() => break,
                Ok(events) => page.extend(events),
                Err(error) if page.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(page)
    }

    /// A store that was closed under the stream belonged to an engine that has stopped.
    fn reason(&self, error: WatchError) -> WatchError {
        match error {
            WatchError::Store(StoreError::Closed) => {
                self.client.stopped().unwrap_or_else(EngineStopped::killed).into()
            }
            error => error,
        }
    }
}

impl Stream for EventStream {
    type Item = Result<Event, WatchError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(event) = this.take() {
                return Poll::Ready(Some(Ok(event)));
            }
            if this.is_done {
                return Poll::Ready(None);
            }
            this.go_on();
            // Reading a long history lets others have their turn in between.
            let reading = ready!(tokio::task::coop::poll_proceed(cx));
            match this.look() {
                Ok(Look::More) => reading.made_progress(),
                Ok(Look::Wait) => {
                    if let Some(listener) = &mut this.listener {
                        ready!(listener.poll_unpin(cx));
                    }
                    this.listener = None;
                }
                Ok(Look::End { next }) => this.run_ended(next),
                Err(error) => {
                    this.end();
                    return Poll::Ready(Some(Err(this.reason(error))));
                }
            }
        }
    }
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream")
            .field("run_id", &self.run_id)
            .field("next", &self.next)
            .field("held", &self.page.len())
            .finish_non_exhaustive()
    }
}
