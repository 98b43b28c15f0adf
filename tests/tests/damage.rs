//! Damaged stores: everything is there, or an error says what is wrong; never less in silence.
//!
//! These are samples; `cargo run --release -p entracte-tests --bin soak -- damage` runs all of
//! it, with its own stores and many more damages.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use entracte::store::fjall::inspect;
use entracte::store::{Batch, FjallOptions, FjallStore, Persist, Space, Store};
use entracte_tests::damage::{
    Case, Content, DAMAGES, Damage, Ending, Image, Judgement, Kind, Plan, Prober, Probing, Sample,
    SelfTest, Setting, Sweep, Verdict, check_undamaged, flips, judge, lengths, random_damage, run,
    scratch_in_memory, some_of, torn_tails, with_less_room,
};

/// How many random damages each store gets.
const RANDOM_CASES: u64 = 96;
/// How many cases of each sweep are run.
const SWEEP_CASES: u64 = 400;

fn seed() -> u64 {
    let seed = std::env::var("ENTRACTE_SEED").map_or(20_261_122, |seed| seed.parse().unwrap());
    println!("ENTRACTE_SEED={seed}");
    seed
}

fn setting() -> Setting {
    let keep = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("damage-failures");
    let setting = Setting::for_tests(env!("CARGO_BIN_EXE_soak"), &scratch_in_memory());
    Setting { keep: Some(keep), ..setting }
}

/// A store to damage. Each is made once: it takes seconds, most of which are spent waiting.
fn sample(setting: &Setting, kind: Kind, ending: Ending) -> Arc<Sample> {
    type Cell = Arc<OnceLock<Arc<Sample>>>;
    static MADE: Mutex<BTreeMap<String, Cell>> = Mutex::new(BTreeMap::new());
    let cell = MADE.lock().unwrap().entry(format!("{kind}-{ending}")).or_default().clone();
    let make = || {
        let sample = Sample::build(kind, ending, &setting.program, &setting.scratch).unwrap();
        check_undamaged(setting, &sample).unwrap();
        sample
    };
    cell.get_or_init(make).clone()
}

/// Runs a plan in which no store may fail, and checks that the plan could have found something.
fn run_without_failures(setting: &Setting, plan: &Plan<'_>) {
    let tally = run(setting, plan).unwrap();
    println!("{}\n{tally}", plan.name);
    assert!(tally.cases as usize >= plan.numbers.len() / 2, "there were hardly any cases");
    let failures = &tally.failures;
    let kept = setting.keep.as_deref().unwrap().display();
    assert!(failures.is_empty(), "{} failures, kept in {kept}: {failures:#?}", failures.len());
}

fn damage_at_random(kind: Kind, ending: Ending) {
    let (setting, seed) = (setting(), seed());
    let sample = sample(&setting, kind, ending);
    let make = |number| random_damage(&sample, seed, number);
    let numbers = (0..RANDOM_CASES).collect();
    run_without_failures(&setting, &Plan { name: sample.name.clone(), numbers, make: &make });
}

fn sweep(setting: &Setting, name: &str, sweep: &Sweep) {
    let numbers = some_of(sweep.count, SWEEP_CASES, seed());
    let plan = Plan { name: name.to_owned(), numbers, make: &*sweep.make };
    run_without_failures(setting, &plan);
}

#[test]
fn a_young_store_that_was_closed() {
    damage_at_random(Kind::Young, Ending::Closed);
}

#[test]
fn a_young_store_whose_process_was_killed() {
    damage_at_random(Kind::Young, Ending::Killed);
}

#[test]
fn a_young_store_whose_process_was_killed_at_once() {
    damage_at_random(Kind::Young, Ending::KilledAtOnce);
}

#[test]
fn a_young_store_that_was_opened_several_times() {
    damage_at_random(Kind::Young, Ending::Reopened);
}

#[test]
fn a_store_with_many_tables() {
    damage_at_random(Kind::Compacted, Ending::Killed);
}

#[test]
fn a_store_with_many_tables_that_was_opened_several_times() {
    damage_at_random(Kind::Compacted, Ending::Reopened);
}

#[test]
fn the_store_of_an_engine() {
    damage_at_random(Kind::Engine, Ending::Killed);
}

