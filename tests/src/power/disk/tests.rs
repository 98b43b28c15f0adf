use bytes::Bytes;
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::power::image::Image;

const RULES: [Rules; 3] = [Rules::POSIX, Rules::EXT4, Rules::HARSH];

/// What a program may do, by small numbers that choose among what there is.
#[derive(Debug, Clone)]
enum Step {
    Create { directory: usize, name: u8, is_directory: bool },
    Rename { from: usize, name: u8, to: usize, new: u8 },
    Remove { directory: usize, name: u8 },
    Write { file: usize, offset: u64, length: usize, byte: u8 },
    SetLength { file: usize, length: u64 },
    Sync { what: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..4_u8;
    prop_oneof![
        (0..4_usize, name.clone(), any::<bool>()).prop_map(|(directory, name, is_directory)| {
            Step::Create { directory, name, is_directory }
        }),
        (0..4_usize, name.clone(), 0..4_usize, name.clone())
            .prop_map(|(from, name, to, new)| Step::Rename { from, name, to, new }),
        (0..4_usize, name).prop_map(|(directory, name)| Step::Remove { directory, name }),
        (0..6_usize, 0..20_000_u64, 1..9_000_usize, 1..=255_u8)
            .prop_map(|(file, offset, length, byte)| Step::Write { file, offset, length, byte }),
        (0..6_usize, 0..20_000_u64).prop_map(|(file, length)| Step::SetLength { file, length }),
        (0..9_usize).prop_map(|what| Step::Sync { what }),
    ]
}

/// Turns steps into events that a real directory could have seen. Only files are renamed and
/// removed, and only over nothing or files, so that all directories stay in their places.
#[derive(Debug, Default)]
struct Program {
    directories: Vec<Inode>,
    files: Vec<Inode>,
    names: BTreeMap<(Inode, String), Inode>,
    events: Vec<Event>,
    next: u64,
}

impl Program {
    fn of(steps: Vec<Step>) -> Vec<Event> {
        let mut program = Self { directories: vec![Inode::ROOT], next: 1, ..Self::default() };
        steps.into_iter().for_each(|step| program.step(step));
        program.events
    }

    fn place(&self, directory: usize, name: u8) -> (Inode, String) {
        (self.directories[directory % self.directories.len()], name.to_string())
    }

    fn is_directory(&self, place: &(Inode, String)) -> bool {
        self.names.get(place).is_some_and(|inode| self.directories.contains(inode))
    }

    fn step(&mut self, step: Step) {
        let file =
            |files: &Vec<Inode>, index: usize| files.get(index % files.len().max(1)).copied();
        match step {
            Step::Create { directory, name, is_directory } => {
                let place = self.place(directory, name);
                if self.names.contains_key(&place) {
                    return;
                }
                let inode = Inode(self.next);
                self.next += 1;
                self.names.insert(place.clone(), inode);
                if is_directory {
                    self.directories.push(inode)
                } else {
                    self.files.push(inode)
                }
                let (directory, name) = place;
                self.events.push(Event::Create { directory, name, inode, is_directory });
            }
            Step::Rename { from, name, to, new } => {
                let (from, to) = (self.place(from, name), self.place(to, new));
                if from == to || self.is_directory(&from) || self.is_directory(&to) {
                    return;
                }
                let Some(inode) = self.names.remove(&from) else { return };
                self.names.insert(to.clone(), inode);
                self.events.push(Event::Rename { inode, from, to });
            }
            Step::Remove { directory, name } => {
                let place = self.place(directory, name);
                if !self.is_directory(&place) && self.names.remove(&place).is_some() {
                    let (directory, name) = place;
                    self.events.push(Event::Remove { directory, name });
                }
            }
            Step::Write { file: index, offset, length, byte } => {
                let Some(inode) = file(&self.files, index) else { return };
                let data = Bytes::from(vec![byte; length]);
                self.events.push(Event::Write { inode, offset, data });
            }
            Step::SetLength { file: index, length } => {
                let Some(inode) = file(&self.files, index) else { return };
                self.events.push(Event::SetLength { inode, length });
            }
            Step::Sync { what } => {
                let all: Vec<Inode> = self.directories.iter().chain(&self.files).copied().collect();
                self.sync(all[what % all.len()]);
            }
        }
    }

