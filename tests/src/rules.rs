//! The table of rules, `tests/RULES.md`, and what must hold of it: every rule of the families
//! that are kept has a row, every row has a test or says why it has none, and the tests exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The families that are kept, and the numbers of their rules. Another family is another line
/// here, and another section of the table.
pub const FAMILIES: &[(&str, &[u32])] = &[
    ("RET", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21]),
    ("TMO", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
    ("HB", &[1, 2, 3, 4, 5, 6, 7, 8]),
    ("FAIL", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]),
    ("ACX", &[1, 2, 3, 4, 5, 6, 7, 8]),
    ("ASY", &[1, 2]),
    ("LAC", &[1, 2, 3, 4, 5, 6, 7]),
    ("WRK", &[1, 2, 3, 4]),
    ("PRI", &[1, 2, 3]),
    ("PAU", &[2, 3, 4]),
    ("SIG", &[1, 2, 3, 4, 5, 6, 8, 9]),
    ("CHD", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]),
    ("LIM", &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ("CAN", &[1, 2, 3, 4, 5, 6, 7, 8]),
    ("CNT", &[1, 2, 3, 4, 5]),
    ("WTO", &[1, 2, 3, 4, 5, 6, 7]),
    ("WID", &[1, 2, 3, 4, 5, 6, 7, 8]),
];

/// What is wrong with the table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A rule of the families has no row.
    #[error("{rule} has no row")]
    Missing {
        /// The rule's id.
        rule: String,
    },
    /// A row is about something else.
    #[error("line {line}: {rule} is no rule of the families that are kept")]
    Unknown {
        /// The line of the table, from 1.
        line: usize,
        /// What stands where the id should.
        rule: String,
    },
    /// A rule has more than one row.
    #[error("line {line}: {rule} has a row already")]
    Repeated {
        /// The line of the table, from 1.
        line: usize,
        /// The rule's id.
        rule: String,
    },
    /// A row does not have four cells.
    #[error("line {line}: {rule} has {cells} cells, not rule, phrase, tests and remark")]
    Shape {
        /// The line of the table, from 1.
        line: usize,
        /// The rule's id.
        rule: String,
        /// How many cells it has.
        cells: usize,
    },
    /// A row names no test and does not say why; that one is pending is no reason.
    #[error("line {line}: {rule} has neither a test nor a reason")]
    Empty {
        /// The line of the table, from 1.
        line: usize,
        /// The rule's id.
        rule: String,
    },
    /// A test that a row names does not exist.
    #[error("line {line}: {rule} names `{test}`, which is not there")]
    NoSuchTest {
        /// The line of the table, from 1.
        line: usize,
        /// The rule's id.
        rule: String,
        /// The test as it is named.
        test: String,
    },
}

/// Checks the text of a table. `is_test` tells whether a test, named as `file.rs::function`, is
/// there.
#[must_use]
pub fn check(table: &str, is_test: impl Fn(&str, &str) -> bool) -> Vec<Problem> {
    let mut wanted: BTreeSet<(usize, u32)> = BTreeSet::new();
    for (index, (_, numbers)) in FAMILIES.iter().enumerate() {
        wanted.extend(numbers.iter().map(|number| (index, *number)));
    }
    let all = wanted.clone();
    let mut problems = Vec::new();
    for (index, text) in table.lines().enumerate() {
        let Some(row) = Row::parse(index + 1, text) else { continue };
        match id(&row.rule).filter(|id| all.contains(id)) {
            None => problems.push(Problem::Unknown { line: row.line, rule: row.rule.clone() }),
            Some(id) if !wanted.remove(&id) => {
                problems.push(Problem::Repeated { line: row.line, rule: row.rule.clone() });
            }
            Some(_) => {}
        }
        row.check(&is_test, &mut problems);
    }
    let missing = wanted.into_iter().map(|(family, number)| {
        let rule = format!("{}-{number}", FAMILIES[family].0);
        Problem::Missing { rule }
    });
    problems.extend(missing);
    problems
}

/// The place of a rule's family in the list, and the rule's number.
fn id(rule: &str) -> Option<(usize, u32)> {
    let (family, number) = rule.split_once('-')?;
    let index = FAMILIES.iter().position(|(name, _)| *name == family)?;
    Some((index, number.parse().ok()?))
}

struct Row<'a> {
    line: usize,
    rule: String,
    cells: Vec<&'a str>,
}

impl<'a> Row<'a> {
    /// A row whose first cell looks like a rule's id; heads and rulers do not.
    fn parse(line: usize, text: &'a str) -> Option<Self> {
        let text = text.trim().strip_prefix('|')?;
        let text = text.strip_suffix('|').unwrap_or(text);
        let cells: Vec<_> = text.split('|').map(str::trim).collect();
        let rule = cells.first()?;
        let (family, number) = rule.split_once('-')?;
        let is_id = !family.is_empty()
            && family.chars().all(|letter| letter.is_ascii_uppercase())
            && number.starts_with(|digit: char| digit.is_ascii_digit());
        is_id.then(|| Self { line, rule: (*rule).to_owned(), cells })
    }

    fn check(&self, is_test: &impl Fn(&str, &str) -> bool, problems: &mut Vec<Problem>) {
        let (line, rule) = (self.line, self.rule.clone());
        let &[_, _, tests, remark] = self.cells.as_slice() else {
            problems.push(Problem::Shape { line, rule, cells: self.cells.len() });
            return;
        };
        let mut named = 0;
        // Every second piece between backticks is a name.
        for test in tests.split('`').skip(1).step_by(2) {
            named += 1;
            let found = test.split_once("::").is_some_and(|(file, name)| is_test(file, name));
            if !found {
                let (rule, test) = (rule.clone(), test.to_owned());
                problems.push(Problem::NoSuchTest { line, rule, test });
            }
        }
        let is_reason = !remark.is_empty() && !remark.to_lowercase().starts_with("pending");
        if named == 0 && !is_reason {
            problems.push(Problem::Empty { line, rule });
        }
    }
}

/// Where the table is.
#[must_use]
pub fn table_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("RULES.md")
}

/// Whether the sources have this test: files are named from `tests/tests`, `crates` or
/// `examples`.
#[must_use]
pub fn is_test(file: &str, name: &str) -> bool {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["tests", "../crates", "../examples"].iter().any(|root| {
        let source = std::fs::read_to_string(tests.join(root).join(file));
        source.is_ok_and(|source| has_test(&source, name))
    })
}

/// Whether a source has a function of this name with a test's attribute in front of it.
fn has_test(source: &str, name: &str) -> bool {
    let mut lines = source.lines().map(str::trim);
    let mut attributes = Vec::new();
    lines.any(|line| {
        if line.starts_with("#[") || line.starts_with("//") {
            attributes.push(line);
            return false;
        }
        let is_test = attributes
            .iter()
            .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
        attributes.clear();
        let declared = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        let found = declared.and_then(|rest| rest.split('(').next());
        is_test && found == Some(name)
    })
}
