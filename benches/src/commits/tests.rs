use super::*;

fn load() -> CommitLoad {
    CommitLoad {
        commits: 50,
        commits_per_second: Some(10_000.0),
        rows: 20,
        row_bytes: 100,
        persist: Persist::Sync,
        reads_per_second: 100,
        options: FjallOptions::default(),
    }
}

#[test]
fn both_sides_commit_the_same_and_can_be_opened_again() {
    for side in [Side::Floor, Side::Store] {
        let directory = tempfile::tempdir().unwrap();
        let figures = round(side, &load(), directory.path(), &ProgressBar::hidden()).unwrap();
        assert_eq!(figures.latency_us.len(), 50);
        assert_eq!((figures.seen.journals_max, figures.seen.rotations), (1, 0));
        let target = CommitTarget::open(side, directory.path(), &load()).unwrap();
        let read = target.reader();
        assert!(read(&Batches::early_key(0)).unwrap());
        assert!(!read(b"no such row").unwrap());
        drop(read);
        target.close().unwrap();
    }
}

#[test]
fn an_open_loop_does_not_wait_for_the_commit_before() {
    assert_eq!(due_after(0, 250.0), Duration::ZERO);
    assert_eq!(due_after(500, 250.0), Duration::from_secs(2));
}
