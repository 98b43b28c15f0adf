//! What a workflow exchanges with whoever is outside: signals that come in, and state that it
//! publishes.

use std::fmt;
use std::marker::PhantomData;

/// The durable name of a signal, with the type of what it carries.
///
/// Written as a constant and shared by the workflows that receive it
/// ([`WorkflowContext::signals`](crate::WorkflowContext::signals)) and those who send it. It is
/// not tied to one workflow: several may receive signals of the same name.
///
/// ```
/// use entracte_workflow::Signal;
///
/// const APPROVE: Signal<bool> = Signal::new("approve");
/// assert_eq!(APPROVE.name(), "approve");
/// ```
pub struct Signal<T> {
    name: &'static str,
    carries: PhantomData<fn(T) -> T>,
}

impl<T> Signal<T> {
    /// Names a signal.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, carries: PhantomData }
    }

    /// The durable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

// Written out because a derive would ask the same of the type.
impl<T> Clone for Signal<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Signal<T> {}

impl<T> fmt::Debug for Signal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signal").field(&self.name).finish()
    }
}

/// The durable name of a piece of state that workflows publish, with its type.
///
/// A workflow publishes it ([`WorkflowContext::publish`](crate::WorkflowContext::publish)), and
/// whoever asks its run by this name gets the value that was published last.
///
/// ```
/// use entracte_workflow::Query;
///
/// const STATUS: Query<String> = Query::new("status");
/// assert_eq!(STATUS.name(), "status");
/// ```
pub struct Query<T> {
    name: &'static str,
    gives: PhantomData<fn(T) -> T>,
}

impl<T> Query<T> {
    /// Names a piece of state.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, gives: PhantomData }
    }

    /// The durable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

// Written out because a derive would ask the same of the type.
impl<T> Clone for Query<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Query<T> {}

impl<T> fmt::Debug for Query<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Query").field(&self.name).finish()
    }
}
