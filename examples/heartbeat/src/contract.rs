//! The contract between the workflow and its activities: durable names, types and options.

use std::path::PathBuf;
use std::time::Duration;

use entracte::prelude::*;
use serde::{Deserialize, Serialize};

use crate::original::Original;

/// The workflow: from a request to a copy with its name.
pub(crate) const COPY_FILE: Workflow<CopyRequest, Copied> = Workflow::new("copy-file");

/// What an open run copies.
pub(crate) const REQUEST: Query<CopyRequest> = Query::new("request");

/// Looks at the source, the target and the disk before anything is done.
pub(crate) const EXAMINE: Activity<CopyRequest, Original> =
    Activity::new("examine").start_to_close_timeout(Duration::from_secs(30));

/// Copies piece by piece. Its heartbeats say how many bytes of the copy are on the disk.
pub(crate) const COPY: Activity<Step, ()> = long("copy");

/// Compares both files and gives the copy its name. Its heartbeats say that it is alive.
pub(crate) const FINISH: Activity<Step, Copied> = long("finish");

/// Removes what there is of a copy that is given up.
pub(crate) const DISCARD: Activity<PathBuf, ()> =
    Activity::new("discard").start_to_close_timeout(Duration::from_secs(30));

/// What takes as long as its file is large: the silence of an attempt tells that it is dead,
/// its time does not. It is retried for as long as it takes: a disk gets room, a file server
/// comes back.
const fn long<I, O>(name: &'static str) -> Activity<I, O> {
    Activity::new(name).start_to_close_timeout(Duration::from_secs(24 * 3_600)).retry_policy(
        RetryPolicy::exponential(Duration::from_millis(200))
            .backoff_coefficient(1.5)
            .maximum_interval(Duration::from_secs(5)),
    )
}

/// What is to be copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CopyRequest {
    /// The file to copy, absolute.
    pub(crate) source: PathBuf,
    /// The copy, absolute.
    pub(crate) target: PathBuf,
    /// Whether the copy may take the place of a target that exists.
    pub(crate) replace: bool,
    /// How long an attempt may be silent.
    pub(crate) heartbeat_timeout: Duration,
}

/// The argument of [`COPY`] and [`FINISH`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) request: CopyRequest,
    /// The source as it was when the copy began.
    pub(crate) original: Original,
}

/// A copy that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Copied {
    pub(crate) bytes: u64,
    /// The SHA-256 of both files in hexadecimal digits.
    pub(crate) sha256: String,
}
