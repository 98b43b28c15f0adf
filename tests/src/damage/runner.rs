//! Runs many cases.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Trouble;
use super::case::Case;
use super::judge::{Judgement, Verdict, judge};
use super::probe::{Found, Probed};
use super::prober::{Prober, Probing};
use super::sample::Sample;
use super::tally::Tally;

/// Where and how cases are run.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The program that opens the stores: the soak program.
    pub program: PathBuf,
    /// A directory for files that nobody needs afterwards.
    pub scratch: PathBuf,
    /// How many are run at the same time.
    pub jobs: usize,
    /// How long one may take.
    pub deadline: Duration,
    /// Where the damaged stores are kept that have failed.
    pub keep: Option<PathBuf>,
    /// Whether progress is told on the standard error.
    pub is_talkative: bool,
}

impl Setting {
    /// The settings for tests, with the soak program and a directory for scratch files.
    #[must_use]
    pub fn for_tests(program: &str, scratch: &Path) -> Self {
        Self {
            program: program.into(),
            scratch: scratch.to_path_buf(),
            jobs: 2,
            deadline: Duration::from_secs(120),
            keep: None,
            is_talkative: false,
        }
    }
}

/// Cases with numbers.
pub struct Plan<'a> {
    /// What the plan is called.
    pub name: String,
    /// The numbers of the cases to be run.
    pub numbers: Vec<u64>,
    /// Makes the case of a number, if there is one.
    pub make: &'a (dyn Fn(u64) -> Option<Case> + Sync),
}

impl std::fmt::Debug for Plan<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Checks that a store that was not damaged opens with all that is in it.
///
/// # Errors
/// If it does not.
pub fn check_undamaged(setting: &Setting, sample: &Arc<Sample>) -> Result<(), Trouble> {
    let make = |_| {
        Some(Case {
            sample: Arc::clone(sample),
            image: sample.image.clone(),
            damage: "none".to_owned(),
            file: "none".to_owned(),
            label: "no damage".to_owned(),
            must_open: true,
        })
    };
    let tally = run(setting, &Plan { name: sample.name.clone(), numbers: vec![0], make: &make })?;
    match tally.failures.first() {
        None if tally.count(Verdict::Right) == 1 => Ok(()),
        failure => Err(format!("{} is not sound at first: {failure:?}", sample.name).into()),
    }
}

/// How many failures of one plan are kept as files.
const KEPT_MAX: usize = 40;

/// Runs the cases of a plan, and counts what comes of them.
///
/// # Errors
/// If the harness itself fails.
pub fn run(setting: &Setting, plan: &Plan<'_>) -> Result<Tally, Trouble> {
    let (next, tally) = (AtomicU64::new(0), Mutex::new(Tally::default()));
    let work = |job: usize| -> Result<(), Trouble> {
        let scratch = tempfile::Builder::new().prefix("damage-").tempdir_in(&setting.scratch)?;
        let errors = scratch.path().join(format!("errors-{job}"));
        let mut prober = Prober::new(setting.program.clone(), errors, setting.deadline);
        let directory = scratch.path().join("store");
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(number) = plan.numbers.get(usize::try_from(index)?) else { return Ok(()) };
            let Some(case) = (plan.make)(*number) else { continue };
            let judgement = run_case(&mut prober, &case, &directory)?;
            let place = format!("{}:{number}", plan.name);
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            if judgement.verdict.is_failure() && tally.failures.len() < KEPT_MAX {
                keep(setting, &case, &place)?;
            }
            tally.add(&place, &case, judgement);
            if setting.is_talkative && tally.cases % 1_000 == 0 {
                let (cases, failures) = (tally.cases, tally.failures.len());
                eprintln!("{}: {cases} of {}, {failures} failures", plan.name, plan.numbers.len());
            }
        }
    };
    std::thread::scope(|scope| {
        let work = &work;
        let jobs: Vec<_> =
            (0..setting.jobs.max(1)).map(|job| scope.spawn(move || work(job))).collect();
        jobs.into_iter().try_for_each(|job| job.join().map_err(|_| "a job panicked")?)
    })?;
    Ok(tally.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Writes the files of a case into a directory, lets a process open it, and takes it away again.
fn run_case(prober: &mut Prober, case: &Case, directory: &Path) -> Result<Judgement, Trouble> {
    case.image.write(directory)?;
    let probing = prober.probe(directory)?;
    // What opens may change what it likes.
    let is_refused =
        matches!(&probing, Probing::Answered(Probed { first: Found::Refused { .. }, .. }));
    let difference = if is_refused { case.image.difference(directory)? } else { None };
    std::fs::remove_dir_all(directory)?;
    Ok(judge(case, &probing, difference.as_deref()))
}

fn keep(setting: &Setting, case: &Case, place: &str) -> Result<(), Trouble> {
    let Some(keep) = &setting.keep else { return Ok(()) };
    let directory = keep.join(place.replace([':', '/', ' '], "-"));
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    Ok(case.image.write(&directory)?)
}
