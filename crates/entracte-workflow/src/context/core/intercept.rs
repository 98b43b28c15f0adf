//! Interceptors around what the workflow calls.

use entracte_model::{Headers, Payload};

use super::Core;
use crate::interceptor::{WorkflowCall, WorkflowCallKind, WorkflowInfo};

impl Core {
    /// Lets the interceptors change a call before it is recorded; they do not see what is not
    /// recorded. It is user code: its panics are the workflow's, and the lock is free.
    pub(crate) fn intercept(
        &self,
        called: impl FnOnce() -> WorkflowCallKind,
        input: Vec<Payload>,
        headers: Headers,
    ) -> (Vec<Payload>, Headers) {
        if self.interceptors.is_empty() {
            return (input, headers);
        }
        let state = self.lock();
        let (is_deaf, now, is_replaying) = (state.is_deaf(), state.now, state.is_replaying);
        drop(state);
        if is_deaf {
            return (input, headers);
        }
        let workflow = WorkflowInfo {
            workflow_id: &self.info.workflow_id,
            workflow_type: &self.info.workflow_type,
            run_id: self.info.run_id,
            task_queue: &self.info.task_queue,
            attempt: self.info.attempt,
            headers: &self.info.headers,
            now,
            is_replaying,
        };
        let mut call = WorkflowCall::new(called(), input, headers);
        self.interceptors.workflow_call(&workflow, &mut call);
        (call.input, call.headers)
    }
}
