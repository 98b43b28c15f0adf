//! The command line.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Parser, Subcommand, ValueEnum};

use crate::faults::Faults;
use crate::stage::Stage;

/// Deploys a small site in five durable stages: provision, configure, deploy, health-check and
/// switch. Killed at any of them and run again on the same directory, it goes on where it
/// stopped.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) deploy: DeployArgs,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What is deployed, and what goes wrong on the way.
#[derive(Debug, clap::Args)]
pub(crate) struct DeployArgs {
    /// The deployment request [default: the example's own request.toml].
    #[arg(value_name = "REQUEST.toml")]
    request: Option<PathBuf>,
    /// Where the engine's store and the releases live.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    pub(crate) data: PathBuf,
    /// Makes a stage's activity fail for good.
    #[arg(long, value_name = "STAGE")]
    fail_at: Option<Stage>,
    /// Makes the first N attempts of a stage fail; can be given for several stages.
    #[arg(long, value_name = "STAGE=N")]
    flaky: Vec<Flaky>,
    /// Makes the process abort while a stage runs.
    #[arg(long, value_name = "STAGE")]
    crash_at: Option<Stage>,
    /// Leaves the site up when the deployment has succeeded.
    #[arg(long)]
    pub(crate) keep: bool,
}

/// Other things the program does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Stops the servers that deployments with --keep left up.
    Stop {
        /// Where the releases live.
        #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
        data: PathBuf,
    },
    /// Serves the files of a release; this is what a deployment starts.
    #[command(hide = true)]
    Serve {
        /// The server's configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Where the store and the releases live unless it is said.
const DEFAULT_DATA: &str = "data/deploy";
/// The request beside the example, seen from the workspace's root.
const DEFAULT_REQUEST: &str = "examples/deploy/request.toml";
/// The same file, for a program that was started somewhere else.
const BUILT_REQUEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/request.toml");

impl DeployArgs {
    /// The request to read.
    pub(crate) fn request(&self) -> PathBuf {
        self.request.clone().unwrap_or_else(|| {
            let near = Path::new(DEFAULT_REQUEST);
            if near.is_file() { near.to_path_buf() } else { PathBuf::from(BUILT_REQUEST) }
        })
    }

    /// What is to go wrong.
    pub(crate) fn faults(&self) -> Faults {
        let flaky = self.flaky.iter().map(|flaky| (flaky.stage, flaky.failures)).collect();
        Faults { fail_at: self.fail_at, crash_at: self.crash_at, flaky }
    }
}

/// A stage and how many of its attempts fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flaky {
    stage: Stage,
    failures: u32,
}

/// The text is not of the form `STAGE=N`.
#[derive(Debug, thiserror::Error)]
enum ParseFlakyError {
    #[error("expected STAGE=N, as in `deploy=2`")]
    NoNumber,
    #[error("`{stage}` is no stage")]
    Stage { stage: String },
    #[error("`{number}` is no number of attempts")]
    Number { number: String },
}

impl FromStr for Flaky {
    type Err = ParseFlakyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (stage, number) = text.split_once('=').ok_or(ParseFlakyError::NoNumber)?;
        let failures =
            number.parse().map_err(|_| ParseFlakyError::Number { number: number.to_owned() })?;
        let stage = Stage::from_str(stage, false)
            .map_err(|_| ParseFlakyError::Stage { stage: stage.to_owned() })?;
        Ok(Self { stage, failures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn a_bare_command_line_has_defaults() {
        let args = parse("deploy").unwrap();
        assert!(args.command.is_none());
        assert!(args.deploy.request().ends_with("request.toml"));
        assert_eq!(args.deploy.data, Path::new(DEFAULT_DATA));
        assert_eq!(args.deploy.faults(), Faults::default());
    }

    #[test]
    fn every_flag_is_understood() {
        let line = "deploy my.toml --data here --fail-at switch --crash-at health-check \
                    --flaky deploy=2 --flaky provision=1 --keep";
        let args = parse(line).unwrap().deploy;
        assert_eq!(args.request(), Path::new("my.toml"));
        assert!(args.keep);
        let faults = args.faults();
        assert_eq!(faults.fail_at, Some(Stage::Switch));
        assert_eq!(faults.crash_at, Some(Stage::HealthCheck));
        assert_eq!(faults.flaky, [(Stage::Deploy, 2), (Stage::Provision, 1)]);
    }

    #[test]
    fn subcommands_stand_alone() {
        let stop = parse("deploy stop --data here").unwrap().command;
        assert!(matches!(stop, Some(Command::Stop { data }) if data == Path::new("here")));
        assert!(parse("deploy stop --keep").is_err());
    }

    #[test]
    fn wrong_stages_and_numbers_are_refused() {
        for flag in ["--fail-at lunch", "--flaky deploy", "--flaky lunch=1", "--flaky deploy=x"] {
            assert!(parse(&format!("deploy {flag}")).is_err(), "{flag}");
        }
    }
}
