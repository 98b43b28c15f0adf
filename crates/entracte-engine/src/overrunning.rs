//! Code of blocking activities that still runs though its attempt has ended.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entracte_model::{RunId, Timestamp, WorkflowId};
use entracte_workflow::ActivityInfo;

use crate::task_queues::Permit;

/// An attempt at a blocking activity that has ended, by a timeout or with its run, while its
/// code still runs: nobody can stop it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OverrunningAttempt {
    /// The workflow that called the activity.
    pub workflow_id: WorkflowId,
    /// The run that did.
    pub run_id: RunId,
    /// The id of the activity within its run.
    pub activity_id: String,
    /// The durable name of the activity.
    pub activity_type: String,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// When the attempt started.
    pub started_time: Timestamp,
}

/// The code of all blocking attempts of an engine, in the order of their starts.
#[derive(Debug, Default)]
pub(crate) struct Codes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: CodeId,
    codes: BTreeMap<CodeId, Entry>,
}

#[derive(Debug)]
struct Entry {
    attempt: OverrunningAttempt,
    /// Whether it has got its thread.
    runs: bool,
    /// Whether its attempt has ended.
    is_left_behind: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CodeId(u64);

impl Codes {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the attempt has ended; nothing if its code has too.
    pub(crate) fn left_behind(&self, id: CodeId) {
        if let Some(entry) = self.lock().codes.get_mut(&id) {
            entry.is_left_behind = true;
        }
    }

    /// The attempts that have ended while their code runs.
    pub(crate) fn overrunning(&self) -> Vec<OverrunningAttempt> {
        let state = self.lock();
        let left = state.codes.values().filter(|entry| entry.runs && entry.is_left_behind);
        left.map(|entry| entry.attempt.clone()).collect()
    }
}

/// The code of one attempt: it goes with the code, and is dropped when that has returned.
#[derive(Debug)]
pub(crate) struct Code {
    id: CodeId,
    codes: Arc<Codes>,
    /// Its slot is free when it has returned, not when its attempt has ended.
    _permit: Option<Arc<Permit>>,
}

impl Code {
    pub(crate) fn new(
        codes: &Arc<Codes>,
        info: &ActivityInfo,
        permit: Option<Arc<Permit>>,
    ) -> Self {
        let attempt = OverrunningAttempt {
            workflow_id: info.workflow_id.clone(),
            run_id: info.run_id,
            activity_id: info.activity_id.to_string(),
            activity_type: info.activity_type.to_string(),
            attempt: info.attempt,
            started_time: info.started_time,
        };
        let mut state = codes.lock();
        state.last = CodeId(state.last.0 + 1);
        let id = state.last;
        state.codes.insert(id, Entry { attempt, runs: false, is_left_behind: false });
        Self { id, codes: Arc::clone(codes), _permit: permit }
    }

    pub(crate) fn id(&self) -> CodeId {
        self.id
    }

    /// Notes that the code has got its thread.
    pub(crate) fn begins(&self) {
        if let Some(entry) = self.codes.lock().codes.get_mut(&self.id) {
            entry.runs = true;
        }
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        self.codes.lock().codes.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use entracte_workflow::ActivityContext;

    use super::*;

    #[test]
    fn only_code_that_runs_and_was_left_behind_is_listed() {
        let codes = Arc::default();
        let context = ActivityContext::test();
        let code = Code::new(&codes, context.info(), None);
        let waiting = Code::new(&codes, context.info(), None);
        code.begins();
        assert_eq!(codes.overrunning(), []);
        codes.left_behind(code.id());
        codes.left_behind(waiting.id());
        assert_eq!(codes.overrunning().len(), 1);
        assert_eq!(codes.overrunning()[0].attempt, 1);
        drop(code);
        assert_eq!(codes.overrunning(), []);
        codes.left_behind(CodeId(1));
        assert_eq!(codes.overrunning(), []);
    }
}
