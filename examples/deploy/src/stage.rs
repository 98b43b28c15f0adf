//! The stages of a deployment and what undoes them.

use std::fmt;

use clap::ValueEnum;

/// A stage of a deployment, or the undoing of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Forward(Forward),
    Undo(Forward),
}

/// A stage that brings the site closer to its users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Forward {
    Provision,
    Configure,
    Deploy,
    HealthCheck,
    Switch,
}

impl Stage {
    /// The name of the stage's activity.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Forward(Forward::Provision) => "provision",
            Self::Forward(Forward::Configure) => "configure",
            Self::Forward(Forward::Deploy) => "deploy",
            Self::Forward(Forward::HealthCheck) => "health-check",
            Self::Forward(Forward::Switch) => "switch",
            Self::Undo(Forward::Provision) => "undo-provision",
            Self::Undo(Forward::Configure) => "undo-configure",
            Self::Undo(Forward::Deploy) => "undo-deploy",
            Self::Undo(Forward::HealthCheck) => "undo-health-check",
            Self::Undo(Forward::Switch) => "undo-switch",
        }
    }
}

impl Forward {
    pub(crate) const fn name(self) -> &'static str {
        Stage::Forward(self).name()
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Forward> for Stage {
    fn from(stage: Forward) -> Self {
        Self::Forward(stage)
    }
}
