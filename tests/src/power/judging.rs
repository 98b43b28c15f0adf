//! Judges images in processes of their own, whatever these do.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::image::Image;
use super::judge::{Fault, Work};

/// How long judging one image may take; it takes some tens of milliseconds.
const DEADLINE: Duration = Duration::from_secs(60);

/// Writes images, and lets a program judge them.
#[derive(Debug, Clone)]
pub struct Judging {
    /// The program with the subcommand `judge`.
    pub program: PathBuf,
    /// Where the images are written; in memory, if possible.
    pub scratch: PathBuf,
}

impl Judging {
    /// Writes an image below a name, and judges it. It is deleted unless there is a fault.
    ///
    /// # Errors
    /// Those of the operating system. A fault is no error.
    pub async fn judge(
        &self,
        name: &str,
        image: &Image,
        told: &str,
        work: Work,
    ) -> io::Result<Result<String, Fault>> {
        let directory = self.scratch.join(name);
        image.write_to(&directory.join("root"))?;
        let told_path = directory.join("told");
        fs::write(&told_path, told)?;
        let outcome = self.outcome(&directory.join("root/engine"), &told_path, work).await?;
        if outcome.is_ok() {
            fs::remove_dir_all(directory)?;
        } else {
            // The judge has opened it, and may have changed it.
            image.write_to(&directory.join("before"))?;
        }
        Ok(outcome)
    }

    /// Judges a directory.
    ///
    /// # Errors
    /// Those of the operating system. A fault is no error.
    pub async fn outcome(
        &self,
        data: &Path,
        told: &Path,
        work: Work,
    ) -> io::Result<Result<String, Fault>> {
        let mut command = Command::new(&self.program);
        command.arg("judge").arg("--data").arg(data).arg("--told").arg(told);
        command.args(["--work", &work.to_string()]).stdin(Stdio::null());
        let output = command.kill_on_drop(true).output();
        let Ok(output) = timeout(DEADLINE, output).await else {
            return Ok(Err(Fault::new("hang", format!("no verdict after {DEADLINE:?}"))));
        };
        let output = output?;
        let text = String::from_utf8_lossy(&output.stdout);
        let verdict = text.lines().last().unwrap_or_default().split_once('\t');
        Ok(match verdict {
            Some(("right", text)) => Ok(text.to_owned()),
            Some(("wrong", fault)) => {
                let (kind, text) = fault.split_once('\t').unwrap_or((fault, ""));
                Err(Fault::new(kind, text))
            }
            _ => {
                let errors = String::from_utf8_lossy(&output.stderr);
                let kind = if errors.contains("panicked") { "panic" } else { "no verdict" };
                Err(Fault::new(kind, format!("{}: {}", output.status, errors.trim())))
            }
        })
    }
}

/// Where images are best written: in memory, or else in the directory given.
#[must_use]
pub fn in_memory(otherwise: &Path) -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_path_buf() } else { otherwise.to_path_buf() }
}
