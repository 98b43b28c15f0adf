//! What is on a disk after its power was cut.

use std::collections::{BTreeMap, HashMap};

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::content::{Content, PAGE_BYTES, Part, SECTOR_BYTES, parts};
use super::directory::{Change, Names};
use super::file::{FileChange, FileState};
use super::{Disk, Inode, Metadata, Sequence};
use crate::power::image::Image;

/// How much of what is pending survives, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Luck {
    names: f64,
    lengths: f64,
    pages: f64,
    /// How many of the pages that were being written are torn.
    torn: f64,
}

impl Luck {
    const NONE: Self = Self { names: 0.0, lengths: 0.0, pages: 0.0, torn: 0.0 };
    const ALL: Self = Self { names: 1.0, lengths: 1.0, pages: 1.0, torn: 0.0 };

    fn draw(random: &mut ChaCha8Rng) -> Self {
        const LEVELS: [f64; 5] = [0.0, 0.1, 0.5, 0.9, 1.0];
        let mut level = || LEVELS[random.random_range(0..LEVELS.len())];
        let (names, lengths, pages) = (level(), level(), level());
        match random.random_range(0..10) {
            0 | 1 => Self::NONE,
            2 => Self::ALL,
            // Everything is known of the files, and not what is in them.
            3 => Self { pages: 0.0, ..Self::ALL },
            4 => Self { pages, torn: 0.5, ..Self::ALL },
            5 => Self { torn: 0.5, ..Self::ALL },
            6 | 7 => Self { names, lengths, pages, torn: 0.0 },
            _ => Self { names, lengths, pages, torn: 0.3 },
        }
    }
}

/// How many of a number of things survive, if the first ones do.
fn prefix(random: &mut ChaCha8Rng, count: usize, luck: f64) -> usize {
    if random.random_bool(luck) { count } else { random.random_range(0..=count) }
}

/// As [`prefix`], where no luck at all means none.
fn lucky_prefix(random: &mut ChaCha8Rng, count: usize, luck: f64) -> usize {
    if luck == 0.0 { 0 } else { prefix(random, count, luck) }
}

impl Disk {
    /// What is on the disk if its power is cut now: everything durable, and a random part of
    /// what is pending.
    #[must_use]
    pub fn cut(&self, random: &mut ChaCha8Rng) -> Image {
        let luck = Luck::draw(random);
        self.cut_with(random, luck)
    }

    /// Only what is known to be durable.
    #[must_use]
    pub fn durable(&self) -> Image {
        use rand::SeedableRng;
        // Nothing is left to chance.
        self.cut_with(&mut ChaCha8Rng::seed_from_u64(0), Luck::NONE)
    }

    fn cut_with(&self, random: &mut ChaCha8Rng, luck: Luck) -> Image {
        let journal = self.journal(random, luck);
        let names = match self.rules.metadata {
            Metadata::Journaled => self.names_until(|_| journal),
            Metadata::PerDirectory => self.names_per_directory(random, luck.names),
            Metadata::AnySubset => self.names_any(random, luck.names),
        };
        let is_journaled = self.rules.metadata == Metadata::Journaled;
        // The order of the files must not depend on that of a hash map.
        let mut contents = BTreeMap::new();
        let files: BTreeMap<_, _> = self.files.iter().collect();
        for (inode, file) in files {
            let lengths =
                if is_journaled { journal } else { lengths_until(random, file, luck.lengths) };
            let lengths = lengths.max(file.lengths_durable());
            contents.insert(*inode, cut_file(random, file, lengths, luck));
        }
        self.image(&names, |inode| contents.remove(&inode).unwrap_or_default())
    }

    /// Up to which change a journal of all metadata has come.
    fn journal(&self, random: &mut ChaCha8Rng, luck: Luck) -> Sequence {
        let names = self.directories.values().flat_map(|directory| directory.pending());
        let names = names.map(|(sequence, _)| *sequence);
        let lengths = self.files.values().flat_map(FileState::pending);
        let lengths = lengths.filter(|(_, change)| change.is_length());
        let mut all: Vec<Sequence> = names.chain(lengths.map(|(sequence, _)| *sequence)).collect();
        all.sort_unstable();
        match lucky_prefix(random, all.len(), luck.names) {
            0 => 0,
            count => all[count - 1],
        }
    }

    /// The names in each directory with its changes up to a number.
    fn names_until(&self, until: impl Fn(Inode) -> Sequence) -> HashMap<Inode, Names> {
        let directories = self.directories.iter();
        directories
            .map(|(inode, directory)| {
                (*inode, directory.with(|sequence, _| sequence <= until(*inode)))
            })
            .collect()
    }

    fn names_per_directory(&self, random: &mut ChaCha8Rng, luck: f64) -> HashMap<Inode, Names> {
        let mut until: BTreeMap<Inode, Sequence> = BTreeMap::new();
        let directories: BTreeMap<_, _> = self.directories.iter().collect();
        for (inode, directory) in directories {
            let pending = directory.pending();
            let count = lucky_prefix(random, pending.len(), luck);
            let last = count.checked_sub(1).map_or(0, |last| pending[last].0);
            until.insert(*inode, last);
        }
        // A renaming between two directories is in both or in none.
        while let Some((inode, before)) = self.half_renaming(&until) {
            until.insert(inode, before);
        }
        self.names_until(|inode| until[&inode])
    }

