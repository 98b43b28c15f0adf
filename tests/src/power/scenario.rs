//! What is recorded.

use std::path::Path;
use std::process::Command;

use super::event::Recording;
use super::image::Image;
use super::judge::Work;
use super::record::{RecordError, Recorder};
use crate::strace::Strace;

/// A sequence of processes that work on one store, one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What is at work.
    pub work: Work,
    /// The processes.
    processes: &'static [Process],
    /// Whether it is too large for everyday tests.
    pub is_large: bool,
}

/// What a process leaves for the next one.
#[derive(Debug)]
pub enum Left {
    /// Its power was cut: what is on the disk, and what was told before.
    ByPowerCut(Image, String),
    /// It was killed: what it had not synced is there and pending.
    ByKill(Recording),
}

/// One process.
#[derive(Debug, Clone, Copy)]
struct Process {
    arguments: &'static str,
    /// After how many told lines it is killed.
    kill_after: Option<usize>,
    /// Whether it is recorded; if not, it comes first, and prepares what the next one finds.
    is_recorded: bool,
}

const fn to_the_end(arguments: &'static str) -> Process {
    Process { arguments, kill_after: None, is_recorded: true }
}

const fn killed(arguments: &'static str, lines: usize) -> Process {
    Process { arguments, kill_after: Some(lines), is_recorded: true }
}

const fn preparing(arguments: &'static str) -> Process {
    Process { arguments, kill_after: None, is_recorded: false }
}

const fn commits(name: &'static str, processes: &'static [Process]) -> Scenario {
    Scenario { name, work: Work::Commits, processes, is_large: false }
}

const fn runs(name: &'static str, work: Work, processes: &'static [Process]) -> Scenario {
    Scenario { name, work, processes, is_large: false }
}

/// The very first opening, three commits, and the shutdown.
pub const FIRST_OPENING: Scenario =
    commits("first-opening", &[to_the_end("commit --commits 3 --bytes 500")]);

/// All scenarios.
pub const ALL: &[Scenario] = &[
    FIRST_OPENING,
    commits(
        "reopened",
        &[
            to_the_end("commit --commits 150 --bytes 2000"),
            to_the_end("commit --commits 60 --bytes 2000"),
            to_the_end("commit --commits 5 --bytes 2000"),
        ],
    ),
    commits(
        "killed",
        &[
            killed("commit --commits 500 --bytes 3000", 201),
            killed("commit --commits 500 --bytes 3000", 102),
            killed("commit --commits 500 --bytes 3000", 33),
            to_the_end("commit --commits 20 --bytes 3000"),
        ],
    ),
    commits(
        "buffered",
        &[
            killed("commit --commits 900 --bytes 1500 --sync-every 40", 501),
            to_the_end("commit --commits 200 --bytes 1500 --sync-every 40"),
            to_the_end("commit --commits 100 --bytes 1500 --sync-every 1000"),
        ],
    ),
    commits(
        "idle",
        &[
            killed("commit --commits 90 --bytes 2000 --pause-after 30", 120),
            to_the_end("commit --commits 40 --bytes 2000 --sync-every 9 --pause-after 20"),
        ],
    ),
    runs(
        "engine",
        Work::Runs,
        &[
            killed("run --starts 500 --in-flight 12", 150),
            to_the_end("run --starts 25 --in-flight 12"),
        ],
    ),
    runs(
        "engine-interval",
        Work::BufferedRuns,
        &[
            killed("run --starts 500 --in-flight 12 --durability interval=20ms", 150),
            to_the_end("run --starts 25 --in-flight 12 --durability interval=20ms"),
        ],
    ),
    runs(
        "engine-os-buffered",
        Work::BufferedRuns,
        &[
            killed("run --starts 500 --in-flight 12 --durability os-buffered", 150),
            to_the_end("run --starts 25 --in-flight 12 --durability os-buffered"),
        ],
    ),
    // A journal is full at 64,000,000 bytes, and the next one is begun.
    Scenario {
        name: "rotation",
        work: Work::Commits,
        processes: &[
            preparing("commit --commits 72 --bytes 1000000 --sync-every 3"),
            to_the_end("commit --commits 9 --bytes 1000000 --sync-every 3"),
            to_the_end("commit --commits 20 --bytes 1000"),
        ],
        is_large: true,
    },
    // An opening finds more in the journals than it may leave there.
    Scenario {
        name: "too-long",
        work: Work::Commits,
        processes: &[
            preparing("commit --commits 77 --bytes 1000000 --sync-every 7 --lazy"),
            to_the_end("commit --commits 5 --bytes 1000"),
        ],
        is_large: true,
    },
];

impl Scenario {
    /// Finds a scenario by its name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|scenario| scenario.name == name)
    }

    /// Lets the processes run, and records them in a new directory.
    ///
    /// `program` has the subcommands `commit` and `run`.
    ///
    /// # Errors
    /// [`RecordError`] if there is no complete recording.
    pub fn record(
        &self,
        strace: Strace,
        program: &Path,
        scratch: &Path,
    ) -> Result<Recording, RecordError> {
        let mut recorder = Recorder::new(strace, scratch)?;
        for process in self.processes {
            process.record(&mut recorder, program)?;
        }
        Ok(recorder.finish(self.name))
    }

    /// Lets one more process go on from what was left, and records it: its power can be cut
    /// while it recovers.
    ///
    /// # Errors
    /// [`RecordError`] if there is no complete recording.
    pub fn record_again(
        &self,
        strace: Strace,
        program: &Path,
        scratch: &Path,
        left: &Left,
    ) -> Result<Recording, RecordError> {
        let mut recorder = Recorder::new(strace, scratch)?;
        match left {
            Left::ByPowerCut(image, told) => recorder.begin_with(image, told)?,
            Left::ByKill(killed) => recorder.begin_with_killed(killed)?,
        }
        let process = match self.work {
            Work::Commits => to_the_end("commit --commits 3 --bytes 900"),
            Work::Runs | Work::BufferedRuns => to_the_end("run --starts 3 --in-flight 3"),
        };
        process.record(&mut recorder, program)?;
        Ok(recorder.finish(self.name))
    }

    /// Whether power can be cut twice: when it was cut once under an engine whose answers do
    /// not wait for the disk, what was told before no longer binds, and what it was is unknown.
    #[must_use]
    pub fn can_be_cut_twice(&self) -> bool {
        self.work != Work::BufferedRuns
    }
}

impl Process {
    fn record(self, recorder: &mut Recorder, program: &Path) -> Result<(), RecordError> {
        let mut command = Command::new(program);
        command.args(self.arguments.split(' '));
        command.arg("--data").arg(recorder.root().join("engine"));
        command.arg("--told").arg(recorder.told());
        if self.is_recorded {
            recorder.run(&command, self.kill_after)
        } else {
            recorder.prepare(&mut command)
        }
    }
}
