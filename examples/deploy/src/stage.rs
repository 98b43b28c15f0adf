//! The stages of a deployment.

use clap::ValueEnum;

/// A stage of a deployment, named as its activity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// Copies the site into a release of its own.
    Provision,
    /// Chooses a port and writes the server's configuration.
    Configure,
    /// Starts the server.
    Deploy,
    /// Asks the server for every file.
    HealthCheck,
    /// Makes the release the current one.
    Switch,
}

impl Stage {
    /// The name of the stage and of its activity.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Configure => "configure",
            Self::Deploy => "deploy",
            Self::HealthCheck => "health-check",
            Self::Switch => "switch",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_named_on_the_command_line_as_their_activities_are() {
        for stage in Stage::value_variants() {
            let value = stage.to_possible_value().unwrap();
            assert_eq!(value.get_name(), stage.name());
        }
    }
}
