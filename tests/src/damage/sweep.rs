//! Every single damage of a kind to a journal.

use std::sync::Arc;

use super::Trouble;
use super::case::Case;
use super::image::FileImage;
use super::sample::Sample;

/// How much free room is left in a journal, in bytes.
const ROOM_BYTES: u64 = 64 * 1024;

/// A family of damages to the journal that is written to, one for each number below a count.
pub struct Sweep {
    /// How many there are.
    pub count: u64,
    /// Makes the one of a number.
    pub make: Box<dyn Fn(u64) -> Option<Case> + Sync + Send>,
}

impl std::fmt::Debug for Sweep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sweep").field("count", &self.count).finish_non_exhaustive()
    }
}

/// Each bit of the used part of the journal, flipped alone.
///
/// # Errors
/// If the sample has no journal.
pub fn flips(sample: &Arc<Sample>) -> Result<Sweep, Trouble> {
    let bits = journal(sample)?.used() * 8;
    let sample = Arc::clone(sample);
    let make = move |bit: u64| {
        with_journal(&sample, "each bit", format!("bit {bit} flipped"), false, |file| {
            let mut data = file.data.to_vec();
            let at = usize::try_from(bit / 8).ok()?;
            *data.get_mut(at)? ^= 1 << (bit % 8);
            Some(FileImage::with_len(data, file.len))
        })
    };
    Ok(Sweep { count: bits, make: Box::new(make) })
}

/// Each length of the journal's used part: cut there, and with zeros from there on.
///
/// # Errors
/// If the sample has no journal.
pub fn lengths(sample: &Arc<Sample>) -> Result<Sweep, Trouble> {
    let lengths = journal(sample)?.used();
    let sample = Arc::clone(sample);
    let make = move |number: u64| {
        let at = number / 2;
        let is_cut = number.is_multiple_of(2);
        let (damage, label) = if is_cut {
            ("each length", format!("cut at {at}"))
        } else {
            ("each length, zeros", format!("zeros from {at} on"))
        };
        with_journal(&sample, damage, label, false, |file| {
            let data = file.data.get(..usize::try_from(at).ok()?)?.to_vec();
            let len = if is_cut { at } else { file.len };
            Some(FileImage::with_len(data, len))
        })
    };
    Ok(Sweep { count: lengths * 2, make: Box::new(make) })
}

/// The same store with less of the free room that a journal is made with, which takes time to
/// look through and does not matter otherwise.
///
/// # Errors
/// If the sample has no journal.
pub fn with_less_room(sample: &Sample) -> Result<Arc<Sample>, Trouble> {
    let mut smaller = sample.clone();
    let path = smaller.image.active_journal().ok_or("a store without a journal")?.to_path_buf();
    let file = smaller.image.files.get_mut(&path).ok_or("a store without a journal")?;
    file.len = file.len.min(file.used() + ROOM_BYTES);
    Ok(Arc::new(smaller))
}

pub(super) fn journal(sample: &Sample) -> Result<&FileImage, Trouble> {
    let path = sample.image.active_journal().ok_or("a store without a journal")?;
    Ok(sample.image.files.get(path).ok_or("a store without a journal")?)
}

/// Makes a case of another journal.
pub(super) fn with_journal(
    sample: &Arc<Sample>,
    damage: &str,
    label: String,
    must_open: bool,
    change: impl FnOnce(&FileImage) -> Option<FileImage>,
) -> Option<Case> {
    let path = sample.image.active_journal()?.to_path_buf();
    let changed = change(sample.image.files.get(&path)?)?;
    let mut image = sample.image.clone();
    image.files.insert(path.clone(), changed);
    Some(Case {
        file: sample.image.kind_of(&path),
        sample: Arc::clone(sample),
        image,
        damage: damage.to_owned(),
        label: format!("{}: {label}", path.display()),
        must_open,
    })
}
