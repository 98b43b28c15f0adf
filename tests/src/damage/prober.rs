//! Opens damaged stores in another process, and lives on when that one does not.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::Trouble;
use super::probe::{Probed, SelfTest};

/// How much address space the process may have, in KiB: a damaged length must not take all the
/// memory of the machine along.
const ADDRESS_SPACE_KIB: u64 = 4 * 1024 * 1024;
/// How many stores one process opens before another one takes its place.
const REQUESTS_MAX: u32 = 500;
/// How much of what the process wrote at its end is kept.
const LAST_WORDS_BYTES: usize = 2_000;

/// What came of opening a store in another process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probing {
    /// It has answered.
    Answered(Probed),
    /// It has died.
    Died {
        /// How.
        status: String,
        /// What it wrote to its standard error at last.
        last_words: String,
    },
    /// It has not answered before the deadline, and was killed.
    Hung,
}

/// Opens damaged stores in another process, which is started again whenever it has died.
#[derive(Debug)]
pub struct Prober {
    program: PathBuf,
    errors: PathBuf,
    deadline: Duration,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<String>,
    count: u32,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prober {
    /// Prepares to open stores with a program (the soak program) that has so long for each.
    /// What it writes to its standard error goes to a file.
    #[must_use]
    pub fn new(program: PathBuf, errors: PathBuf, deadline: Duration) -> Self {
        Self { program, errors, deadline, running: None }
    }

    /// Opens the store in a directory, twice.
    ///
    /// # Errors
    /// If the process cannot be started or spoken to.
    pub fn probe(&mut self, directory: &Path) -> Result<Probing, Trouble> {
        self.ask(directory.to_str().ok_or("a path that is not text")?)
    }

    /// Lets the process misbehave.
    ///
    /// # Errors
    /// As [`probe`](Self::probe).
    pub fn test(&mut self, test: SelfTest) -> Result<Probing, Trouble> {
        let line = SelfTest::LINES.iter().find(|(known, _)| *known == test);
        self.ask(line.ok_or("an unknown test")?.1)
    }

    fn ask(&mut self, line: &str) -> Result<Probing, Trouble> {
        let mut running = match self.running.take() {
            Some(running) if running.count < REQUESTS_MAX => running,
            _ => self.start()?,
        };
        running.count += 1;
        writeln!(running.requests, "{line}")?;
        running.requests.flush()?;
        match running.answers.recv_timeout(self.deadline) {
            Ok(answer) => {
                self.running = Some(running);
                Ok(Probing::Answered(serde_json::from_str(&answer)?))
            }
            Err(RecvTimeoutError::Timeout) => Ok(Probing::Hung),
            Err(RecvTimeoutError::Disconnected) => {
                let status = running.child.wait()?.to_string();
                Ok(Probing::Died { status, last_words: self.last_words()? })
            }
        }
    }

    fn start(&self) -> Result<Running, Trouble> {
        let limit = format!("ulimit -v {ADDRESS_SPACE_KIB} && exec \"$0\" damage-helper probe");
        let mut child = Command::new("sh")
            .args(["-c", &limit])
            .arg(&self.program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&self.errors)?)
            .spawn()?;
        let requests = child.stdin.take().ok_or("no standard input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Running { child, requests, answers, count: 0 })
    }

    fn last_words(&self) -> Result<String, Trouble> {
        let words = fs::read(&self.errors)?;
        let start = words.len().saturating_sub(LAST_WORDS_BYTES);
        Ok(String::from_utf8_lossy(&words[start..]).into_owned())
    }
}
