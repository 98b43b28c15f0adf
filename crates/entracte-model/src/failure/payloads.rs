//! Where the payloads of a failure are.

use super::Failure;
use super::kind::{ApplicationFailure, FailureKind};
use crate::payload::{HasPayloads, Payload};

impl HasPayloads for FailureKind {
    fn replace_payloads<E>(
        &mut self,
        replace: &mut impl FnMut(&Payload) -> Result<Payload, E>,
    ) -> Result<(), E> {
        match self {
            Self::Application(ApplicationFailure { details, .. })
            | Self::Canceled { details }
            | Self::Timeout { last_heartbeat_details: details, .. }
            | Self::ResetWorkflow { last_heartbeat_details: details } => {
                details.replace_payloads(replace)
            }
            Self::Terminated | Self::Server { .. } | Self::Activity(_) | Self::ChildWorkflow(_) => {
                Ok(())
            }
        }
    }
}

impl HasPayloads for Failure {
    /// A failure has at most [`Failure::LEVELS_MAX`] levels, so this does not go deep.
    fn replace_payloads<E>(
        &mut self,
        replace: &mut impl FnMut(&Payload) -> Result<Payload, E>,
    ) -> Result<(), E> {
        self.0.kind.replace_payloads(replace)?;
        self.0.cause.replace_payloads(replace)?;
        self.0.failed_compensations.replace_payloads(replace)
    }
}
