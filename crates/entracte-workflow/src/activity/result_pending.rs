//! Results that come later and from elsewhere (rule ASY-1).

use entracte_model::{Failure, FailureKind, Payload, TaskToken};

use super::ActivityContext;

/// The type of the failure that stands for a pending result.
const RESULT_PENDING: &str = "ResultPending";

impl ActivityContext {
    /// The token of this attempt, by which it can be ended from elsewhere: hand it out before
    /// the attempt returns [`result_pending`](Self::result_pending), to whoever will know the
    /// result.
    ///
    /// A context that was made for a test gives a token that no engine knows; so does that of a
    /// local activity, whose result cannot come from elsewhere.
    #[must_use]
    pub fn task_token(&self) -> TaskToken {
        let info = self.info();
        info.task_token.unwrap_or(TaskToken {
            run_id: info.run_id,
            seq: entracte_model::Seq::new(0),
            attempt: info.attempt,
        })
    }

    /// Returned as the error of this attempt: its result comes later and from elsewhere
    /// (rule ASY-1), through [`task_token`](Self::task_token) or the ids of workflow and
    /// activity.
    ///
    /// The code is done with that, and holds nothing any more; the attempt goes on until it is
    /// completed, failed or reported as cancelled, or until it times out: start-to-close,
    /// schedule-to-close and heartbeat timeouts run on. That its result is pending is durable:
    /// the engine may stop meanwhile, and the attempt is not lost with it.
    ///
    /// ```
    /// use entracte_workflow::{ActivityContext, ActivityResult};
    ///
    /// async fn ask_a_person(ctx: ActivityContext, question: String) -> ActivityResult<bool> {
    ///     println!("{question} Answer with {}", ctx.task_token());
    ///     Err(ctx.result_pending())
    /// }
    /// ```
    ///
    /// It means this for this attempt alone. Whatever else returns it (another attempt or
    /// activity, a local activity, a workflow) has failed, and is not retried.
    #[must_use = "the attempt's result is pending only if it returns this as its error"]
    pub fn result_pending(&self) -> Failure {
        let info = self.info();
        let message = format!(
            "the result of activity {} of run {}, attempt {}, comes later and from elsewhere",
            info.activity_id, info.run_id, info.attempt
        );
        let failure = Failure::non_retryable(RESULT_PENDING, message);
        match info.task_token {
            // A text is always encoded.
            Some(token) => failure.clone().with_details(&token.to_string()).unwrap_or(failure),
            None => failure,
        }
    }
}

/// Whether what an attempt returned says that its result is pending.
#[must_use]
pub fn is_result_pending(failure: &Failure, token: TaskToken) -> bool {
    let FailureKind::Application(application) = failure.kind() else { return false };
    let named = application.details.as_ref().map(Payload::decode::<String>);
    application.r#type == RESULT_PENDING && named == Some(Ok(token.to_string()))
}

#[cfg(test)]
mod tests {
    use entracte_model::Seq;

    use super::*;

    fn context(attempt: u32) -> ActivityContext {
        let mut info = ActivityContext::test().info().clone();
        let token = TaskToken { run_id: info.run_id, seq: Seq::new(3), attempt };
        info.task_token = Some(token);
        ActivityContext::new(info).0
    }

    #[test]
    fn asy_1_a_pending_result_is_that_of_its_own_attempt_alone() {
        let ctx = context(2);
        let pending = ctx.result_pending();
        assert!(is_result_pending(&pending, ctx.task_token()));
        assert!(is_result_pending(&pending.clone().context("ask"), ctx.task_token()));
        assert!(!is_result_pending(&pending, context(3).task_token()));
        let wrapped = Failure::application("E", "no").with_cause(pending.clone());
        assert!(!is_result_pending(&wrapped, ctx.task_token()));
        // Wherever else it arrives it is a failure that nobody retries.
        assert!(!pending.is_retryable(&[]));
        let of_a_test = ActivityContext::test();
        assert!(!is_result_pending(&of_a_test.result_pending(), of_a_test.task_token()));
    }
}
