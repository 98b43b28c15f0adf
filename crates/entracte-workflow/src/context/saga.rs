//! Steps that undo each other.

use std::fmt;
use std::sync::Arc;

use entracte_model::Failure;

use super::activity::{ActivityCall, UntypedCall};

/// What is to be undone if a saga fails; see
/// [`WorkflowContext::saga`](crate::WorkflowContext::saga).
#[derive(Default)]
pub struct Saga {
    undo: Vec<UntypedCall>,
}

impl Saga {
    /// Registers a call that undoes a step. Its output is not looked at.
    pub fn undo<O>(&mut self, call: ActivityCall<O>) {
        self.undo.push(call.into_untyped());
    }

    /// Undoes everything, the last registered first; reports what could not be undone.
    pub(super) async fn unwind(self, failure: Failure) -> Failure {
        let mut failed = Vec::new();
        for call in self.undo.into_iter().rev() {
            let activity_type = Arc::clone(call.activity_type());
            if let Err(failure) = call.start().await {
                failed.push(failure.context(format_args!("undo by {activity_type}")));
            }
        }
        if failed.is_empty() { failure } else { failure.with_failed_compensations(failed) }
    }
}

impl fmt::Debug for Saga {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.undo.iter().map(UntypedCall::activity_type)).finish()
    }
}
