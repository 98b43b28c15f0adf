//! The servers that run, as the operating system knows them.
//!
//! A server is recognised by its command line, which names the configuration of its release.
//! Nothing is noted when one is started, so there is no moment in which a server runs that a
//! crash has made nobody's.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::release::ReleaseDir;
use crate::server;

/// Says why a server was not started or stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    #[error("the processes of the system cannot be listed")]
    List(#[source] io::Error),
    #[error("process {pid} cannot be stopped")]
    Stop { pid: u32, source: io::Error },
    #[error("process {pid} did not stop within {STOP_TIMEOUT:?}")]
    StillThere { pid: u32 },
    #[error("the server cannot be started")]
    Start(#[source] io::Error),
    #[error("the server ended at once, {status}: {}", log.trim())]
    Ended { status: std::process::ExitStatus, log: String },
    #[error("the server does not listen after {LISTEN_TIMEOUT:?}")]
    Deaf,
}

const STOP_TIMEOUT: Duration = Duration::from_secs(5);
const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A server that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) pid: u32,
    config: PathBuf,
}

impl Server {
    /// Reads the command line of a process; none if it is no server of ours, or has ended.
    fn of_process(pid: u32) -> Option<Self> {
        let command_line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let config = config_argument(&command_line)?;
        Some(Self { pid, config })
    }

    /// Whether the server's files are those of a release.
    pub(crate) fn serves(&self, release: &ReleaseDir) -> bool {
        self.config == release.config()
    }

    fn is_running(&self) -> bool {
        Self::of_process(self.pid).as_ref() == Some(self)
    }
}

/// The configuration named in the command line of a server.
fn config_argument(command_line: &[u8]) -> Option<PathBuf> {
    let mut arguments = command_line.split(|byte| *byte == 0).skip(1);
    let is_server = arguments.next()? == server::COMMAND[0].as_bytes()
        && arguments.next()? == server::COMMAND[1].as_bytes();
    let config = arguments.next().filter(|_| is_server)?;
    Some(PathBuf::from(OsStr::from_bytes(config)))
}

/// The servers whose configurations lie under a directory.
pub(crate) fn servers_under(directory: &Path) -> Result<Vec<Server>, ProcessError> {
    let mut servers = Vec::new();
    for entry in fs::read_dir("/proc").map_err(ProcessError::List)? {
        let name = entry.map_err(ProcessError::List)?.file_name();
        let pid = name.to_str().and_then(|name| name.parse().ok());
        servers.extend(pid.and_then(Server::of_process));
    }
    servers.retain(|server| server.config.starts_with(directory));
    Ok(servers)
}

/// Stops a server and waits for its end.
pub(crate) async fn stop(server: &Server) -> Result<(), ProcessError> {
    let pid = server.pid;
    // Looked at again right before: the number may be another process's by now.
    if !server.is_running() {
        return Ok(());
    }
    if let Some(process) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        match kill_process(process, Signal::TERM) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(ProcessError::Stop { pid, source: error.into() }),
        }
    }
    let ended = async {
        while server.is_running() {
            sleep(POLL_INTERVAL).await;
        }
    };
    timeout(STOP_TIMEOUT, ended).await.map_err(|_| ProcessError::StillThere { pid })
}

/// Starts the server of a release and waits until it listens.
pub(crate) async fn start(release: &ReleaseDir) -> Result<u32, ProcessError> {
    let log = File::create(release.log()).map_err(ProcessError::Start)?;
    let mut child = Command::new(std::env::current_exe().map_err(ProcessError::Start)?)
        .args(server::COMMAND)
        .arg(release.config())
        // Cut loose: the server outlives this process, keeps none of its pipes open, and is
        // not asked when somebody interrupts it.
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(ProcessError::Start)?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .map_err(ProcessError::Start)?;
    timeout(LISTEN_TIMEOUT, listening(&mut child, &release.log()))
        .await
        .unwrap_or(Err(ProcessError::Deaf))
}

/// Waits until the server says that it listens. Its own word is waited for and not an answer
/// on its port, which another program could have taken.
async fn listening(child: &mut Child, log: &Path) -> Result<u32, ProcessError> {
    loop {
        let ended = child.try_wait().map_err(ProcessError::Start)?;
        let log = fs::read_to_string(log).map_err(ProcessError::Start)?;
        if let Some(status) = ended {
            return Err(ProcessError::Ended { status, log });
        }
        if let Some(pid) = child.id().filter(|_| log.starts_with(server::LISTENING)) {
            return Ok(pid);
        }
        sleep(POLL_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_recognised_by_their_command_line() {
        let config = config_argument(b"/bin/deploy\0serve\0--config\0/data/a b/server.toml\0");
        assert_eq!(config.as_deref(), Some(Path::new("/data/a b/server.toml")));
        for other in [&b""[..], b"/bin/deploy\0", b"/bin/deploy\0stop\0--config\0x\0", b"serve\0"] {
            assert_eq!(config_argument(other), None);
        }
    }

    #[test]
    fn this_process_is_no_server() {
        assert_eq!(Server::of_process(std::process::id()), None);
        assert_eq!(servers_under(Path::new("/no/such/directory")).unwrap(), []);
    }
}
