//! Failures that are too large to be kept at every retry (rule RET-20).

use super::{ApplicationFailure, Failure, FailureKind, Parts};

impl Failure {
    /// The largest failure of an attempt that is kept for the next one.
    pub const LAST_FAILURE_BYTES_MAX: usize = 4 * 1024;

    /// About how many bytes the failure takes when it is stored.
    #[must_use]
    pub fn size(&self) -> usize {
        let Parts {
            message,
            kind,
            context,
            source,
            stack_trace,
            cause,
            failed_compensations,
            compensation,
        } = &*self.0;
        let texts: usize = context.iter().map(String::len).sum();
        let below = cause.iter().chain(failed_compensations);
        message.len()
            + texts
            + source.len()
            + stack_trace.len()
            + compensation.len()
            + kind_size(kind)
            + below.map(Self::size).sum::<usize>()
    }

    /// The failure itself if it is small enough. Else a server failure that says so, and what
    /// fits of the original as its cause: kinds, types and texts from the outside in, then those
    /// of failed compensations, without details.
    #[must_use]
    pub fn within(self, bytes_max: usize) -> Self {
        if self.size() <= bytes_max {
            return self;
        }
        let kind = FailureKind::Server { non_retryable: false };
        let mut left = bytes_max;
        Self::new(kind, "Failure exceeds size limit.").with_cause(self.cut(&mut left))
    }

    fn cut(self, left: &mut usize) -> Self {
        let Parts {
            message,
            kind,
            context,
            source,
            stack_trace,
            cause,
            failed_compensations,
            compensation,
        } = *self.0;
        let mut cut = Self::new(cut_kind(kind, left), "");
        cut.0.compensation = cut_text(compensation, left);
        cut.0.source = cut_text(source, left);
        // The outermost context stands last.
        let mut contexts: Vec<_> = context.into_iter().rev().map(|it| cut_text(it, left)).collect();
        contexts.retain(|context| !context.is_empty());
        contexts.reverse();
        cut.0.context = contexts;
        cut.0.message = cut_text(message, left);
        cut.0.stack_trace = cut_text(stack_trace, left);
        if let Some(cause) = cause.filter(|_| *left > 0) {
            cut.0.cause = Some(cause.cut(left));
        }
        for failed in failed_compensations {
            if *left == 0 {
                break;
            }
            cut.0.failed_compensations.push(failed.cut(left));
        }
        cut
    }
}

fn kind_size(kind: &FailureKind) -> usize {
    let texts = match kind {
        FailureKind::Application(application) => application.r#type.len(),
        FailureKind::Activity(activity) => {
            activity.activity_type.len() + activity.activity_id.len()
        }
        FailureKind::ChildWorkflow(child) => child.workflow_id.len() + child.workflow_type.len(),
        _ => 0,
    };
    texts + kind.details().map_or(0, |details| details.data().len())
}

/// Keeps what retries and readers go by, not what the user attached.
fn cut_kind(kind: FailureKind, left: &mut usize) -> FailureKind {
    match kind {
        FailureKind::Application(application) => FailureKind::Application(ApplicationFailure {
            r#type: cut_text(application.r#type, left),
            details: None,
            ..application
        }),
        FailureKind::Timeout { timeout_type, .. } => {
            FailureKind::Timeout { timeout_type, last_heartbeat_details: None }
        }
        FailureKind::Canceled { .. } => FailureKind::Canceled { details: None },
        FailureKind::ResetWorkflow { .. } => {
            FailureKind::ResetWorkflow { last_heartbeat_details: None }
        }
        // Their texts are names and ids, which have limits of their own.
        FailureKind::Activity(_)
        | FailureKind::ChildWorkflow(_)
        | FailureKind::Terminated
        | FailureKind::Server { .. } => {
            *left = left.saturating_sub(kind_size(&kind));
            kind
        }
    }
}

/// The beginning of a text that fits, in whole characters.
fn cut_text(mut text: String, left: &mut usize) -> String {
    let end = (0..=text.len().min(*left)).rev().find(|end| text.is_char_boundary(*end));
    let end = end.unwrap_or(0);
    text.truncate(end);
    *left -= end;
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ret_20_a_failure_within_the_limit_is_left_alone() {
        let failure = Failure::application("E", "e".repeat(4_095));
        assert_eq!(failure.size(), 4_096);
        assert_eq!(failure.clone().within(4_096), failure);
    }

    #[test]
    fn ret_20_a_larger_one_is_the_cause_of_a_server_failure_as_far_as_it_fits() {
        let cause = Failure::application("Cause", "c".repeat(5_000)).with_details(&1).unwrap();
        let failure = Failure::non_retryable("Top", "é".repeat(1_000)).with_cause(cause);
        let cut = failure.context("while working").within(Failure::LAST_FAILURE_BYTES_MAX);
        assert_eq!(cut.message(), "Failure exceeds size limit.");
        assert!(matches!(cut.kind(), FailureKind::Server { non_retryable: false }));
        let top = cut.cause().unwrap();
        assert_eq!(top.message(), "é".repeat(1_000));
        assert_eq!(top.contexts().collect::<Vec<_>>(), ["while working"]);
        assert!(!top.is_retryable(&[]));
        let cause = top.cause().unwrap();
        assert_eq!(cause.application_type(), Some("Cause"));
        assert!(cause.message().starts_with("cccc"));
        assert!(cause.details::<u32>().is_none());
        assert_eq!(top.size(), Failure::LAST_FAILURE_BYTES_MAX);
    }

    #[test]
    fn ret_20_failed_compensations_are_kept_as_far_as_they_fit() {
        let failed = |number: usize| Failure::application("Closed", format!("bank {number}"));
        let failure = (0..1_000).fold(Failure::application("Declined", "no"), |all, number| {
            all.with_failed_compensation(format!("refund-{number}"), failed(number))
        });
        let cut = failure.within(Failure::LAST_FAILURE_BYTES_MAX);
        let kept = cut.failed_compensations();
        assert!(kept.len() > 100 && kept.len() < 1_000, "{}", kept.len());
        assert_eq!((kept[7].name, kept[7].failure.message()), ("refund-7", "bank 7"));
        assert_eq!(cut.application_type(), Some("Declined"));
    }

    proptest! {
        #[test]
        fn ret_20_whatever_is_cut_fits(
            levels in proptest::collection::vec((".{0,40}", ".{0,40}", ".{0,40}"), 1..6),
            is_undone in proptest::bool::ANY,
            bytes_max in 0_usize..300,
        ) {
            let make = |(name, message, stack): (String, String, String)| {
                Failure::application(name, message).with_stack_trace(stack)
            };
            let failure = levels.into_iter().map(make).reduce(|cause, it| match is_undone {
                true => it.with_failed_compensation("undo", cause),
                false => it.with_cause(cause),
            });
            let failure = failure.unwrap();
            let within = failure.clone().within(bytes_max);
            if failure.size() <= bytes_max {
                prop_assert_eq!(within, failure);
            } else {
                prop_assert!(within.cause().unwrap().size() <= bytes_max);
            }
        }
    }
}