    /// A directory that would hold one half of a renaming, and the number before it.
    fn half_renaming(&self, until: &BTreeMap<Inode, Sequence>) -> Option<(Inode, Sequence)> {
        self.directories.iter().find_map(|(inode, directory)| {
            let survives = |(sequence, _): &&(Sequence, Change)| *sequence <= until[inode];
            directory.pending().iter().filter(survives).find_map(|(sequence, change)| {
                let other = until.get(&change.other()?)?;
                (other < sequence).then_some((*inode, sequence - 1))
            })
        })
    }

    fn names_any(&self, random: &mut ChaCha8Rng, luck: f64) -> HashMap<Inode, Names> {
        let mut chosen: HashMap<Sequence, bool> = HashMap::new();
        let directories: BTreeMap<_, _> = self.directories.iter().collect();
        directories
            .into_iter()
            .map(|(inode, directory)| {
                let names = directory.with(|sequence, _| {
                    *chosen.entry(sequence).or_insert_with(|| random.random_bool(luck))
                });
                (*inode, names)
            })
            .collect()
    }
}

/// Up to which number the changes of a file's length survive.
fn lengths_until(random: &mut ChaCha8Rng, file: &FileState, luck: f64) -> Sequence {
    let changes = file.pending().iter().filter(|(_, change)| change.is_length());
    let changes: Vec<Sequence> = changes.map(|(sequence, _)| *sequence).collect();
    match lucky_prefix(random, changes.len(), luck) {
        0 => 0,
        count => changes[count - 1],
    }
}

/// Up to which write each sector of a page has come.
type Sectors = [Sequence; PAGE_BYTES / SECTOR_BYTES];

fn cut_file(random: &mut ChaCha8Rng, file: &FileState, lengths: Sequence, luck: Luck) -> Content {
    let pages = choose_pages(random, file, luck);
    let mut content = file.durable().clone();
    // The length with all changes so far, and the first page that was freed by a cut that has
    // not survived: what is written there later has another place on the disk, which nobody
    // finds.
    let (mut length, mut lost_from) = (content.length, u64::MAX);
    for (sequence, change) in file.pending() {
        let survives = *sequence <= lengths;
        match change {
            FileChange::Write { offset, data } => {
                for part in parts(*offset, data.len()) {
                    if part.page < lost_from {
                        put_sectors(&mut content, part, data, *sequence, &pages[&part.page]);
                    }
                }
            }
            FileChange::Grow { length: grown } => length = length.max(*grown),
            FileChange::SetLength { length: set } => {
                if *set < length && !survives {
                    lost_from = lost_from.min(set.div_ceil(PAGE_BYTES as u64));
                }
                length = *set;
            }
        }
        if survives && change.is_length() {
            change.apply(&mut content);
        }
    }
    content.trim();
    content
}

/// Chooses for each page with pending writes which of them survive.
fn choose_pages(random: &mut ChaCha8Rng, file: &FileState, luck: Luck) -> BTreeMap<u64, Sectors> {
    let mut writes: BTreeMap<u64, Vec<Sequence>> = BTreeMap::new();
    for (sequence, change) in file.pending() {
        if let FileChange::Write { offset, data } = change {
            for part in parts(*offset, data.len()) {
                writes.entry(part.page).or_default().push(*sequence);
            }
        }
    }
    let choose = |(page, writes): (u64, Vec<Sequence>)| {
        let until = |count: usize| count.checked_sub(1).map_or(0, |last| writes[last]);
        let survivors = lucky_prefix(random, writes.len(), luck.pages);
        let mut sectors = [until(survivors); PAGE_BYTES / SECTOR_BYTES];
        if random.random_bool(luck.torn) {
            let other = until(random.random_range(0..=writes.len()));
            for sector in &mut sectors {
                if random.random_bool(0.5) {
                    *sector = other;
                }
            }
        }
        (page, sectors)
    };
    writes.into_iter().map(choose).collect()
}

/// Writes those sectors of a part that have come that far.
fn put_sectors(
    content: &mut Content,
    part: Part,
    data: &[u8],
    sequence: Sequence,
    sectors: &Sectors,
) {
    let data = &data[part.from..part.from + part.bytes];
    let start = part.page * PAGE_BYTES as u64 + part.at as u64;
    if sectors.iter().all(|until| sequence <= *until) {
        content.put(start, data);
        return;
    }
    let mut done = 0;
    while done < part.bytes {
        let at = part.at + done;
        let bytes = (SECTOR_BYTES - at % SECTOR_BYTES).min(part.bytes - done);
        if sequence <= sectors[at / SECTOR_BYTES] {
            content.put(start + done as u64, &data[done..done + bytes]);
        }
        done += bytes;
    }
}
