//! All that is needed to cut the power of a scenario.

use std::error::Error;
use std::path::{Path, PathBuf};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::campaign::{Campaign, Cuts, Report};
use super::event::Recording;
use super::first_opening::FirstOpening;
use super::judge::Work;
use super::judging::{Judging, in_memory};
use super::scenario::{Left, Scenario};
use crate::strace::{NoStrace, Strace};

/// How many images are made of a process that recovers from a power cut.
const IMAGES_AGAIN: usize = 12;

/// Records and judges with one program, in one place.
#[derive(Debug)]
pub struct Rig {
    strace: Strace,
    judging: Judging,
    scratch: PathBuf,
}

impl Rig {
    /// Prepares a place. Images are written in memory, if there is such a place and no other
    /// one is given.
    ///
    /// # Errors
    /// If there is no `strace`, or the place cannot be made.
    pub fn new(
        program: PathBuf,
        scratch: &Path,
        images_in: Option<&Path>,
    ) -> Result<Self, NoStrace> {
        std::fs::create_dir_all(scratch)?;
        let strace = Strace::find(scratch)?;
        let images = images_in.map_or_else(|| in_memory(scratch), Path::to_path_buf);
        let images = tempfile::Builder::new().prefix("entracte-power-cut-").tempdir_in(images)?;
        // What is left when all is well is removed by those who write there.
        let judging = Judging { program, scratch: images.keep() };
        Ok(Self { strace, judging, scratch: scratch.to_path_buf() })
    }

    /// Records a scenario.
    ///
    /// # Errors
    /// If there is no complete recording.
    pub fn record(&self, scenario: &Scenario) -> Result<Recording, Box<dyn Error>> {
        let directory = tempfile::tempdir_in(&self.scratch)?;
        Ok(scenario.record(self.strace.clone(), &self.judging.program, directory.path())?)
    }

    /// A campaign with a recording; the suffix tells it from others of the same name.
    #[must_use]
    pub fn campaign(&self, recording: Recording, work: Work, suffix: &str) -> Campaign {
        Campaign {
            recording,
            work,
            judging: self.judging.clone(),
            workers: std::thread::available_parallelism().map_or(2, usize::from),
            suffix: suffix.to_owned(),
            keep: self.scratch.clone(),
        }
    }

    /// Kills first openings.
    #[must_use]
    pub fn first_opening(&self) -> FirstOpening {
        FirstOpening { strace: self.strace.clone(), judging: self.judging.clone() }
    }

    /// Records a scenario, and judges so many images of it. About one in five is one of a
    /// process that goes on from what a first power cut, or a kill, has left.
    ///
    /// # Errors
    /// If something cannot be recorded or judged.
    pub async fn cut_often(
        &self,
        scenario: &Scenario,
        images: usize,
        seed: u64,
    ) -> Result<Report, Box<dyn Error>> {
        let recording = self.record(scenario)?;
        let campaign = self.campaign(recording, scenario.work, "");
        let again = if scenario.is_large { 0 } else { images / 5 / IMAGES_AGAIN };
        let first = images.saturating_sub(again * IMAGES_AGAIN);
        let mut report = campaign.run(Cuts::Sample(first), seed).await?;
        let mut random = ChaCha8Rng::seed_from_u64(seed.wrapping_add(1));
        for cut in Cuts::Sample(again).choose(&campaign.recording, &mut random) {
            let left = if scenario.can_be_cut_twice() && random.random() {
                let (image, told) = campaign.left_by(cut);
                Left::ByPowerCut(image, told)
            } else {
                Left::ByKill(campaign.recording.killed_at(cut.place))
            };
            let suffix = format!("-again-{}", cut.place);
            let again = self.go_on(scenario, &left, &suffix)?;
            report.add(again.run(Cuts::Sample(IMAGES_AGAIN), random.random()).await?);
        }
        Ok(report)
    }

    /// Lets one more process go on from what was left, and gives its recording.
    ///
    /// # Errors
    /// If it cannot be recorded.
    pub fn go_on(
        &self,
        scenario: &Scenario,
        left: &Left,
        suffix: &str,
    ) -> Result<Campaign, Box<dyn Error>> {
        let directory = tempfile::tempdir_in(&self.scratch)?;
        let (strace, program) = (self.strace.clone(), &self.judging.program);
        let recording = scenario.record_again(strace, program, directory.path(), left)?;
        Ok(self.campaign(recording, scenario.work, suffix))
    }
}
