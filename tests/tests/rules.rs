//! The table of rules fits the sources; and the check finds what does not.
//!
//! Alone: `cargo test -p entracte-tests --test rules`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fmt::Write as _;

use entracte_tests::rules::{FAMILIES, Problem, check, is_test, table_path};

#[test]
fn every_rule_has_its_tests_or_a_reason() {
    let problems = check(&std::fs::read_to_string(table_path()).unwrap(), is_test);
    let texts: Vec<_> = problems.iter().map(Problem::to_string).collect();
    assert!(texts.is_empty(), "tests/RULES.md:\n{}", texts.join("\n"));
}

/// A table in which every rule has one test.
fn whole() -> String {
    let mut table = "| rule | in short | tests | remark |\n|---|---|---|---|\n".to_owned();
    for (family, numbers) in FAMILIES {
        for number in *numbers {
            writeln!(table, "| {family}-{number} | phrase | `a.rs::test` | |").unwrap();
        }
    }
    table
}

fn problems(table: &str) -> Vec<String> {
    let found = check(table, |file, name| (file, name) == ("a.rs", "test"));
    found.iter().map(Problem::to_string).collect()
}

#[test]
fn a_whole_table_is_in_order() {
    assert_eq!(problems(&whole()), Vec::<String>::new());
}

#[test]
fn what_does_not_fit_is_named() {
    let replaced = |with: &str| whole().replace("| SIG-9 | phrase | `a.rs::test` | |", with);
    let last = whole().lines().count();
    let sig_9_at = whole().lines().position(|line| line.starts_with("| SIG-9 ")).unwrap() + 1;
    assert_eq!(problems(&replaced("")), ["SIG-9 has no row"]);
    assert_eq!(
        problems(&replaced("| SIG-9 | phrase | | |")),
        [format!("line {sig_9_at}: SIG-9 has neither a test nor a reason")]
    );
    assert_eq!(problems(&replaced("| SIG-9 | phrase | | not yet |")), Vec::<String>::new());
    assert_eq!(
        problems(&replaced("| SIG-9 | phrase | | pending |")),
        [format!("line {sig_9_at}: SIG-9 has neither a test nor a reason")]
    );
    assert_eq!(
        problems(&replaced("| SIG-9 | phrase | `a.rs::test`, `a.rs::gone` `gone` | not yet |")),
        [
            format!("line {sig_9_at}: SIG-9 names `a.rs::gone`, which is not there"),
            format!("line {sig_9_at}: SIG-9 names `gone`, which is not there")
        ]
    );
    assert_eq!(
        problems(&replaced("| SIG-9 | phrase | `a.rs::test` |")),
        [format!("line {sig_9_at}: SIG-9 has 3 cells, not rule, phrase, tests and remark")]
    );
    let more = whole() + "| SIG-9 | phrase | | twice |\n| SIG-77 | phrase | | unknown |\n";
    assert_eq!(
        problems(&more),
        [
            format!("line {}: SIG-9 has a row already", last + 1),
            format!("line {}: SIG-77 is no rule of the families that are kept", last + 2)
        ]
    );
}

#[test]
fn only_functions_with_a_test_s_attribute_are_tests() {
    assert!(is_test("rules.rs", "only_functions_with_a_test_s_attribute_are_tests"));
    assert!(is_test("entracte-model/src/retry.rs", "ret_5_the_default_ladder"));
    // In a macro of properties, and behind an attribute with arguments.
    let property = "ret_5_delays_never_shrink_nor_pass_the_cap";
    assert!(is_test("entracte-model/src/retry.rs", property));
    assert!(is_test("it/activities.rs", "ret_6_the_last_attempt_s_failure_comes_back"));
    assert!(!is_test("it/activities.rs", "call"), "it is no test");
    assert!(!is_test("it/activities.rs", "ret_6"), "it is the beginning of a name");
    assert!(!is_test("it/gone.rs", "ret_6_the_last_attempt_s_failure_comes_back"));
}
