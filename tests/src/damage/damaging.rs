//! Kinds of damage to a file.

use std::ops::Range;

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::image::FileImage;

/// What a batch ends with in a journal: a place where a cut leaves no half of anything.
pub(super) const BATCH_END: &[u8] = b"FJL\x03";
/// What a block of a table begins with.
const BLOCK_START: &[u8] = b"LSM\x03";
/// How far from the front a file that ends in a hole is damaged beyond what it holds.
const BEYOND_BYTES: u64 = 64 * 1024;

/// A kind of damage to one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// One bit has the other value.
    FlipBit,
    /// Some bits have the other value.
    FlipBits,
    /// The file ends earlier.
    Cut,
    /// From a place on there are zeros, as if the pages had never been written.
    ZeroRest,
    /// The file is empty.
    Empty,
    /// Two ranges have changed places.
    Swap,
    /// A range holds zeros.
    Zero,
    /// A range holds random bytes.
    Random,
    /// Random bytes were put in between; what follows is shifted.
    Insert,
    /// Bytes were taken out; what follows is shifted.
    Remove,
    /// A range is there twice; what follows is shifted.
    Repeat,
    /// A block or a batch holds what another one of the same length holds: a write went to
    /// the wrong place.
    Misplace,
    /// The file holds what another one of the same kind holds.
    OtherFile,
    /// The file is gone.
    Delete,
    /// The file is as it was earlier.
    OlderCopy,
    /// A file is there again that had been deleted.
    BackAgain,
}

/// All kinds of damage.
pub const DAMAGES: [Damage; 16] = [
    Damage::FlipBit,
    Damage::FlipBits,
    Damage::Cut,
    Damage::ZeroRest,
    Damage::Empty,
    Damage::Swap,
    Damage::Zero,
    Damage::Random,
    Damage::Insert,
    Damage::Remove,
    Damage::Repeat,
    Damage::Misplace,
    Damage::OtherFile,
    Damage::Delete,
    Damage::OlderCopy,
    Damage::BackAgain,
];

impl Damage {
    /// A name for tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FlipBit => "flip a bit",
            Self::FlipBits => "flip bits",
            Self::Cut => "cut",
            Self::ZeroRest => "zero the rest",
            Self::Empty => "empty",
            Self::Swap => "swap ranges",
            Self::Zero => "zero a range",
            Self::Random => "random bytes",
            Self::Insert => "insert bytes",
            Self::Remove => "remove bytes",
            Self::Repeat => "repeat a range",
            Self::Misplace => "misplace a block",
            Self::OtherFile => "other file's",
            Self::Delete => "delete",
            Self::OlderCopy => "older copy",
            Self::BackAgain => "back again",
        }
    }

    /// Damages what is in a file, and tells what exactly was done. None if this kind of damage
    /// cannot be done to this file alone.
    pub(super) fn apply(
        self,
        file: &FileImage,
        random: &mut ChaCha8Rng,
    ) -> Option<(FileImage, String)> {
        let mut data = file.data.to_vec();
        let mut len = file.len;
        let places = Places::of(file);
        let label = match self {
            Self::FlipBit | Self::FlipBits => flip(self, &mut data, len, random)?,
            Self::Cut | Self::ZeroRest => {
                let at = places.place(random);
                data.truncate(at);
                if self == Self::Cut {
                    len = at as u64;
                }
                format!("from {at} on")
            }
            Self::Empty => {
                (data, len) = (Vec::new(), 0);
                "all of it".to_owned()
            }
            Self::Swap => swap(&mut data, &places, random)?,
            Self::Zero | Self::Random | Self::Insert => {
                overwrite(self, &mut data, &mut len, &places, random)
            }
            Self::Remove | Self::Repeat => {
                let (from, to) = places.range(random)?;
                if self == Self::Remove {
                    data.drain(from..to);
                    len -= (to - from) as u64;
                } else {
                    let again = data[from..to].to_vec();
                    data.splice(to..to, again);
                    len += (to - from) as u64;
                }
                format!("{from}..{to}")
            }
            Self::Misplace => misplace(&mut data, &places, random)?,
            Self::OtherFile | Self::Delete | Self::OlderCopy | Self::BackAgain => return None,
        };
        Some((FileImage::with_len(data, len), label))
    }
}

