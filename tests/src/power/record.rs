//! Records what programs do in a directory.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use super::disk::{Disk, Rules};
use super::event::Recording;
use super::image::Image;
use super::trace::{TRACED, Trace, TraceError};
use crate::strace::{NoStrace, Strace};

/// The longest text that `strace` shows in full, in bytes: a write must not be longer.
const STRING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A recording could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// There is no `strace`.
    #[error(transparent)]
    NoStrace(#[from] NoStrace),
    /// The operating system refused something.
    #[error("recording failed: {0}")]
    Io(#[from] io::Error),
    /// The trace is not understood.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The program failed.
    #[error("{program} ended with {status}: {errors}")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote.
        errors: String,
    },
    /// The trace does not lead to what is in the directory.
    #[error("the trace does not lead to what is in the directory: {difference}")]
    Differs {
        /// Where they differ first.
        difference: String,
    },
}

/// Records one directory while programs run in it, one after the other.
#[derive(Debug)]
pub struct Recorder {
    strace: Strace,
    directory: PathBuf,
    trace: Trace,
    /// The disk after all that has happened, to compare.
    disk: Disk,
    applied: usize,
    /// After how many events the first cut may be made.
    cuts_from: usize,
}

impl Recorder {
    /// Records what happens in `root` below a scratch directory. Beside it are the file with
    /// what is told and what the programs write.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn new(strace: Strace, scratch: &Path) -> Result<Self, RecordError> {
        fs::create_dir_all(scratch)?;
        let directory = scratch.canonicalize()?;
        fs::create_dir(directory.join("root"))?;
        let trace = Trace::new(&directory.join("root"), &directory.join("told"));
        let disk = Disk::new(Rules::POSIX);
        Ok(Self { strace, directory, trace, disk, applied: 0, cuts_from: 0 })
    }

    /// The directory that is recorded.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.directory.join("root")
    }

    /// The file whose lines are recorded as told.
    #[must_use]
    pub fn told(&self) -> PathBuf {
        self.directory.join("told")
    }

    /// Begins with an image, all of which is durable, and with what was told before.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn begin_with(&mut self, image: &Image, told: &str) -> Result<(), RecordError> {
        image.write_to(&self.root())?;
        fs::write(self.told(), told)?;
        self.trace.begin_with(image, told)?;
        self.cut_from_here();
        Ok(())
    }

    /// Begins with what a process did until it was killed. Nothing of it is on the disk that it
    /// had not synced, though all programs see it.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn begin_with_killed(&mut self, killed: &Recording) -> Result<(), RecordError> {
        self.trace.begin_with_killed(&killed.events);
        self.cut_from_here();
        self.apply();
        self.disk.now().write_to(&self.root())?;
        Ok(fs::write(self.told(), killed.told_before(killed.events.len()))?)
    }

    /// Begins with what a program leaves that is not recorded itself.
    ///
    /// # Errors
    /// [`RecordError`] if the program fails.
    pub fn prepare(&mut self, program: &mut Command) -> Result<(), RecordError> {
        let output = program.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            return Err(RecordError::Failed {
                program: program.get_program().display().to_string(),
                status: output.status,
                errors: String::from_utf8_lossy(&output.stderr).into_owned(),
            });
        }
        let image = Image::read_from(&self.root())?;
        self.trace.begin_with(&image, &fs::read_to_string(self.told())?)?;
        self.cut_from_here();
        Ok(())
    }

    /// What has happened so far is not cut.
    fn cut_from_here(&mut self) {
        self.cuts_from = self.trace.events().len();
    }

    /// Runs a program to its end, or kills it when it has told so many lines.
    ///
    /// # Errors
    /// [`RecordError`] if the program fails, its trace is not understood, or does not lead to
    /// what is in the directory afterwards.
    pub fn run(&mut self, program: &Command, kill_after: Option<usize>) -> Result<(), RecordError> {
        let errors = self.directory.join("errors");
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        let mut child = self.traced(program, &errors)?.spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or_else(broken)?);
        let mut kill_at = kill_after.map(|count| count + self.trace.told_count());
        let (mut line, mut pid, mut done) = (String::new(), None, Ok(()));
        while lines.read_line(&mut line)? > 0 {
            pid = pid.or_else(|| line.split(' ').next()?.parse::<u32>().ok());
            if done.is_ok() {
                done = self.trace.line(&line);
            }
            if let Some(pid) = pid
                && (done.is_err() || kill_at.is_some_and(|count| self.trace.told_count() >= count))
            {
                kill_at = None;
                Command::new("sh").args(["-c", &format!("kill -9 {pid} 2>/dev/null")]).status()?;
            }
            line.clear();
        }
        let status = child.wait()?;
        done?;
        let is_killed = kill_after.is_some() && kill_at.is_none();
        if !status.success() && !is_killed {
            let errors = fs::read_to_string(&errors).unwrap_or_default();
            let program = program.get_program().display().to_string();
            return Err(RecordError::Failed { program, status, errors });
        }
        self.trace.process_ended(is_killed)?;
        self.compare()
    }

    /// The program under `strace`, which writes the trace to its standard output.
    fn traced(&self, program: &Command, errors: &Path) -> io::Result<Command> {
        let calls: Vec<String> = TRACED.iter().map(|call| format!("?{call}")).collect();
        let mut command = self.strace.command();
        command
            .args(["--seccomp-bpf", "-f", "-y", "-xx", "-o", "/dev/stdout"])
            .args(["-s", &STRING_BYTES_MAX.to_string()])
            .args(["-e", &format!("trace={}", calls.join(","))])
            // What the program writes must not get in between.
            .args(["sh", "-c", r#"exec "$0" "$@" >/dev/null"#])
            .arg(program.get_program())
            .args(program.get_args())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(errors)?);
        Ok(command)
    }

    /// Compares the model of the disk with the directory, byte by byte.
    fn compare(&mut self) -> Result<(), RecordError> {
        self.apply();
        let found = Image::read_from(&self.root())?;
        match self.disk.now().difference(&found) {
            Some(difference) => Err(RecordError::Differs { difference }),
            None => Ok(()),
        }
    }

    /// Lets the model of the disk follow.
    fn apply(&mut self) {
        let events = self.trace.events();
        events[self.applied..].iter().for_each(|event| self.disk.apply(event));
        self.applied = events.len();
    }

    /// What has happened.
    #[must_use]
    pub fn finish(self, name: &str) -> Recording {
        let (events, cuts_from) = (self.trace.into_events(), self.cuts_from);
        Recording { name: name.to_owned(), events, cuts_from }
    }
}
