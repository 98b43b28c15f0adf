//! What is damage, what is torn, and what is missing.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn corrupt(known: Known, files: &[Vec<u8>]) -> (String, u64, Option<(u64, u64)>) {
    match refused(known, files) {
        StoreError::Corrupt { path, offset, missing, .. } => {
            let missing = missing.map(|range| (*range.start(), *range.end()));
            (path.display().to_string(), offset.unwrap(), missing)
        }
        error => panic!("{error}"),
    }
}

#[test]
fn commits_in_order_are_all_there() {
    assert_eq!(opens(NOTHING, &[]), (0, vec![]));
    assert_eq!(opens(tail(5), &[synced_commits(1..=5)]), (5, vec![]));
    let files = [synced_commits(1..=5), synced_commits(6..=9), vec![]];
    assert_eq!(opens(tail(9), &files), (9, vec![]));
    assert_eq!(look_at(tail(9), &files).in_journals, Some(1..=9));
}

#[test]
fn the_free_part_of_a_file_is_no_damage() {
    let mut bytes = synced_commits(1..=3);
    bytes.extend([0; 5_000]);
    assert_eq!(opens(tail(3), &[bytes.clone(), synced_commits(4..=4)]), (4, vec![]));
    assert!(look_at(tail(3), &[bytes]).places.is_empty());
}

#[test]
fn a_commit_that_was_never_known_as_synced_is_cut_off_where_it_is_torn() {
    let whole = synced_commits(1..=3);
    let torn = commit(4, 3);
    for len in 1..torn.len() {
        let bytes = [&whole, &torn[..len]].concat();
        let expected = (3, vec![("0".to_owned(), whole.len() as u64)]);
        assert_eq!(opens(tail(3), std::slice::from_ref(&bytes)), expected, "{len}");
        // The same in a file that had been made longer.
        assert_eq!(opens(tail(3), &[[&bytes[..], &[0; 99]].concat()]), expected, "{len}");
    }
}

#[test]
fn damage_is_told_with_its_place_when_a_later_commit_knows_better() {
    let before = synced_commits(1..=3);
    let mut damaged = commit(4, 3);
    damaged[60] ^= 1;
    let bytes = [&before[..], &damaged, &synced_commits(5..=7)].concat();
    let expected = ("0.jnl".to_owned(), before.len() as u64, Some((4, 4)));
    assert_eq!(corrupt(NOTHING, &[bytes]), expected);
}

#[test]
fn damage_is_told_when_the_tail_knows_better() {
    let before = synced_commits(1..=3);
    let mut damaged = commit(4, 3);
    damaged[60] ^= 1;
    let bytes = [before.clone(), damaged].concat();
    let expected = ("0.jnl".to_owned(), before.len() as u64, Some((4, 4)));
    assert_eq!(corrupt(tail(4), std::slice::from_ref(&bytes)), expected);
    // A second before, nobody knew.
    assert_eq!(opens(tail(3), &[bytes]).0, 3);
}

#[test]
fn later_commits_that_were_not_synced_go_with_the_torn_one() {
    let before = synced_commits(1..=3);
    let mut lost = commit(4, 3);
    lost[20..80].fill(0);
    // The disk kept a page of the fifth commit, and not one of the fourth.
    let bytes = [before.clone(), lost, commit(5, 3), commit(6, 3)].concat();
    let expected = (3, vec![("0".to_owned(), before.len() as u64)]);
    assert_eq!(opens(tail(3), &[bytes]), expected);
}

#[test]
fn a_gap_in_the_numbers_is_damage_if_it_was_synced() {
    let before = synced_commits(1..=3);
    let bytes = [before.clone(), synced_commits(6..=7)].concat();
    let expected = ("0.jnl".to_owned(), before.len() as u64, Some((4, 5)));
    assert_eq!(corrupt(NOTHING, &[bytes]), expected);
    let files = [before, synced_commits(6..=7)];
    assert_eq!(corrupt(NOTHING, &files), ("1.jnl".to_owned(), 0, Some((4, 5))));
    // A journal is synced before the next one is begun, also when no commit waits for it.
    let files = [commit(1, 0), commit(4, 0)];
    assert_eq!(corrupt(NOTHING, &files), ("1.jnl".to_owned(), 0, Some((2, 3))));
}

