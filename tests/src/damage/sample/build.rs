//! Makes stores of numbered commits.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::helper::{CLOSE, Commits, GO_ON};
use super::{Ending, Kind, Sample};
use crate::damage::Trouble;
use crate::damage::commits::{ValueSizes, contents};
use crate::damage::image::Image;

/// How long a store needs to write down, at the latest, how far it is durable.
const QUIET: Duration = Duration::from_millis(2_500);

/// A process that makes a store.
pub(super) struct Maker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Maker {
    /// Starts the helper of a program.
    pub(super) fn start(program: &Path, arguments: &[String]) -> Result<Self, Trouble> {
        let mut child = Command::new(program)
            .arg("damage-helper")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().ok_or("no standard input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        Ok(Self { child, input, output })
    }

    /// Waits for what the process says next.
    pub(super) fn hear(&mut self) -> Result<String, Trouble> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() {
            return Err(format!("the helper has ended: {}", self.child.wait()?).into());
        }
        Ok(line.trim().to_owned())
    }

    pub(super) fn tell(&mut self, text: &str) -> Result<(), Trouble> {
        writeln!(self.input, "{text}")?;
        Ok(())
    }

    /// Lets the process close its store and end.
    pub(super) fn close(mut self) -> Result<(), Trouble> {
        self.tell(CLOSE)?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the helper: {status}").into()) }
    }

    pub(super) fn kill(mut self) -> Result<(), Trouble> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Kills the process once its store knows how far it is durable.
    pub(super) fn kill_when_quiet(self) -> Result<(), Trouble> {
        // Nobody tells when that is: the time it takes is part of what the store promises.
        std::thread::sleep(QUIET);
        self.kill()
    }
}

/// Starts a process that makes commits.
pub(super) fn committer(program: &Path, store: &Path, commits: Commits) -> Result<Maker, Trouble> {
    let store = store.to_str().ok_or("a path that is not text")?;
    let Commits { kind, first, synced, larger, stop } = commits;
    let mut arguments = vec!["commits".to_owned(), format!("--directory={store}")];
    arguments.extend([format!("--kind={kind}"), format!("--first={first}")]);
    arguments.extend([format!("--synced={synced}"), format!("--larger={larger}")]);
    arguments.extend(stop.iter().map(|stop| format!("--stop={stop}")));
    Maker::start(program, &arguments)
}

/// Makes a store of numbered commits.
pub(super) fn build(
    kind: Kind,
    ending: Ending,
    program: &Path,
    store: &Path,
) -> Result<Sample, Trouble> {
    let making = kind.making();
    let commits = making.commits;
    let mut durable = commits;
    let mut earlier = Vec::new();
    let start = |first: u64, stops: &[u64]| {
        let stop = stops.to_vec();
        committer(program, store, Commits { kind, first, synced: commits, larger: 1, stop })
    };
    let quarter = commits / 4;
    if ending == Ending::Reopened {
        for session in 0..3 {
            let mut maker = start(session * quarter + 1, &[(session + 1) * quarter])?;
            maker.hear()?;
            if session % 2 == 0 {
                maker.close()?
            } else {
                maker.kill()?
            }
            earlier.push(Image::read(store)?);
        }
        let mut maker = start(3 * quarter + 1, &[commits])?;
        maker.hear()?;
        maker.kill_when_quiet()?;
    } else {
        let mut maker = start(1, &[quarter, 3 * quarter, commits])?;
        for _ in 0..2 {
            maker.hear()?;
            earlier.push(Image::read(store)?);
            if ending == Ending::KilledAtOnce && earlier.len() == 2 {
                std::thread::sleep(QUIET);
                durable = 3 * quarter;
            }
            maker.tell(GO_ON)?;
        }
        maker.hear()?;
        match ending {
            Ending::Closed => maker.close()?,
            Ending::KilledAtOnce => maker.kill()?,
            Ending::Killed | Ending::Reopened => maker.kill_when_quiet()?,
        }
    }
    Ok(Sample {
        name: format!("{kind}-{ending}"),
        image: Image::read(store)?,
        earlier,
        contents: contents(commits, making.sizes),
        acknowledged: usize::try_from(commits)?,
        durable: usize::try_from(durable)?,
    })
}

/// Makes a young store that was killed when quiet, and gives it together with its files after
/// some more commits that were not synced, with values so many times as large.
///
/// # Errors
/// If it cannot be made.
pub(in crate::damage) fn with_unsynced(
    program: &Path,
    scratch: &Path,
    more: u64,
    larger: usize,
) -> Result<(Sample, Image), Trouble> {
    let directory = tempfile::tempdir_in(scratch)?;
    let store = directory.path().join("store");
    let making = Kind::Young.making();
    let (commits, end) = (making.commits, making.commits + more);
    let stop = vec![commits, end];
    let wanted = Commits { kind: Kind::Young, first: 1, synced: commits, larger, stop };
    let mut maker = committer(program, &store, wanted)?;
    maker.hear()?;
    std::thread::sleep(QUIET);
    let image = Image::read(&store)?;
    maker.tell(GO_ON)?;
    maker.hear()?;
    maker.kill()?;
    let sample = Sample {
        name: "young-killed".to_owned(),
        image,
        earlier: Vec::new(),
        contents: contents(end, ValueSizes { larger_beyond: (commits, larger), ..making.sizes }),
        acknowledged: usize::try_from(commits)?,
        durable: usize::try_from(commits)?,
    };
    Ok((sample, Image::read(&store)?))
}