#[test]
fn each_bit_and_each_length_of_a_young_journal() {
    let setting = setting();
    let sample = sample(&setting, Kind::Young, Ending::Killed);
    let sample = with_less_room(&sample).unwrap();
    sweep(&setting, "each bit", &flips(&sample).unwrap());
    sweep(&setting, "each length", &lengths(&sample).unwrap());
}

/// Commits of the last second may be missing at the end. They are known by nothing but those
/// behind them, which is enough.
#[test]
fn each_bit_and_each_length_of_a_journal_whose_process_was_killed_at_once() {
    let setting = setting();
    let sample = sample(&setting, Kind::Young, Ending::KilledAtOnce);
    assert!(sample.durable < sample.acknowledged);
    let sample = with_less_room(&sample).unwrap();
    sweep(&setting, "each bit", &flips(&sample).unwrap());
    sweep(&setting, "each length", &lengths(&sample).unwrap());
}

#[test]
fn batches_that_nobody_was_told_of_may_be_torn_in_any_way() {
    let setting = setting();
    sweep(&setting, "torn", &torn_tails(&setting.program, &setting.scratch).unwrap());
}

/// Blocks and files of tables carry checksums of what they hold, not of where they stand.
#[test]
fn blocks_and_tables_in_the_wrong_places() {
    let (setting, seed) = (setting(), seed());
    let sample = sample(&setting, Kind::Compacted, Ending::Closed);
    let make = |number| random_damage(&sample, seed, number);
    let is_wanted = |number: &u64| {
        let damage = DAMAGES[*number as usize % DAMAGES.len()];
        matches!(damage, Damage::Misplace | Damage::OtherFile)
    };
    let numbers = (0..400).filter(is_wanted).collect();
    run_without_failures(&setting, &Plan { name: "wrong places".to_owned(), numbers, make: &make });
}

/// The tables hold everything, and no journal is there: whatever that is called, it is called
/// the same twice, or everything can be read.
#[test]
fn tables_without_a_journal() {
    let setting = setting();
    let directory = tempfile::tempdir_in(&setting.scratch).unwrap();
    // Every commit is written to tables at once.
    let options = FjallOptions { memtable_bytes_max: 1, ..FjallOptions::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut content = Content::default();
    let mut number = 0_u64;
    loop {
        let store = FjallStore::open_blocking(directory.path(), &options).unwrap();
        let mut batch = Batch::new();
        let (key, value) = (number.to_be_bytes(), "everything is in the tables");
        batch.put(Space::Meta, key, value);
        content.add(Space::Meta, &key, value.as_bytes());
        runtime.block_on(async { store.commit(batch, Persist::Sync).await }).unwrap();
        runtime.block_on(async { store.close().await }).unwrap();
        number += 1;
        let inspection = inspect(directory.path()).unwrap();
        // Whether the last commit gets there before the store is closed is a matter of chance.
        if inspection.in_tables == inspection.last {
            break;
        }
    }
    let mut image = Image::read(directory.path()).unwrap();
    image.files.retain(|path, _| path.extension().is_none_or(|extension| extension != "jnl"));
    let sample = Sample {
        name: "everything in tables".to_owned(),
        image: image.clone(),
        earlier: Vec::new(),
        contents: vec![content],
        acknowledged: 0,
        durable: 0,
    };
    let case = Case {
        sample: Arc::new(sample),
        image,
        damage: "delete".to_owned(),
        file: "journal".to_owned(),
        label: "no journal is there".to_owned(),
        must_open: false,
    };
    let make = |_| Some(case.clone());
    let plan = Plan { name: "no journal".to_owned(), numbers: vec![0], make: &make };
    run_without_failures(&setting, &plan);
}

/// Every key that a batch may hold must be harmless, the smallest ones too, when the journals
/// with its commit have been put away.
#[test]
fn keys_before_all_others_do_not_keep_a_store_from_opening() {
    let directory = tempfile::tempdir_in(scratch_in_memory()).unwrap();
    let options = FjallOptions { memtable_bytes_max: 4 * 1024 * 1024, ..FjallOptions::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = FjallStore::open(directory.path(), options).await.unwrap();
        for space in Space::ALL {
            let mut batch = Batch::new();
            batch.put(space, [0; 16], "a row that sorts before all others");
            store.commit(batch, Persist::Sync).await.unwrap();
        }
        // Enough for the first journal to be put away, with all of its rows in tables.
        for number in 0..200_u64 {
            let mut batch = Batch::new();
            for space in Space::ALL {
                let filling = vec![number as u8; 300_000];
                batch.put(space, [&[7], &number.to_be_bytes()[..]].concat(), filling);
            }
            store.commit(batch, Persist::Sync).await.unwrap();
        }
        store.close().await.unwrap();
        for _ in 0..2 {
            let store = FjallStore::open(directory.path(), options).await.unwrap();
            for space in Space::ALL {
                assert!(store.get(space, &[0; 16]).unwrap().is_some());
            }
            store.close().await.unwrap();
        }
    });
    assert!(!directory.path().join("journal/0.jnl").exists(), "the first journal is still there");
}

