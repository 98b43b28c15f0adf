use std::collections::BTreeMap;

use proptest::prelude::*;

use super::absent_keys::ABSENT_KEYS_MAX;
use super::*;

fn place(number: u64) -> Place {
    Place { since: Timestamp::EPOCH, number }
}

/// A level in which so many wait for each key, one after the other.
fn filled(keys: &[(&'static str, f32, u64)]) -> Level<&'static str> {
    let mut level = Level::default();
    let mut number = 0;
    for (key, weight, count) in keys {
        for _ in 0..*count {
            number += 1;
            level.insert(key, *weight, None, place(number), *key);
        }
    }
    level
}

/// Who has the next turns.
fn turns(level: &mut Level<&'static str>, count: usize) -> BTreeMap<&'static str, usize> {
    let mut turns = BTreeMap::new();
    for _ in 0..count {
        let Some(Taken { waiter: key, .. }) = level.take_first(|_| false) else { break };
        *turns.entry(key).or_default() += 1;
    }
    turns
}

#[test]
fn pri_2_keys_take_turns_in_proportion_to_their_weights() {
    let mut level = filled(&[("a", 1.0, 10_000), ("b", 3.0, 10_000), ("c", 0.5, 10_000)]);
    let turns = turns(&mut level, 9_000);
    for (key, expected) in [("a", 2_000), ("b", 6_000), ("c", 1_000)] {
        assert!(turns[key].abs_diff(expected) <= 2, "{turns:?}");
    }
}

#[test]
fn pri_2_a_key_that_comes_late_gets_its_share_and_makes_nothing_up() {
    let mut level = filled(&[("a", 1.0, 1_000)]);
    turns(&mut level, 500);
    for number in 0..1_000 {
        level.insert("b", 1.0, None, place(10_000 + number), "b");
    }
    let turns = turns(&mut level, 100);
    assert!(turns["a"].abs_diff(50) <= 1, "{turns:?}");
}

#[test]
fn pri_2_a_key_that_leaves_and_comes_back_does_not_get_more() {
    let mut level = filled(&[("a", 1.0, 1_000)]);
    let mut own_turns = 0;
    // Its waiter comes anew whenever the one before it has had its turn.
    level.insert("b", 0.25, None, place(5_000), "b");
    for number in 0..500 {
        if level.take_first(|_| false).unwrap().waiter == "b" {
            own_turns += 1;
            level.insert("b", 0.25, None, place(6_000 + number), "b");
        }
    }
    assert!(own_turns == 100 || own_turns == 101, "{own_turns}");
}

#[test]
fn pri_2_a_key_that_was_held_up_makes_nothing_up() {
    let mut level = filled(&[("a", 1.0, 1_000)]);
    let limited = Some(TypeId(0));
    for number in 0..1_000 {
        level.insert("b", 1.0, limited, place(10_000 + number), "b");
    }
    for _ in 0..500 {
        assert_eq!(level.take_first(|class| class == limited).unwrap().waiter, "a");
    }
    let turns = turns(&mut level, 100);
    assert!(turns["a"].abs_diff(50) <= 1, "{turns:?}");
}

#[test]
fn a_key_is_served_in_the_order_in_which_its_waiters_were_due() {
    let mut level = Level::default();
    for since in [3, 1, 2] {
        let place = Place { since: Timestamp::from_unix_millis(since), number: 0 };
        level.insert("", 1.0, (since == 2).then_some(TypeId(0)), place, since);
    }
    let mut order = Vec::new();
    while let Some(Taken { waiter: since, .. }) = level.take_first(|_| false) {
        order.push(since);
    }
    assert_eq!(order, [1, 2, 3]);
}

#[test]
fn who_is_held_up_is_passed_by_and_keeps_its_place() {
    let mut level = Level::default();
    let limited = Some(TypeId(0));
    for number in 0..1_000 {
        level.insert("", 1.0, limited, place(number), number);
    }
    level.insert("", 1.0, None, place(1_000), 1_000);
    assert_eq!(level.take_first(|class| class == limited).unwrap().waiter, 1_000);
    assert_eq!(level.take_first(|class| class == limited), None);
    assert!(level.is_waiting(limited) && !level.is_waiting(None));
    assert_eq!(level.take_first(|_| false).unwrap().waiter, 0);
}

#[test]
fn nothing_is_kept_of_keys_for_which_nobody_waits() {
    let mut level = filled(&[("a", 1.0, 1)]);
    for number in 0..20_000 {
        let key = level.insert(&format!("key-{number}"), 0.001, None, place(number), "key");
        // Their waiters leave without a turn.
        assert!(level.remove(&key, None, place(number)).is_some());
    }
    assert_eq!(level.absent.by_key.len(), 0);
    for number in 0..20_000 {
        level.insert(&format!("key-{number}"), 0.001, None, place(number), "key");
        if number == 0 {
            turns(&mut level, 1);
        }
        turns(&mut level, 1);
    }
    level.insert("a", 1.0, None, place(0), "a");
    assert!(level.absent.by_key.len() <= ABSENT_KEYS_MAX);
    assert_eq!(level.absent.by_key.len(), level.absent.by_turn.len());
    while level.take_first(|_| false).is_some() {}
    assert_eq!((level.waiting(), level.absent.by_key.len(), level.heads.len()), (0, 0, 0));
}

#[derive(Debug, Clone)]
enum Step {
    Insert { key: u8, class: Option<usize>, weight: f32 },
    Take { held_up: Option<usize> },
    Remove { which: prop::sample::Index },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let class = || prop::option::of(0_usize..2);
    let step = prop_oneof![
        3 => (0_u8..4, class(), 0.001_f32..1_000.0)
            .prop_map(|(key, class, weight)| Step::Insert { key, class, weight }),
        2 => class().prop_map(|held_up| Step::Take { held_up }),
        1 => any::<prop::sample::Index>().prop_map(|which| Step::Remove { which }),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn everybody_gets_out_once_and_only_who_is_not_held_up(steps in steps()) {
        let mut level = Level::default();
        let mut inside: BTreeMap<u64, (Arc<str>, Class)> = BTreeMap::new();
        for (number, step) in (0_u64..).zip(steps) {
            match step {
                Step::Insert { key, class, weight } => {
                    let class = class.map(TypeId);
                    let key = level.insert(&key.to_string(), weight, class, place(number), number);
                    inside.insert(number, (key, class));
                }
                Step::Take { held_up } => {
                    let held_up = held_up.map(TypeId);
                    let is_held_up = |class: Class| class.is_some() && class == held_up;
                    match level.take_first(is_held_up) {
                        Some(Taken { class, waiter: number, .. }) => {
                            prop_assert!(!is_held_up(class));
                            let (key, expected) = inside.remove(&number).unwrap();
                            prop_assert_eq!(class, expected);
                            let mut of_key = inside.iter().filter(|(_, it)| it.0 == key);
                            prop_assert!(of_key.all(|(later, it)| number < *later || is_held_up(it.1)));
                        }
                        None => prop_assert!(inside.values().all(|it| is_held_up(it.1))),
                    }
                }
                Step::Remove { which } => {
                    if inside.is_empty() { continue }
                    let number = *which.get(&inside.keys().copied().collect::<Vec<_>>());
                    let (key, class) = inside.remove(&number).unwrap();
                    prop_assert_eq!(level.remove(&key, class, place(number)), Some(number));
                    prop_assert_eq!(level.remove(&key, class, place(number)), None);
                }
            }
            prop_assert_eq!(level.waiting(), inside.len());
        }
    }
}
