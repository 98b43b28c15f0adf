//! The text of a failure, composed from its typed parts.

use std::fmt;

use super::{FailedCompensation, Failure, FailureKind};

/// One line: contexts and messages from the outermost to the innermost, with colons between.
///
/// Wrappers (activity, child workflow) add nothing of their own when they have a cause, so the
/// text reads as the user wrote it:
/// `stop-and-snapshot for container abc123: stop container abc123: connection refused`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for failure in self.chain() {
            for context in failure.contexts() {
                write_part(f, &mut first, context)?;
            }
            if !failure.is_silent() {
                write_part(f, &mut first, failure.message())?;
            }
        }
        for FailedCompensation { name, failure } in self.failed_compensations() {
            match name {
                "" => write!(f, "; a compensation failed too: {failure}")?,
                name => write!(f, "; compensation `{name}` failed too: {failure}")?,
            }
        }
        Ok(())
    }
}

impl Failure {
    fn is_silent(&self) -> bool {
        match self.kind() {
            FailureKind::Activity(_) | FailureKind::ChildWorkflow(_) => self.cause().is_some(),
            _ => false,
        }
    }
}

fn write_part(f: &mut fmt::Formatter<'_>, first: &mut bool, part: &str) -> fmt::Result {
    if !std::mem::take(first) {
        f.write_str(": ")?;
    }
    f.write_str(part)
}

#[cfg(test)]
mod tests {
    use crate::failure::{
        ActivityFailure, ApplicationFailure, ChildWorkflowFailure, Failure, FailureKind,
    };

    /// The example of the article that the error chains are modelled on.
    fn article() -> Failure {
        let refused = Failure::application("ConnectionRefused", "connection refused");
        let stop =
            Failure::activity(ActivityFailure::default(), refused).context("stop container abc123");
        Failure::child_workflow(ChildWorkflowFailure::default(), stop)
            .context("stop-and-snapshot for container abc123")
    }

    #[test]
    fn fail_9_the_chain_reads_as_it_was_written() {
        assert_eq!(
            article().to_string(),
            "stop-and-snapshot for container abc123: stop container abc123: connection refused"
        );
    }

    #[test]
    fn fail_1_the_typed_chain_is_there_to_match_on() {
        let failure = article();
        let kinds: Vec<_> = failure.chain().map(Failure::kind).collect();
        assert!(matches!(
            kinds.as_slice(),
            [
                FailureKind::ChildWorkflow(_),
                FailureKind::Activity(_),
                FailureKind::Application(ApplicationFailure { r#type, .. })
            ] if r#type == "ConnectionRefused"
        ));
    }

    #[test]
    fn fail_12_a_wrapper_without_a_cause_says_its_own_text() {
        let kind = FailureKind::Activity(ActivityFailure::default());
        assert_eq!(Failure::new(kind, "Activity task failed").to_string(), "Activity task failed");
    }

    #[test]
    fn failed_compensations_are_part_of_the_text() {
        let gone = Failure::application("", "disk is gone").context("mount");
        let failure = article().with_failed_compensation("undo", gone).context("at night");
        let text = failure.to_string();
        let end = "connection refused; compensation `undo` failed too: mount: disk is gone";
        assert!(text.starts_with("at night: stop-and-snapshot") && text.ends_with(end), "{text}");
    }
}
