//! The store of an engine.

use std::path::Path;

use entracte::store::{FjallOptions, FjallStore};
use entracte_testing::{Outcome, check_store};

use super::build::Maker;
use super::helper::GO_ON;
use super::{Ending, Kind, Sample};
use crate::damage::Trouble;
use crate::damage::content::{ReadError, read};
use crate::damage::image::Image;
use crate::small::{ENDINGS, ending as in_words};

/// The runs that come to their ends within seconds.
pub(super) const ENDED: [&str; 6] =
    ["three-steps", "fan-out", "trip", "patient", "stubborn", "race-work"];

/// Makes the store of an engine, and checks that it holds what was acknowledged.
pub(super) fn build(ending: Ending, program: &Path, scratch: &Path) -> Result<Sample, Trouble> {
    let store = scratch.join("store");
    let path = store.to_str().ok_or("a path that is not text")?;
    let mut maker = Maker::start(program, &["engine".to_owned(), format!("--directory={path}")])?;
    maker.hear()?;
    let earlier = vec![Image::read(&store)?];
    maker.tell(GO_ON)?;
    let ended = maker.hear()?;
    match ending {
        Ending::Closed => maker.close()?,
        Ending::Killed => maker.kill_when_quiet()?,
        Ending::KilledAtOnce | Ending::Reopened => {
            return Err(format!("an engine's store is not made {ending}").into());
        }
    }
    let image = Image::read(&store)?;
    let copy = scratch.join("copy");
    image.write(&copy)?;
    let store = FjallStore::open_blocking(&copy, &FjallOptions::default())?;
    let runs = check_store(&store)?;
    for id in ended.split(' ') {
        let run = runs.iter().find(|run| run.row.workflow_id.as_str() == id);
        let last = run.and_then(|run| run.history.last());
        let found = last.and_then(|last| Outcome::of(&last.attributes));
        let found = found.as_ref().map(in_words).unwrap_or_default();
        let name = id.split_once('-').map_or(id, |(_, name)| name);
        let expected = ENDINGS.iter().find(|(known, _)| *known == name);
        if !expected.is_some_and(|(_, end)| found.starts_with(end)) || found.is_empty() {
            return Err(format!("{id} was acknowledged to end, and is {found:?}").into());
        }
    }
    let content = read(&store).map_err(|error| match error {
        ReadError::Store(error) => error.to_string(),
        ReadError::Differs(text) => text,
    })?;
    let name = format!("{}-{ending}", Kind::Engine);
    Ok(Sample { name, image, earlier, contents: vec![content], acknowledged: 0, durable: 0 })
}