    fn sync(&mut self, inode: Inode) {
        let sync = SyncId(self.events.len() as u64);
        self.events.push(Event::SyncBegin { sync, inode });
        self.events.push(Event::SyncEnd { sync });
    }
}

fn disk(rules: Rules, events: &[Event]) -> Disk {
    let mut disk = Disk::new(rules);
    events.iter().for_each(|event| disk.apply(event));
    disk
}

fn cut(disk: &Disk, seed: u64) -> Image {
    disk.cut(&mut ChaCha8Rng::seed_from_u64(seed))
}

/// Does on a real file system what the events say.
fn play(events: &[Event], root: &std::path::Path) -> std::io::Result<()> {
    use std::fs;
    use std::os::unix::fs::FileExt;
    let mut directories = HashMap::from([(Inode::ROOT, root.to_path_buf())]);
    let mut open: HashMap<Inode, fs::File> = HashMap::new();
    for event in events {
        match event {
            Event::Create { directory, name, inode, is_directory: true } => {
                let path = directories[directory].join(name);
                fs::create_dir(&path)?;
                directories.insert(*inode, path);
            }
            Event::Create { directory, name, inode, .. } => {
                open.insert(*inode, fs::File::create_new(directories[directory].join(name))?);
            }
            Event::Rename { from, to, .. } => {
                fs::rename(directories[&from.0].join(&from.1), directories[&to.0].join(&to.1))?;
            }
            Event::Remove { directory, name } => {
                fs::remove_file(directories[directory].join(name))?;
            }
            Event::Write { inode, offset, data } => open[inode].write_all_at(data, *offset)?,
            Event::SetLength { inode, length } => open[inode].set_len(*length)?,
            _ => {}
        }
    }
    Ok(())
}

proptest! {
    /// The model does what a real file system does.
    #[test]
    fn what_programs_see_is_what_a_real_directory_holds(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let events = Program::of(steps);
        let directory = tempfile::tempdir().unwrap();
        play(&events, directory.path()).unwrap();
        let found = Image::read_from(directory.path()).unwrap();
        prop_assert_eq!(disk(Rules::POSIX, &events).now().difference(&found), None);
    }

    /// Images are what was in a directory, and can be written and read again.
    #[test]
    fn an_image_is_written_and_read(
        steps in prop::collection::vec(step(), 0..60),
        seed: u64,
    ) {
        let image = cut(&disk(Rules::HARSH, &Program::of(steps)), seed);
        let directory = tempfile::tempdir().unwrap();
        image.write_to(directory.path()).unwrap();
        let found = Image::read_from(directory.path()).unwrap();
        prop_assert_eq!(image.difference(&found), None);
    }

    /// When everything is synced, a cut takes nothing away.
    #[test]
    fn what_is_synced_is_there(steps in prop::collection::vec(step(), 0..60), seed: u64) {
        let mut events = Program::of(steps);
        let made = events.clone().into_iter().filter_map(|event| match event {
            Event::Create { inode, .. } => Some(inode),
            _ => None,
        });
        for inode in made.chain([Inode::ROOT]) {
            let sync = SyncId(events.len() as u64);
            events.push(Event::SyncBegin { sync, inode });
            events.push(Event::SyncEnd { sync });
        }
        for rules in RULES {
            let disk = disk(rules, &events);
            prop_assert_eq!(cut(&disk, seed).difference(&disk.now()), None);
        }
    }

    /// Whatever else happens behind it, a file that was synced with its name and is not touched
    /// any more stays as it is.
    #[test]
    fn what_was_synced_stays(
        before in prop::collection::vec(step(), 0..30),
        after in prop::collection::vec(step(), 0..30),
        seed: u64,
    ) {
        let mut program = Program { directories: vec![Inode::ROOT], next: 1, ..Program::default() };
        before.into_iter().for_each(|step| program.step(step));
        let kept = Inode(1_000_000);
        program.events.push(Event::Create {
            directory: Inode::ROOT, name: "kept".into(), inode: kept, is_directory: false,
        });
        let data = Bytes::from(vec![7; 6_000]);
        program.events.push(Event::Write { inode: kept, offset: 100, data });
        program.sync(kept);
        program.sync(Inode::ROOT);
        after.into_iter().for_each(|step| program.step(step));
        for rules in RULES {
            let image = cut(&disk(rules, &program.events), seed);
            let kept = image.files.get(std::path::Path::new("kept"));
            let bytes = kept.map(Content::to_bytes).unwrap_or_default();
            prop_assert_eq!(bytes.len(), 6_100);
            prop_assert!(bytes[..100].iter().all(|byte| *byte == 0));
            prop_assert!(bytes[100..].iter().all(|byte| *byte == 7));
        }
    }

    /// A seed makes the same image each time.
    #[test]
    fn the_same_seed_makes_the_same_image(
        steps in prop::collection::vec(step(), 0..60),
        seed: u64,
    ) {
        let events = Program::of(steps);
        for rules in RULES {
            let (one, two) = (disk(rules, &events), disk(rules, &events));
            prop_assert_eq!(cut(&one, seed).difference(&cut(&two, seed)), None);
        }
    }
}

fn create(name: &str, inode: u64) -> Event {
    Event::Create {
        directory: Inode::ROOT,
        name: name.into(),
        inode: Inode(inode),
        is_directory: false,
    }
}

fn write(inode: u64, offset: u64, byte: u8, length: usize) -> Event {
    Event::Write { inode: Inode(inode), offset, data: Bytes::from(vec![byte; length]) }
}

fn synced(inode: u64, number: u64) -> [Event; 2] {
    let sync = SyncId(number);
    [Event::SyncBegin { sync, inode: Inode(inode) }, Event::SyncEnd { sync }]
}

/// All that a cut can leave of a file named `a`; none if its name is gone.
fn leaves(rules: Rules, events: &[Event]) -> Vec<Option<Vec<u8>>> {
    let disk = disk(rules, events);
    let images = (0..400).map(|seed| cut(&disk, seed));
    images.map(|image| image.files.get(std::path::Path::new("a")).map(Content::to_bytes)).collect()
}

#[test]
fn a_name_is_durable_when_its_directory_is_synced() {
    let mut events = vec![create("a", 1), write(1, 0, 5, 10)];
    events.extend(synced(1, 1));
    let left = leaves(Rules::POSIX, &events);
    assert!(left.contains(&None), "the name alone is not durable");
    assert!(left.contains(&Some(vec![5; 10])));
    assert!(left.iter().flatten().all(|bytes| *bytes == vec![5; 10]), "the data are durable");
    assert!(!leaves(Rules::EXT4, &events).contains(&None), "ext4 does more");
    events.extend(synced(0, 2));
    assert!(!leaves(Rules::POSIX, &events).contains(&None));
}

#[test]
fn lengths_and_data_survive_for_themselves() {
    let mut events = vec![create("a", 1)];
    events.extend(synced(0, 1));
    events.push(write(1, 0, 5, 10));
    let left = leaves(Rules::POSIX, &events);
    let wanted = [vec![], vec![0; 10], vec![5; 10]].map(Some);
    for bytes in &wanted {
        assert!(left.contains(bytes), "{bytes:?} never survives");
    }
    assert!(left.iter().all(|bytes| wanted.contains(bytes)));
}

#[test]
fn pages_are_old_or_new_or_torn_at_sectors() {
    let mut events = vec![create("a", 1), write(1, 0, 1, 2 * PAGE_BYTES)];
    events.extend(synced(1, 1));
    events.extend(synced(0, 2));
    events.push(write(1, 0, 2, 2 * PAGE_BYTES));
    let left = leaves(Rules::POSIX, &events);
    let pages = |bytes: &Vec<u8>| (bytes[0], bytes[PAGE_BYTES]);
    let both: Vec<(u8, u8)> = left.iter().flatten().map(pages).collect();
    for wanted in [(1, 1), (1, 2), (2, 1), (2, 2)] {
        assert!(both.contains(&wanted), "{wanted:?} never survives");
    }
    let is_torn = |bytes: &&Vec<u8>| bytes[..PAGE_BYTES].iter().any(|byte| *byte != bytes[0]);
    let torn: Vec<&Vec<u8>> = left.iter().flatten().filter(is_torn).collect();
    assert!(!torn.is_empty(), "no page is ever torn");
    for bytes in left.iter().flatten() {
        for sector in bytes.chunks(512) {
            assert!(sector.iter().all(|byte| *byte == sector[0]), "a sector is torn");
        }
    }
}

#[test]
fn a_sync_does_not_cover_what_is_written_while_it_is_under_way() {
    let mut events = vec![create("a", 1), write(1, 0, 1, 10)];
    events.extend(synced(0, 1));
    let sync = SyncId(2);
    events.push(Event::SyncBegin { sync, inode: Inode(1) });
    events.push(write(1, 0, 2, 10));
    events.push(Event::SyncEnd { sync });
    let left = leaves(Rules::POSIX, &events);
    assert!(left.contains(&Some(vec![1; 10])) && left.contains(&Some(vec![2; 10])));
    assert!(!left.contains(&Some(vec![])) && !left.contains(&Some(vec![0; 10])));
}

#[test]
fn a_renaming_between_directories_is_in_both_or_in_none() {
    let directory = Inode(2);
    let mut events = vec![
        create("a", 1),
        Event::Create {
            directory: Inode::ROOT,
            name: "d".into(),
            inode: directory,
            is_directory: true,
        },
    ];
    events.extend(synced(0, 1));
    let (from, to) = ((Inode::ROOT, "a".to_owned()), (directory, "a".to_owned()));
    events.push(Event::Rename { inode: Inode(1), from, to });
    for rules in RULES {
        let disk = disk(rules, &events);
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let image = cut(&disk, seed);
            let at = |path: &str| image.files.contains_key(std::path::Path::new(path));
            seen.insert((at("a"), at("d/a")));
        }
        assert_eq!(seen, [(true, false), (false, true)].into(), "{rules:?}");
    }
}