/// A young store, and one that has silently lost its last commit.
fn with_a_loss(setting: &Setting) -> (Arc<Sample>, Case) {
    let whole = sample(setting, Kind::Young, Ending::Closed);
    let mut contents = whole.contents.clone();
    contents.push(Content::default());
    let last = contents.len() - 1;
    let sample = Sample { contents, acknowledged: last, durable: last, ..Sample::clone(&whole) };
    let case = Case {
        sample: Arc::new(sample),
        image: whole.image.clone(),
        damage: "a loss".to_owned(),
        file: "all".to_owned(),
        label: "one commit more was acknowledged than is there".to_owned(),
        must_open: false,
    };
    (whole, case)
}

#[test]
fn the_harness_sees_a_loss() {
    let setting = setting();
    let (_, case) = with_a_loss(&setting);
    let make = |_| Some(case.clone());
    let plan = Plan { name: "a loss".to_owned(), numbers: vec![0], make: &make };
    let tally = run(&Setting { keep: None, ..setting }, &plan).unwrap();
    assert_eq!(tally.count(Verdict::SilentLoss), 1, "{tally}");
}

#[test]
fn the_harness_sees_a_process_that_misbehaves() {
    let setting = setting();
    let (_, case) = with_a_loss(&setting);
    let scratch = tempfile::tempdir_in(&setting.scratch).unwrap();
    let errors = scratch.path().join("errors");
    let judged = |test: SelfTest| -> (Probing, Judgement) {
        // Only the one that never answers has to be waited for.
        let deadline = if test == SelfTest::Hang { 1 } else { 120 };
        let deadline = Duration::from_secs(deadline);
        let mut prober = Prober::new(setting.program.clone(), errors.clone(), deadline);
        let probing = prober.test(test).unwrap();
        let judgement = judge(&case, &probing, None);
        (probing, judgement)
    };
    assert_eq!(judged(SelfTest::Hang).1.verdict, Verdict::Hang);
    assert_eq!(judged(SelfTest::Abort).1.verdict, Verdict::Abort);
    assert_eq!(judged(SelfTest::Memory).1.verdict, Verdict::Memory);
    let (panicked, judgement) = judged(SelfTest::Panic);
    assert_eq!(judgement.verdict, Verdict::Panic, "{panicked:?}");
}

#[test]
fn the_harness_sees_what_was_changed() {
    let directory = tempfile::tempdir_in(scratch_in_memory()).unwrap();
    let (store, journal) = (directory.path().join("store"), "journal/0.jnl");
    let setting = setting();
    let image = sample(&setting, Kind::Young, Ending::Killed).image.clone();
    image.write(&store).unwrap();
    assert_eq!(Image::read(&store).unwrap(), image, "a copy is a copy");
    assert_eq!(image.difference(&store).unwrap(), None);
    let file = std::fs::OpenOptions::new().write(true).open(store.join(journal)).unwrap();
    let changed = Some(format!("{journal} was changed"));
    // One byte in the middle of the hole behind what the journal holds.
    std::os::unix::fs::FileExt::write_all_at(&file, b"x", 40_000_000).unwrap();
    assert_eq!(image.difference(&store).unwrap(), changed);
    file.set_len(10).unwrap();
    assert_eq!(image.difference(&store).unwrap(), changed);
    std::fs::remove_file(store.join(journal)).unwrap();
    assert_eq!(image.difference(&store).unwrap(), Some(format!("{journal} is gone")));
    image.write(&store).unwrap();
    std::fs::create_dir(store.join("torn")).unwrap();
    assert_eq!(image.difference(&store).unwrap(), Some("torn is new".to_owned()));
}
