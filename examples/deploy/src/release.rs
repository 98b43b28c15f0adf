//! Where the parts of a release lie.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use entracte::RunId;
use serde::{Deserialize, Serialize};

/// A release: what one run of the workflow deploys, and named as the run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ReleaseId(RunId);

impl ReleaseId {
    pub(crate) fn of(run: RunId) -> Self {
        Self(run)
    }
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The directory under which everything lives.
#[derive(Debug, Clone)]
pub(crate) struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// Makes the directory if it is not there yet. Paths in it are absolute, because the
    /// server's process is found by the path of its configuration.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Ok(Self { root: std::fs::canonicalize(path)? })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The engine's store.
    pub(crate) fn engine(&self) -> PathBuf {
        self.root.join("engine")
    }

    /// The directory of all releases.
    pub(crate) fn releases(&self) -> PathBuf {
        self.root.join("releases")
    }

    /// One release.
    pub(crate) fn release(&self, release: ReleaseId) -> ReleaseDir {
        ReleaseDir { root: self.releases().join(release.to_string()) }
    }

    /// The link to the release that is live, the local stand-in for DNS.
    pub(crate) fn current(&self) -> PathBuf {
        self.root.join("current")
    }

    /// What [`current`](Self::current) holds when a release is live, relative to the root, so
    /// that the directory can be moved.
    pub(crate) fn link_target(release: ReleaseId) -> PathBuf {
        Path::new("releases").join(release.to_string())
    }

    /// The release behind the link.
    pub(crate) fn current_release(&self) -> ReleaseDir {
        ReleaseDir { root: self.current() }
    }
}

/// The directory of one release.
#[derive(Debug, Clone)]
pub(crate) struct ReleaseDir {
    root: PathBuf,
}

impl ReleaseDir {
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The site's files, complete as soon as the directory is there.
    pub(crate) fn site(&self) -> PathBuf {
        self.root.join("site")
    }

    /// The site's files while they are being copied.
    pub(crate) fn partial_site(&self) -> PathBuf {
        self.root.join("site.part")
    }

    /// The server's configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.root.join("server.toml")
    }

    /// What the server prints.
    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("server.log")
    }

    /// What the current link held before this release was switched to.
    pub(crate) fn previous(&self) -> PathBuf {
        self.root.join("previous")
    }
}