fn flip(damage: Damage, data: &mut Vec<u8>, len: u64, random: &mut ChaCha8Rng) -> Option<String> {
    let count = if damage == Damage::FlipBit { 1 } else { random.random_range(2..=16) };
    let used = data.len() as u64;
    let end = if random.random_ratio(1, 20) { len.min(used + BEYOND_BYTES) } else { used };
    if end == 0 {
        return None;
    }
    let mut label = String::from("bits");
    for _ in 0..count {
        let bit = random.random_range(0..end * 8);
        let at = usize::try_from(bit / 8).ok()?;
        if at >= data.len() {
            data.resize(at + 1, 0);
        }
        data[at] ^= 1 << (bit % 8);
        label.push_str(&format!(" {bit}"));
    }
    Some(label)
}

fn swap(data: &mut [u8], places: &Places, random: &mut ChaCha8Rng) -> Option<String> {
    let (first, first_end) = places.range(random)?;
    let room = data.len() - first_end;
    let length = (first_end - first).min(room);
    if length == 0 {
        return None;
    }
    let second = data.len() - random.random_range(length..=room);
    let (front, back) = data.split_at_mut(second);
    front[first..first + length].swap_with_slice(&mut back[..length]);
    Some(format!("{length} bytes at {first} and {second}"))
}

/// Writes one whole thing over another one of the same length.
fn misplace(data: &mut [u8], places: &Places, random: &mut ChaCha8Rng) -> Option<String> {
    let wholes: Vec<_> = places.wholes().collect();
    let from = wholes.choose(random)?.clone();
    let others = wholes.iter().filter(|to| to.len() == from.len() && **to != from);
    let to = others.collect::<Vec<_>>().choose(random)?.start;
    data.copy_within(from.clone(), to);
    Some(format!("{from:?} over {to}"))
}

fn overwrite(
    damage: Damage,
    data: &mut Vec<u8>,
    len: &mut u64,
    places: &Places,
    random: &mut ChaCha8Rng,
) -> String {
    let (from, to) = places.range(random).unwrap_or((data.len(), data.len() + 8));
    let bytes: Vec<u8> = match damage {
        Damage::Zero => vec![0; to - from],
        _ => (from..to).map(|_| random.random()).collect(),
    };
    if damage == Damage::Insert {
        data.splice(from..from, bytes);
        *len += (to - from) as u64;
    } else {
        data.resize(data.len().max(to), 0);
        data[from..to].copy_from_slice(&bytes);
        *len = (*len).max(to as u64);
    }
    format!("{from}..{to}")
}

/// Places within the part of a file that holds something.
struct Places {
    used: usize,
    /// Where something ends, so that a cut there leaves only whole things.
    seams: Vec<usize>,
    /// How many of them are seams of what is in the file, in their order; the others are those
    /// of the disk.
    inner: usize,
}

impl Places {
    fn of(file: &FileImage) -> Self {
        let used = file.data.len();
        let mut seams: Vec<usize> = Vec::new();
        // In large files the first seams are enough.
        let searched = &file.data[..used.min(1 << 20)];
        for (at, window) in searched.windows(BATCH_END.len()).enumerate() {
            match window {
                BATCH_END => seams.push(at + BATCH_END.len()),
                BLOCK_START => seams.push(at),
                _ => {}
            }
        }
        let inner = seams.len();
        seams.extend((1..=used / 4096).map(|page| page * 4096));
        Self { used, seams, inner }
    }

    /// The blocks of a table, the batches of a journal.
    fn wholes(&self) -> impl Iterator<Item = Range<usize>> {
        self.seams[..self.inner].windows(2).map(|seams| seams[0]..seams[1])
    }

    /// Any place, every other time a seam.
    fn place(&self, random: &mut ChaCha8Rng) -> usize {
        if random.random()
            && let Some(seam) = self.seams.choose(random)
        {
            return *seam;
        }
        random.random_range(0..=self.used)
    }

    /// A range that is not empty, of any order of magnitude.
    fn range(&self, random: &mut ChaCha8Rng) -> Option<(usize, usize)> {
        if self.used == 0 {
            return None;
        }
        let from = self.place(random).min(self.used - 1);
        let room = self.used - from;
        let magnitude = random.random_range(0..=room.ilog2());
        let length = random.random_range(1..=(2_usize << magnitude).min(room));
        let end = from + length;
        if random.random() {
            // To a seam nearby, so that whole things are moved.
            let next = self.seams.iter().copied().filter(|seam| *seam > from);
            let to = next.min_by_key(|seam| seam.abs_diff(end)).unwrap_or(end);
            return Some((from, to));
        }
        Some((from, end))
    }
}