#[test]
fn a_missing_beginning_is_damage_unless_the_tables_have_it() {
    let files = [synced_commits(6..=9)];
    assert_eq!(corrupt(NOTHING, &files), ("0.jnl".to_owned(), 0, Some((1, 5))));
    let known = |in_tables| Known { tail: 9, in_tables, partly_in_tables: in_tables };
    assert_eq!(corrupt(known(4), &files), ("0.jnl".to_owned(), 0, Some((5, 5))));
    assert_eq!(opens(known(5), &files), (9, vec![]));
    assert_eq!(opens(known(7), &files), (9, vec![]));
    assert_eq!(opens(known(9), &[vec![]]), (9, vec![]));
}

#[test]
fn a_journal_that_was_put_away_may_come_back_without_the_next_one() {
    let files = [synced_commits(1..=3), synced_commits(7..=9)];
    let known = |in_tables| Known { tail: 9, in_tables, partly_in_tables: in_tables };
    assert_eq!(opens(known(6), &files), (9, vec![]));
    assert_eq!(corrupt(known(5), &files), ("1.jnl".to_owned(), 0, Some((6, 6))));
}

#[test]
fn a_store_that_ends_too_early_is_truncated() {
    let error = refused(tail(9), &[synced_commits(1..=7)]);
    assert!(matches!(error, StoreError::Truncated { last: 7, synced: 9, .. }), "{error}");
    let error = refused(tail(9), &[]);
    assert!(matches!(error, StoreError::Truncated { last: 0, synced: 9, .. }), "{error}");
    let mut cut = synced_commits(1..=9);
    cut.truncate(cut.len() - 1);
    let error = refused(tail(9), &[cut]);
    assert!(matches!(error, StoreError::Truncated { last: 8, synced: 9, .. }), "{error}");
}

#[test]
fn tables_that_reach_further_than_the_journals_are_damage() {
    let known = Known { tail: 3, in_tables: 2, partly_in_tables: 5 };
    match refused(known, &[synced_commits(1..=4)]) {
        StoreError::Corrupt { missing: Some(missing), .. } => assert_eq!(missing, 5..=5),
        error => panic!("{error}"),
    }
    assert_eq!(opens(known, &[synced_commits(1..=5)]), (5, vec![]));
}

#[test]
fn rubbish_in_the_free_part_of_a_file_is_cut_off() {
    let whole = synced_commits(1..=3);
    let dirty = [&whole[..], &[0; 64], b"rubbish", &[0; 64]].concat();
    let at = whole.len() as u64;
    assert_eq!(opens(tail(3), std::slice::from_ref(&dirty)), (3, vec![("0".to_owned(), at)]));
    let files = [dirty, synced_commits(4..=6), b"more".to_vec()];
    let cuts = vec![("0".to_owned(), at), ("2".to_owned(), 0)];
    assert_eq!(opens(tail(6), &files), (6, cuts));
}

#[test]
fn rubbish_between_two_commits_is_damage_even_if_no_number_is_missing() {
    let before = synced_commits(1..=3);
    let bytes = [&before[..], b"rubbish", &synced_commits(4..=6)].concat();
    assert_eq!(corrupt(NOTHING, &[bytes]), ("0.jnl".to_owned(), before.len() as u64, None));
}

#[test]
fn a_wrong_sequence_number_is_damage() {
    let before = synced_commits(1..=3);
    for seqno in [0, 9, 11, 12 + (1 << 16) + 1, 12 + (1 << 62)] {
        let wrong = commit_with(row(4, 3), seqno, b"value");
        let bytes = [before.clone(), wrong.clone(), synced_commits(5..=5)].concat();
        let expected = ("0.jnl".to_owned(), before.len() as u64, Some((4, 4)));
        assert_eq!(corrupt(NOTHING, &[bytes]), expected, "{seqno}");
    }
    // Not below its own row, and still not above the commit before it.
    let late = commit_with(row(3, 2), 9 + 5, b"value");
    let bytes = [synced_commits(1..=2), late, synced_commits(4..=5)].concat();
    assert_eq!(corrupt(NOTHING, &[bytes]).2, None, "nothing is missing, but the order is");
}

