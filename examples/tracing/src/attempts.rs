//! Counting attempts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use entracte::{ActivityContext, ActivityResult, BoxFuture, Interceptor, NextActivity, Payload};

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It returned a result.
    Completed,
    /// It returned a failure.
    Failed,
    /// It returned a failure that was to be expected, which is no alarm.
    Benign,
    /// It was stopped: it took too long, or its run was closed.
    Stopped,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Benign => "benign",
            Self::Stopped => "stopped",
        })
    }
}

/// How many attempts there were, by type and outcome.
type Counts = BTreeMap<(Arc<str>, Outcome), u64>;

/// Counts attempts by the type of their activity and by their outcome; all clones count
/// together.
#[derive(Debug, Clone, Default)]
pub struct Attempts {
    counts: Arc<Mutex<Counts>>,
}

impl Attempts {
    /// How many attempts there were.
    #[must_use]
    pub fn count(&self, activity_type: &str, outcome: Outcome) -> u64 {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&(activity_type.into(), outcome)).copied().unwrap_or_default()
    }

    fn add(&self, activity_type: &Arc<str>, outcome: Outcome) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((Arc::clone(activity_type), outcome)).or_default() += 1;
    }
}

/// One line for each type and outcome.
impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for ((activity_type, outcome), count) in &*counts {
            writeln!(f, "{count} {outcome} {activity_type}")?;
        }
        Ok(())
    }
}

impl Interceptor for Attempts {
    fn execute_activity<'a>(
        &'a self,
        ctx: ActivityContext,
        input: Vec<Payload>,
        next: NextActivity<'a>,
    ) -> BoxFuture<'a, ActivityResult<Payload>> {
        Box::pin(async move {
            let activity_type = Arc::clone(&ctx.info().activity_type);
            // An attempt that is stopped is dropped where it waits, and this with it.
            let mut counted = Counted { attempts: self, activity_type, outcome: Outcome::Stopped };
            let result = next.run(ctx, input).await;
            counted.outcome = match &result {
                Ok(_) => Outcome::Completed,
                Err(failure) if failure.is_benign() => Outcome::Benign,
                Err(_) => Outcome::Failed,
            };
            result
        })
    }
}

/// Counts when it is dropped.
struct Counted<'a> {
    attempts: &'a Attempts,
    activity_type: Arc<str>,
    outcome: Outcome,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.attempts.add(&self.activity_type, self.outcome);
    }
}
