//! Finds `strace`, or fetches it without changing the system.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What `strace` is linked with beside the C library; a machine without it may lack these too.
const LIBRARIES: [&str; 3] = ["libunwind8", "libdw1", "libelf1"];

/// A `strace` that runs on this machine.
#[derive(Debug, Clone)]
pub struct Strace {
    program: PathBuf,
    /// Where its libraries are, if it is not installed.
    libraries: Option<OsString>,
}

/// There is no `strace`.
#[derive(Debug, thiserror::Error)]
#[error(
    "`strace` is needed: install it (on Debian and Ubuntu: apt-get install strace); \
     fetching it without installing it failed: {reason}"
)]
pub struct NoStrace {
    reason: String,
}

impl From<io::Error> for NoStrace {
    fn from(error: io::Error) -> Self {
        Self { reason: error.to_string() }
    }
}

impl Strace {
    /// Finds `strace` on the `PATH`, or in a directory into which it was fetched before, or
    /// fetches it there with the tools of Debian.
    ///
    /// # Errors
    /// [`NoStrace`] says what to install.
    pub fn find(cache: &Path) -> Result<Self, NoStrace> {
        let installed = Self { program: "strace".into(), libraries: None };
        if installed.runs().is_ok() {
            return Ok(installed);
        }
        let directory = cache.join("strace");
        let fetched = Self::fetched(&directory);
        if fetched.runs().is_ok() {
            return Ok(fetched);
        }
        fetch(&directory)?;
        let fetched = Self::fetched(&directory);
        fetched.runs().map(|()| fetched)
    }

    /// A command that starts `strace`, without arguments yet.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }

    fn fetched(directory: &Path) -> Self {
        let libraries: Vec<PathBuf> = ["lib", "usr/lib"]
            .iter()
            .flat_map(|lib| {
                let lib = directory.join(lib);
                let multiarch = fs::read_dir(&lib).into_iter().flatten().flatten();
                multiarch.map(|entry| entry.path()).chain([lib]).collect::<Vec<_>>()
            })
            .collect();
        let libraries = env::join_paths(libraries).ok();
        Self { program: directory.join("usr/bin/strace"), libraries }
    }

    fn runs(&self) -> Result<(), NoStrace> {
        succeed(self.command().arg("--version")).map(drop)
    }
}

/// Fetches the package and the libraries, and unpacks them into a directory.
fn fetch(directory: &Path) -> Result<(), NoStrace> {
    let packages = directory.join("packages");
    fs::create_dir_all(&packages)?;
    let download = |package: &str| {
        let mut command = Command::new("apt-get");
        // apt's own lists may be missing in a container, and cannot be changed by all users.
        command.args(["download", package]).current_dir(&packages);
        succeed(&mut command)
    };
    download("strace")?;
    for library in LIBRARIES {
        // Not every version needs every library: whether one is missing shows when it runs.
        let _ = download(library);
    }
    for package in fs::read_dir(&packages)? {
        succeed(Command::new("dpkg").arg("-x").arg(package?.path()).arg(directory))?;
    }
    Ok(())
}

fn succeed(command: &mut Command) -> Result<Output, NoStrace> {
    let output = command.output().map_err(|error| {
        let program = command.get_program().display().to_string();
        NoStrace { reason: format!("{program}: {error}") }
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let error = String::from_utf8_lossy(&output.stderr);
    let reason = format!("{} failed: {}", command.get_program().display(), error.trim());
    Err(NoStrace { reason })
}
