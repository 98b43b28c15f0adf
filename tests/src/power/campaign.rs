//! Cuts the power at many places of a recording, and judges what is left.

mod label;
mod report;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::task::{JoinError, JoinSet};

use self::label::labels;
pub use self::report::{Failure, Report};
use super::disk::{Disk, Rules};
use super::event::{Event, Recording};
use super::image::Image;
use super::judge::{Fault, TORN, Work};
use super::judging::Judging;

/// The rules that take turns, with their names.
pub const RULES: [(&str, Rules); 4] = [
    ("posix", Rules::POSIX),
    ("ext4", Rules::EXT4),
    ("harsh", Rules::HARSH),
    // Not a power cut at all: a kill, which leaves all that was done.
    ("kill", Rules::POSIX),
];

/// One cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut {
    /// After how many events.
    pub place: usize,
    /// Which of the [`RULES`].
    pub rules: usize,
    /// What chance does.
    pub seed: u64,
}

impl Cut {
    /// The image that this cut of a disk leaves.
    fn image(&self, disk: &Disk) -> Image {
        match RULES[self.rules].0 {
            "kill" => disk.now(),
            _ => disk.cut(&mut ChaCha8Rng::seed_from_u64(self.seed)),
        }
    }
}

/// Where cuts are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cuts {
    /// At so many places, each label of the event before being as frequent as the others.
    Sample(usize),
    /// After each event, so many times.
    Everywhere(usize),
}

impl Cuts {
    /// Chooses the cuts of a recording.
    #[must_use]
    pub fn choose(self, recording: &Recording, random: &mut ChaCha8Rng) -> Vec<Cut> {
        let Recording { events, cuts_from, .. } = recording;
        let mut cut = |place, rules| Cut { place, rules, seed: random.random() };
        let mut cuts: Vec<Cut> = match self {
            Self::Everywhere(times) => {
                let places = (*cuts_from..=events.len())
                    .flat_map(|place| (0..times).map(move |n| (place, n)));
                places.map(|(place, time)| cut(place, (place + time) % RULES.len())).collect()
            }
            Self::Sample(count) => sample(events, *cuts_from, count, random),
        };
        cuts.sort_unstable();
        cuts
    }
}

fn sample(events: &[Event], from: usize, count: usize, random: &mut ChaCha8Rng) -> Vec<Cut> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, label) in labels(events).into_iter().enumerate().skip(from) {
        places.entry(label).or_default().push(index + 1);
    }
    let labels: Vec<&Vec<usize>> = places.values().collect();
    // A kill is the exception: other tests make real ones.
    let rules = |index: usize| if index % 10 == 9 { RULES.len() - 1 } else { index % 3 };
    (0..count)
        .map(|index| {
            let places = labels[random.random_range(0..labels.len())];
            let place = places[random.random_range(0..places.len())];
            Cut { place, rules: rules(index), seed: random.random() }
        })
        .collect()
}

/// A recording whose images are judged.
#[derive(Debug)]
pub struct Campaign {
    /// The recording.
    pub recording: Recording,
    /// What was at work.
    pub work: Work,
    /// Who judges.
    pub judging: Judging,
    /// How many images are judged at the same time.
    pub workers: usize,
    /// Tells this recording from others of the same name and process.
    pub suffix: String,
    /// Where the recording and images with faults are kept.
    pub keep: PathBuf,
}

impl Campaign {
    /// Makes the cuts that follow from a seed, and judges what they leave.
    ///
    /// # Errors
    /// Those of the operating system.
    pub async fn run(&self, cuts: Cuts, seed: u64) -> io::Result<Report> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        self.run_cuts(&cuts.choose(&self.recording, &mut random)).await
    }

    /// What a cut leaves: the image, and what was told before.
    #[must_use]
    pub fn left_by(&self, cut: Cut) -> (Image, String) {
        let mut disk = Disk::new(RULES[cut.rules].1);
        self.recording.events[..cut.place].iter().for_each(|event| disk.apply(event));
        (cut.image(&disk), self.recording.told_before(cut.place))
    }

    /// Makes cuts, in the order of their places, and judges what they leave.
    ///
    /// # Errors
    /// Those of the operating system.
    pub async fn run_cuts(&self, cuts: &[Cut]) -> io::Result<Report> {
        let mut report = Report::default();
        let labels = labels(&self.recording.events);
        let mut disks = RULES.map(|(_, rules)| Disk::new(rules));
        let (mut done, mut told) = (0, String::new());
        let mut judges = JoinSet::new();
        for cut in cuts {
            for event in &self.recording.events[done..cut.place] {
                disks.iter_mut().for_each(|disk| disk.apply(event));
                if let Event::Told { text } = event {
                    told.push_str(text);
                }
            }
            done = cut.place;
            if judges.len() >= self.workers.max(1) {
                self.take(judges.join_next().await, &labels, &mut report)?;
            }
            let (cut, told, work) = (*cut, told.clone(), self.work);
            let (judging, name) = (self.judging.clone(), self.name(cut));
            let image = cut.image(&disks[cut.rules]);
            judges.spawn(async move { (cut, judging.judge(&name, &image, &told, work).await) });
        }
        while !judges.is_empty() {
            self.take(judges.join_next().await, &labels, &mut report)?;
        }
        if report.failures.is_empty() {
            // Only images with faults are left, perhaps those of others.
            let _ = std::fs::remove_dir(&self.judging.scratch);
        } else {
            std::fs::create_dir_all(&self.keep)?;
            self.recording.save(&self.recording_path())?;
        }
        Ok(report)
    }

    fn take(
        &self,
        judged: Option<Result<Judged, JoinError>>,
        labels: &[&'static str],
        report: &mut Report,
    ) -> io::Result<()> {
        let Some(judged) = judged else { return Ok(()) };
        let (cut, outcome) = judged.map_err(io::Error::other)?;
        let before = cut.place.checked_sub(1).map_or("nothing", |index| labels[index]);
        match outcome? {
            Ok(text) => report.right(before, RULES[cut.rules].0, text.contains(TORN)),
            Err(fault) => {
                let replay = format!(
                    "power-cut --replay {} --place {} --rules {} --cut-seed {}",
                    self.recording_path().display(),
                    cut.place,
                    RULES[cut.rules].0,
                    cut.seed
                );
                let image = self.judging.scratch.join(self.name(cut));
                let scenario = self.recording.name.clone();
                let failure = Failure { scenario, before, cut, fault, replay, image };
                report.wrong(failure, RULES[cut.rules].0)?;
            }
        }
        Ok(())
    }

    fn recording_path(&self) -> PathBuf {
        let id = std::process::id();
        self.keep.join(format!("{}-{id}{}.recording", self.recording.name, self.suffix))
    }

    fn name(&self, cut: Cut) -> String {
        let (name, suffix, rules) = (&self.recording.name, &self.suffix, RULES[cut.rules].0);
        format!("{name}{suffix}-{}-{rules}-{}", cut.place, cut.seed)
    }
}

type Judged = (Cut, io::Result<Result<String, Fault>>);
