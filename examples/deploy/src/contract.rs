//! The contract between the workflow and its activities: durable names, types and options.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use entracte::prelude::*;
use serde::{Deserialize, Serialize};

use crate::release::ReleaseId;
use crate::stage::Stage;

/// The workflow: from a request to a site that is live.
pub(crate) const DEPLOY_SITE: Workflow<DeployRequest, Deployment> = Workflow::new("deploy-site");

/// Copies the site into a directory of its own.
pub(crate) const PROVISION: Activity<Provision, Manifest> = step(Stage::Provision.name());
/// Removes the directory.
pub(crate) const UNDO_PROVISION: Activity<ReleaseId, ()> = step("undo-provision");

/// Chooses a free port and writes the server's configuration.
pub(crate) const CONFIGURE: Activity<Configure, SocketAddr> = step(Stage::Configure.name());
/// Removes the configuration.
pub(crate) const UNDO_CONFIGURE: Activity<ReleaseId, ()> = step("undo-configure");

/// Starts the server.
pub(crate) const DEPLOY: Activity<ReleaseId, u32> = step(Stage::Deploy.name());
/// Stops the server.
pub(crate) const UNDO_DEPLOY: Activity<ReleaseId, ()> = step("undo-deploy");

/// Asks the server for every file and compares what comes. Leaves nothing to undo.
pub(crate) const HEALTH_CHECK: Activity<HealthCheck, ()> = step(Stage::HealthCheck.name())
    .retry_policy(
        RetryPolicy::exponential(Duration::from_millis(100))
            .backoff_coefficient(1.5)
            .maximum_interval(Duration::from_secs(2))
            .maximum_attempts(20)
            .non_retryable(&["WrongContent"]),
    );

/// Makes the release the current one.
pub(crate) const SWITCH: Activity<ReleaseId, ()> = step(Stage::Switch.name());
/// Makes the release that was current before the current one again.
pub(crate) const UNDO_SWITCH: Activity<ReleaseId, ()> = step("undo-switch");

/// What the steps have in common: a limit that no healthy attempt comes near, a few attempts.
const fn step<I, O>(name: &'static str) -> Activity<I, O> {
    Activity::new(name)
        .start_to_close_timeout(Duration::from_secs(30))
        .retry_policy(RetryPolicy::exponential(Duration::from_millis(200)).maximum_attempts(5))
}

/// What is to be deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeployRequest {
    /// The name of the site; one deployment of a name runs at a time.
    pub(crate) name: String,
    /// The directory with the site's files, absolute.
    pub(crate) site: PathBuf,
    /// The address to listen on.
    pub(crate) host: IpAddr,
}

/// What a deployment results in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deployment {
    /// The release that was made.
    pub(crate) release: ReleaseId,
    /// Where its server listens.
    pub(crate) address: SocketAddr,
    /// The server's process.
    pub(crate) server_pid: u32,
    /// How many files it serves.
    pub(crate) files: usize,
}

/// The argument of [`PROVISION`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Provision {
    pub(crate) release: ReleaseId,
    pub(crate) site: PathBuf,
}

/// The argument of [`CONFIGURE`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Configure {
    pub(crate) release: ReleaseId,
    pub(crate) host: IpAddr,
}

/// The argument of [`HEALTH_CHECK`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HealthCheck {
    pub(crate) address: SocketAddr,
    pub(crate) manifest: Manifest,
}

/// The files of a release, by their paths with `/` between the parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) files: BTreeMap<String, FileEntry>,
}

/// One file of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileEntry {
    pub(crate) bytes: u64,
    /// SHA-256 in hexadecimal digits.
    pub(crate) sha256: String,
}

impl Manifest {
    /// The size of all files together.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }
}
