//! What is made to go wrong, to see the deployment survive it.

use entracte::prelude::*;

use crate::console;
use crate::stage::Stage;

/// What is made to go wrong. Part of the activities and not of the workflow's input: a run that
/// is taken up again without the flags goes on without the faults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// The stage whose activity fails for good.
    pub(crate) fail_at: Option<Stage>,
    /// The stage in which the process aborts.
    pub(crate) crash_at: Option<Stage>,
    /// Stages of which so many attempts fail before one works.
    pub(crate) flaky: Vec<(Stage, u32)>,
}

impl Faults {
    /// Strikes where it hurts most: the work of the attempt is done, and nobody has noted it.
    pub(crate) fn strike(&self, activity: &str, attempt: u32) -> ActivityResult<()> {
        let is_struck = |stage: Stage| stage.name() == activity;
        if self.crash_at.is_some_and(is_struck) {
            console::stage(activity, "the process aborts here");
            std::process::abort();
        }
        if self.fail_at.is_some_and(is_struck) {
            let message = format!("the {activity} stage was told to fail");
            return Err(Failure::non_retryable("InjectedFailure", message));
        }
        if let Some((_, failures)) = self.flaky.iter().find(|(stage, _)| is_struck(*stage))
            && attempt <= *failures
        {
            let message = format!("the {activity} stage was told to fail {failures} times");
            return Err(Failure::application("InjectedFailure", message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flaky_stage_works_after_its_failures() {
        let faults = Faults { flaky: vec![(Stage::Deploy, 2)], ..Faults::default() };
        assert!(faults.strike("deploy", 1).unwrap_err().is_retryable(&[]));
        assert!(faults.strike("deploy", 2).is_err());
        assert!(faults.strike("deploy", 3).is_ok());
        assert!(faults.strike("undo-deploy", 1).is_ok());
    }

    #[test]
    fn a_stage_that_fails_for_good_is_not_retried() {
        let faults = Faults { fail_at: Some(Stage::Switch), ..Faults::default() };
        let failure = faults.strike("switch", 7).unwrap_err();
        assert!(!failure.is_retryable(&[]));
        assert_eq!(failure.to_string(), "the switch stage was told to fail");
        assert!(faults.strike("configure", 1).is_ok());
    }
}
