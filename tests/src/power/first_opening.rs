//! Kills at the system calls of the first opening of a store.
//!
//! `strace` sends SIGKILL when a thread begins its n-th call of a name: the call itself does
//! not happen any more. The calls of each thread are counted for themselves, and the process
//! is gone when the first thread has come that far.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::judge::{Fault, Work};
use super::judging::Judging;
use crate::strace::Strace;

/// SIGKILL.
const KILL: i32 = 9;

/// Where a process is killed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kill {
    /// At which system call.
    pub call: String,
    /// The how many-th of a thread.
    pub number: usize,
}

impl std::fmt::Display for Kill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.call, self.number)
    }
}

/// What came of kills on one directory.
#[derive(Debug, Clone)]
pub struct Killed {
    /// How many of them have hit; the others came too late.
    pub hits: usize,
    /// What was left.
    pub outcome: Result<String, Fault>,
}

/// Opens stores for the first time, and kills that.
#[derive(Debug, Clone)]
pub struct FirstOpening {
    /// What sends the signals.
    pub strace: Strace,
    /// Who judges; its program has the subcommand `commit` as well.
    pub judging: Judging,
}

impl FirstOpening {
    /// Every call of a first opening, three commits and the shutdown, by name and number.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn calls(&self) -> io::Result<Vec<Kill>> {
        let directory = self.directory("calls")?;
        let trace = directory.join("trace");
        let mut strace = self.strace.command();
        strace.args(["-f", "-o"]).arg(&trace);
        let status = self.commit(strace, &directory)?.status()?;
        if !status.success() {
            return Err(io::Error::other(format!("the opening ended with {status}")));
        }
        let counts = count_calls(&fs::read_to_string(&trace)?);
        fs::remove_dir_all(directory)?;
        let kills = counts.into_iter().flat_map(|(call, count)| {
            (1..=count).map(move |number| Kill { call: call.clone(), number })
        });
        Ok(kills.collect())
    }

    /// Kills the opening of one directory at one place after the other, and judges what is
    /// left of it then.
    ///
    /// # Errors
    /// Those of the operating system.
    pub async fn kill(&self, kills: &[Kill]) -> io::Result<Killed> {
        let names: Vec<String> = kills.iter().map(ToString::to_string).collect();
        let directory = self.directory(&names.join("-"))?;
        let mut hits = 0;
        for Kill { call, number } in kills {
            let mut strace = self.strace.command();
            let inject = format!("inject={call}:signal=KILL:when={number}");
            strace.args(["-f", "-o", "/dev/null"]);
            strace.args(["-e", &format!("trace={call}"), "-e", &inject]);
            let status = self.commit(strace, &directory)?.status()?;
            if status.signal() == Some(KILL) || status.code() == Some(128 + KILL) {
                hits += 1;
            } else if !status.success() {
                let errors = fs::read_to_string(directory.join("errors"))?;
                let outcome = Err(Fault::new("opening after a kill", errors.trim()));
                return Ok(Killed { hits, outcome });
            }
        }
        let told = directory.join("told");
        if !told.exists() {
            File::create(&told)?;
        }
        let data = directory.join("root/engine");
        let outcome = self.judging.outcome(&data, &told, Work::Commits).await?;
        if outcome.is_ok() {
            fs::remove_dir_all(directory)?;
        }
        Ok(Killed { hits, outcome })
    }

    fn directory(&self, name: &str) -> io::Result<PathBuf> {
        let directory = self.judging.scratch.join(format!("first-opening-{name}"));
        fs::create_dir_all(directory.join("root"))?;
        Ok(directory)
    }

    /// The rest of a command that opens the store below a directory.
    fn commit(&self, mut command: Command, directory: &Path) -> io::Result<Command> {
        command.arg(&self.judging.program).args(["commit", "--commits", "3", "--bytes", "500"]);
        command.arg("--data").arg(directory.join("root/engine"));
        command.arg("--told").arg(directory.join("told"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(directory.join("errors"))?);
        Ok(command)
    }
}

/// How often each call is made by the thread that makes it most often.
fn count_calls(trace: &str) -> BTreeMap<String, usize> {
    let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
    for line in trace.lines() {
        let Some((thread, text)) = line.split_once(' ') else { continue };
        let Some((name, _)) = text.trim_start().split_once('(') else { continue };
        // Whatever else there is: signals, ends, and the rests of calls.
        if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            *counts.entry((thread, name)).or_default() += 1;
        }
    }
    let mut calls = BTreeMap::new();
    for ((_, name), count) in counts {
        let most: &mut usize = calls.entry(name.to_owned()).or_default();
        *most = count.max(*most);
    }
    // The first call starts the program: there is nothing to kill before it.
    calls.remove("execve");
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_for_each_thread() {
        let trace = "1  write(1, \"a\", 1) = 1\n2  write(1, \"a\", 1 <unfinished ...>\n\
                     1  write(1, \"b\", 1) = 1\n2  <... write resumed>) = 1\n1  +++ exited with 0 +++\n";
        assert_eq!(count_calls(trace), BTreeMap::from([("write".to_owned(), 2)]));
    }
}
