//! Handing headers on.

use std::collections::BTreeSet;

use super::{Interceptor, WorkflowCall, WorkflowInfo};

/// Hands headers of a run on to everything that its workflow calls: without it, headers reach
/// the run that they were sent to, and go no further.
///
/// A header that a call has already is left as it is. Register it behind those that set
/// headers.
///
/// ```
/// use entracte_workflow::{PropagateHeaders, Registry};
///
/// Registry::new().interceptor(PropagateHeaders::named(["trace-id", "user"]));
/// ```
#[derive(Debug, Clone)]
pub struct PropagateHeaders {
    /// All if there is none.
    names: Option<BTreeSet<String>>,
}

impl PropagateHeaders {
    /// Hands all headers on.
    #[must_use]
    pub const fn all() -> Self {
        Self { names: None }
    }

    /// Hands the headers of these names on.
    #[must_use]
    pub fn named<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self { names: Some(names.into_iter().map(Into::into).collect()) }
    }
}

impl Interceptor for PropagateHeaders {
    fn workflow_call(&self, workflow: &WorkflowInfo<'_>, call: &mut WorkflowCall) {
        match &self.names {
            None => call.headers.add_missing(workflow.headers),
            Some(names) => {
                for name in names {
                    if let Some(value) = workflow.headers.get_payload(name)
                        && call.headers.get_payload(name).is_none()
                    {
                        call.headers.insert_payload(name, value.clone());
                    }
                }
            }
        }
    }
}
