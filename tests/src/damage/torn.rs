//! Batches that were never acknowledged, and reached the disk in part.

use std::path::Path;
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Trouble;
use super::case::Case;
use super::commits::bytes;
use super::image::FileImage;
use super::sample::{Sample, with_unsynced};
use super::sweep::{Sweep, journal, with_journal, with_less_room};

/// What a disk writes at once.
const SECTOR_BYTES: usize = 512;
/// How many random mixtures of sectors there are.
const MIXTURES: u64 = 4_000;
/// How many bits of a batch are flipped in turn, at most.
const FLIPS_MAX: u64 = 4_000;
/// How long the garbage behind a torn batch is.
const GARBAGE_BYTES: u64 = 700;
/// How many times as large batches are that go over many sectors.
const LARGER: usize = 300;

/// How the file goes on behind a batch that was cut.
const REST: [&str; 3] = ["zeros behind", "the end behind", "garbage behind"];

/// A young store that was killed, and batches beyond that nobody was told of.
struct Torn {
    sample: Arc<Sample>,
    batches: Vec<u8>,
}

impl Torn {
    fn make(program: &Path, scratch: &Path, more: u64, larger: usize) -> Result<Self, Trouble> {
        let (sample, image) = with_unsynced(program, scratch, more, larger)?;
        let path = sample.image.active_journal().ok_or("a store without a journal")?;
        let longer = image.files.get(path).ok_or("the journal was rotated")?;
        let batches = longer.data.get(journal(&sample)?.data.len()..);
        let batches = batches.ok_or("the journal has become shorter")?.to_vec();
        Ok(Self { sample: with_less_room(&sample)?, batches })
    }

    /// A part of the batch, cut at some length.
    fn cut(&self, number: u64) -> Option<Case> {
        let length = usize::try_from(number / REST.len() as u64).ok()?;
        let rest = REST[usize::try_from(number % REST.len() as u64).ok()?];
        let label = format!("{length} of {} bytes more, {rest}", self.batches.len());
        let damage = format!("torn batch, {rest}");
        with_journal(&self.sample, &damage, label, true, |file| {
            let mut data = file.data.to_vec();
            data.extend(self.batches.get(..length)?);
            let used = data.len() as u64;
            Some(match rest {
                "zeros behind" => FileImage::with_len(data, file.len),
                "the end behind" => FileImage::with_len(data, used),
                _ => {
                    data.extend(bytes(number, GARBAGE_BYTES as usize));
                    FileImage::with_len(data, file.len.max(used + GARBAGE_BYTES))
                }
            })
        })
    }

    /// The batch with one bit that is wrong.
    fn flip(&self, number: u64, of: u64) -> Option<Case> {
        let bits = self.batches.len() as u64 * 8;
        let bit = number * bits / of;
        let label = format!("bit {bit} of {} bytes more flipped", self.batches.len());
        with_journal(&self.sample, "torn batch, a bit", label, true, |file| {
            let mut data = file.data.to_vec();
            data.extend(&self.batches);
            let at = file.data.len() + usize::try_from(bit / 8).ok()?;
            *data.get_mut(at)? ^= 1 << (bit % 8);
            Some(FileImage::with_len(data, file.len))
        })
    }

    /// The batches, of which some sectors hold zeros, or garbage, instead.
    fn mixture(&self, name: &str, number: u64) -> Option<Case> {
        let mut random = ChaCha8Rng::seed_from_u64(number);
        let has_garbage = number % 4 == 3;
        let missing_one_in = [2, 16, 64][usize::try_from(number % 3).ok()?];
        let behind = if has_garbage { "garbage" } else { "zeros" };
        let mut label = format!("{name} batches, {behind} in sectors");
        let damage = format!("torn {name}, {behind}");
        let case = with_journal(&self.sample, &damage, String::new(), true, |file| {
            let start = file.data.len();
            let mut data = file.data.to_vec();
            data.extend(&self.batches);
            let mut sector = start - start % SECTOR_BYTES;
            while sector < data.len() {
                let (from, to) = (sector.max(start), (sector + SECTOR_BYTES).min(data.len()));
                if random.random_ratio(1, missing_one_in) {
                    label.push_str(&format!(" {}", sector / SECTOR_BYTES));
                    data[from..to].fill_with(|| if has_garbage { random.random() } else { 0 });
                }
                sector += SECTOR_BYTES;
            }
            Some(FileImage::with_len(data, file.len))
        })?;
        Some(Case { label: format!("{}{label}", case.label), ..case })
    }
}

/// A young store that was killed, with batches that nobody was told of: one, cut at every
/// length, or with a wrong bit; or several small or large ones, of which any sectors are
/// missing or hold garbage. It must open with every acknowledged commit.
///
/// # Errors
/// If the store cannot be made.
pub fn torn_tails(program: &Path, scratch: &Path) -> Result<Sweep, Trouble> {
    let make = |more, larger| Torn::make(program, scratch, more, larger);
    // Most of the time of each is spent waiting.
    let (one, small, large) = std::thread::scope(|scope| {
        let small = scope.spawn(|| make(12, 1));
        let large = scope.spawn(|| make(3, LARGER));
        (make(1, 1), small.join(), large.join())
    });
    let panicked = |_| Trouble::from("a store could not be made");
    let (one, small, large) = (one?, small.map_err(panicked)??, large.map_err(panicked)??);
    let cuts = (one.batches.len() as u64 + 1) * REST.len() as u64;
    let flips = FLIPS_MAX.min(one.batches.len() as u64 * 8);
    let make = move |number: u64| {
        if number < cuts {
            return one.cut(number);
        }
        let number = number - cuts;
        if number < flips {
            return one.flip(number, flips);
        }
        let number = number - flips;
        match number % 2 {
            0 => small.mixture("small", number / 2),
            _ => large.mixture("large", number / 2),
        }
    };
    Ok(Sweep { count: cuts + flips + MIXTURES, make: Box::new(make) })
}