#[test]
fn a_journal_inside_of_a_value_is_not_taken_for_the_journal() {
    let before = synced_commits(1..=3);
    let foreign = CommitRow { store_id: STORE_ID + 1, ..row(90, 89) };
    let inner = [commit_with(foreign, 270, b"x"), synced_commits(1..=2)].concat();
    let outer = commit_with(row(4, 3), 12, &inner);
    let whole = [before.clone(), outer.clone()].concat();
    assert_eq!(opens(tail(4), &[whole]), (4, vec![]));
    // The outer commit is torn: what is in it counts for nothing.
    let torn = [&before[..], &outer[..outer.len() - 9]].concat();
    assert_eq!(opens(tail(3), &[torn]), (3, vec![("0".to_owned(), before.len() as u64)]));
}

#[test]
fn a_journal_of_another_store_is_damage() {
    let foreign = CommitRow { store_id: STORE_ID + 1, ..row(4, 3) };
    let bytes = [synced_commits(1..=3), commit_with(foreign, 12, b"value")].concat();
    assert_eq!(corrupt(tail(4), &[bytes]).2, Some((4, 4)));
}

/// Splits twelve commits into files, and says where each commit begins.
fn split(splits: &[usize]) -> Vec<Vec<u8>> {
    let mut files = vec![Vec::new()];
    for number in 1..=12_u64 {
        if splits.contains(&(number as usize)) {
            files.push(Vec::new());
        }
        files.last_mut().unwrap().extend(commit(number, number - 1));
    }
    files
}

#[derive(Debug, Clone)]
enum Damage {
    Flip(usize),
    Cut(usize),
    Zero(usize, usize),
    Remove(usize, usize),
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let len = bytes.len();
        match *self {
            Self::Flip(bit) => bytes[bit / 8 % len] ^= 1 << (bit % 8),
            Self::Cut(at) => bytes.truncate(at % len),
            Self::Zero(from, count) => {
                let from = from % len;
                bytes[from..(from + count).min(len)].fill(0);
            }
            Self::Remove(from, count) => {
                let from = from % len;
                bytes.drain(from..(from + count).min(len));
            }
        }
    }
}

fn damages() -> impl Strategy<Value = Damage> {
    prop_oneof![
        any::<usize>().prop_map(Damage::Flip),
        any::<usize>().prop_map(Damage::Cut),
        (any::<usize>(), 1..400_usize).prop_map(|(from, count)| Damage::Zero(from, count)),
        (any::<usize>(), 1..400_usize).prop_map(|(from, count)| Damage::Remove(from, count)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// With everything known to be synced, damage is told or does not matter.
    #[test]
    fn no_damage_loses_a_synced_commit(
        splits in prop::collection::vec(2..12_usize, 0..3),
        file in any::<prop::sample::Index>(),
        damages in prop::collection::vec(damages(), 1..4),
    ) {
        let mut files = split(&splits);
        let index = file.index(files.len());
        for damage in damages {
            if !files[index].is_empty() {
                damage.apply(&mut files[index]);
            }
        }
        if look_at(tail(12), &files).refusal.is_none() {
            prop_assert_eq!(opens(tail(12), &files).0, 12);
        }
    }

    /// Whatever becomes of what was not synced, the store opens with all that was.
    #[test]
    fn no_torn_end_locks_the_store(
        synced in 1..11_u64,
        damages in prop::collection::vec(damages(), 1..4),
    ) {
        let kept = synced_commits(1..=synced);
        // What was written in one go before the power cut: nobody knew of a sync in between.
        let mut torn: Vec<u8> = (synced + 1..=12).flat_map(|n| commit(n, synced)).collect();
        for damage in damages {
            if !torn.is_empty() {
                damage.apply(&mut torn);
            }
        }
        let (last, cuts) = opens(tail(synced), &[[kept.clone(), torn].concat()]);
        prop_assert!(last >= synced);
        prop_assert!(cuts.iter().all(|(_, offset)| *offset >= kept.len() as u64));
    }
}
