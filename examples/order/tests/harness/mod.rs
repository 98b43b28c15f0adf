//! Runs the program on a directory of its own and looks at what it left.

use std::fs;
use std::process::Command;

use entracte_example_testing::{Outcome, Running};
use serde_json::Value;
use tempfile::TempDir;

/// A directory with the books of a payment service.
pub(crate) struct Sandbox {
    dir: TempDir,
}

/// What the ledger has: the keys that were charged, paid back and called off.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Books {
    pub(crate) charged: Vec<String>,
    pub(crate) refunded: Vec<String>,
    pub(crate) voided: Vec<String>,
}

impl Books {
    /// How often something was charged, paid back and called off.
    pub(crate) fn counts(&self) -> [usize; 3] {
        [self.charged.len(), self.refunded.len(), self.voided.len()]
    }
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        self.start(args).wait()
    }

    /// Starts the program.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_order"));
        command.arg("--data").arg(self.dir.path()).args(args);
        Running::start(command).unwrap()
    }

    /// Reads the ledger from the disk.
    pub(crate) fn books(&self) -> Books {
        let text = fs::read_to_string(self.dir.path().join("ledger.jsonl")).unwrap();
        let mut books = Books::default();
        for line in text.lines() {
            let entry: Value = serde_json::from_str(line).unwrap();
            let key = entry["key"].as_str().unwrap().to_owned();
            match entry["entry"].as_str().unwrap() {
                "charged" => books.charged.push(key),
                "refunded" => books.refunded.push(key),
                "voided" => books.voided.push(key),
                other => panic!("{other}"),
            }
        }
        books
    }

    /// Checks that the order was shipped and paid once, whatever happened before.
    pub(crate) fn assert_shipped(&self, outcome: &Outcome) {
        assert!(outcome.status.success(), "{outcome:#?}");
        assert_eq!(outcome.stdout.lines().last(), Some("shipped: parcel-of-order-1"));
        assert_eq!(outcome.stderr, "");
        assert_eq!(self.books().counts(), [1, 0, 0], "{outcome:#?}");
        let told = "the ledger: 4200 cents charged, 0 paid back";
        assert!(outcome.stdout.contains(told), "{outcome:#?}");
    }

    /// Checks that the order failed like this, and what the books have.
    pub(crate) fn assert_failed(&self, outcome: &Outcome, why: &str, counts: [usize; 3]) {
        assert_eq!(outcome.status.code(), Some(1), "{outcome:#?}");
        assert_eq!(outcome.stderr, format!("error: order `order-1`: {why}\n"));
        let books = self.books();
        assert_eq!(books.counts(), counts, "{outcome:#?}");
        // Paid back if and only if it was charged.
        assert_eq!(books.charged, books.refunded);
        assert!(outcome.stdout.contains(&format!("failed: order `order-1`: {why}\n")));
    }
}

/// Reads until somebody says something.
pub(crate) fn until(running: &mut Running, who: &str, what: &str) {
    running.until(|line| {
        let (speaker, said) = line.split_once(' ')?;
        (speaker == who && said.trim() == what).then_some(())
    });
}

/// What was said by somebody, in order.
pub(crate) fn said<'a>(outcome: &'a Outcome, who: &str) -> Vec<&'a str> {
    let lines = outcome.stdout.lines().filter_map(|line| line.split_once(' '));
    lines.filter(|(w, _)| *w == who).map(|(_, said)| said.trim()).collect()
}
